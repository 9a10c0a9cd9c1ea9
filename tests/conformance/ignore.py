"""What .dockerignore hides."""

from __future__ import annotations

from tests.conformance.case import Node, case, file, folder, link

FILES = (
    file("a.txt", "a"),
    file("b.md", "b"),
    file("d/a.txt", "da"),
    file("d/e/a.txt", "dea"),
    file("d/e/f.md", "def"),
)


def ignoring(rules: str) -> tuple[Node, ...]:
    """The files, and rules that hide themselves too."""
    return (*FILES, file(".dockerignore", rules + "\n.dockerignore\n"))


def seen(*paths: str) -> tuple[Node, ...]:
    """`/all` with these of the files, and the directories on the way; `d/` is `d` alone."""
    kept = [node for node in FILES if node.path in paths]
    ways = {path[:at] for path in paths for at, mark in enumerate(path) if mark == "/"}
    return (
        folder("all"),
        *(folder(f"all/{way}") for way in sorted(ways)),
        *(file(f"all/{node.path}", node.content) for node in kept),
    )


RULES = tuple(
    case(
        f"rules: {' then '.join(rules.split())}",
        """
        FROM busybox
        COPY . /all
        """,
        context=ignoring(rules),
        tree=seen(*paths),
    )
    for rules, paths in (
        ("a.txt", ("b.md", "d/a.txt", "d/e/a.txt", "d/e/f.md")),
        ("/a.txt", ("b.md", "d/a.txt", "d/e/a.txt", "d/e/f.md")),
        ("*.txt", ("b.md", "d/a.txt", "d/e/a.txt", "d/e/f.md")),
        ("**/*.txt", ("b.md", "d/e/f.md")),
        ("*/a.txt", ("a.txt", "b.md", "d/e/a.txt", "d/e/f.md")),
        ("d", ("a.txt", "b.md")),
        ("d/", ("a.txt", "b.md")),
        ("d/**", ("a.txt", "b.md", "d/")),
        ("**/e", ("a.txt", "b.md", "d/a.txt")),
        ("d/e\n!d/e/f.md", ("a.txt", "b.md", "d/a.txt", "d/e/f.md")),
        ("!a.txt\na.txt", ("b.md", "d/a.txt", "d/e/a.txt", "d/e/f.md")),
        ("a.txt\n!a.txt", ("a.txt", "b.md", "d/a.txt", "d/e/a.txt", "d/e/f.md")),
        ("*\n!b.md", ("b.md",)),
        ("**\n!d/e", ("d/e/a.txt", "d/e/f.md")),
        ("**/*.txt\n!d/e/*.txt", ("b.md", "d/e/a.txt", "d/e/f.md")),
        ("[ab].*", ("d/a.txt", "d/e/a.txt", "d/e/f.md")),
        ("./d/../a.txt", ("b.md", "d/a.txt", "d/e/a.txt", "d/e/f.md")),
        ("?.md", ("a.txt", "d/a.txt", "d/e/a.txt", "d/e/f.md")),
    )
)

IGNORE = (
    *RULES,
    case(
        "comments, blank lines and blanks around",
        """
        FROM busybox
        COPY . /all
        """,
        context=ignoring("# a.txt\n\n  b.md  \n#d"),
        tree=seen("a.txt", "d/a.txt", "d/e/a.txt", "d/e/f.md"),
    ),
    case(
        "an ignored file cannot be named",
        """
        FROM busybox
        COPY a.txt /f
        """,
        context=ignoring("a.txt"),
        error=(2, "a.txt"),
    ),
    case(
        "an ignored directory cannot be named",
        """
        FROM busybox
        COPY d /all
        """,
        context=ignoring("d"),
        error=(2, "d"),
    ),
    case(
        "a context of which nothing is left",
        """
        FROM busybox
        COPY . /all
        """,
        context=ignoring("*"),
        tree=(folder("all"),),
    ),
    case(
        "an ignored file beside others of a wildcard",
        """
        FROM busybox
        COPY d/* *.txt *.md /all/
        """,
        context=ignoring("a.txt\nd/e"),
        tree=(folder("all"), file("all/a.txt", "da"), file("all/b.md", "b")),
    ),
    case(
        "the Dockerfile and the rules hidden from COPY alone",
        """
        FROM busybox
        COPY . /all
        """,
        context=(
            file("Dockerfile"),
            file(".dockerignore", "Dockerfile\n.dockerignore\n"),
            file("a"),
        ),
        tree=(folder("all"), file("all/a")),
    ),
    case(
        "rules beside the Dockerfile win",
        """
        FROM busybox
        COPY . /all
        """,
        context=(
            file("Dockerfile"),
            file("Dockerfile.dockerignore", "*\n!a\n"),
            file(".dockerignore", "a\n"),
            file("a", "a"),
            file("b", "b"),
        ),
        tree=(folder("all"), file("all/a", "a")),
    ),
    case(
        "rules of a Dockerfile in a directory",
        """
        FROM busybox
        COPY . /all
        """,
        context=(
            file("sub/own.Dockerfile", "FROM busybox\nCOPY . /all\n"),
            file("sub/own.Dockerfile.dockerignore", "sub\nb\n.dockerignore\n"),
            file(".dockerignore", "a\n"),
            file("a", "a"),
            file("b", "b"),
        ),
        options=("-f", "@CONTEXT@/sub/own.Dockerfile"),
        tree=(folder("all"), file("all/a", "a")),
    ),
    case(
        "everything hidden but a file in a directory",
        """
        FROM busybox
        COPY d /all
        """,
        context=ignoring("*\n!d/e/f.md"),
        tree=(folder("all"), folder("all/e"), file("all/e/f.md", "def")),
    ),
    case(
        "a link that is hidden",
        """
        FROM busybox
        COPY . /all
        """,
        context=(file("a", "a"), link("l", "a"), file(".dockerignore", "l\n.docker*\n")),
        tree=(folder("all"), file("all/a", "a")),
    ),
    case(
        "rules say nothing of a stage",
        """
        FROM busybox AS one
        RUN echo x > /a.txt
        FROM busybox
        COPY --from=one /a.txt /f
        """,
        context=ignoring("**/*.txt"),
        tree=(file("f", "x\n"),),
    ),
    case(
        "a rule that is a lone exclamation mark",
        """
        FROM busybox
        COPY . /all
        """,
        context=ignoring("!"),
        error=(0, "exclamation mark"),
    ),
)
