"""Figures beyond the paper: what is needed for equal rewards, and where savings end."""

from __future__ import annotations

from collections.abc import Iterator

from adaqueue.adapters.reports import curves, figure_tables, sweeps, words
from adaqueue.adapters.reports.drawing import Figure
from adaqueue.adapters.reports.paper_figures import BUDGET, STRONG, Rows, parted, shown
from adaqueue.adapters.reports.sets import ROUTING, Figures, headline_budget, kind_of


def more_figures(figures: Figures) -> Iterator[Figure]:
    """Yields the figures beyond the paper that the set has."""
    yield _needed(figures)
    if figures.get("tokens"):
        yield _tokens(figures["tokens"])
    if figures.get("rounds"):
        yield _rounds(figures["rounds"])
    if figures.get("b_max"):
        yield _limits(figures["b_max"])
    if figures.get("verifier_errors"):
        yield _errors(figures)
    if figures.get("transfer"):
        yield _transfer(figures)
    if figures.get("optimism"):
        yield _optimism(figures)


def _needed(figures: Figures) -> Figure:
    routing = kind_of(figures) == ROUTING
    whose = "random routing" if routing else "uniform"
    labels = (STRONG if routing else BUDGET, f"share of {whose}'s")
    panels = tuple(
        curves.lines(rows, part.capitalize() if part else "Needed", labels, shares=True)
        for part, rows in parted(figures["equal_reward_budget"]).items()
    )
    caption = f"What each policy needs for the reward of {whose}: lower is better, a gap is never reached."
    return Figure("needed", "Needed for equal reward", caption, panels)


def _tokens(rows: Rows) -> Figure:
    panel = curves.lines(rows, "Tokens", (BUDGET, "share of uniform's tokens"), shares=True)
    caption = "Tokens for the reward of uniform at B, as a share of uniform's: lower is better."
    return Figure(
        "tokens", "Tokens for equal reward", caption, (panel,), (figure_tables.needed(caption, rows),)
    )


def _rounds(rows: Rows) -> Figure:
    panel = curves.lines(rows, "Rounds", (BUDGET, "rounds a query, mean"), shares=False)
    caption = "Samples of one query that are drawn one after another, on average: how long it waits."
    table = figure_tables.by_budget(caption, rows, words.number)
    return Figure("rounds", "Rounds", caption, (panel,), (table,))


def _limits(found: Rows) -> Figure:
    panels = tuple(sweeps.limits(name, found[name]) for name in shown(found))
    tables = tuple(figure_tables.limits(policy, row) for policy, row in found.items())
    caption = (
        "Success over the largest budget that one query may get: where a line is flat, more gains nothing."
    )
    return Figure("b-max", "Where gains saturate", caption, panels, tables)


def _errors(figures: Figures) -> Figure:
    found, budget = figures["verifier_errors"], headline_budget(figures)
    titles = {"policies": "Answered and right", "accepted_right": "Right, of the accepted"}
    drawn = (
        ("policies", "false_accepts"),
        ("accepted_right", "false_accepts"),
        ("policies", "false_rejects"),
    )
    ways = {"policies": "share of queries", "accepted_right": "share of accepted answers"}
    panels = tuple(sweeps.errors(found, key, swept, budget, (titles[key], ways[key])) for key, swept in drawn)
    tables = tuple(figure_tables.errors(found, key, title) for key, title in titles.items())
    caption = f"What is left where the verifier passes wrong answers and fails right ones, at B = {budget}."
    return Figure("verifier-errors", "A verifier that errs", caption, panels, tables)


def _transfer(figures: Figures) -> Figure:
    found = figures["transfer"]
    panels = [
        curves.rewards(rows, f"Success, {part}" if part else "Success", (BUDGET, "success"))
        for part, rows in parted(found["policies"]).items()
    ]
    shares = found["equal_reward_budget"]
    tables = (
        figure_tables.reached("Success of what was fitted elsewhere", found["policies"]),
        figure_tables.needed("Its share of uniform's samples", shares),
    )
    where = ", ".join(map(str, found["from"]))
    caption = f"Probe and rule fitted on {found['queries']:,} queries of {where}, used on this set."
    if found.get("left_out"):
        caption += (
            f" {found['left_out']:,} near duplicates of this set's queries, or of its groups, were left out."
        )
    return Figure("transfer", "Transfer", caption, tuple(panels), tables)


def _optimism(figures: Figures) -> Figure:
    found = figures["optimism"]
    shares, rewards = found["equal_reward_budget"], found["policies"]
    drawn = {name: shares[name] for name in shown(shares)}
    panel = sweeps.honesty(drawn, ("Share of uniform's samples", "share of uniform's samples"))
    tables = (
        figure_tables.honesty("Share of uniform's samples: honest / same draws", shares, words.share),
        figure_tables.honesty("Success: honest / same draws", rewards, words.number),
    )
    caption = (
        "What one would believe who decides and scores on the same draws (dotted), and what is so (solid): "
        "all other figures on this page are of the second kind, but for the oracles'."
    )
    fitted, queries = found.get("fitted_on"), figures["queries"]
    if fitted is not None and fitted < queries:
        caption += f" Its probe was fitted on {fitted:,} of {queries:,} queries, which understates it."
    return Figure("optimism", "Optimism of scoring on one's own draws", caption, (panel,), tables)
