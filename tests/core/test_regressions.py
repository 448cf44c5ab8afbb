"""Proves that a figure is named where it is worse beyond tolerance and chance, with what else changed."""

from __future__ import annotations

from typing import Any

import pytest

from adaqueue.core.alarms import alarms_of
from adaqueue.core.regressions import changes, compared, figures
from adaqueue.core.suites import Alarms, Limit, Measured, Suite

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
