"""The figures of `evaluate`, as tables and as data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from adaqueue.cli import routing_report
from adaqueue.cli.analyses import analyses, optimism, quality, rewards, shares, transfer
from adaqueue.cli.analyses_tables import analyses_tables
from adaqueue.core.evaluation import CONTROLS, Predictor
from adaqueue.core.replays import SEED, Needed, Reached
from adaqueue.flows.evaluate import Report
from adaqueue.flows.evaluate_routing import RoutingReport

LAST = ("sequential_oracle", "sequential_beta")
"""What comes after them is of another kind: variants, and controls."""


def as_data(report: Report | RoutingReport) -> dict[str, Any]:
    """Returns a set's figures as JSON holds them, average budgets as text."""
    if isinstance(report, RoutingReport):
        return routing_report.as_data(report)
    found = report.evaluation
    needed = {name: row for name, row in found.needed.items() if name not in CONTROLS}
    return {
        "kind": report.kind,
        "queries": report.queries,
        "groups": report.groups,
        "samples": report.samples,
        "seeds": report.plan.seeds,
        "cut": report.cut,
        "policies": rewards(found.policies),
        "equal_reward_budget": shares(needed),
        "equal_reward_details": {
            name: {str(b): _details(cell, found.compared) for b, cell in row.items()}
            for name, row in needed.items()
        },
        "controls": shares({name: row for name, row in found.needed.items() if name in CONTROLS}),
        "predictor": None if found.predictor is None else quality(found.predictor),
        "baselines": {name: quality(other) for name, other in found.baselines.items()},
        "seed": SEED,
        **analyses(found),
        **({} if report.transfer is None else {"transfer": transfer(report.transfer)}),
        **({} if report.optimism is None else {"optimism": optimism(report.optimism)}),
    }


def _details(cell: Needed, compared: str) -> dict[str, Any]:
    low, high = cell.over_other
    return {
        "low": cell.low,
        "high": cell.high,
        "deviation": cell.deviation,
        "splits_not_reached": cell.missed,
        f"over_{compared}": {"low": low, "high": high},
    }


def show(name: str, report: Report | RoutingReport, seconds: float, console: Console) -> None:
    """Prints a set's figures as tables."""
    if isinstance(report, RoutingReport):
        return routing_report.show(name, report, seconds, console)
    found, console = report.evaluation, _wide_enough(console, len(report.plan.budgets))
    saved = _table(f"{name}: {report.queries:,} queries, share of uniform's samples for its reward", report)
    for policy, row in found.needed.items():
        said = _alone if policy in CONTROLS else _share
        saved.add_row(policy, *map(said, row.values()), end_section=policy in LAST)
    won = _table("reward at B samples a query: where it is 0 or 1, success", report)
    for policy, reached in found.policies.items():
        won.add_row(policy, *map(_reward, reached.values()))
    console.print(saved, won)
    if found.predictor is not None:
        console.print(_predictors({"the probe": found.predictor, **found.baselines}))
    for table in analyses_tables(report):
        console.print(table)
    cut = f" {report.cut:,} prompts were too long and cut." if report.cut else ""
    console.print(
        f"{report.samples} samples of each query, {report.groups:,} groups, {report.plan.folds} folds split "
        f"in {report.plan.seeds} ways, {seconds:.0f} s.{cut} Below each: 95% interval over groups.",
        soft_wrap=True,
    )


def _wide_enough(console: Console, columns: int) -> Console:
    """What is read by no terminal is not cut to the width of one."""
    needed = 30 + 12 * columns
    return console if console.is_terminal else Console(file=console.file, width=max(console.width, needed))


def _table(title: str, report: Report) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("B", no_wrap=True)
    for budget in report.plan.budgets:
        table.add_column(str(budget), overflow="fold", justify="right")
    return table


def _share(cell: Needed) -> str:
    return f"{_alone(cell)}\n{_end(cell.low)}-{_end(cell.high)}"


def _alone(cell: Needed) -> str:
    return "not reached" if cell.share is None else f"{cell.share:.3f}"


def _end(end: float | None) -> str:
    return "never" if end is None else f"{end:.2f}"


def _reward(cell: Reached) -> str:
    return f"{cell.reward:.3f}\n{cell.low:.2f}-{cell.high:.2f}"


def _predictors(probes: Mapping[str, Predictor]) -> Table:
    table = Table("probe", "loss", "average", "optimal", "accuracy", "ECE", box=box.SIMPLE_HEAD)
    for name, own in probes.items():
        table.add_row(
            name, *(f"{x:.3f}" for x in (own.loss, own.average, own.optimal, own.accuracy, own.ece))
        )
    return table
