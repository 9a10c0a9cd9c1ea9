"""Attestations on real images: in the store, through a registry and archives, read by others."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lamina.engine import open_engine
from lamina.oci.digest import Digest
from tests.fakes.repositories import Repository
from tests.system.conftest import Lamina, Registry, need_tool

pytest.importorskip("spdx_tools", reason="needs the extra attest")

from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

pytestmark = pytest.mark.system
SPDX, SLSA = "https://spdx.dev/Document", "https://slsa.dev/provenance/v0.2"
SECRET = "correct-horse-battery"
Read = Callable[[str], Any]
"""A JSON document by its digest."""


@pytest.fixture
def context(tmp_path: Path) -> Path:
    place = tmp_path / "context"
    place.mkdir()
    (place / "Dockerfile").write_text("FROM busybox\nRUN echo 1 > /f\n")
    return place


def in_store(lamina: Lamina) -> Read:
    blobs = open_engine(lamina.root).store.blobs
    return lambda digest: json.loads(blobs.read(Digest(digest)))


def in_layout(directory: Path) -> Read:
    return lambda digest: json.loads(
        (directory / "blobs" / "sha256" / digest.removeprefix("sha256:")).read_bytes()
    )


def top(lamina: Lamina, name: str = "t") -> str:
    return str(open_engine(lamina.root).store.images.find(name).row.descriptor.digest)


def statements(read: Read, digest: str) -> tuple[str, dict[str, Any]]:
    """The digest of an index's image, and the statements about it by their predicate; every
    reference between them is checked."""
    index = read(digest)
    image, attestation = index["manifests"]
    assert index["mediaType"] == "application/vnd.oci.image.index.v1+json"
    assert image["platform"]["os"] == "linux"
    assert attestation["platform"] == {"architecture": "unknown", "os": "unknown"}
    assert attestation["annotations"] == {
        "vnd.docker.reference.digest": image["digest"],
        "vnd.docker.reference.type": "attestation-manifest",
    }
    manifest = read(attestation["digest"])
    layers = manifest["layers"]
    diff_ids = read(manifest["config"]["digest"])["rootfs"]["diff_ids"]
    assert diff_ids == [layer["digest"] for layer in layers]
    found = {}
    for layer in layers:
        assert layer["mediaType"] == "application/vnd.in-toto+json"
        statement = read(layer["digest"])
        assert statement["predicateType"] == layer["annotations"]["in-toto.io/predicate-type"]
        subjects = [each["digest"]["sha256"] for each in statement["subject"]]
        assert subjects == [image["digest"].removeprefix("sha256:")]
        found[statement["predicateType"]] = statement
    return image["digest"], found


def fetch(skopeo: str, name: str, place: Path) -> None:
    """Everything that a registry has under a name, as a layout."""
    flags = ("-q", "--all", "--src-tls-verify=false")
    subprocess.run([skopeo, "copy", *flags, f"docker://{name}", f"oci:{place}"], check=True)


def build(lamina: Lamina, context: Path, *args: str) -> None:
    lamina("build", "-q", "-t", "t", *args, str(context))


def test_an_image_with_statements_is_used_as_any_other(
    busybox_store: Lamina, context: Path
) -> None:
    build(busybox_store, context, "--sbom=true", "--provenance=true")
    digest, found = statements(in_store(busybox_store), top(busybox_store))
    assert set(found) == {SPDX, SLSA}
    assert found[SPDX]["subject"][0]["name"] == "pkg:docker/t@latest?platform=linux%2Famd64"
    assert str(open_engine(busybox_store.root).store.images.find("t").manifest.digest) == digest
    assert busybox_store("run", "--rm", "t", "cat", "/f").stdout == "1\n"
    document = json.loads(busybox_store("inspect", "t").stdout)
    assert document[0]["RepoTags"] == ["t:latest"]
    assert "echo 1 > /f" in busybox_store("history", "t").stdout
    busybox_store("verify")
    # A collection keeps what the name stands for, and takes all of it with the name.
    busybox_store("prune", "--force")
    assert set(statements(in_store(busybox_store), top(busybox_store))[1]) == {SPDX, SLSA}
    busybox_store("rmi", "t")
    busybox_store("prune", "--force", "--all")
    assert not any(
        "in-toto" in each.read_text(errors="replace")
        for each in (busybox_store.root / "blobs" / "sha256").iterdir()
    )


def test_a_push_states_it_of_the_manifest_that_is_pushed(
    busybox_store: Lamina, context: Path, registry: Registry, tmp_path: Path
) -> None:
    skopeo = need_tool("skopeo", "skopeo")
    name = f"{registry.host}/attested/pushed:1"
    mine = ("--sbom=true", "--provenance=mode=max", "-t", name)
    busybox_store("build", "-q", *mine, str(context))
    busybox_store("push", "-q", name)
    raw = subprocess.run(
        [skopeo, "inspect", "--tls-verify=false", "--raw", f"docker://{name}"],
        capture_output=True,
        check=True,
    ).stdout
    pulled = tmp_path / "layout"
    fetch(skopeo, name, pulled)
    index = json.loads((pulled / "index.json").read_bytes())["manifests"][0]["digest"]
    assert in_layout(pulled)(index) == json.loads(raw)
    digest, found = statements(in_layout(pulled), index)
    # Its layers were compressed on the way.
    assert digest != statements(in_store(busybox_store), top(busybox_store, name))[0]
    assert set(found) == {SPDX, SLSA}
    url = f"pkg:docker/{registry.host}/attested/pushed@1?platform=linux%2Famd64"
    assert found[SLSA]["subject"][0]["name"] == url


def test_build_and_push_in_one(
    busybox_store: Lamina, context: Path, registry: Registry, tmp_path: Path
) -> None:
    skopeo = need_tool("skopeo", "skopeo")
    name = f"{registry.host}/attested/direct:1"
    busybox_store("build", "-q", "--push", "--sbom=true", "-t", name, str(context))
    pulled = tmp_path / "layout"
    fetch(skopeo, name, pulled)
    index = json.loads((pulled / "index.json").read_bytes())["manifests"][0]["digest"]
    assert set(statements(in_layout(pulled), index)[1]) == {SPDX}


@pytest.mark.parametrize("how", ["save", "output"])
def test_a_layout_has_it_too(
    busybox_store: Lamina, context: Path, tmp_path: Path, how: str
) -> None:
    place = tmp_path / "layout"
    if how == "save":
        build(busybox_store, context, "--sbom=true")
        busybox_store("save", "-q", "--format", "oci-dir", "-o", str(place), "t")
    else:
        build(busybox_store, context, "--sbom=true", "-o", f"type=oci,tar=false,dest={place}")
    index = json.loads((place / "index.json").read_bytes())["manifests"][0]["digest"]
    assert set(statements(in_layout(place), index)[1]) == {SPDX}


def test_an_archive_of_dockers_has_the_image_alone(
    busybox_store: Lamina, context: Path, tmp_path: Path
) -> None:
    for number, args in enumerate((("-o", "type=docker,dest="), ("save",))):
        place = tmp_path / f"{number}.tar"
        if args[0] == "save":
            build(busybox_store, context, "--sbom=true")
            busybox_store("save", "-q", "-o", str(place), "t")
        else:
            build(busybox_store, context, "--sbom=true", args[0], f"{args[1]}{place}")
        other = Lamina(tmp_path / f"other-{number}")
        other("load", "-q", "-i", str(place))
        assert other("history", "-q", "t").stdout


def test_the_packages_of_a_real_distribution(debian_store: Lamina, tmp_path: Path) -> None:
    place = tmp_path / "context"
    info = place / "site" / "requests-2.31.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: requests\nVersion: 2.31.0\nLicense: Apache-2.0\n\n"
    )
    (place / "Dockerfile").write_text(
        "FROM debian:bookworm\n"
        "RUN sed -i 's/^Version: 5.2.15.*/Version: 99/' /var/lib/dpkg/status\n"
        "COPY site /usr/lib/python3/dist-packages/\n"
    )
    build(debian_store, place, "--sbom=true")
    document = statements(in_store(debian_store), top(debian_store))[1][SPDX]["predicate"]
    parser: Any = JsonLikeDictParser
    assert validate_full_spdx_document(parser().parse(document)) == []
    packages = {each["name"]: each for each in document["packages"]}
    listed = debian_store(
        "run", "--rm", "t", "dpkg-query", "-W", "-f", "${Package} ${Version}\\n"
    ).stdout.split("\n")
    installed = dict(line.split() for line in listed if line)
    told = {
        name: each["versionInfo"]
        for name, each in packages.items()
        if any("pkg:deb/" in ref["referenceLocator"] for ref in each.get("externalRefs", ()))
    }
    assert told == installed
    assert packages["bash"]["versionInfo"] == "99"
    assert ": RUN sed -i" in packages["bash"]["comment"]
    assert ": Imported from" in packages["tar"]["comment"]
    assert packages["requests"]["licenseDeclared"] == "Apache-2.0"
    assert ": COPY site" in packages["requests"]["comment"]
    assert packages["debian"]["versionInfo"] == "12"


def test_provenance_tells_what_went_in(
    busybox_store: Lamina, registry: Registry, tmp_path: Path
) -> None:
    base = f"{registry.host}/attested/base:1"
    busybox_store("tag", "busybox", base)
    pushed = busybox_store("push", "-q", base).stdout.strip().rpartition("@sha256:")[2]
    busybox_store("rmi", base)
    repository = Repository.create(
        tmp_path / "project",
        Dockerfile=f"FROM {base} AS first\nARG VERSION\nRUN echo $VERSION > /v\n"
        "FROM scratch\nCOPY --from=first /v /v\n",
    )
    repository.git("config", "remote.origin.url", "https://me:pw@example.org/app.git")
    build(
        busybox_store,
        repository.path,
        *("--provenance=mode=max,builder-id=https://ci.example", "--build-arg", "VERSION=2"),
    )
    _, found = statements(in_store(busybox_store), top(busybox_store))
    provenance = found[SLSA]["predicate"]
    url = f"pkg:docker/{registry.host}/attested/base@1?platform=linux%2Famd64"
    assert provenance["materials"] == [{"uri": url, "digest": {"sha256": pushed}}]
    assert provenance["builder"]["id"] == "https://ci.example"
    assert provenance["invocation"]["parameters"]["args"] == {"build-arg:VERSION": "2"}
    own = provenance["metadata"]["https://lamina.dev/build/dockerfile@v1#metadata"]
    assert own["vcs"] == {
        "source": "https://example.org/app.git",
        "revision": repository.git("rev-parse", "HEAD"),
    }
    steps = provenance["buildConfig"]["steps"]
    assert [each["op"]["type"] for each in steps] == ["base", "base", "run", "copy"]
    (made,) = open_engine(busybox_store.root).store.images.find("t").layers
    assert steps[-1]["layer"] == str(made)
    assert steps[-1]["inputs"] == [steps[0]["id"], steps[2]["id"]]


def test_a_context_that_is_a_repository_is_a_material(
    busybox_store: Lamina, tmp_path: Path
) -> None:
    repository = Repository.create(tmp_path / "project", Dockerfile="FROM scratch\nCOPY . /\n")
    address = f"file://{repository.path}/.git#main"
    busybox_store("build", "-q", "-t", "t", "--provenance=true", "--reproducible", address)
    provenance = statements(in_store(busybox_store), top(busybox_store))[1][SLSA]["predicate"]
    commit = {"sha1": repository.git("rev-parse", "HEAD")}
    assert provenance["materials"] == [{"uri": address, "digest": commit}]
    assert provenance["invocation"]["configSource"]["digest"] == commit
    assert provenance["metadata"]["completeness"]["materials"] is True
    found = open_engine(busybox_store.root).store.images.find("t")
    # The commit's own time, though nothing of the repository is in the context.
    assert found.config.created == "2023-11-14T22:13:20Z"


def test_no_secret_is_in_any_statement(busybox_store: Lamina, tmp_path: Path) -> None:
    place = tmp_path / "context"
    place.mkdir()
    (tmp_path / "secret").write_text(SECRET)
    (place / "Dockerfile").write_text(
        "FROM busybox\nARG API_TOKEN\nRUN --mount=type=secret,id=s grep -q . /run/secrets/s\n"
    )
    build(
        busybox_store,
        place,
        *("--secret", f"id=s,src={tmp_path / 'secret'}", "--build-arg", "API_TOKEN=tell-nobody"),
        *("--provenance=mode=max", "--sbom=true"),
    )
    _, found = statements(in_store(busybox_store), top(busybox_store))
    text = json.dumps(found)
    assert SECRET not in text
    assert "tell-nobody" not in text
    parameters = found[SLSA]["predicate"]["invocation"]["parameters"]
    assert parameters["args"] == {"build-arg:API_TOKEN": "***"}
    assert parameters["secrets"] == [{"id": "s", "optional": True}]


def test_an_sbom_of_a_reproducible_build_is_reproducible(
    busybox_store: Lamina, context: Path, started: None
) -> None:
    tops = set()
    for _ in range(2):
        build(busybox_store, context, "--sbom=true", "--reproducible", "--no-cache")
        tops.add(top(busybox_store))
    assert len(tops) == 1


def test_a_build_that_was_verified_says_so(busybox_store: Lamina, context: Path) -> None:
    build(busybox_store, context, "--verify-reproducible", "--provenance=version=v1")
    (statement,) = statements(in_store(busybox_store), top(busybox_store))[1].values()
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    own = statement["predicate"]["runDetails"]["metadata"]
    assert own["https://lamina.dev/build/dockerfile@v1#metadata"]["reproducible"] is True


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--attest", "sbom"), "not an attestation: 'sbom'"),
        (("--attest", "type=other"), "not an attestation: 'type=other'"),
        (("--provenance=mode=most",), "provenance has no mode most"),
        (("--provenance=version=v2",), "provenance has no version v2"),
        (("--attest", "type=sbom,mode=max"), "sbom has no option mode"),
        (("--sbom=generator=x/y",), "an SBOM by another generator is not supported: x/y"),
    ],
)
def test_bad_options_are_said_before_anything_is_built(
    busybox_store: Lamina, context: Path, args: tuple[str, ...], said: str
) -> None:
    done = busybox_store("build", "-t", "t", *args, str(context), check=False)
    assert done.returncode == 1
    assert said in done.stderr
    assert "RUN echo" not in done.stdout + done.stderr


def test_what_is_turned_off_is_not_stated(busybox_store: Lamina, context: Path) -> None:
    build(busybox_store, context, "--attest", "type=sbom", "--sbom=false", "--provenance=false")
    read = in_store(busybox_store)
    assert "manifest.v1" in read(top(busybox_store))["mediaType"]
