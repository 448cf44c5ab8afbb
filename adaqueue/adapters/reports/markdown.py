"""The report as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator

from adaqueue.adapters.reports.content import Content, Section
from adaqueue.adapters.reports.table import Table

SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&])")


def markdown(content: Content, title: str) -> str:
    """Returns the text; drawings are linked to the files beside it."""
    return "\n".join(_lines(content, title)) + "\n"


def plain(text: str) -> str:
    """Returns text in one line that Markdown shows as it is."""
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _lines(content: Content, title: str) -> Iterator[str]:
    yield f"# {plain(title)}"
    for heading, said in (("Regressions", content.regressions), ("Other changes", content.changes)):
        if said:
            yield from ("", f"## {heading}", "", *(f"- {plain(words)}" for words in said))
    for section in content.sections:
        yield from _section(section)
    if content.policies:
        yield from ("", "## The policies", "")
        yield from (f"- {plain(name)}: {plain(said)}" for name, said in content.policies)
    if content.commands:
        yield from ("", "## To make this again", "")
        yield from (f"- {plain(command)}" for command in content.commands)


def _section(section: Section) -> Iterator[str]:
    yield from ("", f"## {plain(section.name)}", "", *(f"- {plain(said)}" for said in section.headlines))
    for table in section.tables:
        yield from _table(table)
    for figure in section.figures:
        alt = " ".join(panel.alt for panel in figure.panels)
        yield from ("", f"### {plain(figure.title)}", "", plain(figure.caption), "")
        yield f"![{plain(alt)}]({section.slug}-{figure.name}.svg)"
        for table in figure.tables:
            yield from _table(table, "####")
    for table in section.details:
        yield from _table(table)
    yield from (
        "",
        "### Sources",
        "",
        *(f"- {plain(what)}: {plain(which)}" for what, which in section.sources),
    )


def _table(table: Table, level: str = "###") -> Iterator[str]:
    yield from ("", f"{level} {plain(table.caption)}", "")
    yield f"| {' | '.join(map(plain, table.columns))} |"
    yield f"|---|{'---:|' * (len(table.columns) - 1)}"
    yield from (f"| {' | '.join(map(plain, row))} |" for row in table.rows)
    if table.note:
        yield from ("", plain(table.note))
