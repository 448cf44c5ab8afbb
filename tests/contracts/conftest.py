"""Real vLLM servers, shared by all contract tests; each starts with the first test that asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from adaqueue.demo.queries import model_path
from tests.contracts.vllm import Served, served
from tests.models import tiny_model


@pytest.fixture(scope="session")
def drawing_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Draws samples with the tiny model."""
    folder = tmp_path_factory.mktemp("drawing")
    tiny_model(folder / "model")
    with served(folder / "model", folder / "log") as server:
        yield server


@pytest.fixture(scope="session")
def tiny_features_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Computes features with the tiny model, the mean over a prompt's tokens."""
    folder = tmp_path_factory.mktemp("features")
    tiny_model(folder / "model")
    with served(folder / "model", folder / "log", "pooling", pooling="mean") as server:
        yield server


@pytest.fixture(scope="session")
def shipped_features_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Computes features with the shipped model, of a prompt's last token."""
    folder = tmp_path_factory.mktemp("features")
    with served(model_path(), folder / "log", "pooling", "shipped") as server:
        yield server
