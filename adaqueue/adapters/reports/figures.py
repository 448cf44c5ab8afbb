"""Which figures a set has: those of the paper, in its layout, and those beyond it."""

from __future__ import annotations

from adaqueue.adapters.reports import curves
from adaqueue.adapters.reports.drawing import Figure, Panel
from adaqueue.adapters.reports.sets import BINARY, ROUTING, Figures, kind_of

BUDGET = "average budget B, samples a query"


def figures_of(figures: Figures) -> list[Figure]:
    """Returns what the set's figures can be drawn as, the paper's first."""
    if "error" in figures:
        return []
    return [_paper(figures), _needed(figures)]


def _paper(figures: Figures) -> Figure:
    kind = kind_of(figures)
    name, title, caption = {
        BINARY: ("figure-3", "Success", "Success of every policy over budgets (the paper's Figure 3)."),
        ROUTING: ("figure-5", "Routing", "Reward over the share of strong calls (the paper's Figure 5)."),
    }.get(kind, ("figure-4", "Reward", "Reward of every policy over budgets (the paper's Figure 4)."))
    return Figure(name, title, caption, (_performance(figures),))


def _performance(figures: Figures) -> Panel:
    kind = kind_of(figures)
    x = "share of queries sent to the strong decoder" if kind == ROUTING else BUDGET
    y = "success" if kind == BINARY else "mean reward"
    return curves.rewards(figures["policies"], "Performance", (x, y))


def _needed(figures: Figures) -> Figure:
    routing = kind_of(figures) == ROUTING
    x = "share of queries sent to the strong decoder" if routing else BUDGET
    whose = "random routing" if routing else "uniform"
    panel = curves.lines(
        figures["equal_reward_budget"], f"Needed for the reward of {whose}", (x, f"share of {whose}'s"), True
    )
    caption = (
        f"What each policy needs for the reward of {whose}, as a share; lower is better; gaps: not reached."
    )
    return Figure("needed", "Equal reward", caption, (panel,))
