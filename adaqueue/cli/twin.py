"""`twin`: what every policy reaches on the paper's populations, without a model."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import numpy as np
import typer
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from adaqueue.cli.options import JsonFile, check_writable, write_json
from adaqueue.core.twin import (
    BUDGETS,
    POPULATIONS,
    QUERIES,
    Measured,
    Population,
    alternatives,
    measure,
    probe_noise,
)
from adaqueue.errors import SettingsError

SENSITIVITY_SEEDS = 2
SENSITIVITY_POLICIES = ("window", "bins", "beta_window", "uniform_early_stop", "sequential")


def twin(
    domain: Annotated[str, typer.Argument(help="code or math.")],
    seeds: Annotated[int, typer.Option(min=1, max=1_000, help="Draws of queries to average over.")] = 10,
    json: JsonFile = None,
) -> None:
    """Show what every policy reaches on the paper's code or math queries, in seconds and without a model.

    Queries are drawn from a population rebuilt from the paper's Table 1, with a probe of the paper's loss.
    The table gives the samples each policy needs for uniform best-of-B's success, as a share of uniform's.
    """
    if domain not in POPULATIONS:
        raise SettingsError(f"twin: {domain!r}: known populations: {', '.join(POPULATIONS)}")
    check_writable(json)
    started = time.monotonic()
    population = POPULATIONS[domain]
    found = {
        "domain": domain,
        "seeds": seeds,
        "queries": QUERIES,
        "population": _described(population),
        "sigma": probe_noise(population),
        **_averages([measure(population, seed) for seed in _shown(range(seeds), domain)]),
        "sensitivity": {
            name: _sensitivity(other, min(seeds, SENSITIVITY_SEEDS))
            for name, other in _shown(alternatives(population).items(), "other populations")
        },
    }
    found["seconds"] = round(time.monotonic() - started, 1)
    if json != "-":
        _show(found, Console())
    write_json(json, found)


def _shown(items: Iterable[Any], words: str) -> Iterable[Any]:
    return track(list(items), words, console=Console(stderr=True), transient=True)


def _described(population: Population) -> dict[str, float]:
    return {
        "zero": population.zero,
        "alpha": population.alpha,
        "beta": population.beta,
        "clip": population.clip,
        "b_max": population.b_max,
        "mean": population.mean,
        "average_loss": population.average_loss,
        "optimal_loss": population.optimal_loss,
        "probe_loss": population.loss,
    }


def _averages(runs: Sequence[Measured]) -> dict[str, Any]:
    """Means over seeds, and their spread: the standard deviation over seeds."""
    shares = [run.equal_reward_budget for run in runs]
    rewards = [run.reward for run in runs]
    return {
        "equal_reward_budget": _each(shares, np.mean),
        "equal_reward_budget_spread": _each(shares, np.std),
        "reward": _each(rewards, np.mean),
        "reward_spread": _each(rewards, np.std),
    }


def _each(runs: Sequence[Mapping[str, Mapping[int, float | None]]], of: Any) -> dict[str, Any]:
    """Policy -> B -> mean or spread; None where a seed never reached the target."""
    return {
        policy: {str(b): _over([run[policy][b] for run in runs], of) for b in row}
        for policy, row in runs[0].items()
    }


def _over(values: Sequence[float | None], of: Any) -> float | None:
    return None if None in values else float(of(values))


def _sensitivity(population: Population, seeds: int) -> dict[str, Any]:
    runs = [measure(population, seed, policies=SENSITIVITY_POLICIES) for seed in range(seeds)]
    return {
        "population": _described(population),
        "sigma": probe_noise(population),
        "equal_reward_budget": _each([run.equal_reward_budget for run in runs], np.mean),
    }


def _show(found: Mapping[str, Any], console: Console) -> None:
    seeds = found["seeds"]
    shares = _table(f"{found['domain']}: share of uniform's samples for uniform's success, %, {seeds} seeds")
    rewards = _table(f"{found['domain']}: success at B samples a query")
    for policy, row in found["equal_reward_budget"].items():
        spread = found["equal_reward_budget_spread"][policy]
        shares.add_row(policy, *(_percent(row[b], spread[b]) for b in row))
    for policy, row in found["reward"].items():
        rewards.add_row(policy, *(f"{value:.3f}" for value in row.values()))
    others = _table(
        "the same shares on other populations of the same losses, and other probes of the same loss"
    )
    for name, other in found["sensitivity"].items():
        others.add_section()
        others.add_row(f"[bold]{name}[/]")
        for policy in SENSITIVITY_POLICIES:
            others.add_row(
                policy, *(_percent(share) for share in other["equal_reward_budget"][policy].values())
            )
    for table in (shares, rewards, others):
        console.print(table)
    console.print(
        f"{found['queries']} queries a seed, signal noise {found['sigma']:.3f}, {found['seconds']:.0f} s. "
        "±: standard deviation over seeds. '-': not reached.",
        soft_wrap=True,
    )


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("B", no_wrap=True)
    for budget in BUDGETS:
        table.add_column(str(budget), no_wrap=True, justify="right")
    return table


def _percent(share: float | None, spread: float | None = None) -> str:
    if share is None:
        return "-"
    return f"{100 * share:.0f}" if spread is None else f"{100 * share:.0f} ±{100 * spread:.0f}"
