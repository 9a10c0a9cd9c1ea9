/* The first process of a container that was started with --init.
 *
 * It takes `argv = ("lamina-init", "--", argument 0, argument 1, ..., path)`, starts `path`
 * as its child with these arguments, hands every signal on to it, waits for whatever process
 * has lost its parent, and ends as the child does: with its status, or 128 + n when signal n
 * ended it.  Like the program of trampoline.py, whose place it takes, it lies in sealed memory,
 * marks descriptor 3 close-on-exec, and writes the kernel's negative error number there,
 * eight bytes, when `path` cannot be executed.
 *
 * No library, no data; container_init.py says how it is compiled, and has the result.
 */

typedef unsigned long word;

#if defined(__x86_64__)
enum { FCNTL = 72, FORK = 56, EXECVE = 59, WRITE = 1, EXIT = 231, WAIT4 = 61, KILL = 62,
       SIGPROCMASK = 14, SIGTIMEDWAIT = 128, PRCTL = 157, SETPGID = 109, IOCTL = 16,
       SIGACTION = 13, CLOSE = 3, GETPID = 39 };

static long call(long number, word a, word b, word c, word d, word e)
{
	long result;
	register word r10 __asm__("r10") = d;
	register word r8 __asm__("r8") = e;
	__asm__ volatile("syscall" : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return result;
}

__asm__(".section .text.start,\"ax\"\n.globl _start\n_start:\n"
	"mov %rsp, %rdi\nand $-16, %rsp\ncall begin\nhlt\n.text\n");
#elif defined(__aarch64__)
enum { FCNTL = 25, FORK = 220, EXECVE = 221, WRITE = 64, EXIT = 94, WAIT4 = 260, KILL = 129,
       SIGPROCMASK = 135, SIGTIMEDWAIT = 137, PRCTL = 167, SETPGID = 154, IOCTL = 29,
       SIGACTION = 134, CLOSE = 57, GETPID = 172 };

static long call(long number, word a, word b, word c, word d, word e)
{
	register word x8 __asm__("x8") = number;
	register word x0 __asm__("x0") = a;
	register word x1 __asm__("x1") = b;
	register word x2 __asm__("x2") = c;
	register word x3 __asm__("x3") = d;
	register word x4 __asm__("x4") = e;
	__asm__ volatile("svc 0" : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4)
			 : "memory");
	return x0;
}

__asm__(".section .text.start,\"ax\"\n.globl _start\n_start:\n"
	"mov x0, sp\nbl begin\n.text\n");
#endif

enum { SIGCHLD = 17, SIGTTIN = 21, SIGTTOU = 22, SIG_SETMASK = 2, SIG_IGN = 1, F_SETFD = 2,
       FD_CLOEXEC = 1, PR_SET_NAME = 15, PR_SET_CHILD_SUBREAPER = 36, TIOCSPGRP = 0x5410,
       STATUS = 3, WNOHANG = 1 };

#define BIT(signal) (1ul << ((signal) - 1))
/* Faults of its own, and what stops it at its terminal. */
#define NOT_HANDED_ON (BIT(4) | BIT(5) | BIT(6) | BIT(7) | BIT(8) | BIT(11) | BIT(31))

static void ignore(int signal)
{
	word action[4] = { SIG_IGN, 0, 0, 0 };
	call(SIGACTION, signal, (word)action, 0, 8, 0);
}

static void heed(int signal)
{
	word action[4] = { 0, 0, 0, 0 };
	call(SIGACTION, signal, (word)action, 0, 8, 0);
}

static long status_of(int raw)
{
	return raw & 0x7f ? 128 + (raw & 0x7f) : raw >> 8 & 0xff;
}

__attribute__((noreturn)) static void leave(long status)
{
	for (;;)
		call(EXIT, status, 0, 0, 0, 0);
}

__attribute__((noreturn)) static void be_child(char **argv, char **envp, char *path, word *mask)
{
	int group;

	/* A group of its own, at the front of the terminal if there is one. */
	call(SETPGID, 0, 0, 0, 0, 0);
	group = (int)call(GETPID, 0, 0, 0, 0, 0);
	call(IOCTL, 0, TIOCSPGRP, (word)&group, 0, 0);
	heed(SIGTTIN);
	heed(SIGTTOU);
	call(SIGPROCMASK, SIG_SETMASK, (word)mask, 0, 8, 0);
	long result = call(EXECVE, (word)path, (word)argv, (word)envp, 0, 0);
	call(WRITE, STATUS, (word)&result, 8, 0, 0);
	leave(127);
}

__attribute__((noreturn, used)) void begin(word *stack)
{
	long count = (long)stack[0];
	char **argv = (char **)(stack + 1);
	char **envp = argv + count + 1;
	char *path;
	word all = ~NOT_HANDED_ON, before = 0;
	word name[2];
	long child;

	/* Whoever executes it once more from inside gets nowhere. */
	if (call(FCNTL, STATUS, F_SETFD, FD_CLOEXEC, 0, 0) < 0 || count < 4)
		leave(127);
	name[0] = 0x692d616e696d616cul; /* lamina-i */
	name[1] = 0x74696eul;           /* nit */
	call(PRCTL, PR_SET_NAME, (word)name, 0, 0, 0);
	/* Also where it is not process 1: with the host's processes. */
	call(PRCTL, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	path = argv[count - 1];
	argv[count - 1] = 0;
	ignore(SIGTTIN);
	ignore(SIGTTOU);
	call(SIGPROCMASK, SIG_SETMASK, (word)&all, (word)&before, 8, 0);
	child = call(FORK, SIGCHLD, 0, 0, 0, 0);
	if (child == 0)
		be_child(argv + 2, envp, path, &before);
	if (child < 0) {
		call(WRITE, STATUS, (word)&child, 8, 0, 0);
		leave(127);
	}
	call(CLOSE, STATUS, 0, 0, 0, 0);
	while (*path) /* `ps` shows the arguments, and not this one */
		*path++ = 0;
	for (;;) {
		long signal = call(SIGTIMEDWAIT, (word)&all, 0, 0, 8, 0);
		if (signal > 0 && signal != SIGCHLD) {
			call(KILL, child, signal, 0, 0, 0);
			continue;
		}
		for (;;) {
			int raw = 0;
			long ended = call(WAIT4, (word)-1l, (word)&raw, WNOHANG, 0, 0);
			if (ended == child)
				leave(status_of(raw));
			if (ended <= 0)
				break;
		}
	}
}
