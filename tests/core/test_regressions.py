"""Proves that a figure is named where it is worse beyond tolerance and chance, with what else changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from adaqueue.core.alarms import alarms_of
from adaqueue.core.regressions import changes, compared
from adaqueue.core.suites import Alarms, Limit, Measured, Suite
from adaqueue.core.watched_figures import figures

WATCHED = ("sequential",)


def night(
    share: float | None = 0.62, reward: float = 0.5, half: float = 0.02, probe: str = "P1", **more: Any
) -> Measured:
    """A live night with one budget."""
    low, high = (None, None) if share is None else (share - half, share + half)
    data = {
        "live": {"sequential": {"2": {"success": reward, "low": reward - half, "high": reward + half}}},
        "policies": {
            "uniform": {"2": {"reward": reward, "low": reward - half, "high": reward + half}},
        },
        "equal_reward_budget": {"sequential": {"2": share}},
        "equal_reward_details": {"sequential": {"2": {"low": low, "high": high}}},
        **more,
    }
    return Measured({"q.jsonl": data}, {"the probe in use": probe, "adaqueue": "0.1.0"})


def named(tonight: Measured, *before: Measured, tolerance: float = 0.02) -> list[str]:
    found = compared("math", WATCHED, tonight, before, tolerance)
    return [one.words for one in found if one.is_regression]


def test_a_worse_figure_is_named_with_its_cause() -> None:
    assert named(night(0.81, probe="P2"), night(0.62), night(0.62)) == [
        "sequential needs 81% of uniform's samples at B=2, 62% before; the probe in use changed from P1 to P2"
    ]


def test_nothing_is_compared_on_the_first_night() -> None:
    assert named(night(0.9)) == []


@pytest.mark.parametrize(
    ("now", "half", "tolerance", "told"),
    [(0.68, 0.02, 0.02, 1), (0.68, 0.2, 0.02, 0), (0.68, 0.02, 0.1, 0), (0.63, 0.001, 0.02, 0)],
)
def test_a_regression_needs_both_a_tolerance_and_significance(
    now: float, half: float, tolerance: float, told: int
) -> None:
    assert len(named(night(now, half=half), night(half=half), tolerance=tolerance)) == told


def test_the_mean_of_several_nights_is_surer_than_one_of_them() -> None:
    assert named(night(0.66, half=0.022), night(half=0.022)) == []
    assert len(named(night(0.66, half=0.022), *[night(half=0.022)] * 7)) == 1


def test_improvements_are_listed_after_regressions() -> None:
    found = compared("math", WATCHED, night(0.5, reward=0.3), [night()], 0.02)
    assert [one.is_regression for one in found] == [True, True, False]
    assert found[-1].words.startswith("sequential needs 50% of uniform's samples at B=2, 62% before; neither")
    assert found[-1].low is not None
    assert found[-1].high is not None
    assert found[-1].low < 0.5 - 0.62 < found[-1].high < 0


def test_a_share_that_is_no_longer_reached_is_a_regression() -> None:
    (words,) = named(night(None), night())
    assert words.startswith("sequential needs more than was drawn of uniform's samples at B=2, 62% before")
    assert named(night(0.62), night(None)) == []


def test_a_figure_that_some_night_had_and_tonight_has_not_is_a_regression() -> None:
    probed = night(predictor={"loss": 0.5, "ece": 0.02})
    assert named(night(probe="none"), night(), probed) == [
        "predictor loss: not measured tonight, 0.500 before; the probe in use changed from P1 to none",
        "predictor ece: not measured tonight, 0.020 before; the probe in use changed from P1 to none",
    ]
    found = compared("math", WATCHED, night(live={}), [night(), night()], 0.02)
    assert [(one.figure, one.before, one.now, one.low) for one in found if one.is_regression] == [
        ("success sequential B=2", 0.5, None, None)
    ]
    assert named(night(), night(live={}), night(live={})) == []


def lived(rewards: Any, kind: str = "binary") -> Measured:
    """A live night with what became of each query, 0 or 1 or real."""
    known = np.array([value for value in rewards if value is not None], dtype=float)
    half = 1.96 * float(known.std()) / len(known) ** 0.5
    mean, low, high = float(known.mean()), float(known.mean()) - half, float(known.mean()) + half
    cell = {"success": 0.0, "low": 0.0, "high": 0.04, "reward": mean, "reward_low": low, "reward_high": high}
    if kind == "binary":
        cell |= {"success": mean, "low": low, "high": high}
    return Measured({"q": {"kind": kind, "live": {"sequential": {"2": {**cell, "each": rewards}}}}}, {})


EASY = np.repeat([0.98, 0.05], [60, 20])
WORSE = np.repeat([0.82, 0.02], [60, 20])


def test_nights_on_the_same_queries_are_compared_query_by_query() -> None:
    rng = np.random.default_rng(3)
    nights = [lived(rng.binomial(1, EASY).tolist()) for _ in range(7)]
    tonight = lived(rng.binomial(1, WORSE).tolist())
    (words,) = named(tonight, *nights)
    assert words.startswith("sequential really solves 65% of the queries at B=2, 76% before")
    for one in (tonight, *nights):
        one.sets["q"]["live"]["sequential"]["2"].pop("each")
    assert named(tonight, *nights) == []


def test_what_differs_by_chance_alone_is_named_in_few_nights() -> None:
    rng = np.random.default_rng(0)
    nights = [lived(rng.binomial(1, np.linspace(0, 1, 80)).tolist()) for _ in range(207)]
    found = [compared("", WATCHED, nights[n], nights[n + 1 : n + 8], 0.0) for n in range(200)]
    assert sum(len(one) for one in found) <= 6


def test_a_fall_of_real_rewards_is_named_and_queries_without_an_answer_are_left_out() -> None:
    rng = np.random.default_rng(1)
    levels = rng.normal(0, 5, 60)
    nights = [lived((levels + rng.normal(0, 0.5, 60)).tolist(), "real") for _ in range(3)]
    tonight = [None, *(levels - 0.7 + rng.normal(0, 0.5, 60)).tolist()[1:]]
    (one,) = compared("chat", WATCHED, lived(tonight, "real"), nights, 0.1)
    assert one.figure == "live reward sequential B=2"
    assert one.low is not None
    assert one.high is not None
    assert one.low < -0.7 < one.high < 0
    assert one.words.startswith("sequential really reaches a reward of ")


def test_best_of_b_and_the_probe_s_loss_are_compared_query_by_query_too() -> None:
    def drawn(successes: list[int | None], loss: list[float | None]) -> Measured:
        reward = {"reward": 0.5, "low": 0.3, "high": 0.7}
        data = {
            "live": {},
            "samples": 4,
            "policies": {"uniform": {"2": reward}},
            "predictor": {"loss": 0.6, "loss_low": 0.3, "loss_high": 0.9},
            "each": {"successes": successes, "loss": loss},
        }
        return Measured({"q": data}, {})

    before = drawn([4, 0, 2, None] * 8, [0.1, 0.9, 0.5, None] * 8)
    found = compared("", (), drawn([3, 0, 0, 1] * 8, [0.2, 1.0, 0.7, 0.1] * 8), [before], 0.02)
    assert [one.figure for one in found] == ["reward uniform B=2", "predictor loss"]
    assert found[0].low == pytest.approx(-5 / 18 - 1.96 * 0.3993 / 24**0.5, abs=1e-3)
    assert found[1].high == pytest.approx(0.4 / 3 + 1.96 * 0.04815 / 24**0.5, abs=1e-3)


def test_shares_of_routing_are_told_as_what_they_are() -> None:
    data = {"kind": "routing", "equal_reward_budget": {"routed": {"0.2": 0.6}}}
    (figure,) = figures(data, ("routed",)).values()
    assert figure.words == "routed needs {} of random routing's strong calls at B=0.2"


def test_recorded_samples_have_no_chance_but_that_of_the_splits() -> None:
    data: dict[str, Any] = {
        "policies": {"uniform": {"2": {"reward": 0.5, "low": 0.3, "high": 0.7}}},
        "equal_reward_budget": {"sequential": {"2": 0.6}},
        "equal_reward_details": {"sequential": {"2": {"low": 0.4, "high": 0.8, "deviation": 0.04}}},
        "predictor": {"loss": 0.5, "ece": 0.02},
        "seeds": 4,
    }
    found = figures(data, WATCHED)
    assert {name: figure.error for name, figure in found.items()} == {
        "reward uniform B=2": 0.0,
        "equal reward sequential B=2": pytest.approx(0.02),
        "predictor loss": 0.0,
        "predictor ece": 0.0,
    }


def test_what_did_not_change_is_said_too() -> None:
    assert changes({"a": "1"}, {"a": "1"}).startswith("neither")
    assert changes({"a": "1"}, {"a": "2", "b": "3"}) == "a changed from 1 to 2; b changed from none to 3"


def test_bounds_are_alarms_and_a_bound_without_its_figure_is_one() -> None:
    bounds = Alarms(
        max_equal_reward_budget=(Limit("sequential", 2, 0.6), Limit("sequential", 4, 0.6)),
        min_reward=(Limit("uniform", 2, 0.6),),
        min_success=(Limit("sequential", 2, 0.4),),
        max_ece=0.1,
    )
    assert alarms_of(night().sets, bounds) == [
        "q.jsonl: sequential needs 62% of uniform's samples at B=2, at most 60% is allowed",
        "q.jsonl: sequential needs nobody knows how many of uniform's samples at B=4, at most 60% is allowed",
        "q.jsonl: uniform has a reward of 0.500 at B=2, at least 0.6 is asked for",
        "q.jsonl: the probe's calibration error is not known, at most 0.1 is allowed",
    ]
    assert alarms_of({"x": {"error": "too few"}}, Alarms()) == ["x: not measured: too few"]


def test_nights_are_comparable_that_measured_the_same_with_the_same_settings() -> None:
    suite = Suite("math", "live", ("a",), WATCHED, (2,), 4)
    renamed = Suite("other", "live", ("b",), WATCHED, (2,), 4, alarms=Alarms(max_ece=0.1))
    assert suite.basis(["x"]) == renamed.basis(["x"])
    assert suite.basis(["x"]) != suite.basis(["y"])
    assert suite.basis(["x"]) != Suite("math", "live", ("a",), WATCHED, (2,), 8).basis(["x"])
