"""What the demo found, as figures and as tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from adaqueue import wiring
from adaqueue.core.compare import Comparison, compare
from adaqueue.core.metrics import difference_interval, interval
from adaqueue.core.records import Drawn

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
    """

    policy: str
    drawn: list[Drawn]
    counts: dict[str, int]
    seconds: float

    @property
    def solved(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Whether each query has a verified success, float64[n]."""
        return np.array([float(any(reward > 0 for reward in query.rewards)) for query in self.drawn])

    @property
    def consistent(self) -> bool:
        """Whether the ledger's tables agree with each other."""
        c = self.counts
        one_each = c["queries"] == c["allocations"] == c["answers"] == c["answered"] + c["abstained"]
        return one_each and c["budget"] == c["samples"] == c["verdicts"] == c["account"]


@dataclass(frozen=True)
class DomainRuns:
    """The three runs of one domain, over the same queries.

    Attributes:
        uniform: equal budgets.
        window: budgets that a probe predicts to pay.
        pool: equal budgets of `POOL_DRAWS`.
    """

    uniform: LiveRun
    window: LiveRun
    pool: LiveRun

    @property
    def by_name(self) -> dict[str, LiveRun]:
        """The runs by the names under which they are reported."""
        return {
            "uniform": self.uniform,
            "window": self.window,
            f"uniform with {POOL_DRAWS} draws": self.pool,
        }


def figures(
    settings: wiring.Settings, runs: Mapping[str, DomainRuns], seconds: float, seconds_of_runs: float
) -> dict[str, Any]:
    """Returns everything the demo reports, as plain data."""
    windows = [found.window.counts for found in runs.values()]
    return {
        "queries": sum(counts["queries"] for counts in windows),
        "answered": sum(counts["answered"] for counts in windows),
        "abstained": sum(counts["abstained"] for counts in windows),
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
    compared = _compare(runs.window, runs.pool)
    gain = difference_interval(runs.window.solved, runs.uniform.solved, SEED)
    return {
        "policies": {run.policy: _policy(run) for run in (runs.uniform, runs.window)},
        "window_minus_uniform": {
            "success": float(runs.window.solved.mean() - runs.uniform.solved.mean()),
            "low": gain[0],
            "high": gain[1],
        },
        "curve": {
            name: {str(b): asdict(point) for b, point in points.items()}
            for name, points in compared.curve.items()
        },
        "equal_reward_budget": {
            name: {str(b): share for b, share in shares.items()}
            for name, shares in compared.equal_reward_budget.items()
        },
        "probe": runs.window.drawn[0].probe,
        "samples_per_second": round(runs.pool.counts["samples"] / runs.pool.seconds, 1),
    }


def _policy(run: LiveRun) -> dict[str, float]:
    low, high = interval(run.solved, SEED)
    return {"samples": run.counts["samples"], "success": float(run.solved.mean()), "low": low, "high": high}


def _compare(window: LiveRun, pool: LiveRun) -> Comparison:
    """Compares over budgets on the pool's draws; the predictions come from a probe that saw none of them."""
    predicted = {query.id: query.alpha / (query.alpha + query.beta) for query in window.drawn}
    ids = [query.id for query in pool.drawn]
    successes = np.array([sum(reward > 0 for reward in query.rewards) for query in pool.drawn])
    return compare(ids, np.array([predicted[i] for i in ids]), successes, POOL_DRAWS, BUDGETS)


def show(found: Mapping[str, Any], console: Console) -> None:
    """Prints the figures as tables."""
    console.print(
        f"\n{found['queries']} queries drawn live by {found['model']} ({found['engine']}): "
        f"{found['answered']} answered, {found['abstained']} abstained, in {found['seconds']:.0f} s\n",
        soft_wrap=True,
    )
    console.print(_live_table(found["domains"], found["average_budget"]))
    for domain, domain_figures in found["domains"].items():
        console.print(_curve_table(domain, domain_figures))
    console.print(
        "needs: share of uniform's samples for uniform's success. Early stop is uniform, round by round, "
        "until a query's first verified success; uniform and window draw all they granted. "
        f"'-': not reached within the {POOL_DRAWS} draws of each query.",
        soft_wrap=True,
    )
    agree = all(run["consistent"] for run in found["ledger"].values())
    console.print(
        f"ledger: queries, allocations, samples, verdicts and answers {'agree' if agree else 'DISAGREE'}"
    )


def _live_table(domains: Mapping[str, Any], average_budget: float) -> Table:
    table = Table("domain", title=f"Live, at {average_budget:g} samples a query")
    for heading in ("samples", "uniform", "window", "window - uniform", "samples/s"):
        table.add_column(heading, no_wrap=True, justify="right")
    for domain, row in domains.items():
        gain = row["window_minus_uniform"]
        table.add_row(
            domain,
            str(row["policies"]["window"]["samples"]),
            *(f"{row['policies'][name]['success']:.3f}" for name in ("uniform", "window")),
            f"{gain['success']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})",
            f"{row['samples_per_second']:,.0f}",
        )
    return table


def _curve_table(domain: str, domain_figures: Mapping[str, Any]) -> Table:
    table = Table("B", title=f"{domain}, over budgets, from {POOL_DRAWS} live draws a query")
    for heading in ("uniform", "window", "window needs", "early stop needs"):
        table.add_column(heading, no_wrap=True)
    for b in domain_figures["curve"]["uniform"]:
        rows = [domain_figures["curve"][name][b] for name in ("uniform", "window")]
        needs = domain_figures["equal_reward_budget"]
        shares = [needs[name][b] for name in ("window", "uniform_early_stop")]
        cells = [f"{row['success']:.3f} ({row['low']:.2f}-{row['high']:.2f})" for row in rows]
        table.add_row(b, *cells, *("-" if share is None else f"{share:.0%}" for share in shares))
    return table
