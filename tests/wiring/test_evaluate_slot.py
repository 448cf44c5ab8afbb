"""Proves that a night's page holds all its suites, that one suite's fault is its own, and that it is told."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.ledger.evaluations import PostgresEvaluations
from adaqueue.adapters.suites_file import digest_of
from adaqueue.cli import app
from adaqueue.core.suites import Measured, Suite
from adaqueue.errors import BadOutcomesError
from adaqueue.flows.nightly import Evaluator, figures_of, page_of
from adaqueue.settings import Settings, load_settings
from adaqueue.wiring.nightly import evaluate_slot
from adaqueue.wiring.reports import write_report

BOUND = '[suite.alarms]\nmin_reward = [{ policy = "uniform", budget = 2, reward = 0.9 }]\n'
Work = Callable[[Suite], None]


def fine(_: Suite) -> None:
    """Nothing is wrong."""


def breaks(suite: Suite) -> None:
    if suite.name == "B":
        raise TypeError("a row of another kind")


def unreachable(suite: Suite) -> None:
    if suite.name == "B":
        raise BadOutcomesError("folds: 5: give more queries")


def figures() -> dict[str, Any]:
    """What a set has at least."""
    cell = {"reward": 0.5, "low": 0.4, "high": 0.6, "samples": 2.0}
    policies = {name: {"2": cell} for name in ("uniform", "uniform_early_stop", "sequential")}
    shares = {name: {"2": 0.7} for name in policies}
    details = {name: {"2": {"low": 0.6, "high": 0.8}} for name in policies}
    counts = {"kind": "binary", "queries": 4, "groups": 4, "samples": 4, "seeds": 1}
    return {**counts, "policies": policies, "equal_reward_budget": shares, "equal_reward_details": details}


class Night:
    """A schedule's newest slot on two suites, A and B, in a real ledger."""

    def __init__(self, database: Database, folder: Path, alarms: str = "") -> None:
        self.books = PostgresEvaluations(database)
        for name in "AB":
            (folder / f"{name}.jsonl").write_text(name)
        suites = [f'[[suite]]\nname = "{n}"\nkind = "recorded"\nfiles = ["{n}.jsonl"]\n' for n in "AB"]
        (folder / "suites.toml").write_text(f"{suites[0]}{alarms}{suites[1]}")
        self.reports = folder / "reports"
        self.settings: Settings = load_settings(
            environment={}, evaluate_suites=folder / "suites.toml", evaluate_reports=self.reports
        )

    def work(self, ahead: Work = fine) -> None:
        def measure(suite: Suite, _: str) -> Measured:
            ahead(suite)
            return Measured({f"{suite.name}.jsonl": figures()}, {})

        evaluate_slot(self.settings, self.books, Evaluator(self.books, {"recorded": measure}, digest_of))

    def page(self) -> dict[str, Any]:
        (folder,) = self.reports.iterdir()
        assert (folder / "index.html").exists()
        sets: dict[str, Any] = json.loads((folder / "report.json").read_text())["sets"]
        return sets

    def states(self) -> dict[str, str]:
        return {one.suite: one.state for one in self.books.newest(10)}


@pytest.fixture
def night(database: Database, tmp_path: Path) -> Night:
    return Night(database, tmp_path)


def test_an_unexpected_fault_of_a_suite_is_its_own_and_is_logged_whole(
    night: Night, caplog: pytest.LogCaptureFixture
) -> None:
    (night.reports.parent / "suites.toml").write_text(
        "".join(f'[[suite]]\nname = "{n}"\nkind = "recorded"\nfiles = ["{n}.jsonl"]\n' for n in "BA")
    )
    night.work(breaks)
    assert night.states() == {"A": "done", "B": "failed"}
    assert night.page()["B"] == {"error": "failed: TypeError: a row of another kind"}
    assert any(record.exc_info for record in caplog.records if record.levelno == logging.ERROR)


def test_a_suite_that_is_measured_later_joins_the_page_of_the_others(night: Night) -> None:
    night.work(unreachable)
    assert "folds: 5" in night.page()["B"]["error"]
    night.work()
    assert {name: data.get("queries") for name, data in night.page().items()} == {"A": 4, "B": 4}


def test_a_page_that_was_never_written_is_and_one_that_was_is_left_alone(night: Night) -> None:
    night.work()
    (folder,) = night.reports.iterdir()
    (folder / "index.html").unlink()
    night.work()
    assert set(night.page()) == {"A", "B"}
    before = (folder / "index.html").stat().st_mtime_ns
    night.work()
    assert (folder / "index.html").stat().st_mtime_ns == before


def test_a_file_that_is_not_there_is_in_the_books_until_it_is(night: Night) -> None:
    file = night.reports.parent / "B.jsonl"
    file.unlink()
    night.work()
    assert night.states() == {"A": "done", "B": "failed"}
    (failed,) = [one for one in night.books.newest(10) if one.suite == "B"]
    assert "B.jsonl: No such file" in failed.report["error"]
    file.write_text("B")
    night.work()
    assert night.states() == {"A": "done", "B": "done"}


def test_a_page_shows_what_live_runs_alone_have_reached(tmp_path: Path) -> None:
    chat = {"kind": "real", "queries": 4, "policies": {}, "live": {"sequential": {"2": {"reward": 0.5}}}}
    report = {"suite": "chat", "sets": {"c.jsonl": chat}}
    page = page_of([report, {"suite": "r", "sets": {"r.jsonl": figures()}}], {})
    write_report(tmp_path, page)
    assert "what the live runs reached: sequential at B=2: 0.500" in (tmp_path / "report.md").read_text()
    assert figures_of([report])["sets"] == {"chat": chat}


@pytest.fixture
def asked(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """`adaqueue nightly` on the same ledger."""
    monkeypatch.setenv("ADAQUEUE_DATABASE_URL", database_url)
    monkeypatch.setenv("ADAQUEUE_REDIS_URL", "redis://nobody-asks:1")
    return lambda *words: CliRunner().invoke(app, ["nightly", *map(str, words)])


def as_json(result: Result) -> Mapping[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_failed_night_is_shown_rather_than_the_last_good_one(
    night: Night, asked: Callable[..., Result], database: Database, tmp_path: Path
) -> None:
    night.books.once("A", "2020-01-01T04:00", "x", lambda: {"suite": "A"})
    night.work(unreachable)
    found = asked("show", "--last", "--json", "-", "--report", tmp_path / "page")
    assert found.exit_code == 3
    words = "failed: BadOutcomesError: folds: 5: give more queries"
    assert as_json(found)["not_measured"] == {"B": words}
    assert set(as_json(found)["suites"]) == {"A"}
    assert f"B: {words}" in found.stderr
    assert words in (tmp_path / "page" / "report.md").read_text()


def test_a_suite_that_still_runs_is_told(night: Night, asked: Callable[..., Result]) -> None:
    def look() -> Mapping[str, Any]:
        found = asked("show", "--json", "-")
        assert found.exit_code == 3
        assert as_json(found)["not_measured"]["A"].startswith("still running, since ")
        return {}

    night.books.once("A", "2020-01-01T04:00", "x", look)


def test_an_alarm_comes_before_a_suite_that_failed(
    database: Database, tmp_path: Path, asked: Callable[..., Result]
) -> None:
    Night(database, tmp_path, BOUND).work(unreachable)
    found = asked("show", "--last", "--json", "-")
    assert found.exit_code == 4
    assert as_json(found)["alarms"] == [
        "A: A.jsonl: uniform has a reward of 0.500 at B=2, at least 0.9 is asked for"
    ]
