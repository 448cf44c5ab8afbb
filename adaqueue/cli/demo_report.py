"""What the demo found, as figures and as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from adaqueue import wiring
from adaqueue.core.compare import Comparison, compare
from adaqueue.core.metrics import difference_interval, interval
from adaqueue.core.recording import RecordedSample
from adaqueue.core.records import Drawn
from adaqueue.core.rule import Rule

POOL_DRAWS = 32
BUDGETS = (1, 2, 4, 8, 16)
SEED = 0


@dataclass(frozen=True)
class LiveRun:
    """One run of the demo.

    Attributes:
        policy: who granted budgets.
        drawn: its queries, by id.
        counts: rows of each table of the ledger.
        seconds: from the first query given to the last answered.
        rule: by which the probe in use orders sequential buying.
        responses: its samples with their verdicts, by query.
    """

    policy: str
    drawn: list[Drawn]
    counts: dict[str, int]
    seconds: float
    rule: Rule | None
    responses: Mapping[str, Sequence[RecordedSample]]

    @property
    def solved(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Whether each query has a verified success, float64[n]."""
        return np.array([float(any(reward > 0 for reward in query.rewards)) for query in self.drawn])

    @property
    def consistent(self) -> bool:
        """Whether the ledger's tables agree with each other."""
        c = self.counts
        one_each = c["queries"] == c["answers"] == c["answered"] + c["abstained"]
        return one_each and c["samples"] == c["verdicts"] == c["account"]


@dataclass(frozen=True)
class DomainRuns:
    """The three runs of one domain, over the same queries.

    Attributes:
        uniform: equal budgets.
        sequential: sample by sample, the likeliest success first.
        pool: equal budgets of `POOL_DRAWS`.
    """

    uniform: LiveRun
    sequential: LiveRun
    pool: LiveRun

    @property
    def by_name(self) -> dict[str, LiveRun]:
        """The runs by the names under which they are reported."""
        return {
            "uniform": self.uniform,
            "sequential": self.sequential,
            f"uniform with {POOL_DRAWS} draws": self.pool,
        }


def figures(
    settings: wiring.Settings, runs: Mapping[str, DomainRuns], seconds: float, seconds_of_runs: float
) -> dict[str, Any]:
    """Returns everything the demo reports, as plain data."""
    adaptive = [found.sequential.counts for found in runs.values()]
    return {
        "queries": sum(counts["queries"] for counts in adaptive),
        "answered": sum(counts["answered"] for counts in adaptive),
        "abstained": sum(counts["abstained"] for counts in adaptive),
        "engine": settings.engine,
        "model": wiring.DEMO_MODEL,
        "average_budget": settings.average_budget,
        "seconds": round(seconds, 1),
        "seconds_of_runs": round(seconds_of_runs, 1),
        "domains": {domain: _domain(found) for domain, found in runs.items()},
        "ledger": {
            f"{domain}: {name}": {**run.counts, "consistent": run.consistent}
            for domain, found in runs.items()
            for name, run in found.by_name.items()
        },
    }


def _domain(runs: DomainRuns) -> dict[str, Any]:
    compared = _compare(runs.sequential, runs.pool)
    gain = difference_interval(runs.sequential.solved, runs.uniform.solved, SEED)
    return {
        "policies": {run.policy: _policy(run) for run in (runs.uniform, runs.sequential)},
        "sequential_minus_uniform": {
            "success": float(runs.sequential.solved.mean() - runs.uniform.solved.mean()),
            "low": gain[0],
            "high": gain[1],
        },
        "success": _by_text(compared.success),
        "equal_reward_budget": _by_text(compared.equal_reward_budget),
        "probe": runs.sequential.drawn[0].prediction.probe,
        "samples_per_second": round(runs.pool.counts["samples"] / runs.pool.seconds, 1),
    }


def _by_text(values: Mapping[str, Mapping[int, Any]]) -> dict[str, dict[str, Any]]:
    return {name: {str(b): value for b, value in by.items()} for name, by in values.items()}


def _policy(run: LiveRun) -> dict[str, float]:
    low, high = interval(run.solved, SEED)
    return {"samples": run.counts["samples"], "success": float(run.solved.mean()), "low": low, "high": high}


def _compare(sequential: LiveRun, pool: LiveRun) -> Comparison:
    """Compares over budgets on the pool's draws; the predictions come from a probe that saw none of them."""
    believed = {query.id: query.prediction for query in sequential.drawn}
    successes = np.array([sum(reward > 0 for reward in query.rewards) for query in pool.drawn])
    predictions = [believed[query.id] for query in pool.drawn]
    return compare(predictions, sequential.rule, successes, POOL_DRAWS, BUDGETS)


def show(found: Mapping[str, Any], console: Console) -> None:
    """Prints the figures as tables."""
    console.print(
        f"\n{found['queries']} queries drawn live by {found['model']} ({found['engine']}): "
        f"{found['answered']} answered, {found['abstained']} abstained, in {found['seconds']:.0f} s\n",
        soft_wrap=True,
    )
    console.print(_live_table(found["domains"], found["average_budget"]))
    for domain, domain_figures in found["domains"].items():
        console.print(_needs_table(domain, domain_figures))
    console.print(
        "gain: of sequential over uniform, with its 95% interval. "
        "Shares of uniform's samples with which each policy reaches uniform's success. early stop: round by "
        "round, until a query's first verified success; window: the paper's, all at once; sequential: the "
        "system's default, one after the other. "
        f"per s: samples a second in the run of {POOL_DRAWS} draws a query. "
        "'-': not reached within these draws.",
        soft_wrap=True,
    )
    agree = all(run["consistent"] for run in found["ledger"].values())
    console.print(
        f"ledger: queries, samples, verdicts, answers and account {'agree' if agree else 'DISAGREE'}"
    )


def _live_table(domains: Mapping[str, Any], average_budget: float) -> Table:
    table = Table("domain", title=f"Live: success at {average_budget:g} samples a query")
    headings = ("samples", "uniform", "sequential", "gain", "per s")
    for heading in headings:
        table.add_column(heading, no_wrap=True, justify="right")
    for domain, row in domains.items():
        gain = row["sequential_minus_uniform"]
        table.add_row(
            domain,
            str(row["policies"]["sequential"]["samples"]),
            *(f"{row['policies'][name]['success']:.3f}" for name in ("uniform", "sequential")),
            f"{gain['success']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})",
            f"{row['samples_per_second']:,.0f}",
        )
    return table


SHOWN = {
    "uniform_early_stop": "early stop",
    "window": "window",
    "window_early_stop": "window, early stop",
    "sequential": "sequential",
    "oracle": "oracle, no stop",
}


def _needs_table(domain: str, domain_figures: Mapping[str, Any]) -> Table:
    table = Table("B", title=f"{domain}: samples for uniform's success, from {POOL_DRAWS} live draws a query")
    for heading in ("uniform", *SHOWN.values()):
        table.add_column(heading, justify="right")
    for b, reached in domain_figures["success"]["uniform"].items():
        shares = [domain_figures["equal_reward_budget"][name][b] for name in SHOWN]
        table.add_row(b, f"{reached:.3f}", *("-" if share is None else f"{share:.0%}" for share in shares))
    return table
