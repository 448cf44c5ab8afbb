"""`demo`: the whole system on the small model, and what adaptive budgets gain there."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from adaqueue import wiring
from adaqueue.cli.options import AverageBudget, JsonFile, check_writable, write_json
from adaqueue.cli.progress import answer_all, starting, still_up
from adaqueue.client import AdaQueue
from adaqueue.core.compare import Comparison, compare
from adaqueue.core.metrics import difference_interval, interval
from adaqueue.core.query import Query
from adaqueue.core.records import Drawn
from adaqueue.errors import SettingsError

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
    """

    policy: str
    drawn: list[Drawn]
    counts: dict[str, int]

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


def demo(
    queries: Annotated[int, typer.Option(min=1, max=5_000, help="Arithmetic queries to answer.")] = 200,
    average_budget: AverageBudget = None,
    engine: Annotated[str, typer.Option(help="transformers.")] = "transformers",
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the data folder: servers, ledger and logs.")
    ] = False,
    json: JsonFile = None,
) -> None:
    """Run the whole system on this machine, on the small model that ships with it.

    The same arithmetic queries go through it three times, drawn live: with equal budgets (uniform), with
    budgets that a probe predicts to pay (window), and with 32 draws each, from which both policies are
    compared over budgets.
    """
    console = Console(stderr=True)
    settings, is_own = _settings(engine, average_budget)
    budget = settings.average_budget
    started = time.monotonic()
    check_writable(json)
    with ExitStack() as stack:
        check = still_up(settings)
        if is_own:
            with starting(console) as on_progress:
                own = wiring.own_system(settings, on_progress, keep=keep, keep_unfinished=False)
                check = stack.enter_context(own)
        asked = [Query.from_row(row) for row in wiring.demo_queries(queries)]
        live = partial(_live, settings, asked=asked, console=console, check=check)
        window, uniform = live("window", budget), live("uniform", budget)
        pool = live("uniform", POOL_DRAWS)
    figures = _figures(settings, budget, (uniform, window, pool), time.monotonic() - started)
    _show(figures, Console())
    Console().print(_where_to_look(settings, kept=keep or not is_own), soft_wrap=True)
    write_json(json, figures)


def _settings(engine: str, average_budget: float | None) -> tuple[wiring.Settings, bool]:
    """Returns the demo's settings, and whether it runs on a system of its own."""
    if engine != "transformers":
        raise SettingsError(f"engine: {engine!r}: the demo draws with transformers; others are not built yet")
    settings = wiring.load_settings(average_budget=average_budget, engine=engine, b_max=POOL_DRAWS)
    if wiring.is_up(settings):
        return settings, False
    folder = Path(tempfile.mkdtemp(prefix="adaqueue-demo-"))
    return settings.model_copy(update={"data_folder": folder}), True


def _where_to_look(settings: wiring.Settings, kept: bool) -> str:
    if kept:
        return f"look: {settings.data_folder} (its logs; `adaqueue up --data-folder` opens its ledger again)"
    return "look: `adaqueue demo --keep` keeps ledger and logs, `adaqueue run FILE` answers your own queries"


def _live(
    settings: wiring.Settings,
    policy: str,
    average_budget: float,
    *,
    asked: list[Query],
    console: Console,
    check: Callable[[], None],
) -> LiveRun:
    """Takes the queries through the system under one policy, from the client to the answers."""
    with AdaQueue.connect(
        data_folder=settings.data_folder,
        policy=policy,
        average_budget=average_budget,
        b_max=POOL_DRAWS,
    ) as queue:
        if queue.run.decoder != wiring.DEMO_MODEL:
            served = f"the system in {settings.data_folder} serves {queue.run.decoder}"
            raise SettingsError(f"model: {served}: `adaqueue down` it, and the demo runs on its own")
        answer_all(queue, asked, f"{policy}, {average_budget:g} samples a query", console, check)
        queue.finish()
        return LiveRun(policy, queue.drawn(), queue.counts())


def _figures(
    settings: wiring.Settings, budget: float, runs: tuple[LiveRun, LiveRun, LiveRun], seconds: float
) -> dict[str, Any]:
    uniform, window, pool = runs
    compared = _compare(window, pool)
    gain = difference_interval(window.solved, uniform.solved, SEED)
    names = ("uniform", "window", f"uniform with {POOL_DRAWS} draws")
    return {
        "queries": window.counts["queries"],
        "answered": window.counts["answered"],
        "abstained": window.counts["abstained"],
        "engine": settings.engine,
        "model": wiring.DEMO_MODEL,
        "average_budget": budget,
        "seconds": round(seconds, 1),
        "domains": {
            "math": {
                "policies": {run.policy: _policy(run) for run in (uniform, window)},
                "window_minus_uniform": {
                    "success": float(window.solved.mean() - uniform.solved.mean()),
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
                "probe": window.drawn[0].probe,
            }
        },
        "ledger": {
            name: {**run.counts, "consistent": run.consistent} for name, run in zip(names, runs, strict=True)
        },
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


def _show(figures: dict[str, Any], console: Console) -> None:
    math = figures["domains"]["math"]
    console.print(
        f"\n{figures['queries']} queries drawn live by {figures['model']} ({figures['engine']}): "
        f"{figures['answered']} answered, {figures['abstained']} abstained, in {figures['seconds']:.0f} s\n",
        soft_wrap=True,
    )
    live = Table("policy", "samples", "success", "95% interval", title="Live, at equal samples")
    for name, row in math["policies"].items():
        live.add_row(
            name, str(row["samples"]), f"{row['success']:.3f}", f"{row['low']:.3f} to {row['high']:.3f}"
        )
    console.print(live)
    gain = math["window_minus_uniform"]
    console.print(
        f"window - uniform: {gain['success']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f}, paired)\n"
    )
    console.print(_curve_table(math))
    console.print(
        "needs: share of uniform's samples for uniform's success. Early stop is uniform, round by round, "
        "until a query's first verified success; uniform and window draw all they granted. "
        f"'-': not reached within the {POOL_DRAWS} draws of each query.",
        soft_wrap=True,
    )
    agree = all(run["consistent"] for run in figures["ledger"].values())
    console.print(
        f"ledger: queries, allocations, samples, verdicts and answers {'agree' if agree else 'DISAGREE'}"
    )


def _curve_table(math: dict[str, Any]) -> Table:
    table = Table("B", title=f"Over budgets, from {POOL_DRAWS} live draws a query")
    for heading in ("uniform", "window", "window needs", "early stop needs"):
        table.add_column(heading, no_wrap=True)
    for b in math["curve"]["uniform"]:
        rows = [math["curve"][name][b] for name in ("uniform", "window")]
        shares = [math["equal_reward_budget"][name][b] for name in ("window", "uniform_early_stop")]
        cells = [f"{row['success']:.3f} ({row['low']:.2f}-{row['high']:.2f})" for row in rows]
        table.add_row(b, *cells, *("-" if share is None else f"{share:.0%}" for share in shares))
    return table
