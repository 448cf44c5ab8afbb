"""Proves that the page is sound HTML, needs nothing else, holds every figure, and can be read by everyone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import html5lib
import pytest

from adaqueue.adapters.reports.palette import LOOKS, OTHERS, TONES
from adaqueue.wiring.reports import write_report
from tests.reporting import HOSTILE, binary, routing, whole

SVG_NAMES = ("http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink")
TEXT_TONES = ("ink", "quiet", "link", "alarm")
LEGIBLE, VISIBLE = 4.5, 3.0
"""Contrast of text, and of drawings, as WCAG 2.2 wants it."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of every kind of set."""
    return write_report(tmp_path_factory.mktemp("report"), whole()).parent


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    return (folder / "index.html").read_text()


@pytest.fixture(scope="module")
def tree(page: str) -> Any:
    """The page as a tree, parsed as strictly as HTML is."""
    return html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(page)


def test_nothing_is_fetched_and_nothing_runs(page: str) -> None:
    for name in SVG_NAMES:
        page = page.replace(f'="{name}"', "")
    assert not re.search(r"(?:https?:)?//\w|url\((?!#)|@import|javascript:|\bsrc=|\son\w+=", page)
    assert "<script" not in page
    assert "<link" not in page


def test_what_came_with_the_data_is_text_and_never_markup(folder: Path, tree: Any, page: str) -> None:
    assert "<b>recorded" not in page
    assert any(HOSTILE in "".join(heading.itertext()) for heading in tree.iter("h2"))
    text = (folder / "report.md").read_text()
    assert "<script>" not in text.replace("\\<script\\>", "")


def test_ids_are_the_page_s_only_ones_and_every_reference_has_its_target(tree: Any, page: str) -> None:
    ids = [element.get("id") for element in tree.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    told = {name for element in tree.iter() for name in (element.get("aria-labelledby") or "").split()}
    assert told | set(re.findall(r'(?:href="#|url\(#)([^")]+)', page)) <= set(ids)


def test_tables_have_captions_and_headings_and_drawings_have_titles_and_words(tree: Any) -> None:
    tables = list(tree.iter("table"))
    assert len(tables) > 20
    for table in tables:
        assert "".join(table.find("caption").itertext()).strip()
        assert all(cell.get("scope") for cell in table.iter("th"))
    drawings = [element for element in tree.iter() if str(element.tag).endswith("svg")]
    assert len(drawings) > 10
    for drawing in drawings:
        assert drawing.get("role") == "img"
        assert all(drawing[place].text for place in (0, 1))
    levels = [int(element.tag[1]) for element in tree.iter() if element.tag in ("h1", "h2", "h3")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_every_figure_of_the_data_is_on_the_page_and_in_the_text(folder: Path, tree: Any) -> None:
    page = "".join(tree.itertext())
    text = (folder / "report.md").read_text().replace("\\", "")
    for where in (page, text):
        missing = [value for value in values(binary()) if not any(form in where for form in forms(value))]
        assert missing == []


def values(data: Any, name: str = "") -> Iterator[float]:
    """Every number of the data but the points, which are a drawing alone."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield from values(value, str(key))
    elif isinstance(data, list) and name != "points":
        for value in data:
            yield from values(value, name)
    elif isinstance(data, int | float) and not isinstance(data, bool) and name != "points":
        yield data


def forms(value: float) -> set[str]:
    """The ways in which the page may write a number."""
    plain = {f"{value:.3f}", f"{value:.2f}", f"{value:,.2f}", f"{value:,}", f"{value:.3g}"}
    return plain | {
        f"{100 * value:.1f}%",
        f"{100 * value:.0f}%",
        f"{100 * value:.0f}-",
        f"{100 * value:+.1f}",
    }


def test_what_is_never_reached_is_said_in_words(tree: Any) -> None:
    page = "".join(tree.itertext())
    assert "not reached" in page
    assert "None" not in page
    assert "nan" not in page.lower().split()


def test_sources_and_the_command_are_told(tree: Any) -> None:
    page = "".join(tree.itertext())
    for said in ("SHA-256 0123abcd", "4,321 bytes", "adaqueue 0.1.0", "a processor", binary()["command"]):
        assert said in page


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_drawings_stand_out_from_their_ground(scheme: str) -> None:
    for ground in ("ground", "panel"):
        under = getattr(TONES[ground], scheme)
        for name in TEXT_TONES:
            assert contrast(getattr(TONES[name], scheme), under) >= LEGIBLE, (name, ground)
    under = getattr(TONES["ground"], scheme)
    for look in (*LOOKS.values(), *OTHERS):
        assert contrast(getattr(TONES[look.tone], scheme), under) >= VISIBLE, look


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_tones_differ_and_no_two_policies_look_the_same(page: str) -> None:
    assert len({tone.light for tone in TONES.values()}) == len(TONES)
    looks = [(look.tone, look.mark, look.dash) for look in LOOKS.values()]
    assert len(set(looks[:11])) == 11
    assert set(re.findall(r"#[0-9a-f]{6}", page.split("</style>")[1])) <= {"#000000"}


def test_a_headline_is_computed_and_says_how_sure_it_is(tree: Any) -> None:
    page = "".join(tree.itertext())
    assert (
        "sequential reaches the reward of uniform at B = 4 with 72% of its samples (95%: 65% to never)"
        in page
    )
    assert "uniform with early stop does not reach it" in page
    assert "The two cannot be told apart" in page
    assert "closes 59% of the distance" in page
    assert "50% strong calls at random with 63% of them; the oracle needs 33%." in page


def test_a_set_without_a_probe_says_nothing_of_one(tmp_path: Path) -> None:
    page = write_report(tmp_path, routing()).read_text()
    assert "Table 1" not in page
    assert "Negative controls" not in page


def test_a_probe_that_is_worse_than_the_mean_is_said_to_be(tmp_path: Path) -> None:
    found = binary()
    found["predictor"]["loss"] = 0.7
    assert "worse than their mean would" in write_report(tmp_path, found).read_text()
