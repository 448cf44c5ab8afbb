"""`probe`: the predictor's life, as the registry tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from adaqueue import wiring
from adaqueue.cli.options import Config, DataFolder, JsonFile, check_writable, write_json
from adaqueue.core.papers import ProbeRecord
from adaqueue.core.retraining import Challenger, Retraining
from adaqueue.core.trial import Drift
from adaqueue.errors import SettingsError

DRIFTED = 4
NOT_TRAINED = 3

Name = Annotated[str, typer.Argument(help="As `adaqueue probe list` shows it.", show_default=False)]
Domain = Annotated[str, typer.Argument(help="math or code.", show_default=False)]
Domains = Annotated[
    list[str] | None,
    typer.Option("--domain", help="math or code; may be repeated [default: both].", show_default=False),
]

probe = typer.Typer(
    help="List, train, promote and roll back the probes that predict how hard queries are.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)


@probe.command("list")
def list_probes(
    most: Annotated[int, typer.Option(min=1, help="Probes shown, the newest first.")] = 20,
    data_folder: DataFolder = None,
    config: Config = None,
    json: JsonFile = None,
) -> None:
    """Show the newest probes, which of them are in use, and how they did in their trials."""
    with wiring.probe_desk(wiring.load_settings(config, data_folder=data_folder)) as desk:
        records = desk.registry.newest(most)
    if json is None:
        _show_list(records)
    write_json(json, [_plain(record) for record in records])


@probe.command()
def show(name: Name, data_folder: DataFolder = None, config: Config = None, json: JsonFile = None) -> None:
    """Show all that is known of a probe: what it reads, what it was trained on, its trial, its uses."""
    with wiring.probe_desk(wiring.load_settings(config, data_folder=data_folder)) as desk:
        record = desk.registry.show(name)
    if json is None:
        _show_details(_plain(record))
    write_json(json, _plain(record))


@probe.command()
def train(
    domain: Domains = None,
    head: Annotated[
        list[str] | None,
        typer.Option(
            help="What to train: beta, beta_zero, lora, constant, length; may be repeated "
            "[default: ADAQUEUE_RETRAIN_HEADS].",
            show_default=False,
        ),
    ] = None,
    promote: Annotated[
        bool, typer.Option(help="Put a challenger into use that is significantly better.")
    ] = True,
    data_folder: DataFolder = None,
    config: Config = None,
    json: JsonFile = None,
) -> None:
    """Train challengers on the ledger's outcomes now, and judge them on prompts that no probe learns from.

    The schedule does the same every night (ADAQUEUE_RETRAIN_AT). The system's servers must be up.

    Exit status 3: nothing could be trained.
    """
    check_writable(json)
    console = Console(stderr=True)
    found: dict[str, Retraining] = {}
    with wiring.probe_desk(wiring.load_settings(config, data_folder=data_folder)) as desk:
        plan = desk.training.plan(head or (), promotes=promote)
        for name in _domains(domain):
            with console.status(f"{name}: training {', '.join(plan.heads)}"):
                found[name] = desk.training.retrain(name, plan)
    if json is None:
        for name, retraining in found.items():
            _show_retraining(name, retraining)
    write_json(json, {name: retraining.to_data() for name, retraining in found.items()})
    if not any(retraining.challengers for retraining in found.values()):
        raise typer.Exit(NOT_TRAINED)


@probe.command("promote")
def promote_probe(name: Name, data_folder: DataFolder = None, config: Config = None) -> None:
    """Put a probe into use, whatever its trial said; the scheduler takes it up with its next window."""
    with wiring.probe_desk(wiring.load_settings(config, data_folder=data_folder)) as desk:
        record = desk.registry.promote(name, "by hand")
    Console().print(f"{record.name} is in use for {record.decoder} on {record.domain}", soft_wrap=True)


@probe.command()
def rollback(domain: Domain, data_folder: DataFolder = None, config: Config = None) -> None:
    """Put the probe that was in use before the present one back into use."""
    settings = wiring.load_settings(config, data_folder=data_folder)
    (checked,) = _domains([domain])
    with wiring.probe_desk(settings) as desk:
        given_up, restored = desk.registry.rollback(settings.model, checked)
    Console().print(f"{restored.name} is in use again, in the place of {given_up.name}", soft_wrap=True)


@probe.command()
def drift(
    domain: Domains = None, data_folder: DataFolder = None, config: Config = None, json: JsonFile = None
) -> None:
    """Say whether the probes in use still predict what happens.

    First draws of the newest queries are compared with what was predicted of them. The schedule looks
    every hour, and warns in the trainer's log.

    Exit status 4: some probe's calibration has left its band.
    """
    with wiring.probe_desk(wiring.load_settings(config, data_folder=data_folder)) as desk:
        found = {name: desk.training.drift(name) for name in _domains(domain)}
    if json is None:
        for name, shift in found.items():
            Console().print(f"{name}: {_drift_words(shift)}", soft_wrap=True)
    write_json(json, {name: _drift_data(shift) for name, shift in found.items()})
    if any(shift is not None and shift.is_alarm for shift in found.values()):
        raise typer.Exit(DRIFTED)


def _domains(given: list[str] | None) -> list[str]:
    chosen = given or list(wiring.TRAINED_DOMAINS)
    for name in chosen:
        if name not in wiring.TRAINED_DOMAINS:
            known = " or ".join(wiring.TRAINED_DOMAINS)
            raise SettingsError(f"domain: {name!r}: probes are trained for {known}")
    return chosen


def _plain(record: ProbeRecord) -> dict[str, Any]:
    data = {**asdict(record), "created_at": record.created_at.isoformat(timespec="seconds")}
    return {**data, **data.pop("papers")}


def _show_list(records: list[ProbeRecord]) -> None:
    columns = ("probe", "model", "domain", "head", "state", "trained (UTC)", "queries", "gain")
    table = Table(*columns, box=box.SIMPLE)
    table.columns[0].no_wrap = True
    for record in records:
        trial: Mapping[str, Any] = record.metrics.get("trial") or {}
        gain = f"{trial['gain']:+.4f}" if trial else ""
        table.add_row(
            record.name,
            record.decoder,
            record.domain,
            record.head,
            record.state,
            f"{record.created_at:%Y-%m-%d %H:%M}",
            f"{record.metrics.get('queries') or 0:,.0f}",
            gain,
        )
    Console().print(table if records else "no probe yet: queries get their population's prior")


def _show_details(data: Mapping[str, Any]) -> None:
    table = Table(show_header=False, box=box.SIMPLE)
    for name, value in data.items():
        table.add_row(name, "\n".join(_lines(value)))
    Console().print(table)


def _lines(value: object) -> list[str]:
    if isinstance(value, Mapping):
        return [f"{name}: {_short(inner)}" for name, inner in value.items()]
    if isinstance(value, list | tuple):
        return [" ".join(map(str, one)) if isinstance(one, list | tuple) else str(one) for one in value]
    return [_short(value)]


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)


def _show_retraining(domain: str, found: Retraining) -> None:
    console = Console()
    against = found.champion or "the population's constant"
    console.print(f"{domain}: {found.queries:,} queries, against {against}", soft_wrap=True)
    if found.refusal:
        console.print(f"  nothing is trained: {found.refusal}", soft_wrap=True)
    for challenger in found.challengers:
        console.print(f"  {_trial_words(challenger, found.promoted)}", soft_wrap=True)
    console.print(f"  {_drift_words(found.drift)}", soft_wrap=True)


def _trial_words(challenger: Challenger, promoted: str | None) -> str:
    trial = challenger.trial
    samples = "" if trial.samples is None else f", {trial.samples:.0%} of its samples for its success"
    measured = f"{trial.gain:+.4f} nats a query on {trial.queries:,} held-out queries{samples}"
    outcome = "; ".join(trial.objections) or "not put into use"
    if challenger.name == promoted:
        outcome = "put into use"
    return f"{challenger.name} ({challenger.head}): {measured}: {outcome}"


def _drift_words(shift: Drift | None) -> str:
    if shift is None:
        return "too few queries of the probe in use to tell drift"
    alarm = "ALARM, " if shift.is_alarm else ""
    return (
        f"{alarm}predicted success {shift.predicted:.3f}, observed {shift.observed:.3f}, calibration error "
        f"{shift.error:.3f} on {shift.queries:,} queries"
    )


def _drift_data(shift: Drift | None) -> dict[str, Any] | None:
    return None if shift is None else {**asdict(shift), "is_alarm": shift.is_alarm}
