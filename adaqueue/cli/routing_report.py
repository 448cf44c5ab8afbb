"""The figures of `evaluate` on two decoders, as tables and as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from adaqueue.cli.analyses import quality
from adaqueue.core.replays import SEED, Needed
from adaqueue.core.routing_evaluation import CONTROLS, SHARES, Routed
from adaqueue.flows.evaluate_routing import RoutingReport

WIDTH = 160


def as_data(report: RoutingReport) -> dict[str, Any]:
    """Returns a set's figures as JSON holds them, shares of strong calls as text."""
    found = report.evaluation
    needed = {name: row for name, row in found.needed.items() if name not in CONTROLS}
    spread = asdict(found.distribution)
    return {
        "kind": "routing",
        "queries": report.queries,
        "groups": report.groups,
        "samples": report.samples,
        "seeds": report.options.seeds,
        "cut": report.cut,
        "weak": report.weak,
        "strong": report.strong,
        "policies": {
            name: {str(b): {**asdict(cell.reached), "cost": cell.cost} for b, cell in row.items()}
            for name, row in found.policies.items()
        },
        "equal_reward_budget": _shares(needed),
        "equal_reward_details": {
            name: {str(b): _details(cell) for b, cell in row.items()} for name, row in needed.items()
        },
        "strong_matched": {
            name: {"calls": row[1.0].share, "low": row[1.0].low, "high": row[1.0].high}
            | {"cost": found.matched_cost[name]}
            for name, row in needed.items()
        },
        "controls": _shares({name: found.needed[name] for name in CONTROLS}),
        "predictor": quality(found.predictor),
        "baselines": {name: quality(other) for name, other in found.baselines.items()},
        "distribution": {name: value for name, value in spread.items() if value is not None},
        "calibration": [asdict(own) for own in found.predictions.calibration],
        "points": [list(point) for point in found.predictions.points],
        "seed": SEED,
    }


def _shares(rows: Mapping[str, Mapping[float, Needed]]) -> dict[str, dict[str, float | None]]:
    return {name: {str(b): cell.share for b, cell in row.items()} for name, row in rows.items()}


def _details(cell: Needed) -> dict[str, Any]:
    low, high = cell.over_other
    return {
        "low": cell.low,
        "high": cell.high,
        "deviation": cell.deviation,
        "splits_not_reached": cell.missed,
        "over_random": {"low": low, "high": high},
    }


def show(name: str, report: RoutingReport, seconds: float, console: Console) -> None:
    """Prints a set's figures as tables."""
    found = report.evaluation
    if not console.is_terminal:  # what is read by no terminal is not cut to the width of one
        console = Console(file=console.file, width=max(console.width, WIDTH))
    title = f"{name}: {report.queries:,} queries, strong calls for the reward of random routing at share B"
    needed = _table(f"{title}, of random's")
    for policy, own in found.needed.items():
        needed.add_row(policy, *map(_share, own.values()), end_section=policy == "oracle")
    rewards = _table("mean reward where a share B of the queries goes to the strong decoder")
    for policy, row in found.policies.items():
        rewards.add_row(policy, *map(_reward, row.values()))
    console.print(needed, rewards, _matched(report), _predictors(report))
    console.print(_close(report, seconds), soft_wrap=True)


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("B", no_wrap=True)
    for share in SHARES:
        table.add_column(str(share), overflow="fold", justify="right")
    return table


def _matched(report: RoutingReport) -> Table:
    title = f"the strong decoder's reward, {report.strong:.3f} (the weak's is {report.weak:.3f})"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for column in ("policy", "strong calls a query", "95% interval", "cost, of the strong decoder's"):
        table.add_column(column, justify="left" if column == "policy" else "right")
    for policy, cost in report.evaluation.matched_cost.items():
        own = report.evaluation.needed[policy][1.0]
        calls = "not reached" if own.share is None else f"{own.share:.3f}"
        paid = "-" if cost is None else f"{cost:.3f}"
        table.add_row(policy, calls, f"{_end(own.low)}-{_end(own.high)}", paid)
    return table


def _share(cell: Needed) -> str:
    share = "not reached" if cell.share is None else f"{cell.share:.3f}"
    return f"{share}\n{_end(cell.low)}-{_end(cell.high)}"


def _end(end: float | None) -> str:
    return "never" if end is None else f"{end:.2f}"


def _reward(cell: Routed) -> str:
    return f"{cell.reached.reward:.3f}\n{cell.reached.low:.2f}-{cell.reached.high:.2f}"


def _predictors(report: RoutingReport) -> Table:
    found = report.evaluation
    table = Table("preference", "loss", "average", "optimal", "accuracy", "ECE", box=box.SIMPLE_HEAD)
    for name, own in {"the probe": found.predictor, **found.baselines}.items():
        said = quality(own)
        best = said["optimal"] if said["optimal"] is not None else own.optimal_uncorrected
        figures: Mapping[str, float | None] = {**said, "optimal": best}
        names = ("loss", "average", "optimal", "accuracy", "ece")
        table.add_row(name, *("-" if figures[each] is None else f"{figures[each]:.3f}" for each in names))
    return table


def _close(report: RoutingReport, seconds: float) -> str:
    cut = f" {report.cut:,} prompts were too long and cut." if report.cut else ""
    noise = (
        " With one sample of a decoder, the oracle and the optimal loss take its luck for skill."
        if report.alone
        else ""
    )
    return (
        f"{report.groups:,} groups, {report.options.folds} folds split in {report.options.seeds} ways, "
        f"{seconds:.0f} s.{cut}{noise} Below each: 95% interval over groups."
    )
