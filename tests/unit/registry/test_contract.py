"""The registry client against the fake registry, by the suite of every source and sink."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lamina.oci.reference import Reference
from lamina.registry.client import Repository
from lamina.registry.connect import connect
from lamina.registry.settings import Settings
from tests.contract.source_sink import TAG, SourceSinkContract
from tests.fakes.registry import FakeRegistry


class TestRepository(SourceSinkContract):
    @pytest.fixture
    def both(self) -> Iterator[Repository]:
        with FakeRegistry() as registry:
            reference = Reference.parse(f"{registry.host}/team/app:{TAG}")
            yield connect(reference, Settings(), push=True)


class TestRepositoryThatListsReferrers(SourceSinkContract):
    @pytest.fixture
    def both(self) -> Iterator[Repository]:
        with FakeRegistry(referrers=True, page=1) as registry:
            reference = Reference.parse(f"{registry.host}/team/app:{TAG}")
            yield connect(reference, Settings(), push=True)


class TestRepositoryBehindBearerTokens(SourceSinkContract):
    @pytest.fixture
    def both(self) -> Iterator[Repository]:
        from lamina.registry.settings import Credential

        with FakeRegistry(auth="bearer", users={"me": "secret"}, private=True) as registry:
            reference = Reference.parse(f"{registry.host}/team/app:{TAG}")
            settings = Settings(login=Credential("me", "secret"))
            yield connect(reference, settings, push=True)
