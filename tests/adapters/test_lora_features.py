"""Proves that queries of a LoRA probe get the features that it reads, from its promotion to its end."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from adaqueue.adapters.language_model import LanguageModel
from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.ledger.features import PostgresFeatureLedger
from adaqueue.adapters.lora_features import LoraFeatures, adapted_spec
from adaqueue.adapters.probe_registry import ProbeRegistry
from adaqueue.adapters.probes.fitted import FittedProbe
from adaqueue.adapters.probes.fitting import load_probe
from adaqueue.adapters.probes.models import SCALING, NetworkModel
from adaqueue.adapters.sql import feature_specs
from adaqueue.adapters.transformers_features import TransformersFeatures
from adaqueue.core.specs import FeatureSpec, Sampling
from adaqueue.ports import FeatureProvider
from tests.models import ask, one_thread, tiny_model  # noqa: F401 - one_thread: used by every test here
from tests.probes import put_into_use, small_probe

LAYER = "layers.0.self_attn.q_proj"
PROMPTS = [ask("What is 1 + 1?"), ask("9 - 8 - 7")]
SAMPLING = Sampling("tiny", 0.7, 8)
generator = torch.Generator().manual_seed(0)
FACTORS = {
    "lora_A": torch.randn(2, 32, generator=generator),
    "lora_B": torch.randn(128, 2, generator=generator),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def registry(database: Database) -> ProbeRegistry:
    return ProbeRegistry(database, load_probe)


@pytest.fixture
def features(registry: ProbeRegistry, model: LanguageModel, database: Database) -> LoraFeatures:
    ledger = PostgresFeatureLedger(database)
    return LoraFeatures(registry, model.feature_spec(), lambda: model, ledger.register)


def lora_probe(layer: str = LAYER, factors: dict[str, Tensor] = FACTORS) -> FittedProbe:
    head = small_probe(32)
    assert isinstance(head, FittedProbe)
    assert isinstance(head.model, NetworkModel)
    adapter = {f"{layer}.{name}": factor for name, factor in factors.items()}
    return FittedProbe("lora", NetworkModel("lora", head.model.ensemble, adapter), head.calibration)


def use(registry: ProbeRegistry, probe: FittedProbe, spec: FeatureSpec) -> str:
    return put_into_use(registry, probe, spec=adapted_spec(spec, probe.to_bytes()), sampling=SAMPLING)


def read(provider: FeatureProvider) -> NDArray[np.float32]:
    return np.stack([np.frombuffer(vector, dtype=np.float32) for vector in provider.vectors(PROMPTS)])


def test_a_lora_probe_in_use_is_served_the_states_of_the_adapted_model(
    features: LoraFeatures, registry: ProbeRegistry, model: LanguageModel, database: Database
) -> None:
    base = read(TransformersFeatures(model))
    use(registry, lora_probe(), model.feature_spec())
    served = features("math")
    assert served is not None
    assert features("chat") is None
    found = read(served)
    weight = model.model.base_model.layers[0].self_attn.q_proj.weight
    change = SCALING * FACTORS["lora_B"] @ FACTORS["lora_A"]
    with torch.no_grad():
        weight += change
        expected = read(TransformersFeatures(model))
        weight -= change
    assert np.allclose(found, expected, atol=1e-5)
    assert np.abs(found - base).max() > 0.01
    assert np.allclose(read(TransformersFeatures(model)), base, atol=1e-5)
    with database.begin() as conn:
        known = feature_specs.by_fingerprint(conn, [served.spec.fingerprint()])
    assert known == {served.spec.fingerprint(): asdict(served.spec)}


def test_a_promotion_and_a_rollback_count_at_once_and_a_model_is_built_once(
    features: LoraFeatures, registry: ProbeRegistry, model: LanguageModel
) -> None:
    spec = model.feature_spec()
    assert features("math") is None
    put_into_use(registry, small_probe(32), spec=spec, sampling=SAMPLING)
    assert features("math") is None
    use(registry, lora_probe(), spec)
    served = features("math")
    assert served is not None
    assert features("math") is served
    registry.rollback("tiny", "math")
    assert features("math") is None


def test_whatever_the_base_features_are_an_adapter_is_read_at_the_last_layer_and_token(
    model: LanguageModel,
) -> None:
    one, other = lora_probe().to_bytes(), lora_probe(layer="layers.1.self_attn.q_proj").to_bytes()
    adapted = adapted_spec(model.feature_spec(0, "mean"), one)
    assert adapted == replace(model.feature_spec(), adapter=adapted.adapter)
    assert adapted == adapted_spec(model.feature_spec(), lora_probe().to_bytes())
    assert adapted.adapter != adapted_spec(model.feature_spec(), other).adapter
    assert adapted.adapter


def test_a_lora_probe_of_another_model_is_not_served_and_the_log_says_why(
    features: LoraFeatures, registry: ProbeRegistry, model: LanguageModel, caplog: pytest.LogCaptureFixture
) -> None:
    old = use(registry, lora_probe(), replace(model.feature_spec(), template="old"))
    assert features("math") is None
    reason = "it reads other features: template: old against "
    assert f"no adapted features for math: probe {old}: {reason}" in caplog.text
    foreign = use(registry, lora_probe(layer="layers.9.q"), model.feature_spec())
    assert features("math") is None
    reason = "the adapter belongs to another model: layers.9.q is not in both"
    assert f"no adapted features for math: probe {foreign}: {reason}" in caplog.text
    assert features("math") is None
    assert caplog.text.count("no adapted features") == 2


def test_where_there_is_no_room_for_the_adapted_model_the_base_features_must_do(
    registry: ProbeRegistry, model: LanguageModel, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    def full() -> LanguageModel:
        raise RuntimeError("CUDA out of memory")

    name = use(registry, lora_probe(), model.feature_spec())
    features = LoraFeatures(registry, model.feature_spec(), full, PostgresFeatureLedger(database).register)
    assert features("math") is None
    assert f"no adapted features for math: probe {name}: CUDA out of memory" in caplog.text
