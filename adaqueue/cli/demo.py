"""`demo`: the whole system on the small model, and what adaptive budgets gain there."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from adaqueue import wiring
from adaqueue.cli.demo_files import report_live
from adaqueue.cli.demo_report import POOL_DRAWS, DomainRuns, LiveRun, figures, show
from adaqueue.cli.options import AverageBudget, JsonFile, check_writable, write_json
from adaqueue.cli.progress import answer_all, starting, still_up
from adaqueue.cli.reporting import ReportFolder, check_report
from adaqueue.client import AdaQueue
from adaqueue.core.query import Query
from adaqueue.errors import SettingsError


def demo(
    queries: Annotated[
        int, typer.Option(min=2, max=10_000, help="Queries to answer, half arithmetic and half code.")
    ] = 300,
    average_budget: AverageBudget = None,
    engine: Annotated[
        str, typer.Option(help="transformers, or vllm (`adaqueue doctor` says whether it is installed).")
    ] = "transformers",
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the data folder: servers, ledger and logs.")
    ] = False,
    json: JsonFile = None,
    report_folder: ReportFolder = None,
) -> None:
    """Run the whole system on this machine, on the small model that ships with it.

    Arithmetic questions, checked against their answers, and short Python functions, checked by hidden tests,
    go through it three times each, drawn live: with equal budgets (uniform), sample by sample to those whose
    next sample is likeliest to succeed (sequential), and with 32 draws each, from which all policies are
    compared over budgets. With a report these draws are written as recorded outcomes, too, and evaluated.
    """
    console = Console(stderr=True)
    settings, is_own = _settings(engine, average_budget)
    started = time.monotonic()
    check_writable(json)
    check_report(report_folder)
    with ExitStack() as stack:
        check = still_up(settings)
        if is_own:
            with starting(console) as on_progress:
                own = wiring.own_system(settings, on_progress, keep=keep, keep_unfinished=False)
                check = stack.enter_context(own)
        ready = time.monotonic()
        shares: dict[wiring.Domain, int] = {"math": queries - queries // 2, "code": queries // 2}
        runs: dict[str, DomainRuns] = {
            domain: _domain(settings, domain, count, console=console, check=check)
            for domain, count in shares.items()
        }
        ended = time.monotonic()
    found = figures(settings, runs, seconds=ended - started, seconds_of_runs=ended - ready)
    show(found, Console())
    Console().print(_where_to_look(settings, kept=keep or not is_own), soft_wrap=True)
    write_json(json, found)
    report_live(report_folder, runs, shares)


def _settings(engine: str, average_budget: float | None) -> tuple[wiring.Settings, bool]:
    """Returns the demo's settings, and whether it runs on a system of its own."""
    if engine not in ("transformers", "vllm"):
        raise SettingsError(f"engine: {engine!r}: the demo draws with transformers or vllm")
    if engine == "vllm" and (remedy := wiring.vllm_remedy()) is not None:
        raise SettingsError(f"engine: 'vllm': {remedy}")
    settings = wiring.load_settings(average_budget=average_budget, engine=engine, b_max=POOL_DRAWS)
    if wiring.is_up(settings):
        return settings, False
    folder = Path(tempfile.mkdtemp(prefix="adaqueue-demo-"))
    return settings.model_copy(update={"data_folder": folder}), True


def _where_to_look(settings: wiring.Settings, kept: bool) -> str:
    if kept:
        return f"look: {settings.data_folder} (its logs; `adaqueue up --data-folder` opens its ledger again)"
    return (
        "look: `adaqueue demo --report DIR` draws figures and keeps outcomes, `--keep` ledger and logs; "
        "`adaqueue run FILE` answers your own queries"
    )


def _domain(
    settings: wiring.Settings,
    domain: wiring.Domain,
    count: int,
    *,
    console: Console,
    check: Callable[[], None],
) -> DomainRuns:
    asked = [Query.from_row(row) for row in wiring.demo_queries(count, domain)]
    live = partial(_live, settings, domain=domain, asked=asked, console=console, check=check)
    sequential, uniform = (live(policy, settings.average_budget) for policy in ("sequential", "uniform"))
    return DomainRuns(uniform, sequential, pool=live("uniform", POOL_DRAWS))


def _live(
    settings: wiring.Settings,
    policy: str,
    average_budget: float,
    *,
    domain: str,
    asked: list[Query],
    console: Console,
    check: Callable[[], None],
) -> LiveRun:
    """Takes the queries through the system under one policy, from the client to the answers."""
    with AdaQueue.connect(
        data_folder=settings.data_folder,
        engine=settings.engine,
        policy=policy,
        average_budget=average_budget,
        b_max=POOL_DRAWS,
        batch=True,
    ) as queue:
        if queue.run.decoder != wiring.DEMO_MODEL:
            served = f"the system in {settings.data_folder} serves {queue.run.decoder}"
            raise SettingsError(f"model: {served}: `adaqueue down` it, and the demo runs on its own")
        started = time.monotonic()
        words = f"{domain}, {policy}, {average_budget:g} samples a query"
        answer_all(queue, asked, words, console, check)
        queue.finish()
        seconds = time.monotonic() - started
        drawn, responses = queue.drawn(), queue.responses()
        return LiveRun(policy, drawn, queue.counts(), seconds, queue.rule(domain), responses)
