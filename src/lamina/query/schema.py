"""The tables that a query sees: their columns, and what each column is made of.  Pure."""

from __future__ import annotations

from string import Formatter

import msgspec


class Column(msgspec.Struct, frozen=True):
    """A column of a table."""

    name: str
    type: str
    """As DuckDB calls it."""
    meaning: str
    expression: str = ""
    """SQL, over sources in braces; empty: the source of the same name."""

    @property
    def sources(self) -> tuple[str, ...]:
        """What the column is made of."""
        return tuple(name for _, name, _, _ in Formatter().parse(self.made_of) if name)

    @property
    def made_of(self) -> str:
        """The expression, written out."""
        return self.expression or f"{{{self.name}}}"


class Table(msgspec.Struct, frozen=True):
    """A table.  Its first column is never NULL, and costs little: `count(*)` reads it."""

    name: str
    meaning: str
    columns: tuple[Column, ...]

    @property
    def sources(self) -> tuple[str, ...]:
        """Every source of its columns, once."""
        return tuple(dict.fromkeys(name for column in self.columns for name in column.sources))

    def source_column(self, source: str) -> str:
        """What a source is called beneath the table: no other text has it in it."""
        return f"{self.name}__{source}__"


_IMAGE = Column("image", "VARCHAR", "the image, as `images.image` has it")
_TEXT, _COUNT, _BYTES, _TIME = "VARCHAR", "INTEGER", "BIGINT", "TIMESTAMP"

TABLES = (
    Table(
        "images",
        "one row for each name, as `lamina images` lists them",
        (
            Column("image", _TEXT, "what the other tables call the image: its first name, or id"),
            Column("name", _TEXT, "this name; NULL for an image without one"),
            Column("repository", _TEXT, "the name without its tag"),
            Column("tag", _TEXT, "`latest`"),
            Column("image_id", _TEXT, "digest of the config"),
            Column("digest", _TEXT, "digest of the manifest, or of an index"),
            Column("created", _TIME, "in UTC"),
            Column("platform", _TEXT, "`linux/amd64`"),
            Column("layers", _COUNT, "how many"),
            Column("size", _BYTES, "of file content in all layers"),
            Column("visible_bytes", _BYTES, "of it, what can be seen"),
            Column("hidden_bytes", _BYTES, "and what cannot", "{size} - {visible_bytes}"),
        ),
    ),
    Table(
        "layers",
        "one row for each layer of each image",
        (
            _IMAGE,
            Column("layer", _COUNT, "its number: 1 is the lowest"),
            Column("diff_id", _TEXT, "sha256 of its tar"),
            Column("instruction", _TEXT, "what made it, as in a Dockerfile"),
            Column("created_by", _TEXT, "the same, as the image's history has it"),
            Column("created", _TIME, "in UTC"),
            Column("size", _BYTES, "of file content"),
            Column("entries", _BYTES, "members of its tar"),
            Column("visible_bytes", _BYTES, "of its size, what can be seen in the image"),
            Column("hidden_bytes", _BYTES, "and what cannot", "{size} - {visible_bytes}"),
        ),
    ),
    Table(
        "files",
        "one row for each entry of each layer of each image",
        (
            _IMAGE,
            Column("layer", _COUNT, "the layer's number"),
            Column("path", _TEXT, "absolute; a byte that is no UTF-8 is written `\\xe9`"),
            Column("name", _TEXT, "its last component", "split_part({path}, '/', -1)"),
            Column(
                "type",
                _TEXT,
                "file, directory, symlink, hardlink, char, block, fifo, whiteout, opaque",
            ),
            Column("size", _BYTES, "of content: 0 for all but files"),
            Column("mode", "USMALLINT", "permissions, set-id and sticky bits"),
            Column("mode_octal", _TEXT, "the same, `0644`", "format('{{:04o}}', {mode})"),
            Column("uid", "UINTEGER", "the owner's number"),
            Column("gid", "UINTEGER", "the group's number"),
            Column("owner", _TEXT, "both, `0:0`", "{uid} || ':' || {gid}"),
            Column("mtime", _TIME, "when it was last modified, in UTC", "{mtime}::TIMESTAMP"),
            Column("sha256", _TEXT, "of a file's content, 64 digits", "lower(hex({sha256}))"),
            Column(
                "link",
                _TEXT,
                "where a link leads: a symlink's text, or a hard link's path",
                "CASE {type} WHEN 'symlink' THEN {link} WHEN 'hardlink' THEN '/' || {link} END",
            ),
            Column("visible", "BOOLEAN", "whether the image shows it, by this or another name"),
            Column("hidden_by", _COUNT, "the layer that hides it"),
            Column(
                "hidden_kind",
                _TEXT,
                "overwritten, duplicated, deleted, opaque, replaced, superseded, merged",
            ),
        ),
    ),
    Table(
        "history",
        "one row for each line of each image's history",
        (
            _IMAGE,
            Column("line", _COUNT, "from 1, the oldest"),
            Column("layer", _COUNT, "the layer that it made; NULL for none"),
            Column("created", _TIME, "in UTC"),
            Column("instruction", _TEXT, "as in a Dockerfile"),
            Column("created_by", _TEXT, "as it is written"),
            Column("author", _TEXT, ""),
            Column("comment", _TEXT, ""),
        ),
    ),
    Table(
        "packages",
        "one row for each package that is installed in an image",
        (
            _IMAGE,
            Column("kind", _TEXT, "who installed it: dpkg, apk, rpm, python, npm"),
            Column("name", _TEXT, ""),
            Column("version", _TEXT, ""),
            Column("architecture", _TEXT, ""),
            Column("source", _TEXT, "the source package that it was built from"),
            Column("bytes", _BYTES, "installed, as the package says"),
        ),
    ),
    Table(
        "config",
        "one row for each setting of each image",
        (
            _IMAGE,
            Column("key", _TEXT, "env, label, cmd, entrypoint, user, workdir, port, volume, …"),
            Column("name", _TEXT, "of an env or a label; the place, from 1, of what is a list"),
            Column("value", _TEXT, ""),
        ),
    ),
    Table(
        "containers",
        "one row for each container",
        (
            Column("id", _TEXT, "64 digits"),
            Column("name", _TEXT, ""),
            Column("image", _TEXT, "as `images.image` has it; else as the user named it"),
            Column("image_id", _TEXT, "digest of the config"),
            Column("status", _TEXT, "created, running, exited"),
            Column("created", _TIME, "in UTC"),
            Column("started", _TIME, "in UTC"),
            Column("finished", _TIME, "in UTC"),
            Column("exit_status", _COUNT, "NULL while it has none"),
            Column("command", _TEXT, ""),
            Column("size_rw", _BYTES, "of file content in its own layer"),
        ),
    ),
)
