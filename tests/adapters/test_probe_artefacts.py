"""Proves that a probe read back says the same, and that nothing else passes for one."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from adaqueue.adapters.probes.artefacts import pack
from adaqueue.adapters.probes.fitted import FittedProbe
from adaqueue.adapters.probes.fitting import fit_probe, load_probe
from adaqueue.adapters.probes.heads import HEADS
from adaqueue.adapters.probes.preference import fit_preference, preferences
from adaqueue.core.outcomes import Outcomes
from adaqueue.errors import BadOutcomesError, FingerprintError
from tests.models import one_thread  # noqa: F401 - used by every test here
from tests.outcomes import SIZE, outcomes, population

PAPERS = {"format": "adaqueue-probe", "version": "1", "head": "beta"}


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(scope="module")
def data() -> Outcomes:
    return population(np.ones(40), np.ones(40), 1)


@pytest.fixture(scope="module")
def weights(data: Outcomes) -> bytes:
    return fit_probe("beta", data, seed=0).to_bytes()


def fitted(head: str, data: Outcomes) -> FittedProbe:
    if head == "preference":
        return fit_preference(data, data, seed=0)
    return fit_probe(head, data, seed=0)


@pytest.mark.parametrize("head", [head for head in HEADS if head != "lora"])
def test_a_probe_read_back_says_the_same(head: str, data: Outcomes) -> None:
    probe = fitted(head, data)
    weights = probe.to_bytes()
    again = load_probe(weights, digest(weights))
    assert (again.head, again.reads) == (head, HEADS[head].reads)
    said, expected = (each.predict(data.states, data.prompts) for each in (again, probe))
    np.testing.assert_array_equal([said.alpha, said.beta], [expected.alpha, expected.beta])
    np.testing.assert_array_equal([said.zero, said.tokens], [expected.zero, expected.tokens])
    assert again.to_bytes() == weights


def test_the_metadata_say_what_it_is(weights: bytes) -> None:
    length = int.from_bytes(weights[:8], "little")
    assert b'"__metadata__": {"format": "adaqueue-probe", "head": "beta", "version": "1"}' in weights[:length]


def test_weights_other_than_those_registered_are_refused_with_both_digests(weights: bytes) -> None:
    with pytest.raises(FingerprintError, match=f"digest {digest(weights)}, registered was {'0' * 64}"):
        load_probe(weights, "0" * 64)


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_weights_that_were_cut_are_refused(weights: bytes, keep: int) -> None:
    cut = weights[:keep]
    with pytest.raises(FingerprintError, match="hold no probe"):
        load_probe(cut, digest(cut))


def foreign(kind: str, weights: bytes) -> bytes:
    tensors = load(weights)
    return {
        "no safetensors": b"PK\x03\x04 a pickle, perhaps",
        "another format": save(tensors, {**PAPERS, "format": "pt"}),
        "no metadata": save(tensors),
        "another version": save(tensors, {**PAPERS, "version": "2"}),
        "an unknown head": save(tensors, {**PAPERS, "head": "gamma"}),
        "another head": pack("beta_zero", tensors),
        "words of a network": pack("tfidf", tensors),
        "a constant with weights": pack("constant", tensors),
        "an adapter": pack("beta", {**tensors, "adapter.q.lora_A": torch.zeros(2, 2)}),
        "no adapter": pack("lora", tensors),
        "other shapes": pack("beta", {**tensors, "member.1.second.weight": torch.zeros(2, 5)}),
        "a tensor too many": pack("beta", {**tensors, "third.weight": torch.zeros(2)}),
        "a tensor too few": pack("beta", {name: t for name, t in tensors.items() if name != "tokens"}),
        "no calibration": pack("beta", {name: t for name, t in tensors.items() if "calibration" not in name}),
        "a scalar calibration": pack("beta", {**tensors, "calibration.knots": torch.tensor(1.0)}),
        "nothing": pack("beta", {}),
    }[kind]


REFUSALS = {
    "no safetensors": "hold no probe",
    "another format": r"format and version are \('pt', '1'\)",
    "no metadata": r"format and version are \(None, None\)",
    "another version": r"format and version are \('adaqueue-probe', '2'\)",
    "an unknown head": "unknown head, 'gamma'",
    "another head": r"member.0.second.weight has shape \(3, 128\), not \(4, 128\)",
    "words of a network": "tensors are missing: columns, intercept, rarity, weights",
    "a constant with weights": "foreign tensors: member.0.first.bias",
    "an adapter": "1 adapter tensors for 'beta'",
    "no adapter": "0 adapter tensors for 'lora'",
    "other shapes": r"member.1.second.weight has shape \(2, 5\), not \(3, 128\)",
    "a tensor too many": "foreign tensors: third.weight",
    "a tensor too few": "tensors are missing: tokens",
    "no calibration": "tensors are missing: knots, levels, line",
    "a scalar calibration": r"knots has shape \(\), not \(1,\)",
    "nothing": "tensors are missing",
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_weights_of_something_else_are_refused_for_what_they_are(kind: str, weights: bytes) -> None:
    given = foreign(kind, weights)
    with pytest.raises(FingerprintError, match=REFUSALS[kind]):
        load_probe(given, digest(given))


def test_states_of_another_size_are_refused_with_both_sizes(weights: bytes) -> None:
    probe = load_probe(weights, digest(weights))
    with pytest.raises(FingerprintError, match=f"the probe reads {SIZE} features, not 7"):
        probe.predict(np.zeros((2, 7), dtype=np.float32), ())
    with pytest.raises(FingerprintError, match="reads hidden states, and there are none"):
        probe.predict(None, ["a prompt"])


def test_preferences_are_means_over_pairs() -> None:
    weak, strong = outcomes([(0.0, 1.0), (2.0,)]), outcomes([(1.0,), (2.0, 2.0)])
    assert preferences(weak, strong) == pytest.approx([(1 / (1 + np.exp(-1)) + 0.5) / 2, 0.5])


def test_preferences_that_the_state_decides_are_found() -> None:
    weak = outcomes([(0.0,)] * 300)
    assert weak.states is not None
    gap = 3 * weak.states[:, 0].astype(np.float64)
    strong = replace(weak, rewards=tuple((each,) for each in gap.tolist()))
    said = fit_preference(weak, strong, seed=0).predict(weak.states, ()).success
    assert np.abs(said - 1 / (1 + np.exp(-gap))).mean() < 0.05


def test_preferences_of_what_cannot_be_compared_are_refused() -> None:
    weak = outcomes([(0.0,)] * 3)
    with pytest.raises(BadOutcomesError, match="must be of the same queries"):
        preferences(weak, weak.take(np.array([1, 0, 2])))
    with pytest.raises(BadOutcomesError, match="1 queries have no reward of one decoder"):
        preferences(weak, replace(weak, rewards=((1.0,), (), (1.0,))))
    with pytest.raises(BadOutcomesError, match="3 queries stopped at their successes"):
        preferences(weak, outcomes([(1.0,)] * 3, stopped=True))
