"""The build cache on the real kernel: what hits, what misses, why, and how machines share it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.engine import open_engine
from lamina.store.contract import Image
from tests.rights import AS_USER
from tests.system.conftest import Lamina, Registry, free_port, unmounted

pytestmark = pytest.mark.system

TWO_STAGES = """\
FROM busybox AS builder
COPY tool.c /tool.c
RUN cat /tool.c > /tool && dd if=/dev/zero of=/big bs=1M count=3
FROM busybox
RUN echo one > /one
COPY src /src
COPY --from=builder /tool /bin/tool
RUN cat /src/f /bin/tool > /all
"""


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A repository with what `TWO_STAGES` copies."""
    place = tmp_path / "context"
    (place / "src" / "deep").mkdir(parents=True)
    (place / "src" / "f").write_text("f")
    (place / "src" / "deep" / "g").write_text("g")
    (place / "tool.c").write_text("tool")
    (place / "Dockerfile").write_text(TWO_STAGES)
    return place


@pytest.fixture
def other(tmp_path: Path, busybox_store: Lamina) -> Iterator[Lamina]:
    """Another machine, which has the base and nothing else."""
    command = Lamina(tmp_path / "other-root")
    busybox_store("save", "-o", str(tmp_path / "base.tar"), "busybox")
    command("load", "-i", str(tmp_path / "base.tar"))
    yield command
    unmounted(command.root)


def built(lamina: Lamina, context: Path, *args: str) -> str:
    """What a build says; it succeeds."""
    return lamina("build", "-t", "t", "--progress", "plain", *args, str(context)).stderr


def again(lamina: Lamina, context: Path, text: str, *args: str) -> list[str]:
    """Build this Dockerfile; which steps were carried out."""
    (context / "Dockerfile").write_text(text)
    return ran(built(lamina, context, *args))


def ran(output: str) -> list[str]:
    """The instructions that were carried out, by their place."""
    titles = dict(re.findall(r"^#([1-9]\d*) \[(.*)$", output, re.MULTILINE))
    done = re.findall(r"^#([1-9]\d*) DONE", output, re.MULTILINE)
    return sorted(titles[number].partition("] ")[2] for number in done if number in titles)


def image(lamina: Lamina, name: str = "t") -> Image:
    return open_engine(lamina.root).store.images.find(name)


def layers(lamina: Lamina) -> int:
    """How many layers the store has beside the base."""
    return len(list(open_engine(lamina.root).store.layers)) - 1


def clone(context: Path, to: Path) -> Path:
    """The same files as another machine's git would write them."""
    run = {"cwd": context, "check": True, "capture_output": True}
    subprocess.run(["git", "init", "-q"], **run)  # type: ignore[call-overload]
    subprocess.run(["git", "add", "."], **run)  # type: ignore[call-overload]
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run(["git", *identity, "commit", "-qm", "x"], **run)  # type: ignore[call-overload]
    subprocess.run(["git", "clone", "-q", context, to], check=True, capture_output=True)
    return to


class TestShared:
    """Two machines and what lies between them."""

    def test_a_registry_holds_every_stage(
        self,
        busybox_store: Lamina,
        other: Lamina,
        registry: Registry,
        context: Path,
        tmp_path: Path,
    ) -> None:
        place = f"type=registry,ref={registry.host}/cache/max:1,mode=max"
        built(busybox_store, context, "--cache-to", place)
        copy = clone(context, tmp_path / "clone")
        output = built(other, copy, "--cache-from", f"{registry.host}/cache/max:1")
        assert ran(output) == []
        assert image(other).config.digest == image(busybox_store).config.digest
        assert layers(other) == 4, "nobody looks into the builder: its layers stay there"
        (copy / "src" / "f").write_text("other")
        output = built(other, copy, "--cache-from", f"{registry.host}/cache/max:1")
        assert ran(output) == [
            "COPY --from=builder /tool /bin/tool",
            "COPY src /src",
            "RUN cat /src/f /bin/tool > /all",
        ]
        verify(other)

    def test_a_small_cache_knows_only_what_the_image_stands_on(
        self, busybox_store: Lamina, other: Lamina, registry: Registry, context: Path
    ) -> None:
        name = f"{registry.host}/cache/min:1"
        built(busybox_store, context, "--cache-to", f"type=registry,ref={name}")
        assert ran(built(other, context, "--cache-from", name)) == []
        (context / "src" / "f").write_text("other")
        output = built(other, context, "--cache-from", name)
        assert "RUN cat /tool.c > /tool && dd if=/dev/zero of=/big bs=1M count=3" in ran(output)
        assert "RUN echo one > /one" not in ran(output)

    @pytest.mark.parametrize("compression", ["gzip", "zstd", "uncompressed"])
    def test_a_directory(
        self,
        busybox_store: Lamina,
        other: Lamina,
        context: Path,
        tmp_path: Path,
        compression: str,
    ) -> None:
        directory = tmp_path / "layout"
        to = f"type=local,dest={directory},mode=max,compression={compression}"
        built(busybox_store, context, "--cache-to", to)
        built(busybox_store, context, "--cache-to", to)
        assert len(json.loads((directory / "index.json").read_text())["manifests"]) == 1
        output = built(other, context, "--cache-from", f"type=local,src={directory}")
        assert ran(output) == []
        verify(other)

    @pytest.mark.parametrize(
        "option", [("--cache-to", "type=inline"), ("--build-arg", "BUILDKIT_INLINE_CACHE=1")]
    )
    def test_an_image_is_its_own_cache(
        self,
        busybox_store: Lamina,
        other: Lamina,
        registry: Registry,
        context: Path,
        option: tuple[str, str],
    ) -> None:
        name = f"{registry.host}/app/{'a' if option[0] == '--cache-to' else 'b'}:1"
        output = built(busybox_store, context, "-t", name, *option)
        assert "no ARG uses" not in output
        busybox_store("push", name)
        output = built(other, context, "--cache-from", name, *option)
        assert ran(output) == []
        assert image(other).config.digest == image(busybox_store).config.digest
        other("rmi", "t")
        other("pull", name)
        assert image(other, name).config.digest == image(busybox_store).config.digest

    def test_an_image_without_the_record_is_no_cache(
        self, busybox_store: Lamina, other: Lamina, registry: Registry, context: Path
    ) -> None:
        name = f"{registry.host}/app/plain:1"
        built(busybox_store, context, "-t", name)
        busybox_store("push", name)
        output = built(other, context, "--cache-from", name)
        assert len(ran(output)) == 6
        assert output.count("note: ") == 1
        assert f"the cache {name} is not used: there is no record of a cache in it" in output

    def test_an_image_built_on_one_that_carries_a_cache_does_not_carry_it_on(
        self, busybox_store: Lamina, context: Path
    ) -> None:
        built(busybox_store, context, "-t", "carrier", "--cache-to", "type=inline")
        assert b"dev.lamina.cache" in image(busybox_store, "carrier").config.raw
        again(busybox_store, context, "FROM carrier\nRUN echo more > /more\n")
        assert b"dev.lamina.cache" not in image(busybox_store).config.raw

    def test_two_caches_at_once(
        self,
        busybox_store: Lamina,
        other: Lamina,
        registry: Registry,
        context: Path,
        tmp_path: Path,
    ) -> None:
        name, directory = f"{registry.host}/cache/one:1", tmp_path / "layout"
        base = "FROM busybox\nRUN echo 1 > /1\n"
        again(busybox_store, context, base, "--cache-to", f"type=registry,ref={name}")
        more = base + "RUN echo 2 > /2\n"
        again(busybox_store, context, more, "--cache-to", f"type=local,dest={directory}")
        shutil.rmtree(directory / "blobs" / "sha256" / "nothing", ignore_errors=True)
        both = ("--cache-from", name, "--cache-from", f"type=local,src={directory}")
        assert again(other, context, more, *both) == []

    def test_what_was_never_fetched_is_passed_on(
        self, busybox_store: Lamina, other: Lamina, registry: Registry, context: Path
    ) -> None:
        first, second = (f"{registry.host}/passed/{name}:1" for name in ("one", "two"))
        built(busybox_store, context, "--cache-to", f"type=registry,ref={first},mode=max")
        to = f"type=registry,ref={second},mode=max"
        output = built(other, context, "--cache-from", first, "--cache-to", to)
        assert ran(output) == []
        assert layers(other) == 4
        manifests = [manifest(registry, name) for name in ("passed/one", "passed/two")]
        assert manifests[0]["layers"] == manifests[1]["layers"]
        assert len(manifests[0]["layers"]) == 6


class TestTrouble:
    """A cache from elsewhere never fails a build."""

    def test_a_damaged_blob(
        self, busybox_store: Lamina, other: Lamina, context: Path, tmp_path: Path
    ) -> None:
        directory = tmp_path / "layout"
        built(busybox_store, context, "--cache-to", f"type=local,dest={directory},mode=max")
        damage(directory, b"COPY src /src")
        output = built(other, context, "--cache-from", f"type=local,src={directory}")
        assert ran(output) == ["COPY src /src"], "what follows it is known all the same"
        assert len(re.findall(r"^note: a step of the cache .* is not used", output, re.M)) == 1
        assert image(other).layers == image(busybox_store).layers
        verify(other)

    def test_a_registry_that_nobody_serves(self, busybox_store: Lamina, context: Path) -> None:
        name = f"127.0.0.1:{free_port()}/cache:1"
        output = built(busybox_store, context, "--cache-from", name)
        assert len(ran(output)) == 6
        assert len(re.findall("^note: the cache .* is not used", output, re.M)) == 1

    def test_something_else_of_that_name(
        self, busybox_store: Lamina, context: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "file").write_text("x")
        output = built(busybox_store, context, "--cache-from", f"type=local,src={tmp_path}/file")
        assert len(re.findall("^note: the cache .* is not used", output, re.M)) == 1

    def test_a_cache_that_cannot_be_written_fails_the_build_unless_told_otherwise(
        self, busybox_store: Lamina, context: Path
    ) -> None:
        to = f"type=registry,ref=127.0.0.1:{free_port()}/cache:1"
        done = busybox_store("build", "-t", "t", "--cache-to", to, str(context), check=False)
        assert done.returncode == 1
        assert image(busybox_store).layers, "the image is there"
        output = built(busybox_store, context, "--cache-to", to + ",ignore-error=true")
        assert "note: the cache was not written to" in output

    @pytest.mark.parametrize("option", ["--cache-to", "--cache-from"])
    def test_a_wrong_option_is_told_before_anything_is_done(
        self, busybox_store: Lamina, context: Path, option: str
    ) -> None:
        done = busybox_store("build", option, "type=zip", str(context), check=False)
        assert done.returncode == 1
        assert done.stderr.startswith(f"lamina: {option} has no type 'zip'")


def verify(lamina: Lamina) -> None:
    store = open_engine(lamina.root).store
    assert [store.layers.verify(each) for each in store.layers if store.layers.verify(each)] == []


def manifest(registry: Registry, repository: str) -> dict[str, list[dict[str, object]]]:
    """The manifest of the tag `1`, out of the registry's own files."""
    folder = registry.storage / "docker" / "registry" / "v2"
    link = folder / "repositories" / repository / "_manifests" / "tags" / "1" / "current" / "link"
    digest = link.read_text().partition(":")[2]
    found: dict[str, list[dict[str, object]]] = json.loads(
        (folder / "blobs" / "sha256" / digest[:2] / digest / "data").read_bytes()
    )
    return found


def damage(directory: Path, title: bytes) -> None:
    """Change a byte of the layer of the step with that title."""
    blobs = directory / "blobs" / "sha256"
    index = json.loads((directory / "index.json").read_text())
    top = json.loads((blobs / index["manifests"][0]["digest"][7:]).read_text())
    record = json.loads((blobs / top["config"]["digest"][7:]).read_text())
    (layer,) = (each["layer"] for each in record["steps"] if each["title"].encode() == title)
    blob = blobs / top["layers"][record["layers"].index(layer)]["digest"][7:]
    raw = bytearray(blob.read_bytes())
    raw[len(raw) // 2] ^= 1
    blob.write_bytes(raw)


ONE = "FROM busybox\nCOPY src /src\nRUN echo two > /two\n"
COPIED, AFTER = "COPY src /src", "RUN echo two > /two"


class TestHits:
    """What changes nothing of what a step reads."""

    @pytest.mark.parametrize("named", ["src", "."])
    def test_the_context(self, busybox_store: Lamina, context: Path, named: str) -> None:
        text = ONE.replace("COPY src", f"COPY {named}")
        (context / ".dockerignore").write_text("unrelated\n**/*.log\nDockerfile\n")
        again(busybox_store, context, text)
        for command in (
            "touch src/f src/deep src",
            "touch -d 1999-01-01 src/f",
            "cp -r src other && rm -r src && mv other src",
            "true" if AS_USER else "chown -R 1234:99 src",
            "chmod 700 .",
            "echo x > unrelated",
            "echo log > src/x.log",
            "echo '# a comment' >> Dockerfile",
        ):
            subprocess.run(command, shell=True, cwd=context, check=True)
            assert ran(built(busybox_store, context)) == [], command

    def test_another_place_and_a_clone(
        self, busybox_store: Lamina, context: Path, tmp_path: Path
    ) -> None:
        again(busybox_store, context, ONE)
        assert again(busybox_store, clone(context, tmp_path / "clone"), ONE) == []

    def test_the_same_base_by_another_name(self, busybox_store: Lamina, context: Path) -> None:
        again(busybox_store, context, ONE)
        busybox_store("tag", "busybox", "example.org/box:7")
        assert again(busybox_store, context, ONE.replace("busybox", "example.org/box:7")) == []

    def test_files_of_the_same_content_from_elsewhere(
        self, busybox_store: Lamina, context: Path
    ) -> None:
        again(busybox_store, context, ONE)
        shutil.copytree(context / "src", context / "moved")
        text = ONE.replace("COPY src", "COPY moved")
        assert again(busybox_store, context, text) == []

    def test_a_stage_that_comes_out_the_same(self, busybox_store: Lamina, context: Path) -> None:
        text = (
            "FROM busybox AS b\nRUN touch -d 2001-01-01 /x && {} && echo 1 > /x\n"
            "FROM busybox\nCOPY --from=b /x /x\nRUN cat /x > /y\n"
        )
        again(busybox_store, context, text.format("true"))
        done = again(busybox_store, context, text.format("sleep 0"))
        assert done == ["RUN touch -d 2001-01-01 /x && sleep 0 && echo 1 > /x"]

    @pytest.mark.parametrize("name", ["http_proxy", "NO_PROXY", "ALL_PROXY"])
    def test_proxies(self, busybox_store: Lamina, context: Path, name: str) -> None:
        text = "FROM busybox\nRUN echo x\n"
        again(busybox_store, context, text)
        assert again(busybox_store, context, text, "--build-arg", f"{name}=http://p") == []

    def test_an_argument_that_comes_later(self, busybox_store: Lamina, context: Path) -> None:
        text = "FROM busybox\nRUN echo before\nARG V\nRUN echo after\n"
        again(busybox_store, context, text, "--build-arg", "V=1")
        assert again(busybox_store, context, text, "--build-arg", "V=2") == ["RUN echo after"]

    def test_what_makes_no_layer(self, busybox_store: Lamina, context: Path) -> None:
        again(busybox_store, context, ONE)
        text = ONE.replace("COPY", "LABEL a=1\nEXPOSE 80\nCOPY") + 'CMD ["x"]\n'
        assert again(busybox_store, context, text) == []


class TestMisses:
    """What changes something that a step reads: it is carried out, and what follows it."""

    def test_the_context(self, busybox_store: Lamina, context: Path) -> None:
        again(busybox_store, context, ONE)
        for command in (
            "echo other > src/f",
            "touch -r src/f ref && printf OTHER > src/f && touch -r ref src/f && rm ref",
            "chmod 755 src/f",
            "chmod 700 src/deep",
            "echo x > src/new",
            "mv src/f src/h",
            "ln -sf deep/g src/h",
            "rm src/h",
            "mkdir src/empty",
            "rm src/deep/g",
        ):
            subprocess.run(command, shell=True, cwd=context, check=True)
            assert ran(built(busybox_store, context)) == [COPIED, AFTER], command
            assert ran(built(busybox_store, context)) == [], f"again after {command}"

    def test_no_longer_ignored(self, busybox_store: Lamina, context: Path) -> None:
        (context / ".dockerignore").write_text("src/f\n")
        again(busybox_store, context, ONE)
        (context / ".dockerignore").unlink()
        assert again(busybox_store, context, ONE) == [COPIED, AFTER]

    @pytest.mark.parametrize("use", ["echo $V > /v", "echo unused > /v"])
    def test_an_argument_used_or_not(self, busybox_store: Lamina, context: Path, use: str) -> None:
        text = f"FROM busybox\nARG V\nRUN {use}\nRUN echo more\n"
        again(busybox_store, context, text, "--build-arg", "V=1")
        done = again(busybox_store, context, text, "--build-arg", "V=2")
        assert set(done) == {"RUN echo more", f"RUN {use}"}

    def test_the_environment(self, busybox_store: Lamina, context: Path) -> None:
        text = "FROM busybox\nRUN echo before\nENV A={}\nRUN echo after\n"
        again(busybox_store, context, text.format(1))
        assert again(busybox_store, context, text.format(2)) == ["RUN echo after"]

    @pytest.mark.parametrize("line", ["USER 5", "WORKDIR /tmp", 'SHELL ["/bin/sh", "-xc"]'])
    def test_how_a_command_runs(self, busybox_store: Lamina, context: Path, line: str) -> None:
        again(busybox_store, context, "FROM busybox\nRUN echo x\n")
        done = again(busybox_store, context, f"FROM busybox\n{line}\nRUN echo x\n")
        assert "RUN echo x" in done

    def test_another_base(self, busybox_store: Lamina, context: Path) -> None:
        again(busybox_store, context, "FROM busybox\nRUN echo newer > /etc/new\n", "-t", "newer")
        again(busybox_store, context, ONE)
        done = again(busybox_store, context, ONE.replace("busybox", "newer"))
        assert done == [COPIED, AFTER]

    def test_the_order(self, busybox_store: Lamina, context: Path) -> None:
        again(busybox_store, context, "FROM busybox\nRUN echo 1 > /1\nRUN echo 2 > /2\n")
        done = again(busybox_store, context, "FROM busybox\nRUN echo 2 > /2\nRUN echo 1 > /1\n")
        assert done == ["RUN echo 1 > /1", "RUN echo 2 > /2"]

    def test_owner_and_mode_of_the_copy(self, busybox_store: Lamina, context: Path) -> None:
        again(busybox_store, context, ONE)
        for flag in ("--chown=5:5", "--chmod=700"):
            text = ONE.replace("COPY", f"COPY {flag}")
            assert again(busybox_store, context, text) == [f"COPY {flag} src /src", AFTER]

    def test_the_epoch(self, busybox_store: Lamina, context: Path) -> None:
        again(busybox_store, context, ONE)
        one = ("--build-arg", "SOURCE_DATE_EPOCH=1000000000")
        assert again(busybox_store, context, ONE, *one) == [COPIED, AFTER]
        assert again(busybox_store, context, ONE, *one) == []
        two = ("--build-arg", "SOURCE_DATE_EPOCH=1000000001")
        assert again(busybox_store, context, ONE, *two) == [COPIED, AFTER]


class TestExplained:
    """`--explain-cache`: the reason of each step."""

    def told(self, output: str) -> dict[str, list[str]]:
        """What is said below each heading."""
        found: dict[str, list[str]] = {}
        at: list[str] = []
        for line in output.splitlines():
            if heading := re.match(r" \d+/\d+ (.*?) {2,}(cached|carried out|not needed|–)$", line):
                at = found.setdefault(heading[1], [heading[2]])
            elif line.startswith("     "):
                at.append(line.strip())
        return found

    def test_a_day_of_work(self, busybox_store: Lamina, context: Path) -> None:
        told = self.told(built(busybox_store, context, "--explain-cache"))
        assert set(map(tuple, told.values())) == {("carried out", "never built here")}
        (context / "src" / "f").write_text("changed")
        (context / "src" / "deep" / "new").write_text("new")
        told = self.told(built(busybox_store, context, "--explain-cache"))
        assert told["[stage-1] RUN echo one > /one"] == [
            "cached",
            "same instruction, same layers below",
        ]
        assert told["[builder] COPY tool.c /tool.c"][1].endswith("same file")
        assert told["[stage-1] COPY src /src"] == [
            "carried out",
            "2 files of the context are not as before",
            "src/deep/new   new",
            "src/f          changed",
        ]
        (last,) = (each for title, each in told.items() if title.startswith("[stage-1] RUN cat"))
        assert last[0] == "carried out"
        assert "below it made another layer" in last[1]

    def test_a_stage_that_made_something_else(self, busybox_store: Lamina, context: Path) -> None:
        built(busybox_store, context)
        (context / "tool.c").write_text("other tool")
        told = self.told(built(busybox_store, context, "--explain-cache"))
        assert told["[stage-1] COPY --from=builder /tool /bin/tool"] == [
            "carried out",
            "1 file of stage builder is not as before",
            "tool   changed",
        ]

    def test_another_base(self, busybox_store: Lamina, context: Path) -> None:
        text = "FROM base\nRUN echo x > /x\n"
        busybox_store("tag", "busybox", "base")
        again(busybox_store, context, text)
        again(busybox_store, context, "FROM busybox\nRUN echo new > /new\n", "-t", "base")
        (context / "Dockerfile").write_text(text)
        told = self.told(built(busybox_store, context, "--explain-cache"))
        assert told["RUN echo x > /x"][0] == "carried out"

    def test_pruned_anew_and_failed(self, busybox_store: Lamina, context: Path) -> None:
        built(busybox_store, context)
        busybox_store("rmi", "t")
        busybox_store("build", "cache", "prune", "--force")
        told = self.told(built(busybox_store, context, "--explain-cache"))
        first = ("[stage-1] RUN echo one > /one", "[builder] COPY tool.c /tool.c")
        assert all("is gone: pruned" in told[title][1] for title in first)
        told = self.told(built(busybox_store, context, "--explain-cache", "--no-cache"))
        assert set(map(tuple, told.values())) == {("carried out", "asked for anew: --no-cache")}
        (context / "Dockerfile").write_text(TWO_STAGES.replace("cat /src/f", "false; exit 1"))
        done = busybox_store("build", "--explain-cache", str(context), check=False)
        assert done.returncode == 1
        told = self.told(done.stderr)
        (last,) = (each for title, each in told.items() if "false; exit 1" in title)
        assert last[:2] == ["carried out", "the instruction changed"]

    def test_a_cache_from_elsewhere(
        self, busybox_store: Lamina, other: Lamina, context: Path, tmp_path: Path
    ) -> None:
        directory = tmp_path / "layout"
        built(busybox_store, context, "--cache-to", f"type=local,dest={directory}")
        place = ("--cache-from", f"type=local,src={directory}", "--explain-cache")
        told = self.told(built(other, context, *place))
        assert told["[stage-1] COPY src /src"][:2] == ["cached", f"from {directory}"]
        assert told["[builder] COPY tool.c /tool.c"] == ["not needed"]

    def test_a_cached_build_writes_no_trace(self, busybox_store: Lamina, context: Path) -> None:
        built(busybox_store, context)
        (trace,) = (busybox_store.root / "cache").glob("trace-*")
        before = trace.stat()
        built(busybox_store, context)
        assert trace.stat() == before

    def test_a_secret_is_in_no_trace(self, busybox_store: Lamina, context: Path) -> None:
        text = 'FROM busybox\nRUN --mount=type=secret,id=s,env=S test -n "$S"\n'
        (context / "Dockerfile").write_text(text)
        (context.parent / "s").write_text("pa55word-in-plain-sight")
        built(busybox_store, context, "--secret", f"id=s,src={context.parent}/s")
        (trace,) = (busybox_store.root / "cache").glob("trace-*")
        assert b"pa55word" not in trace.read_bytes()


class TestFilter:
    """`--no-cache-filter`."""

    def test_only_that_stage(self, busybox_store: Lamina, context: Path) -> None:
        built(busybox_store, context)
        output = built(busybox_store, context, "--no-cache-filter", "builder")
        assert ran(output) == [
            "COPY tool.c /tool.c",
            "RUN cat /tool.c > /tool && dd if=/dev/zero of=/big bs=1M count=3",
        ]

    @pytest.mark.parametrize("names", ["0", "BUILDER", "builder,1"])
    def test_names_numbers_and_lists(
        self, busybox_store: Lamina, context: Path, names: str
    ) -> None:
        built(busybox_store, context)
        output = built(busybox_store, context, "--no-cache-filter", names)
        assert "COPY tool.c /tool.c" in ran(output)
        assert ("RUN echo one > /one" in ran(output)) is ("1" in names)

    def test_a_name_of_no_stage(self, busybox_store: Lamina, context: Path) -> None:
        done = busybox_store("build", "--no-cache-filter", "bilder", str(context), check=False)
        assert done.returncode == 1
        assert "--no-cache-filter names no stage: bilder" in done.stderr
        assert "builder" in done.stderr.partition("bilder")[2]


class TestCommands:
    """`lamina build cache`."""

    def test_steps_and_mounts_are_listed(self, busybox_store: Lamina, context: Path) -> None:
        text = "FROM busybox\nRUN --mount=type=cache,target=/c echo x > /c/f\nRUN echo y > /y\n"
        again(busybox_store, context, text)
        shown = busybox_store("build", "cache", "ls").stdout
        assert [line.split()[1] for line in shown.splitlines()[1:4]] == ["step", "step", "mount"]
        assert shown.splitlines()[-1].startswith("2 steps 2 B, 1 cache mount")
        rows = [
            json.loads(line)
            for line in busybox_store("build", "cache", "ls", "--format", "json").stdout.split("\n")
            if line
        ]
        assert {row["Type"] for row in rows} == {"step", "mount"}
        only = busybox_store("build", "cache", "ls", "-q", "--filter", "type=mount").stdout
        assert only == "/c\n"

    def test_nothing_is_a_heading(self, busybox_store: Lamina) -> None:
        assert busybox_store("build", "cache", "ls").stdout.startswith("CACHE ID")

    def test_pruning(self, busybox_store: Lamina, context: Path) -> None:
        text = "FROM busybox\nRUN --mount=type=cache,target=/c echo x > /c/f\nRUN echo y > /y\n"
        again(busybox_store, context, text)
        dry = busybox_store("build", "cache", "prune", "--dry-run").stdout
        assert dry == "Would delete cache mounts:\n/c\n"
        busybox_store("build", "cache", "prune", "--force", "--steps", "--all")
        assert busybox_store("build", "cache", "ls", "-q").stdout == "/c\n"
        busybox_store("build", "cache", "prune", "--force")
        assert busybox_store("build", "cache", "ls", "-q").stdout == ""
        assert again(busybox_store, context, text) != []

    def test_a_directory_named_cache(self, busybox_store: Lamina, tmp_path: Path) -> None:
        (tmp_path / "cache").mkdir()
        (tmp_path / "cache" / "Dockerfile").write_text("FROM busybox\n")
        done = busybox_store("build", "cache", "-t", "t", cwd=tmp_path, check=False)
        assert done.returncode == 2
        assert "./cache" in busybox_store("build", "cache", "x", check=False).stderr
        busybox_store("build", "-t", "t", "./cache", cwd=tmp_path)

    def mounts(self, lamina: Lamina, context: Path) -> str:
        """What a build finds in the cache mount."""
        text = (
            "FROM busybox\nRUN --mount=type=cache,target=/c,uid=7,mode=0770"
            " ls -ln /c && stat -c '%n %a %u %Y' /c /c/* ; echo $$ > /c/run\n"
        )
        (context / "Dockerfile").write_text(text)
        return built(lamina, context, "--no-cache")

    @pytest.mark.parametrize("form", ["archive", "registry"])
    def test_mounts_move_to_another_machine(
        self,
        busybox_store: Lamina,
        other: Lamina,
        registry: Registry,
        context: Path,
        tmp_path: Path,
        form: str,
    ) -> None:
        self.mounts(busybox_store, context)
        target = (
            ("-o", str(tmp_path / "c.tar"))
            if form == "archive"
            else (f"docker://{registry.host}/mounts/c:1",)
        )
        assert "Exported 1 cache mount" in busybox_store("build", "cache", "export", *target).stdout
        source = ("-i", str(tmp_path / "c.tar")) if form == "archive" else target
        assert other("build", "cache", "import", *source).stdout.endswith(
            "Imported cache mount /c\n"
        )
        assert "/c/run 644 0" in self.mounts(other, context)
        assert "/c 770 7" in self.mounts(other, context)
        assert list((other.root / "builds").iterdir()) == []

    def test_what_is_no_export(self, busybox_store: Lamina, tmp_path: Path) -> None:
        path = tmp_path / "x.tar"
        with tarfile.open(path, "w") as archive:
            archive.add(os.devnull, "x")
        done = busybox_store("build", "cache", "import", "-i", str(path), check=False)
        assert done.returncode == 1
        assert done.stderr.count("\n") <= 2
        assert not (busybox_store.root / "cache-mounts").exists()
