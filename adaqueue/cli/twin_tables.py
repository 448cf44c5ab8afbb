"""The twin's figures as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from adaqueue.cli.twin_figures import SENSITIVITY_POLICIES

ROUTING_WIDTH = 110
Figures = Mapping[str, Any]


def show(found: Figures, console: Console) -> None:
    """Prints the figures of a population."""
    {"binary": _best_of_k, "routing": _routing, "real": _chat}[found["kind"]](found, console)


def _best_of_k(found: Figures, console: Console) -> None:
    title = f"{found['domain']}: share of uniform's samples for uniform's success, %, {found['seeds']} seeds"
    others = _table(
        "the same shares on other populations of the same losses, and other probes of the same loss", found
    )
    for name, other in found["sensitivity"].items():
        others.add_section()
        others.add_row(f"[bold]{name}[/]")
        for policy in SENSITIVITY_POLICIES:
            others.add_row(
                policy, *(_percent(share) for share in other["equal_reward_budget"][policy].values())
            )
    rewards = _rewards(f"{found['domain']}: success at B samples a query", found)
    for table in (_shares(title, found), rewards, others):
        console.print(table)
    _close(f", signal noise {found['sigma']:.3f}", found, console, " '-': not reached.")


def _routing(found: Figures, console: Console) -> None:
    name, seeds = found["domain"], found["seeds"]
    if not console.is_terminal:  # what is read by no terminal is not cut to the width of one
        console = Console(file=console.file, width=max(console.width, ROUTING_WIDTH))
    title = f"{name}: strong calls for the reward of random routing at share B, % of random's, {seeds} seeds"
    console.print(_shares(title, found))
    console.print(_rewards(f"{name}: gain over the weak decoder, share B to the strong", found))
    console.print(_pairs(found))
    said, paper = found["predictor"], found["paper"]
    console.print(
        f"Predictor: loss {said['loss']:.2f}, average {said['average']:.2f}, optimal {said['optimal']:.2f}, "
        f"accuracy {said['accuracy']:.0%} (the paper's: {paper['loss']:.2f}, {paper['average']:.2f}, "
        f"{paper['optimal']:.2f}, {paper['accuracy']:.0%}). Each row of the last table is a population that "
        "fits the losses: they do not say which it is.",
        soft_wrap=True,
    )
    _close(f", signal noise {found['sigma']:.3f}", found, console)


def _pairs(found: Figures) -> Table:
    table = Table(title="gaps of other shapes, same losses", title_justify="left", box=box.SIMPLE_HEAD)
    for column in (
        "shape",
        "strong's reward by calling it",
        "oracle",
        "best reward, of strong's",
        "accuracy",
    ):
        table.add_column(column, justify="left" if column == "shape" else "right")
    for own in (found, *found["sensitivity"].values()):
        matched, best = own["strong_matched"], own["best_over_strong"]
        table.add_row(
            own["population"]["shape"],
            f"{matched['routed']:.0%}",
            f"{matched['oracle']:.0%}",
            f"{best['routed']:.0%}",
            f"{own['predictor']['accuracy']:.0%}",
        )
    return table


def _chat(found: Figures, console: Console) -> None:
    name = f"share of uniform's samples for uniform's reward, %, {found['seeds']} seeds"
    console.print(_shares(f"chat, all queries: {name}", found))
    words = {"both": "both tranches", "lowest": "lowest variance", "highest": "highest variance"}
    for part, title in words.items():
        own = found["tranches"][part]
        console.print(_shares(f"chat, {title}, {own['queries']:,} queries: {name}", own))
    console.print(_rewards("chat, all queries: reward over one sample's", found))
    _close("", found, console)


def _shares(title: str, found: Figures) -> Table:
    table = _table(title, found)
    for policy, row in found["equal_reward_budget"].items():
        spread = found["equal_reward_budget_spread"][policy]
        table.add_row(policy, *(_percent(row[b], spread[b]) for b in row))
    return table


def _rewards(title: str, found: Figures) -> Table:
    table = _table(title, found)
    for policy, row in found["reward"].items():
        table.add_row(policy, *(f"{value:.3f}" for value in row.values()))
    return table


def _table(title: str, found: Figures) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("B", no_wrap=True)
    for budget in next(iter(found["reward"].values())):
        table.add_column(budget, no_wrap=True, justify="right")
    return table


def _percent(share: float | None, spread: float | None = None) -> str:
    if share is None:
        return "-"
    return f"{100 * share:.0f}" if spread is None else f"{100 * share:.0f} ±{100 * spread:.0f}"


def _close(noise: str, found: Figures, console: Console, last: str = "") -> None:
    console.print(
        f"{found['queries']} queries a seed{noise}, {found['seconds']:.0f} s. "
        f"±: standard deviation over seeds.{last}",
        soft_wrap=True,
    )
