"""Proves that an adapter learns what the frozen model does not say, and is served as it was trained."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from adaqueue.adapters.language_model import LanguageModel
from adaqueue.adapters.probes import lora
from adaqueue.adapters.probes.artefacts import pack
from adaqueue.adapters.probes.fitted import FittedProbe
from adaqueue.adapters.probes.fitting import fit_probe, load_probe
from adaqueue.adapters.probes.lora import adapted, fit_lora
from adaqueue.adapters.transformers_features import TransformersFeatures
from adaqueue.core.outcomes import Outcomes, States
from adaqueue.errors import BadOutcomesError, FingerprintError
from tests.models import one_thread, tiny_model  # noqa: F401 - used by every test here
from tests.outcomes import SAMPLES, outcomes

QUERIES = 160


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def data() -> Outcomes:
    """Even numbers are easy, odd ones hard."""
    rng = np.random.default_rng(0)
    success = np.where(np.arange(QUERIES) % 2, 0.1, 0.9)
    rewards = [tuple(map(float, rng.random(SAMPLES) < chance)) for chance in success]
    return outcomes(rewards, [f"What is {place + 100}?" for place in range(QUERIES)])


@pytest.fixture(scope="module")
def probe(model: LanguageModel, data: Outcomes) -> FittedProbe:
    return fit_lora(model, data, seed=0)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def states(model: LanguageModel, data: Outcomes) -> States:
    vectors = TransformersFeatures(model).vectors(data.messages)
    return np.stack([np.frombuffer(vector, dtype=np.float32) for vector in vectors])


def test_the_artefact_serves_adapted_states_and_the_head_that_reads_them(
    model: LanguageModel, data: Outcomes, probe: FittedProbe
) -> None:
    weights = probe.to_bytes()
    again = load_probe(weights, digest(weights))
    said = again.predict(states(adapted(model, weights, digest(weights)), data), ())
    assert (again.head, again.reads) == ("lora", "states")
    held_out, rows = probe.held_out, probe.held_out_rows
    assert held_out is not None
    assert rows is not None
    # what training saw through the wrapped layers is what serving sees through the changed weights
    np.testing.assert_allclose(said.success[rows], held_out.success, atol=1e-4)
    assert len(rows) == QUERIES // 5
    assert again.to_bytes() == weights


def test_the_model_itself_stays_as_it_was(model: LanguageModel, data: Outcomes, tmp_path: Path) -> None:
    untouched = tiny_model(tmp_path)
    fit_lora(model, data.take(np.arange(20)), seed=0)
    before, after = untouched.model.state_dict(), model.model.state_dict()
    assert list(before) == list(after)
    assert all(torch.equal(before[name], after[name]) for name in before)
    np.testing.assert_array_equal(states(untouched, data), states(model, data))


def test_the_same_seed_gives_the_same_adapter_and_leaves_the_worlds_chance_alone(
    model: LanguageModel, data: Outcomes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lora, "ROUNDS", 2)
    few = data.take(np.arange(20))
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first = fit_lora(model, few, seed=1).to_bytes()
    assert torch.equal(torch.rand(1), expected)
    assert fit_lora(model, few, seed=1).to_bytes() == first


def test_an_adapter_of_another_model_is_refused(model: LanguageModel, probe: FittedProbe) -> None:
    weights = probe.to_bytes()
    name = "layers.0.mlp.up_proj"
    foreign: Sequence[tuple[dict[str, torch.Tensor], str]] = (
        (
            {f"{name}.lora_A": torch.zeros(2, 5), f"{name}.lora_B": torch.zeros(64, 2)},
            r"up_proj is \(64, 32\)",
        ),
        ({f"{name}.lora_A": torch.zeros(2, 32)}, "up_proj is not in both"),
        (
            {"layers.9.q.lora_A": torch.zeros(2, 2), "layers.9.q.lora_B": torch.zeros(2, 2)},
            "q is not in both",
        ),
    )
    for adapter, refusal in foreign:
        given = pack("lora", {f"adapter.{key}": tensor for key, tensor in adapter.items()})
        with pytest.raises(FingerprintError, match=f"belongs to another model: .*{refusal}"):
            adapted(model, given, digest(given))
    with pytest.raises(FingerprintError, match="digest"):
        adapted(model, weights, "0" * 64)


def test_a_probe_without_an_adapter_adapts_nothing(model: LanguageModel, data: Outcomes) -> None:
    weights = fit_probe("constant", data, seed=0).to_bytes()
    with pytest.raises(FingerprintError, match="a probe without an adapter"):
        adapted(model, weights, digest(weights))


def test_too_few_queries_are_refused_before_the_model_is_touched(
    model: LanguageModel, data: Outcomes
) -> None:
    with pytest.raises(BadOutcomesError, match="not 9 in 9"):
        fit_lora(model, data.take(np.arange(9)), seed=0)
