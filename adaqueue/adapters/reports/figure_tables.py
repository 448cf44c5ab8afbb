"""The numbers behind figures, as tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from adaqueue.adapters.reports import words
from adaqueue.adapters.reports.table import Table

Rows = Mapping[str, Mapping[str, Any]]


def by_budget(caption: str, rows: Rows, show: Callable[[Any], str], note: str = "") -> Table:
    """Returns a policy a row, a budget a column."""
    budgets = list(next(iter(rows.values())))
    body = tuple(
        (policy, *(show(row[b]) if b in row else "" for b in budgets)) for policy, row in rows.items()
    )
    return Table(caption, ("policy", *(f"B = {b}" for b in budgets)), body, note)


def reached(caption: str, policies: Rows) -> Table:
    """Returns rewards with their intervals."""
    return by_budget(caption, policies, _reached)


def needed(caption: str, shares: Rows) -> Table:
    """Returns shares; what was never reached is said in words."""
    return by_budget(caption, shares, words.share)


def bars(found: Mapping[str, Any]) -> Table:
    """Returns the bars of a distribution."""
    edges = found["edges"]
    parts = [f"{left:.3g}-{right:.3g}" for left, right in pairwise(edges)]
    rows = tuple((part, words.share(share)) for part, share in zip(parts, found["share"], strict=True))
    return Table(f"Distribution of {found['of']}", (str(found["of"]), "share of queries"), rows)


def bins(cells: Sequence[Mapping[str, Any]]) -> Table:
    """Returns calibration bins."""
    rows = tuple(
        (
            words.number(cell["predicted"]),
            f"{words.number(cell['observed'])} ({words.number(cell['low'])}-{words.number(cell['high'])})",
            f"{cell['queries']:,}",
        )
        for cell in cells
    )
    return Table("Calibration", ("predicted", "true (95% interval)", "queries"), rows)


def thirds(found: Rows) -> Table:
    """Returns samples a query of each third, a row for each policy."""
    show = " / ".join
    caption = "Samples a query on hard / medium / easy queries"
    return by_budget(caption, found, lambda spent: show(f"{value:.2f}" for value in spent))


def limits(policy: str, row: Rows) -> Table:
    """Returns a policy's reward, a row for each average budget and a column for each largest budget."""
    limit_names = list(next(iter(row.values())))
    body = tuple(
        (f"B = {b}", *(words.number(by_limit.get(limit)) for limit in limit_names))
        for b, by_limit in row.items()
    )
    return Table(f"{policy}: success by b_max", ("", *(f"b_max = {limit}" for limit in limit_names)), body)


def errors(found: Sequence[Mapping[str, Any]], key: str, caption: str) -> Table:
    """Returns what policies reach, a row for each policy and pair of error rates."""
    budgets = list(next(iter(found[0][key].values())))
    body = tuple(
        (
            f"{policy}, {item['false_accepts']:.1%}, {item['false_rejects']:.1%}",
            *(words.number(row.get(b)) for b in budgets),
        )
        for item in found
        for policy, row in item[key].items()
    )
    first = "policy, false accepts, false rejects"
    return Table(caption, (first, *(f"B = {b}" for b in budgets)), body)


def honesty(caption: str, rows: Rows, show: Callable[[Any], str]) -> Table:
    """Returns each policy decided on held-out draws and on the draws that score it."""
    return by_budget(caption, rows, lambda cell: f"{show(cell['honest'])} / {show(cell['same_draws'])}")


def _reached(cell: Mapping[str, Any]) -> str:
    if cell.get("low") is None:
        return words.number(cell["reward"])
    return f"{words.number(cell['reward'])} ({words.number(cell['low'])}-{words.number(cell['high'])})"
