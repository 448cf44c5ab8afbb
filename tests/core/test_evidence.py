"""Proves which logged outcomes may train a probe, and what goes wrong where nobody looks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from adaqueue.core.evidence import admissible, require_every_region
from adaqueue.core.logged import Logged
from adaqueue.core.prior import fit_prior
from adaqueue.core.twin import POPULATIONS, Twin, draw
from adaqueue.errors import BadOutcomesError, NoSupportError
from tests.core.logs import log

QUERIES = 6_000
TRUTH = POPULATIONS["code"].mean


def passed_over(share: float) -> Logged:
    """A log of an old probe that gave nothing to its lowest 40%, and 8 samples to the others."""
    rng = np.random.default_rng(1)
    twin: Twin = draw(replace(POPULATIONS["code"], b_max=8), QUERIES, rng)
    granted = np.where(twin.predicted < np.quantile(twin.predicted, 0.4), 0, 8)
    return log(twin, granted, share, rng)


def recovered(logged: Logged) -> float:
    """Mean success that a probe learns which sees the old score, in tenths of it, and else nothing.

    Of tenths that drew nothing it believes what it believes of all.
    """
    score, counts = logged.beliefs.score, (logged.outcomes.successes, logged.outcomes.samples)
    tenth = np.searchsorted(np.quantile(score, np.arange(1, 10) / 10), score)
    everywhere = fit_prior(*counts, (1.0, 1.0))
    means = []
    for number in range(10):
        own = [count[tenth == number] for count in counts]
        alpha, beta = fit_prior(own[0], own[1], (1.0, 1.0)) if own[1].any() else everywhere
        means.append(alpha / (alpha + beta))
    return float(np.mean(means))


def test_an_old_probe_that_gave_nothing_to_its_lowest_would_have_the_new_one_believe_too_much() -> None:
    unseen = passed_over(0.0)
    assert recovered(unseen) == pytest.approx(0.44, abs=0.03)
    with pytest.raises(NoSupportError, match=r"0 of 600 queries .* raise ADAQUEUE_EXPLORATION_SHARE"):
        require_every_region(unseen)


def test_where_two_in_a_hundred_are_explored_it_believes_what_is_true() -> None:
    logged = passed_over(0.02)
    require_every_region(logged)
    assert recovered(logged) == pytest.approx(TRUTH, abs=0.025)


def test_next_to_nothing_is_not_enough_of_a_region() -> None:
    with pytest.raises(NoSupportError, match=r"[0-2] of 600 queries"):
        require_every_region(passed_over(0.001))


def test_a_probes_regions_are_its_own() -> None:
    unseen = passed_over(0.0)
    half = np.arange(QUERIES) % 2 == 0
    rewards = tuple(
        row if is_old else row or (0.0,)
        for row, is_old in zip(unseen.outcomes.rewards, half.tolist(), strict=True)
    )
    names = tuple("old" if is_old else "uniform" for is_old in half.tolist())
    mixed = replace(unseen, probes=names, outcomes=replace(unseen.outcomes, rewards=rewards))
    with pytest.raises(BadOutcomesError, match="to which old gave a score"):
        require_every_region(mixed)
    require_every_region(replace(mixed, probes=("one",) * QUERIES))


def test_few_queries_and_none_have_no_region() -> None:
    unseen = passed_over(0.0)
    require_every_region(unseen.take(np.arange(0)))
    require_every_region(unseen.take(np.flatnonzero(unseen.outcomes.samples == 0)[:49]))


def test_budgets_that_depend_on_what_the_new_probe_does_not_see_are_left_out_unless_explored() -> None:
    logged = passed_over(0.5).take(np.arange(5))
    logged = replace(
        logged,
        reads=("ours", "theirs", None, "theirs", "ours"),
        explored=np.array([False, False, False, True, True]),
    )
    assert admissible(logged, "ours").outcomes.ids == ("0", "2", "3", "4")
    assert admissible(logged, "theirs").outcomes.ids == ("1", "2", "3", "4")
    assert admissible(logged, "text").outcomes.ids == ("2", "3", "4")
