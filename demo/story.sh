#!/usr/bin/env bash
# The story of an image, told on a real Debian: what a base image is, how layers work, why
# deleting a file does not make an image smaller, and what does.
#
# Everything happens in a store of its own in a temporary directory, which is removed at the end.
set -euo pipefail
cd "$(dirname "$0")"

if [[ $EUID -ne 0 ]]; then
    echo "The demo makes file systems and starts containers: run it as root (sudo make demo)." >&2
    exit 1
fi
command -v lamina >/dev/null || { echo "lamina is not on PATH: make demo sets that up." >&2; exit 1; }

if [[ -t 1 && -z "${NO_COLOR:-}" && "${TERM:-dumb}" != dumb ]]; then
    bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'
else
    bold='' dim='' plain=''
fi

place=$(mktemp -d "${TMPDIR:-/tmp}/lamina-demo-XXXXXX")
export LAMINA_ROOT="$place/store"
registry_pid=''
finish() {
    if [[ -n $registry_pid ]]; then
        kill "$registry_pid" 2>/dev/null && wait "$registry_pid" 2>/dev/null || true
    fi
    rm -rf "$place"
}
trap finish EXIT
trap 'exit 130' INT TERM

number=0
chapter() { number=$((number + 1)); printf '\n%s%d. %s%s\n\n' "$bold" "$number" "$1" "$plain"; }
say() { fmt -w 88 <<<"$*" | sed 's/^/  /'; echo; }
# Show a command as a reader would type it, then run it.
run() { show "$@"; "$@"; echo; }
show() {
    local text='' word
    for word in "$@"; do
        case $word in
        '' | *[[:space:]\;\>\<\|\&\*\$\"]*) text+=" '$word'" ;;
        *) text+=" $word" ;;
        esac
    done
    printf '%s$%s%s\n' "$bold" "$text" "$plain"
}

started=$SECONDS
printf '%sWhat is in an image?%s\n' "$bold" "$plain"

chapter 'A base image stands on nothing'
say 'A base image depends on no other image: it is the files of a distribution, and nothing' \
    'else. This one is made here from Debian'"'"'s own packages. The same packages give the same' \
    'image, to the byte, wherever it is made.'
run lamina base debian:bookworm
run lamina images debian

chapter 'User space comes from the image, the kernel from the host'
say 'A whole Debian in so little space? An image has no kernel. It is user space alone, and' \
    'every container runs on the kernel of its host, so many distributions run side by side.' \
    'Here are two more: a Debian of another year,' \
    'and a userland that is a single program.'
run lamina base busybox
run lamina base debian:trixie --quiet
say 'The host, and three images on it. What differs, and what does not?'
question='uname -sr; grep PRETTY /etc/os-release'
run sh -c "$question"
for image in debian:bookworm debian:trixie busybox; do
    run lamina run --rm "$image" sh -c "$question"
done

chapter 'Layers only ever grow'
say 'Each instruction of a Dockerfile that changes files makes a layer. Layers are read-only:' \
    'a later one can hide what an earlier one has, and cannot take it away. This Dockerfile' \
    'writes 50 MB and then deletes them:'
run grep -v '^#' seed/Dockerfile
run lamina build -t seed seed
run lamina images seed
say 'Nothing is left of the file, so why did the image grow? Look at its layers, the newest first:'
run lamina history seed
say 'The rm made an empty layer. Where did the 52.4 MB go?'
run lamina explain seed
say 'A file is looked for from the top layer down. The search ends at the first layer that has' \
    'it, or that says it was deleted:'
run lamina explain seed /home/50M.file

chapter 'Deleted is not gone'
say 'So nothing that was ever in a layer is secret. This image copies a token in, uses it, and' \
    'deletes it, as many real ones do:'
mkdir "$place/leaky"
cp leaky/Dockerfile "$place/leaky/"
printf '//registry.npmjs.org/:_authToken=npm_%s\n' "$(head -c 32 /dev/urandom | sha256sum | head -c 36)" \
    >"$place/leaky/.npmrc"
run grep -v '^#' leaky/Dockerfile
run lamina build --quiet -t leaky "$place/leaky"
say 'Lamina looks for secrets in every layer, also in what was deleted:'
show lamina leaks leaky
lamina leaks leaky || true
echo
say 'and gets it back, as anybody can who pulls the image:'
run lamina recover leaky /srv/.npmrc -o "$place/npmrc"
run sed -E 's/(npm_.{6}).*/\1.../' "$place/npmrc"
say 'Every image of the store can be asked at once. How much does each ship that nobody sees?'
run lamina sql 'select image, sum(size) filter (where not visible) as hidden from files group by all order by all'

chapter 'Containers: copy on write'
say 'A container puts one writable layer on top of the image. Ada reads a file, changes one,' \
    'deletes one and adds one:'
run lamina run --name ada debian:bookworm sh -c \
    'cat /etc/debian_version; echo "ada was here" >> /etc/motd; rm /etc/issue; echo hello > /root/new'
say 'Bob runs on the same image at his own pace, and sees none of it:'
run lamina run --name bob debian:bookworm sh -c \
    'grep -c ada /etc/motd; ls /etc/issue; ls /root; echo bob > /root/mine'
say 'What each of them changed: C is changed, A added, D deleted.'
run lamina diff ada
run lamina diff bob
say 'The same search as before, with the writable layer on top. Read from the image:'
run lamina explain ada /etc/debian_version
say 'Changed: copied up as a whole when it was first written to, and the copy changed:'
run lamina explain ada /etc/motd
say 'Deleted: a mark in the top layer. The image still has the file:'
run lamina explain ada /etc/issue
say 'Added: only in the top layer:'
run lamina explain ada /root/new
say 'What nobody changed is one file, for every container of every image that has it: the same' \
    'inode, so it is on disk once and in memory once. In two containers of Debian, and in one of' \
    'the image that was built on it:'
for image in debian:bookworm debian:bookworm seed; do
    run lamina run --rm "$image" stat -c 'inode %i  %n' /usr/bin/bash /etc/os-release
done

chapter 'The cure: nothing shipped that nobody sees'
say 'Chained with && the file comes and goes within one instruction. No layer ever has it:'
run grep -v '^#' improved/Dockerfile
run lamina build -t improved improved
run lamina explain improved
say 'Nobody has to do that by hand. From the file and the image that it made, with the bytes that' \
    'each edit saves:'
run lamina slim --dockerfile seed/Dockerfile seed
say 'Or leave the Dockerfile as it is, and let the build ship what can be seen and nothing else:'
run lamina build --slim --quiet -t built-slim seed
run lamina history built-slim
say 'An image that is there already is made anew the same way. Layers that hide nothing stay what' \
    'they are, and the new image gets its name only if it shows the same:'
run lamina slim seed -t seed:slim
say 'Anybody can check that, of any two images:'
run lamina verify seed seed:slim
say 'Side by side:'
run lamina images

chapter 'Off to a registry and back'
if command -v docker-registry >/dev/null; then
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    host="127.0.0.1:$port"
    mkdir "$place/registry"
    cat >"$place/registry.yml" <<END
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $place/registry}}
http: {addr: '$host'}
END
    docker-registry serve "$place/registry.yml" >"$place/registry.log" 2>&1 &
    registry_pid=$!
    for _ in $(seq 100); do
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
        sleep 0.1
    done
    say "A real registry server listens on $host. The image goes there, and comes back into a" \
        'store that has nothing yet:'
    run lamina tag improved "$host/demo/improved"
    run lamina push "$host/demo/improved"
    run lamina --root "$place/other" pull "$host/demo/improved"
    say 'It is the same image: its id is a digest of all that it holds.'
    run lamina images --no-trunc -q improved
    run lamina --root "$place/other" images --no-trunc -q
else
    say 'There is no docker-registry on this host (apt install docker-registry): skipped.'
fi

chapter 'What all of this takes, and whether it is whole'
say 'Eight images and two containers, and one copy of what they share:'
run lamina system df
say 'Every byte of every layer, checked against the digests that name it:'
run lamina verify

printf '%sTold in %d seconds. Nothing of it is left behind.%s\n' "$dim" $((SECONDS - started)) "$plain"
