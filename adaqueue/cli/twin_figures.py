"""The twin's figures as data: means over draws of queries, and what figures show of the first draw."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from adaqueue.core import twin_routing
from adaqueue.core.twin import POPULATIONS as BEST_OF_K
from adaqueue.core.twin import QUERIES, Measured, Population, alternatives, measure, probe_noise
from adaqueue.core.twin_chat import (
    CHAT,
    ChatMeasured,
    ChatPortrait,
    Chats,
    chat_portrait,
    draw_chats,
    measure_chats,
    tranches,
)
from adaqueue.core.twin_portrait import Portrait, portrait
from adaqueue.core.twin_routing import (
    PAIRS,
    SHAPES,
    Pair,
    PairMeasured,
    PairPortrait,
    draw_pairings,
    pair_portrait,
)

SENSITIVITY_SEEDS = 2
SENSITIVITY_POLICIES = ("window", "bins", "beta_window", "uniform_early_stop", "sequential")

Follow = Callable[[Iterable[Any], str], Iterable[Any]]
"""(what is gone through, words for it) -> the same, its progress shown."""


def best_of_k(domain: str, seeds: int, follow: Follow) -> dict[str, Any]:
    """Returns the figures of code or math."""
    population = BEST_OF_K[domain]
    seen = portrait(population, 0)
    return {
        "kind": "binary",
        "queries": QUERIES,
        "population": _described(population),
        "sigma": probe_noise(population),
        **_averages([measure(population, seed) for seed in follow(range(seeds), domain)]),
        **_seen(seen),
        "tertiles": {
            policy: {str(b): thirds for b, thirds in row.items()} for policy, row in seen.tertiles.items()
        },
        "sensitivity": {
            name: _sensitivity(other, min(seeds, SENSITIVITY_SEEDS))
            for name, other in follow(alternatives(population).items(), "other populations")
        },
    }


def routing(domain: str, seeds: int, follow: Follow) -> dict[str, Any]:
    """Returns the figures of a pair of decoders."""
    pair = PAIRS[domain]
    others = {shape: replace(pair, shape=shape) for shape in SHAPES if shape != pair.shape}
    return {
        "kind": "routing",
        "queries": twin_routing.QUERIES,
        **_pair(pair, list(follow(range(seeds), domain))),
        "paper": {"loss": pair.loss, "average": pair.average, "optimal": pair.optimal}
        | {"accuracy": pair.accuracy},
        **_seen(pair_portrait(_pairings(pair, 0), 0)),
        "sensitivity": {
            name: _pair(other, range(min(seeds, SENSITIVITY_SEEDS)))
            for name, other in follow(others.items(), "other populations")
        },
    }


def chat(domain: str, seeds: int, follow: Follow) -> dict[str, Any]:
    """Returns the figures of chat, of all queries and of the tranches."""
    drawn = [_chats(seed) for seed in follow(range(seeds), domain)]
    parts = [tranches(chats) for chats in drawn]
    return {
        "kind": "real",
        "queries": QUERIES,
        "population": asdict(CHAT),
        **_averages([measure_chats(chats, CHAT.b_max) for chats in drawn]),
        **_seen(chat_portrait(drawn[0], 0)),
        "tranches": {
            name: {
                "queries": len(parts[0][name].deviation),
                **_averages([measure_chats(part[name], CHAT.b_max) for part in parts]),
            }
            for name in parts[0]
        },
    }


DOMAINS: Mapping[str, Callable[[str, int, Follow], dict[str, Any]]] = {
    **dict.fromkeys(BEST_OF_K, best_of_k),
    **dict.fromkeys(PAIRS, routing),
    "chat": chat,
}
"""Populations by name."""


def _seen(drawn: Portrait | PairPortrait | ChatPortrait) -> dict[str, Any]:
    """What figures show of one draw."""
    spread = asdict(drawn.distribution)
    return {
        "distribution": {name: value for name, value in spread.items() if value is not None},
        "calibration": [asdict(own) for own in drawn.predictions.calibration],
        "points": [list(point) for point in drawn.predictions.points],
    }


def _described(population: Population) -> dict[str, float]:
    return {
        "zero": population.zero,
        "alpha": population.alpha,
        "beta": population.beta,
        "clip": population.clip,
        "b_max": population.b_max,
        "mean": population.mean,
        "average_loss": population.average_loss,
        "optimal_loss": population.optimal_loss,
        "probe_loss": population.loss,
    }


def _sensitivity(population: Population, seeds: int) -> dict[str, Any]:
    runs = [measure(population, seed, policies=SENSITIVITY_POLICIES) for seed in range(seeds)]
    return {
        "population": _described(population),
        "sigma": probe_noise(population),
        "equal_reward_budget": _each([run.equal_reward_budget for run in runs], np.mean),
    }


def _chats(seed: int) -> Chats:
    return draw_chats(CHAT, QUERIES, np.random.default_rng(seed))


def _pairings(pair: Pair, seed: int) -> twin_routing.Pairings:
    return draw_pairings(pair, twin_routing.QUERIES, np.random.default_rng(seed))


def _pair(pair: Pair, seeds: Sequence[int]) -> dict[str, Any]:
    runs = [twin_routing.measure_pairings(_pairings(pair, seed)) for seed in seeds]
    location, scale = twin_routing.location_and_scale(pair)
    names = ("loss", "average", "optimal", "accuracy")
    return {
        "population": {"shape": pair.shape, "location": location, "scale": scale}
        | {"mean_preference": twin_routing.mean_preference(pair)},
        "sigma": twin_routing.probe_noise(pair),
        **_averages(runs),
        "strong_matched": _one_each([run.strong_matched for run in runs], np.mean),
        "strong_matched_spread": _one_each([run.strong_matched for run in runs], np.std),
        "best_over_strong": _one_each([run.best for run in runs], np.mean),
        "predictor": {name: float(np.mean([getattr(run.quality, name) for run in runs])) for name in names},
    }


def _averages(runs: Sequence[Measured | PairMeasured | ChatMeasured]) -> dict[str, Any]:
    """Means over seeds, and their spread: the standard deviation over seeds."""
    shares: list[Any] = [run.equal_reward_budget for run in runs]
    rewards: list[Any] = [run.reward for run in runs]
    reward, spread = _each(rewards, np.mean), _each(rewards, np.std)
    return {
        "equal_reward_budget": _each(shares, np.mean),
        "equal_reward_budget_spread": _each(shares, np.std),
        "reward": reward,
        "reward_spread": spread,
        "policies": {
            policy: {b: _cell(value, spread[policy][b], b) for b, value in row.items()}
            for policy, row in reward.items()
        },
    }


def _cell(reward: float, spread: float, budget: str) -> dict[str, float]:
    return {
        "reward": reward,
        "low": reward - spread,
        "high": reward + spread,
        "samples": float(budget),
    }


def _each(runs: Sequence[Mapping[str, Mapping[Any, float | None]]], of: Any) -> dict[str, Any]:
    """Policy -> B -> mean or spread; None where a seed never reached the target."""
    return {
        policy: {str(b): _over([run[policy][b] for run in runs], of) for b in row}
        for policy, row in runs[0].items()
    }


def _one_each(runs: Sequence[Mapping[str, float]], of: Any) -> dict[str, float | None]:
    return {name: _over([run[name] for run in runs], of) for name in runs[0]}


def _over(values: Sequence[float | None], of: Any) -> float | None:
    return None if None in values else float(of(values))
