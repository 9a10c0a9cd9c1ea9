"""A container as a runtime-spec document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lamina.linux import capability
from lamina.linux.devices import ANY, DeviceRule
from lamina.linux.id_mapping import Extent
from lamina.run.bundle import Document, Found, Node, NotInBundle, bundle, with_init
from lamina.run.plan import MASKED, plan
from lamina.run.spec import (
    ContainerSpec,
    FileMount,
    Hidden,
    Identity,
    Ids,
    Limit,
    Mount,
    Namespaces,
    Overlay,
    Process,
)

SCHEMA = Path("/usr/share/gocode/src/github.com/opencontainers/runtime-spec/schema")
HOME = Path("/store/containers/c")


def spec(**changes: Any) -> ContainerSpec:
    process = changes.pop("process", Process(("sh", "-c", "true"), ("PATH=/bin", "A=1")))
    return ContainerSpec("ab" * 32, HOME, Overlay((), HOME, HOME), process, **changes)


def found(**changes: Any) -> Found:
    usual: dict[str, Any] = {
        "root": "rootfs",
        "identity": Identity(),
        "home": "/root",
        "capabilities": capability.DEFAULT,
    }
    return Found(**{**usual, **changes})


def made(what: ContainerSpec, known: Found | None = None, **plans: Any) -> Document:
    return bundle(what, plan(what, **plans), known or found())


def mount_at(document: Document, target: str) -> Document:
    return next(each for each in document["mounts"] if each["destination"] == target)


EVERYTHING = spec(
    process=Process(("true",), ("PATH=/bin",), cwd="/work", terminal=True),
    hostname="box",
    network="/run/netns/n",
    mounts=(
        Mount("bind", "/data", Path("/srv/data"), read_only=True),
        Mount("tmpfs", "/run", options="size=1m,exec"),
    ),
    read_only=True,
    limits=(Limit("nofile", 1024, -1),),
    namespaces=Namespaces(pid="host", ipc="/proc/7/ns/ipc"),
    no_new_privileges=False,
)


@pytest.mark.skipif(not SCHEMA.is_dir(), reason="needs golang-github-opencontainers-specs-dev")
@pytest.mark.parametrize(
    "document",
    [
        made(spec()),
        made(spec(network="none"), unified=True),
        made(EVERYTHING, found(identity=Identity(5, 6, (7, 8)), cgroups_path="/lamina/x")),
        made(
            spec(privileged=True),
            found(nodes=(Node("/dev/fuse", "c", 10, 229), Node("/dev/vda", "b", 254, 0))),
        ),
    ],
    ids=["plain", "none", "everything", "privileged"],
)
def test_the_document_is_what_the_specification_says(document: Document) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    referencing = pytest.importorskip("referencing")
    pytest.importorskip("referencing.jsonschema")
    files = {path.name: json.loads(path.read_text()) for path in SCHEMA.glob("*.json")}
    draft = referencing.jsonschema.DRAFT4
    registry = referencing.Registry().with_resources(
        (f"file:///{name}", draft.create_resource(schema)) for name, schema in files.items()
    )
    whole = {"$ref": "file:///config-schema.json"}
    validator = jsonschema.Draft4Validator(whole, registry=registry)
    assert not validator.is_valid({**document, "root": {"path": 7}})
    assert [error.message for error in validator.iter_errors(document)] == []


def test_the_process_is_what_the_embedded_runtime_executes() -> None:
    process = made(spec())["process"]
    assert process["args"] == ["sh", "-c", "true"]
    assert process["env"] == ["PATH=/bin", "A=1", "HOME=/root"]
    assert process["cwd"] == "/"
    assert process["noNewPrivileges"] is spec().no_new_privileges
    assert made(EVERYTHING)["process"]["noNewPrivileges"] is False
    assert process["user"] == {"uid": 0, "gid": 0, "umask": 0o022}
    assert process["capabilities"]["bounding"] == sorted(
        f"CAP_{name}" for name in capability.DEFAULT
    )


def test_who_is_not_root_holds_no_capability() -> None:
    sets = made(spec(), found(identity=Identity(1000, 1000, (55,))))["process"]["capabilities"]
    assert len(sets["bounding"]) == len(capability.DEFAULT)
    assert {name: held for name, held in sets.items() if held and name != "bounding"} == {}


def test_a_home_that_is_set_stays() -> None:
    process = Process(("true",), ("HOME=/elsewhere",))
    assert made(spec(process=process))["process"]["env"] == ["HOME=/elsewhere"]


def test_no_limit_is_the_largest_number() -> None:
    assert made(EVERYTHING)["process"]["rlimits"] == [
        {"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 2**64 - 1}
    ]


def test_devices_can_be_used_where_the_runtime_makes_them() -> None:
    assert "nodev" not in mount_at(made(spec()), "/dev")["options"]
    assert mount_at(made(spec()), "/dev/pts")["type"] == "devpts"


def test_a_read_only_bind_is_read_only_all_the_way_down() -> None:
    assert mount_at(made(EVERYTHING), "/data") == {
        "destination": "/data",
        "type": "bind",
        "source": "/srv/data",
        "options": ["rbind", "rprivate", "nodev", "ro", "rro"],
    }


def test_a_tmpfs_has_its_options() -> None:
    assert mount_at(made(EVERYTHING), "/run")["options"] == ["nosuid", "nodev", "size=1m"]


def test_what_the_kernel_lacks_and_nobody_needs_is_left_out() -> None:
    targets = [
        each["destination"] for each in made(spec(), found(lacking=frozenset({"mqueue"})))["mounts"]
    ]
    assert "/dev/mqueue" not in targets
    assert "/dev/shm" in targets


def test_a_device_is_mounted_where_nobody_may_make_one() -> None:
    node = Node("/dev/other", "c", 10, 229, source="/dev/fuse")
    document = made(spec(), found(nodes=(node,)))
    assert mount_at(document, "/dev/other")["source"] == "/dev/fuse"
    assert document["mounts"].index(mount_at(document, "/dev/other")) == len(document["mounts"]) - 1
    assert "devices" not in document["linux"]
    assert document["linux"]["resources"]["devices"][1]["minor"] == 229


def test_what_shows_a_namespace_that_is_not_ours_is_the_hosts() -> None:
    document = made(spec(), found(bound=frozenset({"sysfs"})))
    assert mount_at(document, "/sys") == {
        "destination": "/sys",
        "type": "bind",
        "source": "/sys",
        "options": ["rbind", "rprivate", "nosuid", "nodev", "noexec", "ro"],
    }
    assert mount_at(document, "/proc")["type"] == "proc"


def test_namespaces_are_made_joined_or_left() -> None:
    kinds = {each["type"]: each.get("path") for each in made(EVERYTHING)["linux"]["namespaces"]}
    assert kinds == {
        "mount": None,
        "ipc": "/proc/7/ns/ipc",
        "uts": None,
        "cgroup": None,
        "network": "/run/netns/n",
    }


def test_the_hosts_name_is_not_set_in_its_own_namespace() -> None:
    assert "hostname" not in made(spec(namespaces=Namespaces(uts="host")))
    assert made(spec())["hostname"] == "ab" * 6


def test_paths_are_masked_and_read_only() -> None:
    linux = made(spec())["linux"]
    assert linux["maskedPaths"] == list(MASKED)
    assert "/proc/sys" in linux["readonlyPaths"]
    assert made(EVERYTHING)["root"]["readonly"] is True
    assert "/" not in made(EVERYTHING)["linux"]["readonlyPaths"]


def test_the_filter_follows_the_capabilities() -> None:
    def allowed(known: Found) -> set[str]:
        rules = made(spec(), known)["linux"]["seccomp"]["syscalls"]
        return {
            name
            for rule in rules
            if rule["action"] == "SCMP_ACT_ALLOW" and "args" not in rule
            for name in rule["names"]
        }

    plain = allowed(found())
    assert {"read", "chroot", "fchmodat2"} <= plain
    assert not {"mount", "io_uring_setup", "clone", "bpf"} & plain
    powerful = allowed(found(capabilities=capability.DEFAULT | {"SYS_ADMIN"}))
    assert {"mount", "clone", "bpf"} <= powerful


def test_privileged_lifts_everything() -> None:
    fuse = Node("/dev/fuse", "c", 10, 229, 0o660, 0, 3)
    null = Node("/dev/null", "c", 1, 3)
    linux = made(spec(privileged=True), found(nodes=(fuse, null)))["linux"]
    assert "seccomp" not in linux
    assert linux["maskedPaths"] == linux["readonlyPaths"] == []
    assert linux["resources"]["devices"] == [{"allow": True, "access": "rwm"}]
    assert linux["devices"] == [
        {
            "path": "/dev/fuse",
            "type": "c",
            "major": 10,
            "minor": 229,
            "fileMode": 0o660,
            "uid": 0,
            "gid": 3,
        }
    ]


def test_memory_is_shared_with_the_container_whose_ipc_is_joined() -> None:
    assert mount_at(made(EVERYTHING), "/dev/shm")["source"] == "/proc/7/root/dev/shm"


def test_control_groups_are_left_to_the_runtime() -> None:
    document = made(spec(), hierarchies=("cpu,cpuacct", "name=systemd"))
    groups = [each for each in document["mounts"] if "cgroup" in each["destination"]]
    assert [(each["destination"], each["type"]) for each in groups] == [
        ("/sys/fs/cgroup", "cgroup")
    ]
    assert "/sys/fs/cgroup" not in document["linux"]["readonlyPaths"]


def test_kernel_parameters_are_set_where_there_are_any() -> None:
    lonely = spec(network="none", sysctls={"net.core.somaxconn": "7"}, domainname="example.org")
    known = found(lacking=frozenset({"net.ipv4.ping_group_range"}))
    assert made(lonely, known)["linux"]["sysctl"] == {
        "net.core.somaxconn": "7",
        "net.ipv4.ip_unprivileged_port_start": "0",
        "kernel.domainname": "example.org",
    }


def test_devices_may_be_used_as_far_as_their_rules_go() -> None:
    reader = Node("/dev/x", "c", 10, 229, permissions="r")
    known = found(nodes=(reader,), device_rules=(DeviceRule("b", 8, ANY, "m"),))
    assert made(spec(), known)["linux"]["resources"]["devices"] == [
        {"allow": False, "access": "rwm"},
        {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "r"},
        {"allow": True, "type": "b", "major": 8, "access": "m"},
    ]


def test_a_profile_of_ones_own_is_taken_as_it_comes_to() -> None:
    profile = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [
            {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13},
            {"names": ["bpf"], "action": "SCMP_ACT_KILL", "excludes": {"caps": ["CAP_BPF"]}},
            {
                "names": ["socket"],
                "action": "SCMP_ACT_ERRNO",
                "args": [{"index": 0, "value": 40, "op": "SCMP_CMP_EQ"}],
            },
        ],
    }
    own = made(spec(seccomp_profile=json.dumps(profile)))["linux"]["seccomp"]
    assert own["defaultAction"] == "SCMP_ACT_ALLOW"
    assert own["syscalls"] == [
        {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13},
        {"names": ["bpf"], "action": "SCMP_ACT_KILL"},
        {
            "names": ["socket"],
            "action": "SCMP_ACT_ERRNO",
            "errnoRet": 1,
            "args": [{"index": 0, "value": 40, "valueTwo": 0, "op": "SCMP_CMP_EQ"}],
        },
    ]


def test_labels_give_a_runtime_no_orders() -> None:
    assert "annotations" not in made(spec(labels={"run.oci.hooks.stdout": "/etc/passwd"}))


def test_what_has_no_words_in_the_specification_is_refused() -> None:
    secret = FileMount("/run/secrets/token", Hidden(b"s3cret"))
    with pytest.raises(NotInBundle, match="/run/secrets/token") as caught:
        made(spec(mounts=(secret,)))
    assert "s3cret" not in str(caught.value)


def test_an_init_starts_the_program() -> None:
    document = made(spec())
    changed = with_init(document, "/bin/sh", "/store/init")
    assert changed["process"]["args"] == [
        *("/dev/lamina-init", "--", "sh", "-c", "true", "/bin/sh"),
    ]
    assert changed["mounts"][:-1] == document["mounts"]
    assert changed["mounts"][-1]["source"] == "/store/init"
    assert "ro" in changed["mounts"][-1]["options"]
    assert {**changed["process"], "args": []} == {**document["process"], "args": []}


IDS = Ids((Extent(0, 2_000_000_000, 65536),), (Extent(0, 2_100_000_000, 65536),))


def test_users_of_its_own() -> None:
    linux = made(spec(ids=IDS, namespaces=Namespaces(user="/proc/1/fd/5"), network="none"))["linux"]
    assert {"type": "user", "path": "/proc/1/fd/5"} in linux["namespaces"]
    assert linux["uidMappings"] == [{"containerID": 0, "hostID": 2_000_000_000, "size": 65536}]
    assert linux["gidMappings"] == [{"containerID": 0, "hostID": 2_100_000_000, "size": 65536}]
    plain = made(spec())["linux"]
    assert "uidMappings" not in plain
    assert "user" not in {each["type"] for each in plain["namespaces"]}


def test_users_of_its_own_beside_a_namespace_of_the_hosts() -> None:
    shared = spec(ids=IDS, namespaces=Namespaces(user="/n", pid="host", ipc="host"))
    for target in ("/proc", "/sys", "/dev/mqueue"):
        assert mount_at(made(shared), target)["options"][0] == "rbind"
    ours = spec(ids=IDS, namespaces=Namespaces(user="/n"), network="/proc/1/fd/7")
    assert mount_at(made(ours), "/sys")["type"] == "sysfs"


@pytest.mark.parametrize("kind", ["pid", "ipc"])
def test_users_of_its_own_beside_a_namespace_of_another_container(kind: str) -> None:
    joined = Namespaces(user="/n", **{kind: f"/proc/7/ns/{kind}"})
    with pytest.raises(NotInBundle, match="of another container beside --userns"):
        made(spec(ids=IDS, namespaces=joined, network="none"))
