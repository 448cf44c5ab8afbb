"""Policies on recorded outcomes of real models: the share of uniform's samples each needs for its success.

A probe that reads the prompt's text, and the rule on top of it, are fitted on four fifths of the queries and
decide for the last fifth, five times round; all queries are then bought from at one price. What that spends
and wins is computed, not simulated.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.optimize import minimize_scalar
from scipy.special import betaln, expit

from adaqueue.adapters.text_features import TextProbe, Texts
from adaqueue.core.curves import curve, recorded_survival, round_robin
from adaqueue.core.folds import balanced_folds
from adaqueue.core.marginal import FloatArray, IntArray, from_beta, from_success
from adaqueue.core.metrics import predictor_quality
from adaqueue.core.posterior import beta_hazards, logistic_hazards
from adaqueue.core.recording import Recording
from adaqueue.core.rule import fit_rule
from benchmarks import report

BUDGETS = (1, 2, 4, 8, 16, 32)
FOLDS = 5
STOPS = {
    "uniform_early_stop": True,
    "window": False,
    "beta_window": False,
    "beta_window, stopping": True,
    "sequential, Beta": True,
    "sequential": True,
    "sequential_oracle": True,
    "control: constant score": True,
    "control: shuffled score": True,
}
"""The policies, and whether a success closes a query."""

Rows = dict[str, dict[int, FloatArray]]
"""By policy and average budget, the index of each query's units, shape (n, b)."""


@dataclass(frozen=True, eq=False)
class Recorded:
    """A file of recorded outcomes.

    Attributes:
        name: of the file.
        texts: the prompts.
        groups: queries of one number stay on one side of every split, shape (n,).
        successes: of each query, shape (n,).
        samples: recorded of each query, shape (n,).
        draws: samples that every query of the file has: replay goes no further.
    """

    name: str
    texts: Texts
    groups: IntArray
    successes: IntArray
    samples: IntArray
    draws: int

    @property
    def budgets(self) -> list[int]:
        """Average budgets up to half of the recorded samples."""
        return [budget for budget in BUDGETS if budget <= self.draws / 2]

    @property
    def survival(self) -> FloatArray:
        """Chance that the first f draws all fail, shape (n, draws + 1)."""
        return recorded_survival(self.successes, self.samples, self.draws)

    def take(self, rows: IntArray) -> Recorded:
        """Returns the chosen queries."""
        chosen = (self.groups[rows], self.successes[rows], self.samples[rows])
        return Recorded(self.name, self.texts.take(rows), *chosen, self.draws)


def load(path: Path) -> Recorded:
    """Returns the queries of a `.jsonl` or `.jsonl.gz` file, grouped by `group`, else by their words."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        rows = [json.loads(line) for line in file]
    counts = np.array([_counts(row) for row in rows])
    texts = Texts.of([row["prompt"] for row in rows])
    named = [row.get("group") for row in rows]
    groups = texts.near_duplicates() if None in named else np.unique(named, return_inverse=True)[1]
    return Recorded(path.name, texts, groups, counts[:, 0], counts[:, 1], int(counts[:, 1].min()))


def _counts(row: Mapping[str, Any]) -> tuple[int, int]:
    if row.get("successes") is not None:
        row = {name: value for name, value in row.items() if name != "samples"}  # texts, already counted
    recording = Recording.from_row(row)
    rewards = [sample.reward for sample in recording.samples] if recording else []
    if not rewards or not set(rewards) <= {0, 1}:
        raise ValueError(f"{row.get('id')}: needs recorded rewards, each 0 or 1")
    return rewards.count(1), len(rewards)


def measure(recorded: Recorded, seeds: int) -> dict[str, Any]:
    """Returns each policy's share of uniform's samples at equal success, over so many ways to split."""
    started = time.perf_counter()
    splits = [_split(recorded, seed) for seed in range(seeds)]
    closed = [share for _, share in splits]
    return {
        "queries": len(recorded.samples),
        "samples": recorded.draws,
        "equal_reward_budget": {
            policy: _summary(recorded.budgets, np.array([shares[policy] for shares, _ in splits]))
            for policy in STOPS
        },
        "loss_closed": {"mean": float(np.mean(closed)), "deviation": float(np.std(closed))},
        "seconds": time.perf_counter() - started,
    }


def _summary(budgets: Sequence[int], shares: FloatArray) -> dict[str, dict[str, float]]:
    """Returns mean, deviation and worst of shares, shape (splits, budgets), by budget."""
    return {
        str(budget): {"mean": float(own.mean()), "deviation": float(own.std()), "most": float(own.max())}
        for budget, own in zip(budgets, shares.T, strict=True)
    }


def _split(recorded: Recorded, seed: int) -> tuple[dict[str, list[float]], float]:
    """Returns each policy's shares by budget, and the share of the probe's avoidable loss that it closes."""
    folds = balanced_folds(recorded.groups, recorded.successes / recorded.samples, FOLDS, seed)
    shape = (len(folds), recorded.draws)
    index: Rows = {policy: {budget: np.empty(shape) for budget in recorded.budgets} for policy in STOPS}
    predicted = np.empty(len(folds))
    for fold in range(FOLDS):
        test = np.flatnonzero(folds == fold)
        score, decided = _decide(recorded.take(np.flatnonzero(folds != fold)), recorded.take(test), seed)
        predicted[test] = expit(score)
        for policy, rows in decided.items():
            for budget in recorded.budgets:
                index[policy][budget][test] = rows[budget]
    shares = {policy: _shares(recorded, index[policy], STOPS[policy]) for policy in STOPS}
    quality = predictor_quality(predicted, recorded.successes, recorded.samples)
    return shares, (quality.average - quality.loss) / (quality.average - quality.optimal)


def _shares(recorded: Recorded, index: Mapping[int, FloatArray], stops: bool) -> list[float]:
    """Returns the samples needed for uniform's success over uniform's, by budget; NaN: never reached."""
    survival = recorded.survival
    uniform = 1 - survival.mean(axis=0)
    needed = [curve(index[b], survival, stops=stops).needed(uniform[b]) for b in recorded.budgets]
    return [np.nan if n is None else n / b for n, b in zip(needed, recorded.budgets, strict=True)]


def _decide(training: Recorded, test: Recorded, seed: int) -> tuple[FloatArray, Rows]:
    """Returns the test queries' scores, and the index of their units."""
    probe = TextProbe(training.texts, training.successes, training.samples, training.groups, seed)
    score = probe.score(test.texts)
    rng = np.random.default_rng(seed)
    scores = {
        "sequential": (probe.held_out, score),
        "control: constant score": (np.zeros_like(probe.held_out), np.zeros_like(score)),
        "control: shuffled score": (rng.permutation(probe.held_out), rng.permutation(score)),
    }
    fixed = _fixed(expit(score), _concentration(probe.held_out, training), test)
    rows: Rows = {policy: dict.fromkeys(test.budgets, index) for policy, index in fixed.items()}
    for policy, (known, asked) in scores.items():
        rule = fit_rule(known, training.survival, seed, [float(b) for b in training.budgets])
        rows[policy] = {b: logistic_hazards(rule.curves(asked, b), test.draws) for b in test.budgets}
    return score, rows


def _fixed(success: FloatArray, concentration: float, test: Recorded) -> dict[str, FloatArray]:
    """Returns the index of each policy that is the same at every budget."""
    alpha, beta = concentration * success, concentration * (1 - success)
    rates = test.successes / test.samples
    return {
        "uniform_early_stop": round_robin(len(success), test.draws),
        "window": from_success(success, test.draws),
        "beta_window": from_beta(alpha, beta, test.draws),
        "beta_window, stopping": from_beta(alpha, beta, test.draws),
        "sequential, Beta": beta_hazards(alpha, beta, test.draws),
        "sequential_oracle": np.repeat(rates[:, None], test.draws, axis=1),
    }


def _concentration(score: FloatArray, training: Recorded) -> float:
    """Returns the likeliest alpha + beta, one for all queries, of Beta distributions with these means."""
    mean, y, n = expit(score), training.successes, training.samples

    def loss(log: float) -> float:
        alpha, beta = np.exp(log) * mean, np.exp(log) * (1 - mean)
        return -float((betaln(y + alpha, n - y + beta) - betaln(alpha, beta)).sum())

    return float(np.exp(minimize_scalar(loss, bounds=(-4, 6), method="bounded").x))


def show(name: str, figures: Mapping[str, Any]) -> None:
    """Prints the shares as a table, with their standard deviations over splits."""
    shares = figures["equal_reward_budget"]
    title = f"{name}: {figures['queries']:,} queries, share of uniform's samples for its success"
    table = Table("B =", *shares["sequential"], title=title)
    for policy, columns in shares.items():
        table.add_row(policy, *(f"{cell['mean']:.3f} ({cell['deviation']:.3f})" for cell in columns.values()))
    closed = figures["loss_closed"]["mean"]
    table.caption = f"the probe closes {closed:.2f} of the avoidable loss; {figures['seconds']:.0f} s"
    Console().print(table)


def main() -> None:
    """Measures as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, nargs="+", help="recorded outcomes, .jsonl or .jsonl.gz")
    parser.add_argument("--seeds", type=int, default=10, help="ways to split into five folds (default 10)")
    parser.add_argument("--json", help="write figures to this file; - is stdout")
    chosen = parser.parse_args()
    sets = {}
    for path in chosen.file:
        sets[path.name] = measure(load(path), chosen.seeds)
        show(path.name, sets[path.name])
    report.write(
        chosen.json, {"repeats": chosen.seeds, "scikit_learn": version("scikit-learn"), "sets": sets}
    )


if __name__ == "__main__":
    main()
