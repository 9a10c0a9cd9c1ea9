"""Why peers differ from what the cases say: patterns of a case's id and of what differs."""

from __future__ import annotations

_NO_HEREDOC = (
    r"^run:(a|two)-heredoc|^(copy|add):a-document|does-not-come-from-elsewhere|^grammar:.*heredoc"
)

REASONS: dict[str, tuple[tuple[str, str], ...]] = {
    "lamina": (),
    "buildkit": (
        (r"unknown flag: --parents", "`--parents` came with the frontend's version 1.20"),
        (r"unknown flag: --security", "`--security` came with the frontend's version 1.20"),
        (r"^stages:a-target-by-its-number", "`--target` takes names alone; buildah takes numbers"),
        (
            r"no-UTF-8",
            "its protocol carries names as UTF-8: a context with any other name cannot be sent",
        ),
        (
            r"^copy-flags:--chown-with-a-name-that-the-image",
            "an owner whom the image does not know is silently root; the classic builder and"
            " buildah refuse, and so does Lamina",
        ),
        (
            r"^copy-flags:--exclude-of-a-wildcard",
            "a known fault (moby/buildkit#5489): its documentation promises what Lamina does",
        ),
        (
            r"^add:attributes-in-an-archive",
            "of a file's attributes its layers keep `security.capability` alone",
        ),
        (r"^grammar:a-trigger-that-is", "a trigger is read when it is carried out, not before"),
    ),
    "docker": (
        (r"--mount option requires|^mounts:.*docker build --help", "no `RUN --mount`, `--secret`"),
        (r"--chmod option requires", "no `--chmod`"),
        (r"--network option requires", "no `RUN --network`"),
        (r"--security option requires|unknown flag: --security", "no `RUN --security`"),
        (r"docker build --help", "no `--build-context`"),
        (r"--parents", "no `--parents`"),
        (_NO_HEREDOC, "no heredocs: their lines are nothing, or instructions of their own"),
        (
            r"--link|--exclude|checksum|--unpack",
            "`--link`, `--exclude`, `--checksum`, `--unpack` are taken and do nothing",
        ),
        (r"^add:.*(repository|branch)", "ADD fetches no repositories"),
        (r"WorkingDir is None, not '/'", "`FROM scratch` leaves the working directory unset"),
        (
            r"^stages:(a-stage-that-nothing|a-stage-chosen)",
            "every stage is built, whether the target needs it or not",
        ),
        (r"^stages:a-target-by-its-number", "`--target` takes names alone"),
        (
            r"^stages:FROM-with-the-platform|^variables:(platform|the-name-of-the-stage)",
            "no platform arguments, no `TARGETSTAGE`",
        ),
        (r"^stages:a-stage-begins", "a stage does not begin with its base stage's arguments"),
        (r"^variables:ARG-sees", "ARG does not see what stands before it on its line"),
        (r"^copy:a-destination-that-ends-in-a-dot", "a dot at the end of a destination is dropped"),
        (r"^copy:a-wildcard-in-a-stage", "a pattern in a stage does not follow links"),
        (r"^run:WORKDIR-belongs", "what WORKDIR makes is root's, whoever USER is"),
        (
            r"without-a(nything|-command)",
            "RUN, CMD and ENTRYPOINT without a word: the shell gets no argument at all",
        ),
        (r"forbidden path outside", "`..` in a source is refused, also at the context's root"),
        (r"When using COPY with more than one", "several sources want a slash at the end"),
        (r"^copy:a-wildcard-that-matches-nothing", "a pattern without a match is an error"),
        (
            r"^copy:a-(directory-over-a-link|file-over-a-directory)",
            "what is in the way of a copy is replaced",
        ),
        (r"^copy:set-id", "set-id bits of the context are lost on the way"),
        (r"^copy-flags:--chown-with-names", "a user's name is taken for a group's too"),
        (r"what-is-made-on-the-way", "directories made on the way stay root's"),
        (r"^add:(attributes|capabilities)", "attributes are lost on the way"),
        (r"^add:--chown-of-an-archive", "`--chown` does not reach into an archive"),
        (r"^ignore:rules-(beside|of-a-Dockerfile)", "no `Dockerfile.dockerignore`"),
        (r"^metadata:WORKDIR", "WORKDIR is made clean of `.`, `..` and slashes"),
        (r"^metadata:what-is-written", "what a command writes into a VOLUME is thrown away"),
        (r"^grammar:a-trigger-that-is", "a trigger is read when it is carried out, not before"),
    ),
    "buildah": (
        (r"in-another-case-of-letters", "names of stages are told apart by their case of letters"),
        (r"^stages:a-stage-whose-name", "a stage's name may begin with a digit"),
        (r"Missing ':' or", "no `${x-word}` and `${x+word}`"),
        (r"expansion-\$\{x//\[lo\]", "patterns in `${x//p/r}` have sets of characters"),
        (r"^variables:ENV-can-be-changed", "a variable that is set again moves to the end"),
        (r"^variables:the-name-of-the-stage", "no `TARGETSTAGE`"),
        (
            r"WORKDIR|^variables:where-variables-are-expanded",
            "WORKDIR makes its directory when something runs or is copied there, as the USER of"
            " that moment",
        ),
        (r"without-a-name", "a variable's name may be empty"),
        (r"two-backslashes", "a line that ends in two backslashes goes on"),
        (r"^run:a-heredoc-for-an-interpreter", "an interpreter with an argument is not found"),
        (r"^run:SHELL", "the shell form of CMD and ENTRYPOINT knows nothing of SHELL"),
        (r"network", "with `--isolation chroot` there is no network of its own"),
        (r"shm-size", "with `--isolation chroot` there is no `/dev/shm` of its own"),
        (r"without-a-command-does", "RUN without a word: the shell gets no argument at all"),
        (r"^mounts:a-tmpfs-over", "no `size` for a tmpfs"),
        (r"^mounts:a-secret-as-a-variable", "no `env` for a secret"),
        (r"--security", "no `RUN --security`"),
        (r"^copy:several-sources-to-a-name", "several sources make the destination a directory"),
        (r"matches-nothing", "a pattern without a match is an error"),
        (r"^copy:two-stars", "two stars are any number of directories"),
        (r"^copy:a-link-to-a-file-as", "a link at the destination is replaced, not followed"),
        (r"^copy:a-destination-that-is-a-link", "a link to nothing is made a directory"),
        (r"^variables:ARG-sees", "ARG does not see what stands before it on its line"),
        (
            r"^copy:a-(directory-over-a-link|file-over-a-directory)",
            "what is in the way of a copy is replaced",
        ),
        (r"^copy:set-id", "set-id bits of the context are lost on the way"),
        (r"^copy:a-document-with-a-name", "a backslash in a document escapes no dollar"),
        (r"^copy-flags:--chmod-in-letters", "no letters in `--chmod`"),
        (
            r"^copy-flags:--chmod|^add:(--chmod|an-address-with-flags)",
            "`--chmod` is not for the directories that a copy makes",
        ),
        (
            r"--exclude",
            "`--exclude` is matched with the source's own name in front (buildah#6726)",
        ),
        (r"^copy-flags:a-flag-twice", "of a flag that is given twice the last counts"),
        (r"names-from-\./", "an archive's entry for its own root changes the destination"),
        (r"climb-out", "a name that climbs out of an archive is made harmless, not refused"),
        (r"^add:--chown-of-an-archive", "`--chown` does not reach into an archive"),
        (r"--unpack", "no `--unpack`"),
        (r"^add:.*(repository|branch)", "ADD fetches nothing by `git://`"),
        (r"^ignore:.*beside-others", "a pattern all of whose matches are hidden is an error"),
        (r"^metadata:.*(EXPOSE|port|range)", "EXPOSE takes any text and keeps it as it is"),
        (r"too-short", "times of HEALTHCHECK may be shorter than a millisecond"),
        (r"without-anything", "CMD and ENTRYPOINT without a word: the shell gets no argument"),
        (r"^grammar:the-escape-directive-and", "variables are escaped by a backslash, always"),
        (r"^grammar:a-trigger-that-is", "a trigger is read when it is carried out, not before"),
    ),
}
"""By builder: a pattern that is looked for in `id difference; difference…`, and the reason."""
