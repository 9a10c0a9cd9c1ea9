"""Configuration and history of an image whose layers were made anew."""

from __future__ import annotations

import json

from lamina.oci import mediatype
from lamina.oci.config import History, ImageConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.manifest import Manifest
from lamina.oci.platform import Platform
from lamina.repack.image import Fate, repacked_config, repacked_manifest

LAYERS = [Digest.of(name.encode()) for name in "abcd"]
LINES = [
    History(created_by="ADD rootfs"),
    History(created_by="ENV A=1", empty_layer=True),
    History(created_by="RUN /bin/sh -c make # buildkit", comment="buildkit.dockerfile.v0"),
    History(created_by="RUN /bin/sh -c rm x # buildkit", comment="buildkit.dockerfile.v0"),
    History(created_by="COPY y /y"),
]
CONFIG = ImageConfig.parse(
    json.dumps(
        {
            **json.loads(ImageConfig.scratch(Platform("amd64")).raw),
            "config": {"Healthcheck": {"Test": ["CMD", "x"]}, "Unknown": 1},
            "x.unknown": True,
        }
    ).encode()
).amend(diff_ids=LAYERS, history=LINES)
NEW = Descriptor(mediatype.OCI_LAYER, Digest.of(b"new"), 1536)
JOINED = [Fate(0, 0, True), Fate(1, 2, False, NEW), Fate(3, 3, True)]


def test_history_says_what_was_merged_and_keeps_every_line() -> None:
    config = repacked_config(CONFIG, JOINED)
    assert config.diff_ids == (LAYERS[0], NEW.digest, LAYERS[3])
    assert [(line.created_by, line.empty_layer) for line in config.history] == [
        ("ADD rootfs", False),
        ("ENV A=1", True),
        ("RUN /bin/sh -c make # buildkit", True),
        ("merged 2 layers: RUN make; RUN rm x", False),
        ("COPY y /y", False),
    ]


def test_a_layer_that_is_gone_leaves_its_line() -> None:
    fates = [Fate(0, 0, True), Fate(1, 1, False), Fate(2, 2, True), Fate(3, 3, False, NEW)]
    config = repacked_config(CONFIG, fates)
    assert config.diff_ids == (LAYERS[0], LAYERS[2], NEW.digest)
    assert [line.empty_layer for line in config.history] == [False, True, True, False, False]
    assert config.history[4].created_by == "COPY y /y"


def test_all_else_stays_known_or_not() -> None:
    before, after = (json.loads(each.raw) for each in (CONFIG, repacked_config(CONFIG, JOINED)))
    for document in (before, after):
        del document["rootfs"], document["history"]
    assert after == before


def test_an_image_without_history_gets_none() -> None:
    bare = ImageConfig.scratch(Platform("amd64")).amend(diff_ids=LAYERS)
    assert repacked_config(bare, JOINED).history == ()


def test_the_manifest_keeps_what_is_known_of_kept_layers() -> None:
    old = Manifest.build(
        CONFIG.descriptor(),
        [Descriptor(mediatype.DOCKER_LAYER_GZIP, Digest.of(bytes([n])), n) for n in range(4)],
        annotations={"a": "b"},
    )
    config = repacked_config(CONFIG, JOINED)
    manifest = repacked_manifest(old, config, JOINED)
    assert [(each.media_type, each.size) for each in manifest.layers] == [
        (mediatype.OCI_LAYER_GZIP, 0),
        (mediatype.OCI_LAYER, 1536),
        (mediatype.OCI_LAYER_GZIP, 3),
    ]
    assert manifest.annotations == {"a": "b"}
    assert manifest.config == config.descriptor()
