"""Proves that a probe is refused by the field that differs, a LoRA probe by what its base model is alone."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from adaqueue.core.papers import TEXT, Papers
from adaqueue.core.specs import FeatureSpec, Sampling
from adaqueue.errors import FingerprintError

SPEC = FeatureSpec("m", "r", -1, "last", True, "t", 5)
SAMPLING = Sampling("m", 0.7, 8)
PAPERS = Papers.of("math", SPEC, SAMPLING)
ADAPTED = Papers.of("math", replace(SPEC, adapter="a"), SAMPLING)


def test_papers_are_read_back_as_they_were_written() -> None:
    assert Papers.from_data("math", PAPERS.to_data()) == PAPERS
    with pytest.raises(FingerprintError, match="lack 'sampling'"):
        Papers.from_data("math", {"features": None})


def test_fingerprints_are_those_of_the_specifications() -> None:
    assert PAPERS.features_fingerprint == SPEC.fingerprint()
    assert PAPERS.sampling_fingerprint == SAMPLING.fingerprint()
    assert Papers.of("math", None, SAMPLING).features_fingerprint == TEXT


def test_a_mismatch_is_told_by_field_with_both_values() -> None:
    assert PAPERS.refusal(asdict(SPEC), asdict(SAMPLING)) == ""
    hotter = asdict(replace(SAMPLING, temperature=1.0))
    assert "temperature: 0.7 against 1.0" in PAPERS.refusal(asdict(SPEC), hotter)
    assert "template: t against u" in PAPERS.refusal(asdict(replace(SPEC, template="u")), asdict(SAMPLING))
    assert "there are none" in PAPERS.refusal(None, asdict(SAMPLING))
    assert Papers.of("math", None, SAMPLING).refusal(None, asdict(SAMPLING)) == ""


@pytest.mark.parametrize("change", [{}, {"layer": -5, "final_norm": False, "pooling": "mean"}])
def test_a_lora_probe_fits_whatever_layer_others_read(change: dict[str, object]) -> None:
    base = Papers("math", {**asdict(SPEC), **change}, asdict(SAMPLING))
    assert ADAPTED.refusal_on_base(base) == ""


@pytest.mark.parametrize("change", [{"revision": "s"}, {"template": "u"}, {"dtype": "float16"}])
def test_a_lora_probe_of_another_base_model_is_refused(change: dict[str, object]) -> None:
    base = Papers("math", {**asdict(SPEC), **change}, asdict(SAMPLING))
    assert "it reads other features" in ADAPTED.refusal_on_base(base)
    assert PAPERS.refusal_on_base(base) != ""
    hotter = replace(SAMPLING, temperature=1.0)
    assert "temperature" in ADAPTED.refusal_on_base(Papers.of("math", SPEC, hotter))
