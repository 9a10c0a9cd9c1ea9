"""Images by name, over a real store."""

from __future__ import annotations

import msgspec
import pytest

from lamina.oci.platform import Platform
from lamina.store.contract import Store
from lamina.store.images import Images
from tests.contract.image_store import ImageStoreContract


class TestImages(ImageStoreContract):
    @pytest.fixture
    def store(self, store: Store) -> Store:
        assert isinstance(store.images, Images)
        return msgspec.structs.replace(
            store, images=msgspec.structs.replace(store.images, host=Platform("amd64"))
        )
