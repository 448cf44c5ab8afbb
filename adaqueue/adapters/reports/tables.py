"""The tables of one set: what policies reach, what they need, how well the probe predicts, what must hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from adaqueue.adapters.reports import words
from adaqueue.adapters.reports.sets import REAL, ROUTING, Figures, budgets_of, kind_of
from adaqueue.adapters.reports.table import Table

TELLING = ("sequential", "uniform_early_stop", "routed")
"""Policies whose rows come first: the default, what it must beat, and the default between two decoders."""

PREDICTOR = ("loss", "average", "optimal", "accuracy")
"""The paper's Table 1."""


def main_tables(figures: Figures) -> list[Table]:
    """Returns the tables that every reader wants, the most telling first."""
    found = [equal_reward(figures), performance(figures)]
    if figures.get("predictor") or "probe_loss" in figures.get("population", {}):
        found.append(predictors(figures))
    if figures.get("controls"):
        found.append(controls(figures))
    return found


def detail_tables(figures: Figures) -> list[Table]:
    """Returns what only a doubting reader wants: deviations over splits, and paired differences."""
    details = figures.get("equal_reward_details") or {}
    compared = sorted({key for row in details.values() for cell in row.values() for key in _paired(cell)})
    found = [_differences(figures, details, key) for key in compared]
    if any(cell.get("deviation") is not None for row in details.values() for cell in row.values()):
        found.append(_deviations(figures, details))
    return found


def columns_of(figures: Figures, first: str = "policy") -> tuple[str, ...]:
    """Returns the headings of a table of a policy a row and a budget a column."""
    name = "strong" if kind_of(figures) == ROUTING else "B"
    return (first, *(f"{name} = {budget}" for budget in budgets_of(figures)))


def telling_first(rows: Mapping[str, Any]) -> list[str]:
    """Returns the policies' names, the most telling first, the others as they stand."""
    return sorted(rows, key=lambda name: TELLING.index(name) if name in TELLING else len(TELLING))


def equal_reward(figures: Figures) -> Table:
    """Returns what each policy needs for uniform's reward (or random routing's), with intervals."""
    shares, details = figures["equal_reward_budget"], _details(figures)
    routing = kind_of(figures) == ROUTING
    caption = (
        "Strong calls for the reward of random routing, as a share of its strong calls"
        if routing
        else "Samples for the reward of uniform best-of-B, as a share of uniform's"
    )
    rows = tuple(
        (name, *(_share(value, details.get(name, {}).get(budget)) for budget, value in shares[name].items()))
        for name in telling_first(shares)
    )
    return Table(caption, columns_of(figures), rows, "Lower is better. " + _interval_words(figures))


def performance(figures: Figures) -> Table:
    """Returns what each policy reaches, with intervals, and what it drew where that is less."""
    policies = figures["policies"]
    measure = "Reward" if kind_of(figures) in (REAL, ROUTING) else "Success (share of queries solved)"
    rows = tuple((name, *(_reward(cell, b) for b, cell in policies[name].items())) for name in policies)
    caption = f"{measure} at each average budget"
    return Table(caption, columns_of(figures), rows, _interval_words(figures))


def predictors(figures: Figures) -> Table:
    """Returns the paper's Table 1: the probe, and baselines that read less."""
    own = figures.get("predictor") or _of_population(figures["population"])
    probes = {"the probe": own, **(figures.get("baselines") or {})}
    transferred = (figures.get("transfer") or {}).get("predictor")
    for name, quality in (("fitted on other sets", transferred), ("the paper's", figures.get("paper"))):
        if quality:
            probes[name] = quality
    others = tuple(key for key in own if key not in PREDICTOR)
    heads = {"average": "average loss", "optimal": "optimal loss", "ece": "ECE"}
    columns = tuple(heads.get(key, key.replace("_", " ")) for key in (*PREDICTOR, *others))
    rows = tuple(
        (name, *(_quality(key, quality.get(key)) for key in (*PREDICTOR, *others)))
        for name, quality in probes.items()
    )
    note = (
        "Losses in nats. Average: of predicting the mean. Optimal: of knowing every query's own rate. "
        "Accuracy: at the median. ECE: expected calibration error."
    )
    return Table("How well the probe predicts (the paper's Table 1)", ("probe", *columns), rows, note)


def controls(figures: Figures) -> Table:
    """Returns what the rule reaches on scores that say nothing."""
    rows = tuple(
        (name, *(words.share(value) for value in row.values())) for name, row in figures["controls"].items()
    )
    note = "A constant score must come to uniform_early_stop, a shuffled one must not be ahead of it."
    return Table(
        "Negative controls: the same share, on scores that know nothing",
        columns_of(figures, "control"),
        rows,
        note,
    )


def _details(figures: Figures) -> Mapping[str, Any]:
    """Intervals of shares; of a mean over draws, one standard deviation to either side."""
    if "equal_reward_budget_spread" not in figures:
        return figures.get("equal_reward_details") or {}
    spreads = figures["equal_reward_budget_spread"]
    return {
        name: {b: _around(share, spreads[name][b]) for b, share in row.items()}
        for name, row in figures["equal_reward_budget"].items()
    }


def _around(share: float | None, spread: float | None) -> dict[str, float | None]:
    if share is None or spread is None:
        return {"low": None, "high": None}
    return {"low": share - spread, "high": share + spread}


def _of_population(population: Mapping[str, float]) -> dict[str, float]:
    """Table 1 of a population whose probe is made to have its loss."""
    return {name: population[f"{'probe' if name == 'loss' else name}_loss"] for name in PREDICTOR[:3]}


def _differences(figures: Figures, details: Mapping[str, Any], key: str) -> Table:
    other = key.removeprefix("over_")
    rows = tuple(
        (name, *(words.points(cell[key]["low"], cell[key]["high"]) for cell in details[name].values()))
        for name in telling_first(details)
    )
    caption = f"Paired difference of these shares to {other}: 95% interval, percentage points"
    return Table(caption, columns_of(figures), rows, f"Below 0: fewer samples than {other}.")


def _deviations(figures: Figures, details: Mapping[str, Any]) -> Table:
    rows = tuple((name, *map(_deviation, details[name].values())) for name in telling_first(details))
    return Table("Standard deviation of these shares over splits", columns_of(figures), rows)


def _paired(cell: Mapping[str, Any]) -> Iterator[str]:
    return (key for key in cell if key.startswith("over_"))


def _deviation(cell: Mapping[str, Any]) -> str:
    missed, deviation = cell.get("splits_not_reached", 0), cell.get("deviation")
    spread = words.UNKNOWN if deviation is None else words.share(deviation)
    return f"{spread}, {words.NOT_REACHED} in {missed}" if missed else spread


def _share(value: float | None, detail: Mapping[str, Any] | None) -> str:
    if detail is None or (value is None and detail["low"] is None):
        return words.share(value)
    return f"{words.share(value)} ({words.share_range(detail['low'], detail['high'])})"


def _reward(cell: Mapping[str, Any], budget: str) -> str:
    interval = (
        "" if cell.get("low") is None else f" ({words.number(cell['low'])}-{words.number(cell['high'])})"
    )
    drawn = cell.get("samples")
    fewer = "" if drawn is None or abs(drawn - float(budget)) < 0.005 else f", {words.samples(drawn)} drawn"
    return f"{words.number(cell['reward'])}{interval}{fewer}"


def _quality(name: str, value: float | None) -> str:
    return words.share(value) if name == "accuracy" and value is not None else words.number(value)


def _interval_words(figures: Figures) -> str:
    if "reward_spread" in figures:
        return "In brackets: one standard deviation over draws of queries to either side."
    return "In brackets: 95% interval over resampled groups of queries."
