"""COPY --from: stages, images, other contexts."""

from __future__ import annotations

from tests.conformance.case import case, file, folder

COPY_FROM = (
    case(
        "--from another context",
        """
        FROM busybox
        COPY --from=other a /f
        """,
        beside=(file("o/a", "other"),),
        options=("--build-context", "other=@BESIDE@/o"),
        tree=(file("f", "other"),),
        history=("COPY a /f # buildkit",),
    ),
    case(
        "another context hides a stage",
        """
        FROM busybox AS one
        RUN exit 1
        FROM busybox
        COPY --from=one a /f
        """,
        beside=(file("o/a", "other"),),
        options=("--build-context", "one=@BESIDE@/o"),
        tree=(file("f", "other"),),
    ),
    case(
        "another context that is an image",
        """
        FROM base
        RUN echo x > /f
        """,
        options=("--build-context", "base=docker-image://busybox"),
        tree=(file("f", "x\n"),),
    ),
    case(
        "another context has an ignore file of its own",
        """
        FROM busybox
        COPY --from=other . /d/
        """,
        beside=(file("o/a", "a"), file("o/b", "b"), file("o/.dockerignore", "b\n")),
        options=("--build-context", "other=@BESIDE@/o"),
        tree=(folder("d"), file("d/a", "a"), file("d/.dockerignore", "b\n")),
    ),
    case(
        "--from with a variable",
        """
        FROM busybox AS one
        FROM busybox
        ARG S=one
        COPY --from=$S /etc/passwd /f
        """,
        error=(4, "--from"),
    ),
    case(
        "a document does not come from elsewhere",
        """
        FROM busybox AS one
        FROM busybox
        COPY --from=one /etc/hostname <<EOF /d/
        x
        EOF
        """,
        tree=(folder("d"), file("d/hostname"), file("d/EOF", "x\n")),
    ),
)
