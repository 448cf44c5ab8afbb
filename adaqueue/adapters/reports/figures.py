"""Which figures a set has: those of the paper, in its layout, and those beyond it."""

from __future__ import annotations

from adaqueue.adapters.reports.drawing import Figure
from adaqueue.adapters.reports.more_figures import more_figures
from adaqueue.adapters.reports.paper_figures import paper_figures
from adaqueue.adapters.reports.sets import Figures


def figures_of(figures: Figures) -> list[Figure]:
    """Returns what the set's figures can be drawn as, the paper's first; none of a set that has none."""
    return [] if "error" in figures else [*paper_figures(figures), *more_figures(figures)]
