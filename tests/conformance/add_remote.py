"""ADD of addresses and repositories."""

from __future__ import annotations

from tests.conformance.case import case, file, folder, tar
from tests.conformance.served import ARCHIVE, ARCHIVE_SHA256, TEXT, TEXT_SHA256

ADD_REMOTE = (
    case(
        "an address to a name",
        """
        FROM busybox
        ADD @HTTP@/text /f
        """,
        tree=(file("f", TEXT, 0o600),),
        history=("ADD @HTTP@/text /f # buildkit",),
    ),
    case(
        "an address into a directory",
        """
        FROM busybox
        ADD @HTTP@/dir/text?x=y /d/
        """,
        tree=(folder("d"), file("d/text", TEXT, 0o600)),
    ),
    case(
        "the time that an archive and a server tell",
        """
        FROM busybox
        ADD some @HTTP@/dated /d/
        """,
        context=(file("some", tar(file("a", "a", mtime=1234567890))),),
        tree=(
            folder("d"),
            file("d/a", "a", mtime=1234567890),
            file("d/dated", TEXT, 0o600, mtime=1234567891),
        ),
    ),
    case(
        "an address with flags",
        """
        FROM busybox
        ADD --chmod=644 --chown=3:4 @HTTP@/text /d/
        """,
        tree=(folder("d", 0o644, (3, 4)), file("d/text", TEXT, 0o644, (3, 4))),
    ),
    case(
        "an address and its checksum",
        f"""
        FROM busybox
        ADD --checksum=sha256:{TEXT_SHA256} @HTTP@/text /f
        """,
        tree=(file("f", TEXT, 0o600),),
        history=("ADD @HTTP@/text /f # buildkit",),
    ),
    case(
        "an address with another checksum",
        f"""
        FROM busybox
        ADD --checksum=sha256:{"0" * 64} @HTTP@/text /f
        """,
        error=(2, TEXT_SHA256[:12]),
    ),
    case(
        "an archive from an address stays an archive",
        """
        FROM busybox
        ADD @HTTP@/archive.tar.gz /d/
        """,
        tree=(folder("d"), file("d/archive.tar.gz", ARCHIVE, 0o600)),
    ),
    case(
        "--unpack of an archive from an address",
        """
        FROM busybox
        ADD --unpack @HTTP@/archive.tar.gz /d/
        """,
        tree=(folder("d"), folder("d/p"), file("d/p/a", "in the archive")),
    ),
    case(
        "an archive from an address and its checksum",
        f"""
        FROM busybox
        ADD --unpack=true --checksum=sha256:{ARCHIVE_SHA256} @HTTP@/archive.tar.gz /d/
        """,
        tree=(folder("d"), folder("d/p"), file("d/p/a", "in the archive")),
    ),
    case(
        "an address that leads elsewhere keeps its name",
        """
        FROM busybox
        ADD @HTTP@/moved /d/
        """,
        tree=(folder("d"), file("d/moved", TEXT, 0o600)),
    ),
    case(
        "an address where nothing is",
        """
        FROM busybox
        ADD @HTTP@/nosuch /f
        """,
        error=(2, "404"),
    ),
    case(
        "a repository",
        """
        FROM busybox
        ADD @GIT@/sample.git /d/
        """,
        tree=(
            folder("d"),
            file("d/readme", "second\n"),
            folder("d/sub"),
            file("d/sub/tool", "#!/bin/sh\n", 0o755),
        ),
        history=("ADD @GIT@/sample.git /d/ # buildkit",),
    ),
    case(
        "a repository at a tag",
        """
        FROM busybox
        ADD @GIT@/sample.git#v1 /d/
        """,
        tree=(folder("d"), file("d/readme", "first\n")),
    ),
    case(
        "a branch of a repository",
        """
        FROM busybox
        ADD @GIT@/sample.git#other /d/
        """,
        tree=(folder("d"), file("d/readme", "branch\n")),
    ),
    case(
        "a directory of a repository",
        """
        FROM busybox
        ADD @GIT@/sample.git#main:sub /d/
        """,
        tree=(folder("d"), file("d/tool", "#!/bin/sh\n", 0o755)),
    ),
    case(
        "a repository at a commit",
        """
        FROM busybox
        ADD @GIT@/sample.git#@COMMIT@ /d/
        """,
        tree=(folder("d"), file("d/readme", "first\n")),
    ),
    case(
        "a repository with what git keeps",
        """
        FROM busybox
        ADD --keep-git-dir=true @GIT@/sample.git#v1 /d/
        RUN test "$(cat /d/.git/HEAD)" = @COMMIT@ && rm -r /d/.git
        """,
        tree=(folder("d"), file("d/readme", "first\n")),
    ),
    case(
        "a repository and the checksum of its commit",
        """
        FROM busybox
        ADD --checksum=@COMMIT@ @GIT@/sample.git#v1 /d/
        """,
        tree=(folder("d"), file("d/readme", "first\n")),
    ),
    case(
        "a repository at another commit than its checksum",
        """
        FROM busybox
        ADD --checksum=0123456789012345678901234567890123456789 @GIT@/sample.git#v1 /d/
        """,
        error=(2, "0123456789"),
    ),
    case(
        "a branch that a repository has not",
        """
        FROM busybox
        ADD @GIT@/sample.git#nosuch /d/
        """,
        error=(2, "nosuch"),
    ),
    case(
        "--checksum of a file of the context",
        f"""
        FROM busybox
        ADD --checksum=sha256:{TEXT_SHA256} a /f
        """,
        context=(file("a", TEXT),),
        error=(2, "checksum"),
    ),
    case(
        "COPY takes no address",
        """
        FROM busybox
        COPY @HTTP@/text /f
        """,
        error=(2, "COPY"),
    ),
)
