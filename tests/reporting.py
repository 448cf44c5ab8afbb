"""Figures as `adaqueue evaluate` writes them, small and with every key, for tests of reports."""

from __future__ import annotations

from typing import Any

BUDGETS = ("1", "2", "4")
HOSTILE = "<script>alert(1)</script>|`x`&\"'$a_b$.jsonl"


def binary() -> dict[str, Any]:
    """A set of verdicts with everything that may be told of one."""
    names = ("uniform", "uniform_early_stop", "window", "sequential", "oracle")
    rewards = {name: _row(0.1357 + place / 17) for place, name in enumerate(names)}
    shares = {
        name: dict(zip(BUDGETS, (0.9131 - i / 19, 0.7192, None), strict=True)) for i, name in enumerate(names)
    }
    shares["sequential"]["4"] = 0.7243
    return {
        "kind": "binary",
        "queries": 1_234,
        "refused": 0,
        "groups": 1_200,
        "samples": 8,
        "seeds": 2,
        "seed": 7,
        "folds": 5,
        "cut": 0,
        "features": "text",
        "metadata": [],
        "source": {"file": "data/sums.jsonl", "sha256": "0123abcd", "bytes": 4_321},
        "versions": {"adaqueue": "0.1.0"},
        "machine": {"cpu": "a processor", "cores": 2, "memory_gibibytes": 4.0},
        "command": "adaqueue evaluate data/sums.jsonl --report out",
        "policies": rewards,
        "equal_reward_budget": shares,
        "equal_reward_details": {name: {b: _detail() for b in BUDGETS} for name in names},
        "controls": {"constant score": dict.fromkeys(BUDGETS, 0.7711)},
        "predictor": _quality(0.4203),
        "baselines": {"tfidf": _quality(0.4507), "length": {**_quality(0.5003), "accuracy": None}},
        "distribution": {"of": "success rate", "edges": [0.0, 0.5, 1.0], "share": [0.6123, 0.3877]}
        | {"zero": 0.2515, "one": 0.1312},
        "calibration": [
            {"predicted": 0.2021, "observed": 0.2132, "low": 0.1511, "high": 0.2613, "queries": 617},
            {"predicted": 0.7023, "observed": 0.6934, "low": 0.6415, "high": 0.7516, "queries": 617},
        ],
        "points": [[0.1, 0.0], [0.9, 1.0]],
        "tertiles": {
            name: {b: [float(b) * 1.37, 0.91, 0.53] for b in BUDGETS} for name in ("window", "bins")
        },
        "tokens": {"sequential": dict(zip(BUDGETS, (0.8412, 0.7713, None), strict=True))},
        "rounds": {"sequential": {b: 1.1 * float(b) for b in BUDGETS}},
        "b_max": {"sequential": {b: {"8": 0.5121, "16": 0.5322} for b in BUDGETS}},
        "verifier_errors": [
            {
                "false_accepts": rate,
                "false_rejects": 0.1,
                "policies": {"sequential": dict.fromkeys(BUDGETS, 0.61 - rate)},
                "accepted_right": {"sequential": dict.fromkeys(BUDGETS, 0.93 - rate)},
            }
            for rate in (0.0, 0.05)
        ],
        "transfer": {
            "from": ["other.jsonl"],
            "queries": 432,
            "left_out": 21,
            "policies": {"uniform": _row(0.21), "sequential": _row(0.23)},
            "equal_reward_budget": {"sequential": dict.fromkeys(BUDGETS, 0.8765)},
            "predictor": _quality(0.5432),
        },
        "optimism": {
            "policies": {"sequential": {b: {"honest": 0.4111, "same_draws": 0.4666} for b in BUDGETS}},
            "equal_reward_budget": {
                "sequential": {b: {"honest": 0.7199, "same_draws": None} for b in BUDGETS}
            },
        },
    }


def real() -> dict[str, Any]:
    """A set of graded rewards, with tranches."""
    rewards = {name: _row(6.5 + place) for place, name in enumerate(("uniform", "sequential", "oracle"))}
    shares = {name: dict.fromkeys(BUDGETS, 0.81) for name in rewards}
    part = {"queries": 10, "policies": rewards, "equal_reward_budget": shares}
    return {
        "kind": "real",
        "queries": 100,
        "policies": rewards,
        "equal_reward_budget": shares,
        "tranches": {"lowest": part, "highest": part},
    }


def routing() -> dict[str, Any]:
    """A set of two decoders."""
    names = ("random", "routed", "oracle", "strong", "weak")
    shares = ("0.1", "0.5", "1.0")
    return {
        "kind": "routing",
        "queries": 500,
        "policies": {
            name: {share: {"reward": 0.5 + place / 20 + float(share) / 10} for share in shares}
            for place, name in enumerate(names)
        },
        "equal_reward_budget": {
            "routed": dict(zip(shares, (0.61, 0.63, 0.98), strict=True)),
            "oracle": dict(zip(shares, (0.31, 0.33, None), strict=True)),
        },
    }


def whole() -> dict[str, Any]:
    """Every kind of set at once; one has a hostile name and one could not be evaluated."""
    broken = {"queries": 0, "refused": 3, "error": "no row of <b>recorded</b> outcomes"}
    return {
        "sets": {HOSTILE: binary(), "chat.jsonl": real(), "routing.jsonl": routing(), "none.jsonl": broken}
    }


def _row(first: float) -> dict[str, Any]:
    return {
        b: {
            "reward": first + place / 13,
            "low": first - 0.0417,
            "high": first + 0.2283,
            "samples": 0.97 * float(b),
        }
        for place, b in enumerate(BUDGETS)
    }


def _detail() -> dict[str, Any]:
    return {
        "low": 0.6531,
        "high": None,
        "deviation": 0.0123,
        "splits_not_reached": 0,
        "over_uniform_early_stop": {"low": -0.0912, "high": 0.0107},
    }


def _quality(loss: float) -> dict[str, Any]:
    return {
        "loss": loss,
        "average": 0.6123,
        "optimal": 0.2871,
        "optimal_uncorrected": 0.2754,
        "accuracy": 0.7356,
        "ece": 0.0313,
    }
