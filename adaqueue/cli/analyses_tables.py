"""The analyses of `evaluate` in brief, as tables; they are complete as data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich import box
from rich.table import Table

from adaqueue.core.optimism import Optimism
from adaqueue.core.transfer import Transfer
from adaqueue.core.usage import Usage
from adaqueue.flows.evaluate import Report

SHOWN_BUDGET = 8
SHOWN = ("window", "bins", "sequential")


def analyses_tables(report: Report) -> Iterator[Table]:
    """Yields a table for each analysis that there is."""
    found = report.evaluation
    if found.usage:
        budgets = report.plan.budgets
        yield _usage(found.usage, max((b for b in budgets if b <= SHOWN_BUDGET), default=budgets[0]))
    for name, tranche in found.tranches.items():
        title = f"{name} variance of rewards, {tranche.queries:,} queries chosen on {tranche.chosen_on}: "
        title += "share of uniform's samples"
        rows = {policy: {b: cell.share for b, cell in row.items()} for policy, row in tranche.needed.items()}
        yield _shares(title, rows, report)
    if report.transfer is not None:
        yield _transfer(report.transfer, report)
    if report.optimism is not None:
        yield _optimism(report.optimism, report)


def _usage(usage: Mapping[str, Mapping[int, Usage]], budget: int) -> Table:
    title = f"B = {budget}: samples of the hard, medium and easy third by predicted success; rounds"
    columns = ["policy", "hard", "medium", "easy", "rounds"]
    known = any(row[budget].tokens is not None for row in usage.values())
    title += "; share of uniform's tokens" if known else ""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for column in (*columns, "tokens") if known else columns:
        table.add_column(column, justify="left" if column == "policy" else "right")
    for policy, row in usage.items():
        own = row[budget]
        tokens = [_said(own.tokens)] if known else []
        table.add_row(policy, *(f"{x:.2f}" for x in (*own.thirds, own.rounds)), *tokens)
    return table


def _transfer(found: Transfer, report: Report) -> Table:
    left_out = f", {found.left_out:,} near duplicates or of its groups left out" if found.left_out else ""
    title = f"fitted on {', '.join(found.sources)} ({found.queries:,} queries{left_out}): share of uniform's"
    rows = {
        policy: {b: cell.share for b, cell in row.items()}
        for policy, row in found.needed.items()
        if policy in SHOWN
    }
    return _shares(title, rows, report)


def _optimism(found: Optimism, report: Report) -> Table:
    rows = {}
    for policy, row in found.shares.items():
        if policy in (*SHOWN, "oracle", "sequential_oracle"):
            rows[policy] = {b: pair.honest for b, pair in row.items()}
            rows[f"{policy}, same draws"] = {b: pair.same_draws for b, pair in row.items()}
    title = "decided by other draws, and by those that score: share of uniform's"
    if found.fitted < found.queries:
        title += f" (a probe of {found.fitted:,} of {found.queries:,} queries: understated)"
    return _shares(title, rows, report)


def _shares(title: str, rows: Mapping[str, Mapping[int, float | None]], report: Report) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("B", no_wrap=True)
    for budget in report.plan.budgets:
        table.add_column(str(budget), justify="right")
    for name, row in rows.items():
        table.add_row(name, *(_said(row.get(budget)) for budget in report.plan.budgets))
    return table


def _said(share: float | None) -> str:
    return "-" if share is None else f"{share:.3f}"
