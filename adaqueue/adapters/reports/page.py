"""The report as one page that needs nothing else: style and drawings are in it, and no script."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from adaqueue.adapters.reports.content import Content, Section
from adaqueue.adapters.reports.drawing import inline
from adaqueue.adapters.reports.palette import TONES


def page(content: Content, title: str) -> str:
    """Returns the page; everything that came with the data is escaped."""
    environment = Environment(
        loader=PackageLoader("adaqueue.adapters.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(
        content=content, title=title, tones=TONES, drawings=_drawings
    )


def _drawings(section: Section, figure: int) -> list[str]:
    """Each panel of a section's figure as an SVG element."""
    panels = section.figures[figure].panels
    return [inline(panel, f"d{section.slug}-{figure}-{place}") for place, panel in enumerate(panels)]
