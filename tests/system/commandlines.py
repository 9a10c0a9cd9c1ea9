"""Command lines of `docker run`, which `lamina run` takes as they are.

Each goes through `docker` and `lamina` on the same image.  `{host}` stands for a directory
of this host, another one for each of the two with the same in it; `{name}` for a name that
nobody else has.
"""

from __future__ import annotations

from dataclasses import dataclass

IMAGE = "side:latest"
"""Busybox with users, a volume with something in it, files that cannot be executed."""

PROBE = r"""
echo "== id"; id
echo "== cwd"; pwd
echo "== hostname"; hostname
echo "== env"; env
echo "== status"; grep -E '^(Cap|NoNewPrivs|Seccomp:|Groups|Uid|Gid|Umask|NSpid)' /proc/self/status
echo "== limits"; cat /proc/self/limits
echo "== mounts"; cat /proc/self/mountinfo
echo "== dev"; ls -ln /dev
echo "== modes"; cut -d' ' -f5 /proc/self/mountinfo | grep -vE '^/(dev|proc|sys)/' |
    while read m; do stat -c '%n %a %u %g' "$m" 2>/dev/null; done
echo "== fds"; ls /proc/self/fd | wc -l
echo "== hosts"; cat /etc/hosts
echo "== namespaces"; cd /proc/self/ns; for n in cgroup ipc mnt net pid user uts; do
    echo "$n $(readlink $n)"; done; cd /
echo "== score"; cat /proc/self/oom_score_adj
echo "== hidden"; for f in /proc/kcore /proc/keys /proc/timer_list /proc/sysrq-trigger; do
    echo "$f $(head -c 1 $f 2>/dev/null | wc -c)"; done
echo "== closed"; for f in /proc/sys/kernel/domainname /proc/sysrq-trigger /sys/new /proc/irq/0; do
    (: >> $f) 2>/dev/null && echo "$f open" || echo "$f closed"; done
"""


@dataclass(frozen=True)
class Line:
    """One command line; what is compared follows from `looks`."""

    name: str
    options: str
    command: tuple[str, ...] = ("sh", "-c", PROBE)
    image: str = IMAGE
    stdin: str | None = None
    """What is written to its standard input; None for nothing at all (/dev/null)."""
    signal: str = ""
    """Sent to the command line once it has printed something."""
    terminal: bool = False
    """Whether it is run on a terminal."""
    every_capability: bool = False
    """Whether it wants capabilities that a virtual machine's root may not have."""
    network: str = "none"
    """What goes into `--network`; empty to leave it out."""

    @property
    def probe(self) -> bool:
        """Whether it prints what it sees inside, section by section."""
        return self.command[-1:] == (PROBE,)


def sh(name: str, options: str, script: str, **more: object) -> Line:
    """A line that runs a small script."""
    return Line(name, options, ("sh", "-c", script), **more)  # type: ignore[arg-type]


SEEN_INSIDE = (
    Line("plain", "--rm"),
    Line("host network", "--rm", network="host"),
    Line("variables", "--rm -e ONE=1 -e TWO= -e FROM_OUTSIDE -e GONE --env-file {host}/env"),
    Line("working directory", "--rm -w /made/here"),
    Line("user by name", "--rm -u bob"),
    Line("user by number", "--rm --user 4242"),
    Line("user and group", "--rm -u bob:extra"),
    Line("numbers for both", "--rm -u 7:8"),
    Line("further groups", "--rm --group-add extra --group-add 777 -u bob"),
    Line("groups of root", "--rm --group-add extra"),
    Line("bind", "--rm -v {host}/tree:/tree"),
    Line("bind read-only", "--rm -v {host}/tree:/tree:ro"),
    Line("bind a file", "--rm -v {host}/env:/etc/settings:ro"),
    Line("bind deep", "--rm -v {host}/tree:/new/deep/place"),
    Line("bind by mount", "--rm --mount type=bind,source={host}/tree,target=/tree,readonly"),
    Line("bind slave", "--rm -v {host}/tree:/tree:rslave"),
    Line("named volume", "--rm -v {name}:/opt/kept"),
    Line("named volume by mount", "--rm --mount type=volume,src={name},dst=/opt/kept,ro"),
    Line("nameless volume", "--rm -v /opt/nameless"),
    Line("tmpfs", "--rm --tmpfs /scratch"),
    Line("tmpfs with options", "--rm --tmpfs /scratch:rw,exec,size=1m,mode=1770"),
    Line("tmpfs by mount", "--rm --mount type=tmpfs,dst=/scratch,tmpfs-size=65536,tmpfs-mode=700"),
    Line("read-only", "--rm --read-only --tmpfs /tmp"),
    Line("host name", "--rm --hostname box.example"),
    Line("host name in short", "--rm -h box"),
    Line("domain name", "--rm --hostname box --domainname example.org"),
    Line("further hosts", "--rm --add-host one:10.0.0.1 --add-host two:fd00::2"),
    Line("limits", "--rm --ulimit nofile=100:200 --ulimit core=0 --ulimit cpu=10"),
    Line("kernel settings", "--rm --sysctl net.ipv4.ip_unprivileged_port_start=80"),
    Line("device", "--rm --device /dev/fuse"),
    Line("device renamed", "--rm --device /dev/fuse:/dev/other:r"),
    Line("capability", "--rm --cap-add NET_ADMIN"),
    Line("capability in full", "--rm --cap-add CAP_SYS_PTRACE --cap-drop CAP_MKNOD"),
    Line("no capability", "--rm --cap-drop ALL"),
    Line("one capability", "--rm --cap-drop all --cap-add chown"),
    Line(
        "all capabilities but one", "--rm --cap-add ALL --cap-drop NET_RAW", every_capability=True
    ),
    Line("capability of another user", "--rm -u bob --cap-add NET_ADMIN"),
    Line("privileged", "--rm --privileged", every_capability=True),
    Line("no filter", "--rm --security-opt seccomp=unconfined"),
    Line("no new privileges", "--rm --security-opt no-new-privileges"),
    Line("own filter", "--rm --security-opt seccomp={host}/profile.json"),
    Line("nothing hidden", "--rm --security-opt systempaths=unconfined"),
    Line("pids of the host", "--rm --pid host"),
    Line("ipc of the host", "--rm --ipc host"),
    Line("ipc private", "--rm --ipc private"),
    Line("no ipc", "--rm --ipc none"),
    Line("name of the host", "--rm --uts host"),
    Line("cgroups of the host", "--rm --cgroupns host"),
    Line("shared memory", "--rm --shm-size 128m"),
    Line("oom score", "--rm --oom-score-adj 500"),
    Line("entry point", "--rm --entrypoint /bin/sh", ("-c", PROBE)),
    Line("labels", "--rm --label a=b -l c"),
    Line("memory and pids", "--rm --memory 64m --pids-limit 50"),
    Line("by default", "--rm --log-driver none --restart no --stop-timeout 1 --pull never"),
)
"""Compared by what a probe sees."""

SAID_AND_DONE = (
    sh("status 0", "--rm", "exit 0"),
    sh("status 7", "--rm", "exit 7"),
    sh("status 255", "--rm", "exit 255"),
    Line("not found", "--rm", ("nosuch",)),
    Line("not found by path", "--rm", ("/no/such",)),
    Line("a directory", "--rm", ("/etc",)),
    Line("not executable", "--rm", ("/plain.txt",)),
    Line("not a program", "--rm", ("/garbage",)),
    sh("kills itself", "--rm", "sh -c 'kill -9 $$'; echo $?"),
    sh("out and error", "--rm", "echo out; echo error >&2"),
    Line("input closed", "--rm", ("cat",), stdin="not for it\n"),
    Line("input open", "--rm -i", ("cat",), stdin="one\ntwo\n"),
    Line("input counted", "--rm --interactive", ("wc", "-c"), stdin="x" * 70_000),
    Line("input of nobody", "--rm -i", ("cat",)),
    sh("attach out alone", "--rm -a stdout", "echo out; echo error >&2"),
    sh("attach error alone", "--rm -a stderr", "echo out; echo error >&2"),
    sh("terminal without input", "--rm -t", "tty; echo out; echo error >&2; stty size"),
    Line("terminal for a file", "--rm -it", ("tty",), stdin="x"),
    sh(
        "on a terminal",
        "--rm -it",
        "tty; stty size; test -t 0 && test -t 2 && echo yes",
        terminal=True,
    ),
    sh("TERM", "--rm -t", "echo $TERM"),
    sh("first process", "--rm", "echo $$; cat /proc/1/comm"),
    sh("init", "--rm --init", "test $$ -ne 1 && ls /sbin/docker-init; (exit 3) & wait; exit 4"),
    sh(
        "signal handed on",
        "--rm",
        "trap 'echo got; exit 9' USR1; echo ready; while :; do sleep .02; done",
        signal="USR1",
    ),
    sh("TERM with init", "--rm --init", "echo ready; sleep 60 & wait", signal="TERM"),
    sh(
        "TERM that nobody hears",
        "--rm",
        "trap 'exit 5' TERM; echo ready; sleep 60 & wait",
        signal="TERM",
    ),
    Line("unknown user", "--rm -u nobody-knows", ("true",)),
    Line("unknown group", "--rm -u root:nobody-knows", ("true",)),
    Line("unknown further group", "--rm --group-add nobody-knows", ("true",)),
    Line("bad user", "--rm -u 99999999999", ("true",)),
    Line("unknown image", "--rm --pull never", ("true",), image="no/such:image"),
    Line("bad image", "--rm", ("true",), image="Not An Image"),
    Line("unknown option", "--rm --no-such-option", ("true",)),
    Line("bad capability", "--rm --cap-add NO_SUCH", ("true",)),
    Line("bad volume", "--rm -v relative/path:/x", ("true",)),
    Line("volume on nothing", "--rm -v {host}/tree:relative", ("true",)),
    Line("bad mount", "--rm --mount type=bind,source={host}/missing,target=/x", ("true",)),
    Line("bad mount type", "--rm --mount type=nonsense,target=/x", ("true",)),
    Line("two at one place", "--rm -v {host}/tree:/x -v {host}/env:/x", ("true",)),
    Line("bad limit", "--rm --ulimit nofile=nonsense", ("true",)),
    Line("limit upside down", "--rm --ulimit nofile=200:100", ("true",)),
    Line("bad memory", "--rm --memory nonsense", ("true",)),
    Line("too little memory", "--rm --memory 1k", ("true",)),
    Line("bad device", "--rm --device /dev/no-such-device", ("true",)),
    Line("bad sysctl", "--rm --sysctl kernel.nonsense=1", ("true",)),
    Line("bad add-host", "--rm --add-host nonsense", ("true",)),
    Line("bad workdir", "--rm -w relative", ("true",)),
    Line("workdir on a file", "--rm -w /etc/passwd", ("true",)),
    Line("bad env file", "--rm --env-file {host}/missing", ("true",)),
    Line("bad restart", "--restart sometimes", ("true",)),
    Line("restart and rm", "--rm --restart always", ("true",)),
    Line("bad network", "--rm", ("true",), network="no-such-network"),
    Line("bad name", "--rm --name not/a/name", ("true",)),
    Line("bad security option", "--rm --security-opt nonsense=1", ("true",)),
    Line("bad profile", "--rm --security-opt seccomp={host}/env", ("true",)),
    Line("other pid", "--rm --pid container:nobody", ("true",)),
    Line("bad ipc", "--rm --ipc nonsense", ("true",)),
    Line("bad pull", "--rm --pull sometimes", ("true",)),
    Line("detached and removed", "-d --rm", ("sleep", "0.1")),
    Line("detached and attached", "-d -a stdout", ("true",)),
    Line("detached, not found", "-d --rm", ("nosuch",)),
    Line("id in a file", "--rm --cidfile {host}/id", ("true",)),
    Line("id in a file that is there", "--rm --cidfile {host}/env", ("true",)),
    sh("volume of the image", "--rm", "ls -ln /data; cat /data/given; : > /data/new"),
    sh("volume without copy", "--rm --mount type=volume,dst=/data,volume-nocopy", "ls /data"),
    sh("volume gets content", "--rm -v {name}:/opt/kept", "ls -ln /opt/kept"),
    sh("read-only root", "--rm --read-only", "touch /x; touch /tmp/x; echo $?"),
    sh("read-only bind", "--rm -v {host}/tree:/tree:ro", "cat /tree/file; touch /tree/x; echo $?"),
    sh("bind is shared", "--rm -v {host}/tree:/tree", "echo new > /tree/made; cat /tree/made"),
    sh("missing source is made", "--rm -v {host}/made:/made", "ls -A /made; touch /made/x"),
    sh(
        "name servers",
        "--rm --dns 10.9.8.7 --dns-search example.org --dns-option ndots:2",
        "sort /etc/resolv.conf",
    ),
    sh("no search", "--rm --dns-search . --dns 10.9.8.7", "sort /etc/resolv.conf"),
    sh("host's files", "--rm", "cat /etc/hosts", network="host"),
    sh("files can be written", "--rm", "echo 1.2.3.4 x >> /etc/hosts && tail -1 /etc/hosts"),
    sh("kernel setting", "--rm --sysctl kernel.shmmax=12345", "cat /proc/sys/kernel/shmmax"),
    sh("low port", "--rm", "cat /proc/sys/net/ipv4/ip_unprivileged_port_start"),
    sh("ping group", "--rm", "cat /proc/sys/net/ipv4/ping_group_range"),
    sh("device is usable", "--rm --device /dev/fuse", "exec 3<>/dev/fuse && echo opened"),
    sh(
        "device is read-only",
        "--rm --device /dev/fuse:/dev/fuse:r",
        "(exec 3<>/dev/fuse) || echo no",
    ),
    sh("made device", "--rm", "mknod /x c 10 229 && (exec 3<>/x) || echo no"),
    sh("mount refused", "--rm", "mount -t tmpfs x /tmp; echo $?"),
    sh(
        "mount allowed",
        "--rm --cap-add SYS_ADMIN",
        "mount -t tmpfs x /tmp; echo $?",
    ),
    sh("chown refused", "--rm --cap-drop CHOWN", "chown 7 /tmp; echo $?"),
    sh("unshare refused", "--rm", "unshare -U true; echo $?"),
    sh("setuid works", "--rm -u bob", "/bin/setuid-id -u"),
    sh("setuid without", "--rm -u bob --security-opt no-new-privileges", "/bin/setuid-id -u"),
    sh(
        "size of shared memory",
        "--rm --shm-size 128m",
        "df -k /dev/shm | awk '{print $2}'",
    ),
    sh(
        "pids limit",
        "--rm --pids-limit 5",
        "for i in 1 2 3 4 5 6; do sleep 1 & done; echo $?",
    ),
    sh(
        "memory limit",
        "--rm --memory 32m --memory-swap 32m",
        "head -c 200m /dev/zero | tail > /dev/null; echo $?",
    ),
    sh("link in the way", "--rm -v {host}/tree:/link/x", "ls /link/x"),
    sh("own user's home", "--rm -u bob", "echo $HOME; cd; pwd"),
    sh("home of nobody", "--rm -u 4242", "echo $HOME"),
    sh("own home", "--rm -e HOME=/x", "echo $HOME"),
    sh("path of its own", "--rm -e PATH=/nowhere:/bin", "echo $PATH"),
    sh("entry point taken away", "--rm --entrypoint=", "echo plain"),
    Line("entry point of the image", "--rm", ("more", "words"), image="side:entry"),
    Line("entry point replaced", "--rm --entrypoint echo", ("other",), image="side:entry"),
    Line("user of the image", "--rm", (), image="side:entry"),
    Line("no command", "--rm", (), image="side:empty"),
    sh(
        "links of /dev",
        "--rm",
        "readlink /dev/core /dev/fd /dev/ptmx",
    ),
    sh(
        "streams by name",
        "--rm",
        "echo one > /dev/stdout; echo two > /dev/stderr; echo three > /dev/fd/1",
    ),
    sh(
        "streams by name, not root", "--rm -u bob", "echo one > /dev/stdout; echo two > /dev/stderr"
    ),
    sh("mqueue", "--rm", "ls -d /dev/mqueue /dev/shm /dev/pts; stat -c %a /dev/shm /tmp"),
    sh("long output", "--rm", "seq 1 20000"),
)
"""Compared by exit status, output and what is on standard error."""

LINES = SEEN_INSIDE + SAID_AND_DONE
