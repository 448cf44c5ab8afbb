"""`nightly`: suites that are measured every night, and what became worse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from adaqueue import wiring
from adaqueue.cli.options import Config, DataFolder, JsonFile, check_writable, write_json
from adaqueue.cli.reporting import ReportFolder, check_report
from adaqueue.cli.suite_sets import HANDS
from adaqueue.core.suites import Suite
from adaqueue.errors import SettingsError
from adaqueue.wiring.nightly import (
    Evaluation,
    NightDesk,
    bad_news,
    figures_of,
    night_desk,
    page_of,
    regressions,
)
from adaqueue.wiring.reports import write_report

NOT_MEASURED = 3
ALARM = 4

nightly = typer.Typer(
    help="Measure suites of recorded and live queries, and compare them with the last nights.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)


@nightly.command()
def run(
    suites: Annotated[
        Path | None,
        typer.Option(help="TOML file of suites [default: ADAQUEUE_EVALUATE_SUITES].", show_default=False),
    ] = None,
    suite: Annotated[
        list[str] | None,
        typer.Option(help="Name of a suite; may be repeated [default: all].", show_default=False),
    ] = None,
    report_folder: ReportFolder = None,
    data_folder: DataFolder = None,
    config: Config = None,
    json: JsonFile = None,
) -> None:
    """Measure the suites now, on the system that is up, and enter them in its ledger.

    Exit status 4: an alarm or a regression is named; 3: a suite could not be measured, and none is named.
    """
    check_writable(json)
    check_report(report_folder)
    given: dict[str, Any] = {"data_folder": data_folder, "evaluate_suites": suites}
    settings = wiring.load_settings(config, **given)
    with night_desk((config, given), settings, HANDS) as desk:
        chosen = desk.chosen(suite or [])
        night = f"{desk.books.now().astimezone(UTC):%Y-%m-%dT%H:%M:%S}"
        failed = [one.name for one in chosen if not _measured(desk, one, night)]
        told = desk.books.of_night(night)
    _tell(night, told, report_folder, json)
    _end(told, is_whole=not failed)


@nightly.command("list")
def list_nights(
    most: Annotated[int, typer.Option(min=1, help="Suites' nights shown, the newest first.")] = 20,
    data_folder: DataFolder = None,
    config: Config = None,
    json: JsonFile = None,
) -> None:
    """Show the last nights: which suites were measured, and what was named."""
    settings = wiring.load_settings(config, data_folder=data_folder)
    with night_desk((config, {}), settings.model_copy(update={"evaluate_suites": None}), HANDS) as desk:
        found = desk.books.newest(most)
    rows = [
        {
            "night": one.night,
            "suite": one.suite,
            "state": one.state,
            "started_at": one.started_at.isoformat(),
            "bad_news": bad_news(one.report) if one.state == "done" else [],
            "error": one.report.get("error"),
        }
        for one in found
    ]
    if json is None:
        _show_list(rows)
    write_json(json, rows)


@nightly.command()
def show(
    night: Annotated[
        str | None, typer.Argument(help="As `adaqueue nightly list` shows it.", show_default=False)
    ] = None,
    last: Annotated[bool, typer.Option("--last", help="The newest night [the default].")] = False,
    report_folder: ReportFolder = None,
    data_folder: DataFolder = None,
    config: Config = None,
    json: JsonFile = None,
) -> None:
    """Show a night's figures, and what became worse, or better, than in the nights before.

    Exit status 4: an alarm or a regression is named; 3: a suite failed, or still runs, and none is named.
    """
    check_writable(json)
    check_report(report_folder)
    if last and night is not None:
        raise SettingsError(f"night: {night!r}: give a night or --last, not both")
    settings = wiring.load_settings(config, data_folder=data_folder)
    with night_desk((config, {}), settings.model_copy(update={"evaluate_suites": None}), HANDS) as desk:
        name = night or _newest(desk)
        told = desk.books.of_night(name)
    if not told:
        raise SettingsError(f"night: {name!r}: nothing was measured then: see `adaqueue nightly list`")
    for one in told:
        if one.missing is not None:
            _say(f"{one.suite}: {one.missing}", "red")
    _tell(name, told, report_folder, json)
    _end(told, is_whole=True)


def _measured(desk: NightDesk, suite: Suite, night: str) -> bool:
    """Measures a suite, and says so; returns whether that went well."""
    _say(f"{suite.name}: measuring, {suite.kind}")
    fault = desk.evaluator.attempt(suite, night)
    if fault is not None:
        _say(f"{suite.name}: not measured: {fault}", "red")
    return fault is None


def _end(told: Sequence[Evaluation], is_whole: bool) -> None:
    """Leaves with the exit status of a night; alarms come before what was not measured."""
    if any(bad_news(report) for report in _reports(told)):
        raise typer.Exit(ALARM)
    if not is_whole or any(one.missing is not None for one in told):
        raise typer.Exit(NOT_MEASURED)


def _reports(told: Sequence[Evaluation]) -> list[Mapping[str, Any]]:
    return [one.report for one in told if one.missing is None]


def _tell(night: str, told: Sequence[Evaluation], report_folder: Path | None, json: str | None) -> None:
    """Names what is bad first, then the figures."""
    reports = _reports(told)
    for words in sorted((words for report in reports for words in bad_news(report)), key=_is_alarm):
        _say(words, "red")
    comparison = [row for report in reports for row in report["comparison"]]
    for row in comparison:
        if not row["is_regression"]:
            _say(f"better: {row['suite']}: {row['words']}", "green")
    if json is None:
        for name, data in figures_of(reports)["sets"].items():
            _show_set(name, data)
    missing = {one.suite: one.missing for one in told if one.missing is not None}
    write_json(
        json,
        {
            "night": night,
            "regressions": [words for report in reports for words in regressions(report)],
            "alarms": [f"{report['suite']}: {words}" for report in reports for words in report["alarms"]],
            "not_measured": missing,
            "comparison": sorted(comparison, key=lambda row: not row["is_regression"]),
            "suites": {report["suite"]: report for report in reports},
        },
    )
    if report_folder is not None and told:
        _say(f"report: {write_report(report_folder, page_of(reports, missing), comparison)}")


def _is_alarm(words: str) -> bool:
    return words.startswith("alarm")


def _newest(desk: NightDesk) -> str:
    found = desk.books.newest(1)
    if not found:
        raise SettingsError("night: none: no suite was measured yet: see `adaqueue nightly run`")
    return found[0].night


def _show_list(rows: Sequence[Mapping[str, Any]]) -> None:
    table = Table("night", "suite", "state", "named", box=box.SIMPLE_HEAD)
    for row in rows:
        named = row["error"] or "\n".join(row["bad_news"])
        table.add_row(row["night"], row["suite"], row["state"], named)
    Console().print(table)


def _show_set(name: str, data: Mapping[str, Any]) -> None:
    if "error" in data:
        return
    rewards, live = data.get("policies") or {}, data.get("live") or {}
    share_of = "of random's strong calls" if data.get("kind") == "routing" else "of uniform's samples"
    columns = ("policy", "B", "reward", share_of, "really solved", "samples")
    table = Table(*columns, box=box.SIMPLE_HEAD, title_justify="left")
    table.title = f"{name}: {data['queries']:,} queries"
    for policy in dict.fromkeys([*rewards, *live]):
        for budget in {**rewards.get(policy, {}), **live.get(policy, {})}:
            cell, real = rewards.get(policy, {}).get(budget), live.get(policy, {}).get(budget)
            share = (data.get("equal_reward_budget") or {}).get(policy, {}).get(budget)
            reward = (cell or real or {}).get("reward")
            lived = (_number(real and real.get("success")), _number(real and real["samples"]))
            table.add_row(policy, budget, _number(reward), _number(share), *lived)
    Console(width=None if Console().is_terminal else 120).print(table)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _say(words: str, style: str = "") -> None:
    Console(stderr=True).print(words, style=style, soft_wrap=True, markup=False, highlight=False)
