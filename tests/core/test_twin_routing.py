"""Proves that the twin's two decoders have the paper's losses, an exact probe, and the paper's savings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import entr, expit, ndtri
from scipy.stats import norm

from adaqueue.core.twin_routing import (
    PAIRS,
    SHAPES,
    draw_pairings,
    gaps,
    location_and_scale,
    mean_preference,
    measure_pairings,
    probe_loss,
    probe_noise,
)

NAMES = pytest.mark.parametrize("name", PAIRS)


@NAMES
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_has_the_losses_of_the_paper(name: str, shape: str) -> None:
    pair = replace(PAIRS[name], shape=shape)
    gap = gaps(pair, np.random.default_rng(0).random(200_000))
    preferred = expit(gap)
    assert preferred.mean() == pytest.approx(mean_preference(pair), abs=0.003)
    assert (entr(preferred) + entr(1 - preferred)).mean() == pytest.approx(pair.optimal, abs=0.003)
    assert probe_loss(pair, probe_noise(pair)) == pytest.approx(pair.loss, abs=1e-6)


@NAMES
def test_drawn_queries_are_predicted_as_well_as_the_paper_s_and_without_bias(name: str) -> None:
    pair = PAIRS[name]
    drawn = draw_pairings(pair, 40_000, np.random.default_rng(1))
    quality = measure_pairings(drawn).quality
    assert quality.loss == pytest.approx(pair.loss, abs=0.005)
    assert quality.average == pytest.approx(pair.average, abs=0.005)
    assert quality.accuracy == pytest.approx(pair.accuracy, abs=0.035)
    for part in np.array_split(np.argsort(drawn.predicted), 10):
        assert drawn.preference[part].mean() == pytest.approx(drawn.predicted[part].mean(), abs=0.01)
        assert drawn.gap[part].mean() == pytest.approx(drawn.predicted_gap[part].mean(), abs=0.06)


@NAMES
def test_of_normal_gaps_curves_are_those_in_closed_form(name: str) -> None:
    pair = PAIRS[name]
    location, scale = location_and_scale(pair)
    seen = scale / np.hypot(1, probe_noise(pair) / scale)  # deviation of the posterior mean
    found = measure_pairings(draw_pairings(pair, 30_000, np.random.default_rng(2)))
    for share in (0.1, 0.5, 0.9):
        height = norm.pdf(ndtri(share))
        assert found.reward["routed"][share] == pytest.approx(location * share + seen * height, abs=0.02)
        assert found.reward["oracle"][share] == pytest.approx(location * share + scale * height, abs=0.02)
        assert found.reward["random"][share] == pytest.approx(location * share, abs=0.01)


def test_the_strong_decoder_is_matched_and_beaten_with_half_to_three_quarters_of_its_calls() -> None:
    for shape in SHAPES:
        pair = replace(PAIRS["routing-size"], shape=shape)
        found = measure_pairings(draw_pairings(pair, 20_000, np.random.default_rng(3)))
        assert 0.48 < found.strong_matched["routed"] < 0.8
        assert found.best["routed"] > 1


def test_value_augmented_sampling_is_called_a_quarter_to_two_fifths_less_at_equal_reward() -> None:
    found = measure_pairings(draw_pairings(PAIRS["routing-vas"], 20_000, np.random.default_rng(4)))
    for share in (0.2, 0.3, 0.4, 0.5, 0.6):
        assert 0.55 < found.equal_reward_budget["routed"][share] < 0.77


def test_losses_that_no_population_has_are_refused() -> None:
    with pytest.raises(ValueError, match="different signs"):
        location_and_scale(replace(PAIRS["routing-size"], optimal=0.68))
