"""The sequential rule for real rewards on recorded ones: the share of uniform's samples that it needs.

`python -m benchmarks.chat FILE... [--simulated] [--seeds S] [--bootstraps R] [--json FILE]`

The population is fitted on four fifths of the queries and decides for the last fifth, five times round; all
queries are then bought from at one price. Recorded rewards are replayed in random orders, without replacement
and such that each is as often in each place. Uniform's best-of-B is exact; the row `uniform` replays it, and
shows by its distance from 1 how noisy the others are.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from adaqueue.core.chat_replay import begun, left, seen
from adaqueue.core.improvement import expected_improvement, fit, mean_excess
from adaqueue.core.marginal import FloatArray, IntArray, from_rewards
from adaqueue.core.metrics import equal_reward_budget
from adaqueue.core.recording import Recording
from benchmarks import report

BUDGETS = (1, 2, 4, 8)
FOLDS = 5
SHUFFLES = 3
SHARES_BETWEEN = (0.0, 0.25, 0.5, 0.75, 0.9)
LEARNED = ("sequential", "population alone", "posterior alone", "half of each")
POLICIES = ("uniform", *LEARNED, "one-shot oracle", "oracle")

Shares = dict[str, FloatArray]
"""By policy the share of uniform's samples at each average budget, shape (budgets,); inf: not reached."""


def load(path: Path) -> FloatArray:
    """Returns the rewards in a `.jsonl` or `.jsonl.gz` file, shape (n, m), m what every query has."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        rewards = [_rewards(json.loads(line)) for line in file]
    fewest = min(map(len, rewards))
    if len(rewards) < FOLDS or fewest < 2:
        raise ValueError(f"{path.name}: needs {FOLDS} queries of at least 2 rewards each")
    return np.array([own[:fewest] for own in rewards])


def _rewards(row: Mapping[str, Any]) -> list[float]:
    recording = Recording.from_row(row)
    if recording is None or not recording.all_rewarded:
        raise ValueError(f"{row.get('id')}: needs recorded rewards")
    return [float(sample.reward) for sample in recording.samples if sample.reward is not None]


def normal(between: float) -> FloatArray:
    """Returns normal rewards of variance 1, so much of it between the queries, 100 queries with 20 each."""
    rng = np.random.default_rng(0)
    of_query, of_sample = rng.standard_normal((100, 1)), rng.standard_normal((100, 20))
    rewards: FloatArray = np.sqrt(between) * of_query + np.sqrt(1 - between) * of_sample
    return rewards


def skewed() -> FloatArray:
    """Returns rewards with a long upper tail, wider for some of the 100 queries than for others, 20 each."""
    rng = np.random.default_rng(0)
    centre, width = rng.normal(size=(100, 1)), rng.lognormal(0.7, 0.7, (100, 1))
    rewards: FloatArray = centre + rng.gamma(0.5, width, (100, 20))
    return rewards


def measure(rewards: FloatArray, seeds: int, bootstraps: int) -> dict[str, Any]:
    """Returns each policy's share of uniform's samples for uniform's mean reward, over so many splits.

    The interval is that over bootstraps of the queries: copies of a query share a fold, the population is
    fitted anew.
    """
    started = time.perf_counter()
    budgets = [budget for budget in BUDGETS if budget <= rewards.shape[1] / 2]
    splits = [_split(rewards, budgets, np.random.default_rng(seed), False) for seed in range(seeds)]
    others = [_split(rewards, budgets, np.random.default_rng(seed), True) for seed in range(bootstraps)]
    population = fit(rewards.tolist())
    return {
        "queries": len(rewards),
        "samples": rewards.shape[1],
        "population": {name: getattr(population, name) for name in ("mean", "within", "between")},
        "reward_of_uniform": dict(zip(map(str, budgets), _uniform(rewards, budgets).tolist(), strict=True)),
        "equal_reward_budget": {
            policy: _summary(
                budgets, np.array([s[policy] for s in splits]), np.array([s[policy] for s in others])
            )
            for policy in POLICIES
        },
        "seconds": time.perf_counter() - started,
    }


def _summary(budgets: list[int], shares: FloatArray, others: FloatArray) -> dict[str, dict[str, Any]]:
    """Returns mean and deviation over splits and interval over bootstraps, by budget; None: not reached."""
    low, high = np.quantile(others, [0.025, 0.975], axis=0, method="nearest")
    summary = {}
    for place, budget in enumerate(budgets):
        own = shares[:, place]
        missed = int(np.isinf(own).sum())
        summary[str(budget)] = {
            "mean": None if missed else float(own.mean()),
            "deviation": None if missed else float(own.std()),
            "interval": [_finite(low[place]), _finite(high[place])],
            "not_reached": missed,
        }
    return summary


def _finite(share: float) -> float | None:
    return float(share) if np.isfinite(share) else None


def _split(rewards: FloatArray, budgets: list[int], rng: np.random.Generator, resampled: bool) -> Shares:
    """Returns each policy's shares for one way to split the queries, or a bootstrap of them, into folds."""
    n, m = rewards.shape
    folds = rng.permutation(n) % FOLDS
    if resampled:
        rows = rng.integers(n, size=n)
        rewards, folds = rewards[rows], folds[rows]
    spent = np.arange(n, n * m + 1) / n
    target = _uniform(rewards, budgets)
    curves = {"one-shot oracle": _one_shot(rewards)}
    replays = [_replays(rng.permuted(rewards, axis=1), folds) for _ in range(1 if resampled else SHUFFLES)]
    curves |= {policy: np.mean([replay[policy] for replay in replays], axis=0) for policy in replays[0]}
    return {policy: _needed(spent, curves[policy], target) / budgets for policy in POLICIES}


def _uniform(rewards: FloatArray, budgets: list[int]) -> FloatArray:
    """Returns the mean reward of uniform best-of-B, exact over all orders, shape (budgets,)."""
    best: FloatArray = np.cumsum(from_rewards(rewards, max(budgets)).mean(axis=0))
    return best.take(np.array(budgets) - 1)


def _one_shot(rewards: FloatArray) -> FloatArray:
    """Returns the mean reward by samples spent where all budgets are set at once, by the truth."""
    delta = from_rewards(rewards, rewards.shape[1])
    bought = np.sort(delta[:, 1:], axis=None)[::-1]
    curve: FloatArray = (delta[:, 0].sum() + np.append(0.0, np.cumsum(bought))) / len(rewards)
    return curve


def _replays(shuffled: FloatArray, folds: IntArray) -> dict[str, FloatArray]:
    """Returns each policy's mean reward by samples spent, over m orders, see `chat_replay.begun`."""
    orders = begun(shuffled, shuffled.shape[1])
    return {policy: _replay(orders, index) for policy, index in _indices(orders, folds).items()}


def _indices(orders: FloatArray, folds: IntArray) -> dict[str, FloatArray]:
    """Returns each policy's index of every sample after a query's first, shape (m, n, m - 1)."""
    drawn, best, mean = seen(orders)
    indices = {policy: np.empty(drawn.shape) for policy in LEARNED}
    for fold in np.unique(folds):
        own = np.broadcast_to((folds == fold)[:, None], drawn.shape)
        known = _believed(orders[0][folds != fold], drawn[own], best[own], mean[own])
        for policy, worth in known.items():
            indices[policy][own] = worth
    return indices | {"uniform": -drawn.astype(np.float64), "oracle": left(orders)}


def _believed(
    training: FloatArray, drawn: IntArray, best: FloatArray, mean: FloatArray
) -> dict[str, FloatArray]:
    """Returns what the rule, and beliefs that it was chosen over, expect of each next sample, shape (n,).

    `population alone`: any training reward. `posterior alone`: the residuals of all training queries about
    the posterior mean, widened by its own variance.
    """
    population, m = fit(training.tolist()), training.shape[1]
    heard = population.between * drawn
    trust = heard / np.maximum(heard + population.within, 1e-300)
    centre, wider = population.mean + trust * (mean - population.mean), np.sqrt(1 + trust / drawn)
    residuals = (training - training.mean(axis=1, keepdims=True)) * np.sqrt(m / (m - 1))
    typical = mean_excess(np.sort(training, axis=None), best)
    own = wider * mean_excess(np.sort(residuals, axis=None), (best - centre) / wider)
    return {
        "sequential": expected_improvement(population, drawn, best, mean),
        "population alone": typical,
        "posterior alone": own,
        "half of each": (typical + own) / 2,
    }


def _replay(orders: FloatArray, index: FloatArray) -> FloatArray:
    """Returns the mean best reward by samples spent, one for each query first, shape (n (m - 1) + 1,).

    Buying the largest index one by one buys in the order of the smallest index that a query had so far.
    """
    best = np.maximum.accumulate(orders, axis=2)
    lowest = np.minimum.accumulate(index, axis=2)
    rounds = [part.transpose(0, 2, 1).reshape(len(orders), -1) for part in (lowest, np.diff(best, axis=2))]
    bought = np.argsort(-rounds[0], axis=1, kind="stable")
    gained = np.cumsum(np.take_along_axis(rounds[1], bought, axis=1).mean(axis=0))
    curve: FloatArray = best[:, :, 0].mean() + np.append(0.0, gained) / orders.shape[1]
    return curve


def _needed(spent: FloatArray, curve: FloatArray, target: FloatArray) -> FloatArray:
    """Returns the samples a query that reach each target, shape of target; inf where none do."""
    found = [equal_reward_budget(spent, curve, float(reward)) for reward in target]
    return np.array([np.inf if needed is None else needed for needed in found])


def show(name: str, figures: Mapping[str, Any]) -> None:
    """Prints the shares as a table: mean, deviation over splits, interval over bootstraps of the queries."""
    shares = figures["equal_reward_budget"]
    title = f"{name}: {figures['queries']:,} queries, share of uniform's samples for its mean reward"
    table = Table("B =", *shares["uniform"], title=title)
    for policy, columns in shares.items():
        table.add_row(policy, *map(_cell, columns.values()))
    known = figures["population"]
    table.caption = (
        f"rewards {known['mean']:.2f} on average, variance {known['within']:.2f} within queries and "
        f"{known['between']:.2f} between them; {figures['seconds']:.0f} s"
    )
    Console().print(table)


def _cell(figures: Mapping[str, Any]) -> str:
    if figures["not_reached"]:
        return f"not reached ({figures['not_reached']} splits)"
    ends = ["not reached" if end is None else f"{end:.2f}" for end in figures["interval"]]
    return f"{figures['mean']:.3f} ({figures['deviation']:.3f})\n{ends[0]} to {ends[1]}"


def main() -> None:
    """Measures as the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, nargs="*", help="recorded rewards, .jsonl or .jsonl.gz")
    parser.add_argument("--simulated", action="store_true", help="normal and skewed rewards too")
    parser.add_argument("--seeds", type=int, default=10, help="ways to split into five folds (default 10)")
    parser.add_argument("--bootstraps", type=int, default=100, help="for the intervals (default 100)")
    parser.add_argument("--json", help="write figures to this file; - is stdout")
    chosen = parser.parse_args()
    if not chosen.file and not chosen.simulated:
        parser.error("give a file, or --simulated")
    rewards = {path.name: load(path) for path in chosen.file}
    if chosen.simulated:
        rewards |= {f"normal, {share:.0%} between": normal(share) for share in SHARES_BETWEEN}
        rewards["skewed"] = skewed()
    sets = {}
    for name, recorded in rewards.items():
        sets[name] = measure(recorded, chosen.seeds, chosen.bootstraps)
        show(name, sets[name])
    report.write(chosen.json, {"repeats": chosen.seeds, "bootstraps": chosen.bootstraps, "sets": sets})


if __name__ == "__main__":
    main()
