"""Proves that sharing a prompt's prefill among its samples changes none of them."""

from __future__ import annotations

import uuid

import pytest

from adaqueue.adapters.language_model import LanguageModel
from adaqueue.adapters.transformers_engine import TransformersEngine
from adaqueue.core.records import Unit, sample_seed
from adaqueue.core.specs import Sampling
from adaqueue.demo.queries import demo_queries, model_path


def _units(queries: int, samples: int) -> list[Unit]:
    units = []
    for query in demo_queries(queries):
        key = uuid.uuid5(uuid.NAMESPACE_URL, query["id"])
        messages = ({"role": "user", "content": query["prompt"]},)
        units += [Unit(key, n, sample_seed(key, n), messages, None) for n in range(samples)]
    return units


def test_samples_are_the_same_with_and_without_a_shared_prefill(monkeypatch: pytest.MonkeyPatch) -> None:
    model = LanguageModel(str(model_path()), "small")
    engine = TransformersEngine(model, Sampling("small", 0.7, 8))
    units = _units(queries=20, samples=4)
    shared = [sample.text for response in engine.draw(units) for sample in response]
    monkeypatch.setattr(engine, "_prefill", lambda *_: None)
    alone = [sample.text for response in engine.draw(units) for sample in response]
    assert shared == alone
    assert len(set(shared)) > 20
