"""Figures as SVG and PNG: the same figures give the same bytes."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from adaqueue.adapters.reports.palette import TONES, hue
from adaqueue.adapters.reports.table import Table

WIDTH, BODY = 4.5, 3.3
"""Inches of a panel, without its legend."""

LEFT, RIGHT, TOP, BOTTOM = 0.72, 0.18, 0.38, 0.62
"""Inches of a panel's margins."""

LEGEND_LINE, LEGEND_COLUMNS = 0.19, 2
PNG_DOTS = 144

NOT_SAID = {"png": ("Software",), "svg": ("Date", "Creator", "Format", "Type")}
"""What would differ between two days, or two releases of what draws."""

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "adaqueue",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "lines.markersize": 4.0,
}
COLOURS: dict[Any, str] = {
    "text.color": "ink",
    "axes.titlecolor": "ink",
    "axes.labelcolor": "ink",
    "axes.edgecolor": "quiet",
    "xtick.color": "quiet",
    "ytick.color": "quiet",
    "xtick.labelcolor": "ink",
    "ytick.labelcolor": "ink",
    "grid.color": "grid",
}


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes.

    Attributes:
        title: above it.
        alt: what it shows, for who cannot see it.
        draw: draws it.
        legend: entries of its legend.
    """

    title: str
    alt: str
    draw: Callable[[Axes], None]
    legend: int = 0


@dataclass(frozen=True, slots=True)
class Figure:
    """Panels side by side, as the paper has them.

    Attributes:
        name: of its files.
        title: heading.
        caption: what is seen.
        panels: at least one.
        tables: the same as numbers, where no other table has them.
    """

    name: str
    title: str
    caption: str
    panels: tuple[Panel, ...]
    tables: tuple[Table, ...] = ()


def inline(panel: Panel, name: str) -> Markup:
    """Returns a panel as an SVG element in the page's colours; `name` is no other's on the page."""
    drawn = _render((panel,), ("svg",), clear=True)[0].decode()
    body = drawn[drawn.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    opening, rest = body.split(">", 1)
    box = re.search(r'viewBox="[^"]*"', opening)
    head = f'<svg {box[0] if box else ""} role="img" aria-labelledby="{name}-title {name}-alt">'
    said = f'<title id="{name}-title">{escape(panel.title)}</title>'
    said += f'<desc id="{name}-alt">{escape(panel.alt)}</desc>'
    return Markup(head + said + _tinted(_own_ids(rest, name)))  # noqa: S704 - matplotlib escapes what it writes


def files(figure: Figure) -> dict[str, bytes]:
    """Returns a figure as files on a white ground, by their suffix: SVG, and PNG."""
    kinds = ("svg", "png")
    return dict(zip(kinds, _render(figure.panels, kinds), strict=True))


def _render(panels: Sequence[Panel], kinds: Sequence[str], clear: bool = False) -> list[bytes]:
    lines = max(math.ceil(panel.legend / LEGEND_COLUMNS) for panel in panels)
    width, height = WIDTH * len(panels), BODY + LEGEND_LINE * lines + (0.1 if lines else 0)
    with mpl.rc_context({**STYLE, **{key: hue(tone) for key, tone in COLOURS.items()}}):
        canvas = Canvas(figsize=(width, height))
        for place, panel in enumerate(panels):
            _place(canvas, panel, (place * WIDTH, width, height))
        return [_saved(canvas, kind, clear) for kind in kinds]


def _saved(canvas: Canvas, kind: str, clear: bool) -> bytes:
    target = io.BytesIO()
    unsaid = dict.fromkeys(NOT_SAID[kind])
    canvas.savefig(target, format=kind, dpi=PNG_DOTS, transparent=clear, metadata=unsaid)
    return target.getvalue()


def _place(canvas: Canvas, panel: Panel, where: tuple[float, float, float]) -> None:
    start, width, height = where
    axes = canvas.add_axes(
        (
            (start + LEFT) / width,
            (height - BODY + BOTTOM) / height,
            (WIDTH - LEFT - RIGHT) / width,
            (BODY - TOP - BOTTOM) / height,
        )
    )
    panel.draw(axes)
    axes.set_title(panel.title)
    if panel.legend:
        below = -(BOTTOM - 0.12) / (BODY - TOP - BOTTOM)
        axes.legend(loc="upper center", bbox_to_anchor=(0.46, below), ncols=LEGEND_COLUMNS, borderaxespad=0.0)


def _own_ids(body: str, name: str) -> str:
    """Keeps the ids that are referred to, and makes them the page's only ones of their name."""
    used = set(re.findall(r'(?:xlink:href="#|url\(#)([^")]+)', body))
    body = re.sub(r' id="([^"]+)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", body)
    return re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{name}-", body)


def _tinted(body: str) -> str:
    for name, tone in TONES.items():
        body = body.replace(tone.light, f"var(--{name})")
    return body
