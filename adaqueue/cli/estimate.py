"""`estimate`: what other policies would have won and spent on the queries that a system served."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from adaqueue import wiring
from adaqueue.cli.options import Config, DataFolder, JsonFile, average_budgets, check_writable, write_json
from adaqueue.core.counterfactual import Counterfactual, Untried
from adaqueue.core.off_policy import Estimate
from adaqueue.errors import SettingsError


def estimate(
    domain: Annotated[str, typer.Argument(help="math or code.", show_default=False)],
    budgets: Annotated[str, typer.Option(help="Average budgets, as in 1,2,4,8.")] = "1,2,4,8",
    probe: Annotated[
        bool,
        typer.Option(
            help="Ask the probe in use too, on the queries that came after those that taught it; without it, "
            "the uniform policies on all queries."
        ),
    ] = True,
    data_folder: DataFolder = None,
    config: Config = None,
    json: JsonFile = None,
) -> None:
    """Estimate what policies that did not decide would have won and spent on the queries that were served.

    The share of queries with a random budget (ADAQUEUE_EXPLORATION_SHARE) makes it possible: each shows what
    every smaller budget would have won. Intervals are bootstraps over windows. What too few queries
    show is said, not guessed. The system's servers must be up.
    """
    if domain not in wiring.TRAINED_DOMAINS:
        known = " or ".join(wiring.TRAINED_DOMAINS)
        raise SettingsError(f"domain: {domain!r}: policies are estimated for {known}")
    check_writable(json)
    asked = average_budgets(budgets)
    with wiring.probe_desk(wiring.load_settings(config, data_folder=data_folder)) as desk:
        found = desk.training.counterfactual(domain, asked, with_probe=probe)
    if json != "-":
        _show(domain, found, Console())
    write_json(json, _as_data(found))


def _as_data(found: Counterfactual) -> dict[str, Any]:
    return {
        "queries": found.queries,
        "explored": found.explored,
        "success": found.success,
        "samples": found.samples,
        "support": {str(b): float(n) for b, n in enumerate(found.support, start=1)},
        "policies": {
            name: {str(b): _plain(cell) for b, cell in row.items()} for name, row in found.policies.items()
        },
    }


def _plain(cell: Untried) -> dict[str, Any]:
    return (
        {"refusal": cell.refusal} if cell.reached is None else {**asdict(cell.reached), "limit": cell.limit}
    )


def _show(domain: str, found: Counterfactual, console: Console) -> None:
    title = f"{domain}: what policies would have come to on {found.queries:,} served queries"
    columns = ("policy", "B", "success", "95%", "samples a query", "95%", "at most", "support")
    table = Table(*columns, title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for name, row in found.policies.items():
        for budget, cell in row.items():
            table.add_row(name, str(budget), *_cells(cell), end_section=budget == max(row))
    console.print(table)
    refusals = dict.fromkeys(cell.refusal for row in found.policies.values() for cell in row.values())
    for refusal in filter(None, refusals):
        console.print(refusal, soft_wrap=True)
    console.print(
        f"In fact: success {found.success:.3f} with {found.samples:.2f} samples a query. {found.explored:,} "
        f"queries had random budgets; they support budgets up to {len(found.support)}. Support: explored "
        "queries, in effect, behind the least known budget; at most: samples of any query.",
        soft_wrap=True,
    )


def _cells(cell: Untried) -> tuple[str, ...]:
    if cell.reached is None:
        return ("too few explored", "", "", "", "", "")
    success, samples = cell.reached.success, cell.reached.samples
    values = (f"{success.value:.3f}", _ends(success, 3), f"{samples.value:.2f}", _ends(samples, 2))
    return (*values, str(cell.limit), f"{cell.reached.effective:.0f}")


def _ends(estimate: Estimate, digits: int) -> str:
    return f"{estimate.low:.{digits}f}-{estimate.high:.{digits}f}"
