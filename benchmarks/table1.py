"""The paper's Table 1 on the shipped model: how well probes foretell the success of queries they never saw.

Every query is predicted by a probe that was fitted without its fold. Losses are cross-entropies in nats.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.special import expit

from adaqueue.adapters.language_model import LanguageModel
from adaqueue.adapters.probes.fitting import fit_probe
from adaqueue.adapters.probes.lora import adapted, fit_lora
from adaqueue.adapters.probes.preference import fit_preference, preferences
from adaqueue.adapters.text_features import TextProbe, Texts
from adaqueue.adapters.transformers_features import TransformersFeatures
from adaqueue.core.folds import balanced_folds
from adaqueue.core.marginal import FloatArray, IntArray
from adaqueue.core.metrics import predictor_quality, share_quality
from adaqueue.core.outcomes import Outcomes, States
from adaqueue.core.query import Query
from adaqueue.core.trial import drift
from adaqueue.demo import MODEL_NAME
from adaqueue.demo.outcomes import recorded_outcomes
from adaqueue.demo.problems import Domain
from adaqueue.demo.queries import model_path
from benchmarks import report

FOLDS = 5
SEED = 0
STRONG_OF = 8
OUTCOME_HEADS = (
    "beta",
    "beta_zero",
    "lambda",
    "marginal",
    "constant",
    "length",
    "tfidf",
    "tfidf_logistic",
)

OTHER_STATES = {"beta, mean of tokens": (-1, "mean"), "beta, mean, layer -2": (-2, "mean")}
"""The default head on other hidden states: layer and pooling."""

Predict = Callable[[Outcomes, Outcomes], FloatArray]
"""Training and test outcomes to the predicted share of each test query."""


@dataclass(frozen=True)
class Row:
    """One probe's line, see `core.metrics.PredictorQuality`.

    Attributes:
        closed: share of the distance from the average to the corrected optimal loss that the probe closes.
        ece: calibration error over ten bins of equally many queries.
        seconds: fits and predictions of all folds.
    """

    loss: float
    average: float
    optimal: float
    optimal_corrected: float
    closed: float
    accuracy: float
    ties: int
    ece: float
    seconds: float


def main() -> None:
    """Measures, prints, and writes where `--json` says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", metavar="FILE", help="write the figures as JSON; - for stdout")
    parser.add_argument("--quick", action="store_true", help="two folds, no LoRA, no other states")
    parser.add_argument(
        "--templates", action="store_true", help="keep prompts of nearly the same words in one fold"
    )
    given = parser.parse_args()
    model = LanguageModel(str(model_path()), MODEL_NAME)
    domains: tuple[Domain, ...] = get_args(Domain)
    tables: dict[str, dict[str, Row]] = {}
    for domain in domains:
        tables[domain] = table(recorded(domain, model, given.templates), model, given.quick)
        show(domain, tables[domain])
    figures = {name: {row: vars(found) for row, found in rows.items()} for name, rows in tables.items()}
    folds = 2 if given.quick else FOLDS
    report.write(given.json, {"model": MODEL_NAME, "folds": folds, "repeats": 1, "domains": figures})


def recorded(domain: Domain, model: LanguageModel, templates: bool) -> Outcomes:
    """Returns the outcomes that ship with the model; no two prompts are equal."""
    queries = [Query.from_row(row) for row in recorded_outcomes(domain)]
    messages = tuple(query.messages for query in queries)
    n = len(queries)
    found = Outcomes(
        ids=tuple(str(query.id) for query in queries),
        messages=messages,
        states=states_of(model, messages),
        rewards=tuple(tuple(map(float, row["rewards"])) for row in recorded_outcomes(domain)),
        stopped=np.zeros(n, dtype=np.bool_),
        groups=np.arange(n),
        tokens=np.full(n, np.nan),
    )
    return replace(found, groups=Texts.of(found.prompts).near_duplicates()) if templates else found


def states_of(model: LanguageModel, messages: Any, layer: int = -1, pooling: str = "last") -> States:
    """Returns hidden states of prompts, float32[n, size]."""
    vectors = TransformersFeatures(model, model.feature_spec(layer, pooling)).vectors(messages)
    return np.stack([np.frombuffer(vector, dtype=np.float32) for vector in vectors])


def table(data: Outcomes, model: LanguageModel, quick: bool) -> dict[str, Row]:
    """Returns a line for each probe."""
    folds = balanced_folds(data.groups, data.successes / data.samples, 2 if quick else FOLDS, SEED)
    probes: dict[str, Predict] = {head: of_head(head) for head in OUTCOME_HEADS} | {"text kernel": of_text}
    if not quick:
        probes["lora"] = of_lora(model)
        probes |= {name: of_states(model, *where) for name, where in OTHER_STATES.items()}
    rows = {name: judged(data, folds, predict) for name, predict in probes.items()}
    return rows | {"preference": judged_preference(data, folds)}


def of_head(head: str) -> Predict:
    """Returns how a head that learns from outcomes predicts."""

    def predict(train: Outcomes, test: Outcomes) -> FloatArray:
        return fit_probe(head, train, SEED).predict(test.states, test.prompts).success

    return predict


def of_lora(model: LanguageModel) -> Predict:
    """Returns how an adapted model predicts, read back as it would be served."""

    def predict(train: Outcomes, test: Outcomes) -> FloatArray:
        probe = fit_lora(model, train, SEED)
        weights = probe.to_bytes()
        served = adapted(model, weights, hashlib.sha256(weights).hexdigest())
        return probe.predict(states_of(served, test.messages), test.prompts).success

    return predict


def of_states(model: LanguageModel, layer: int, pooling: str) -> Predict:
    """Returns how the default head predicts from other states than the default ones."""

    def predict(train: Outcomes, test: Outcomes) -> FloatArray:
        read = (
            replace(part, states=states_of(model, part.messages, layer, pooling)) for part in (train, test)
        )
        return of_head("beta")(*read)

    return predict


def of_text(train: Outcomes, test: Outcomes) -> FloatArray:
    """Predicts by kernel ridge regression on the prompts' texts."""
    probe = TextProbe(Texts.of(train.prompts), train.successes, train.samples, train.groups, SEED)
    return np.asarray(expit(probe.score(Texts.of(test.prompts))), dtype=np.float64)


def judged(data: Outcomes, folds: IntArray, predict: Predict) -> Row:
    """Returns the line of a probe of success."""
    start = time.perf_counter()
    predicted = cross_fitted(data, folds, predict)
    quality = predictor_quality(predicted, data.successes, data.samples)
    return line(quality, predicted, data.successes / data.samples, time.perf_counter() - start)


def judged_preference(data: Outcomes, folds: IntArray) -> Row:
    """Returns the line of the preference: weak is one sample, strong the best of eight.

    The first eight samples are weak ones, each further eight a strong one: none is both.
    """
    start = time.perf_counter()

    def predict(train: Outcomes, test: Outcomes) -> FloatArray:
        return fit_preference(weak_of(train), strong_of(train), SEED).predict(test.states, ()).success

    predicted = cross_fitted(data, folds, predict)
    shares = preferences(weak_of(data), strong_of(data))
    return line(share_quality(predicted, shares), predicted, shares, time.perf_counter() - start)


def weak_of(data: Outcomes) -> Outcomes:
    """Returns the outcomes of the weak decoder."""
    return replace(data, rewards=tuple(row[:STRONG_OF] for row in data.rewards))


def strong_of(data: Outcomes) -> Outcomes:
    """Returns the outcomes of the strong decoder."""
    starts = range(STRONG_OF, len(data.rewards[0]) - STRONG_OF + 1, STRONG_OF)
    best = (tuple(max(row[start : start + STRONG_OF]) for start in starts) for row in data.rewards)
    return replace(data, rewards=tuple(best))


def cross_fitted(data: Outcomes, folds: IntArray, predict: Predict) -> FloatArray:
    """Returns each query's prediction by a probe that was fitted without its fold."""
    predicted = np.empty(len(data))
    for fold in np.unique(folds):
        own = np.flatnonzero(folds == fold)
        predicted[own] = predict(data.take(np.flatnonzero(folds != fold)), data.take(own))
    return predicted


def line(quality: Any, predicted: FloatArray, seen: FloatArray, seconds: float) -> Row:
    """Returns a probe's line."""
    distance = quality.average - quality.optimal_corrected
    return Row(
        **vars(quality),
        closed=(quality.average - quality.loss) / distance,
        ece=drift(predicted, seen).error,
        seconds=seconds,
    )


def show(domain: str, rows: Mapping[str, Row]) -> None:
    """Prints a domain's table."""
    columns = ("loss", "average", "optimal", "corrected", "closed", "accuracy", "ties", "ECE", "seconds")
    printed = Table("probe", *columns, title=domain)
    for name, row in rows.items():
        losses = (row.loss, row.average, row.optimal, row.optimal_corrected)
        rest = (f"{row.closed:.0%}", f"{row.accuracy:.1%}", f"{row.ties}", f"{row.ece:.3f}")
        printed.add_row(name, *(f"{loss:.3f}" for loss in losses), *rest, f"{row.seconds:.0f}")
    Console(width=120).print(printed)


if __name__ == "__main__":
    main()
