"""What a report says of each set, in the order in which it is read: page and Markdown are made of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adaqueue.adapters.reports.drawing import Figure
from adaqueue.adapters.reports.figures import figures_of
from adaqueue.adapters.reports.glossary import explained
from adaqueue.adapters.reports.headline import sentences
from adaqueue.adapters.reports.sets import Figures, sets_of
from adaqueue.adapters.reports.sources import sources_of
from adaqueue.adapters.reports.table import Table
from adaqueue.adapters.reports.tables import detail_tables, main_tables


@dataclass(frozen=True, slots=True)
class Section:
    """One set.

    Attributes:
        name: as the user knows it.
        slug: of its files and anchors: letters, digits and hyphens, no other set's.
        headlines: sentences, the most telling first.
        tables: for every reader.
        details: for doubting readers.
        figures: drawings.
        sources: where the figures come from, (what, which).
    """

    name: str
    slug: str
    headlines: tuple[str, ...]
    tables: tuple[Table, ...]
    details: tuple[Table, ...]
    figures: tuple[Figure, ...]
    sources: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Content:
    """One report.

    Attributes:
        regressions: words of what got worse.
        changes: words of other differences to before.
        sections: by set.
        policies: (name, what it does).
        commands: which make the figures again.
    """

    regressions: tuple[str, ...]
    changes: tuple[str, ...]
    sections: tuple[Section, ...]
    policies: tuple[tuple[str, str], ...]
    commands: tuple[str, ...]


def content_of(data: Figures, comparison: Sequence[Mapping[str, Any]]) -> Content:
    """Returns everything that the report says."""
    worse = tuple(_compared(item) for item in comparison if item.get("is_regression"))
    other = tuple(_compared(item) for item in comparison if not item.get("is_regression"))
    sets = sets_of(data)
    sections = tuple(
        _section(name, figures, place) for place, (name, figures) in enumerate(sets.items(), start=1)
    )
    policies = explained(name for figures in sets.values() for name in figures.get("policies", {}))
    commands = dict.fromkeys(str(own["command"]) for own in sets.values() if own.get("command"))
    return Content(worse, other, sections, tuple(policies), tuple(commands))


def _section(name: str, figures: Figures, place: int) -> Section:
    broken = "error" in figures
    return Section(
        name,
        f"{place}-{slug(name)}",
        tuple(sentences(figures)),
        () if broken else tuple(main_tables(figures)),
        () if broken else tuple(detail_tables(figures)),
        tuple(figures_of(figures)),
        tuple(sources_of(figures)),
    )


def slug(name: str) -> str:
    """Returns a name as letters, digits and hyphens, at most 40 of them."""
    stem = re.sub(r"\.(jsonl|json|gz)\b", "", name.rsplit("/", 1)[-1])
    return re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:40].strip("-") or "set"


def _compared(item: Mapping[str, Any]) -> str:
    where = f"{item.get('suite', '')}: {item.get('figure', '')}"
    if item.get("words"):
        return f"{where}: {item['words']}"
    before, now = item.get("before"), item.get("now")
    interval = f"{_value(item.get('low'))} to {_value(item.get('high'))}"
    return f"{where}: {_value(before)} before, {_value(now)} now ({interval})"


def _value(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else "not reached" if value is None else str(value)
