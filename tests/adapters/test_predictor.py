"""Proves that a probe speaks for the features and sampling it was trained on, the prior for all else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import text
from uuid_utils.compat import uuid7

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.predictor import ProbePredictor
from adaqueue.adapters.probe import MlpProbe, from_bytes
from adaqueue.adapters.probe_registry import ProbeRegistry
from adaqueue.core.decisions import Prediction, Waiting
from adaqueue.core.rule import Rule
from adaqueue.core.specs import FeatureSpec, Run, Sampling
from adaqueue.errors import FingerprintError

SIZE = 5
SPEC = FeatureSpec("m", "r", -1, "last", True, "t", SIZE)
OTHER_SPEC = replace(SPEC, template="u")
SAMPLING = Sampling("m", 0.7, 8)
RUN = Run(uuid7(), "r", "transformers", "m", "window", 2.0, 8, True)
RULE = Rule(0.1, 0.7, (1.0, 4.0), ((0.1, 1.0, -0.5, -0.2, 0.05, 0.01), (-0.2, 0.5, -0.75, -0.1, -0.05, 0.0)))
STATES = np.random.default_rng(0).normal(size=(4, SIZE)).astype(np.float32)


@pytest.fixture
def registry(database: Database) -> ProbeRegistry:
    return ProbeRegistry(database, from_bytes)


def predictor(registry: ProbeRegistry, sampling: Sampling = SAMPLING) -> ProbePredictor:
    return ProbePredictor(registry, sampling, (0.5, 1.5))


def register(registry: ProbeRegistry, probe: MlpProbe, domain: str = "math", **given: Any) -> str:
    usual = {"rule": None, "spec": SPEC, "sampling": SAMPLING, "metrics": {"loss": 0.5}}
    return registry.promote_new(probe.to_bytes(), domain=domain, **{**usual, **given})


def waiting(state: NDArray[np.float32] | None, spec: FeatureSpec = SPEC, domain: str = "math") -> Waiting:
    vector = None if state is None else state.tobytes()
    fingerprint = None if state is None else spec.fingerprint()
    return Waiting(uuid7(), "q", domain, 0, 8, fingerprint, vector)


def prior(reason: str) -> Prediction:
    return Prediction(0.5, 1.5, "prior", reason)


def test_without_a_probe_the_prior_speaks_and_says_so(registry: ProbeRegistry) -> None:
    said = predictor(registry).predict(RUN, [waiting(STATES[0]), waiting(None)])
    assert said == [prior("no probe for m on math")] * 2


def test_a_window_without_queries_needs_no_word(registry: ProbeRegistry) -> None:
    assert predictor(registry).predict(RUN, []) == []


def test_the_probe_in_use_speaks_for_each_query_in_its_place(registry: ProbeRegistry) -> None:
    probe = MlpProbe(SIZE)
    name = register(registry, probe)
    said = predictor(registry).predict(RUN, [waiting(state) for state in STATES])
    expected = probe.predict(STATES)
    assert [prediction.probe for prediction in said] == [name] * 4
    assert [prediction.reason for prediction in said] == ["probe"] * 4
    assert np.allclose([(p.alpha, p.beta) for p in said], expected, rtol=1e-6)
    assert [prediction.curve for prediction in said] == [None] * 4


@pytest.mark.parametrize("average_budget", [0.5, 2.0, 3.0, 64.0])
def test_the_probes_rule_gives_each_query_the_curve_of_its_score_at_the_runs_average_budget(
    registry: ProbeRegistry, average_budget: float
) -> None:
    register(registry, MlpProbe(SIZE), rule=RULE)
    run = replace(RUN, average_budget=average_budget)
    said = predictor(registry).predict(run, [waiting(state) for state in STATES])
    score = np.log([p.alpha / p.beta for p in said])
    assert np.allclose([p.curve or () for p in said], RULE.curves(score, average_budget), rtol=1e-9)
    assert len({p.curve for p in said}) == len(STATES)


def test_a_run_without_budget_needs_no_curve(registry: ProbeRegistry) -> None:
    name = register(registry, MlpProbe(SIZE), rule=RULE)
    (said,) = predictor(registry).predict(replace(RUN, average_budget=0.0), [waiting(STATES[0])])
    assert (said.probe, said.curve) == (name, None)


def test_what_is_no_beta_distribution_gets_the_prior_without_a_curve(registry: ProbeRegistry) -> None:
    name = register(registry, MlpProbe(SIZE), rule=RULE)
    broken = np.full(SIZE, np.nan, dtype=np.float32)
    said = predictor(registry).predict(RUN, [waiting(STATES[0]), waiting(broken), waiting(None)])
    assert [p.curve is None for p in said] == [False, True, True]
    assert said[1] == prior(f"probe {name} said what is no Beta distribution")


def test_the_rule_is_stored_with_its_probe_and_read_back_exactly(
    registry: ProbeRegistry, database: Database
) -> None:
    register(registry, MlpProbe(SIZE), rule=RULE)
    champion = registry.champion("m", "math")
    assert champion is not None
    assert champion.rule == registry.rule("m", "math") == RULE
    assert ProbeRegistry(database, from_bytes).rule("m", "math") == RULE


def test_without_a_probe_or_with_one_without_a_rule_there_is_no_rule(registry: ProbeRegistry) -> None:
    register(registry, MlpProbe(SIZE), rule=RULE)
    assert registry.rule("m", "verse") is None
    assert registry.rule("n", "math") is None
    register(registry, MlpProbe(SIZE))
    assert registry.rule("m", "math") is None


@pytest.mark.parametrize(
    "data",
    [
        "5",
        '"text"',
        "{}",
        '{"centre": 0, "scale": 0, "budgets": [1], "coefficients": [[0, 0, 0, 0, 0, 0]]}',
        '{"centre": 0, "scale": 1, "budgets": [2, 1], "coefficients": [[0, 0, 0, 0, 0, 0]]}',
        '{"centre": 0, "scale": 1, "budgets": [1], "coefficients": [[0, 0, 0]]}',
        '{"centre": "0", "scale": 1, "budgets": [1], "coefficients": [[0, 0, 0, 0, 0, 0]]}',
        '{"centre": 0, "scale": 1, "budgets": 1, "coefficients": [[0, 0, 0, 0, 0, 0]]}',
    ],
)
def test_a_rule_that_is_none_is_refused_with_its_probe(
    registry: ProbeRegistry, database: Database, data: str
) -> None:
    register(registry, MlpProbe(SIZE), rule=RULE)
    with database.begin() as conn:
        broken = "UPDATE probes SET spec = jsonb_set(spec, '{rule}', CAST(:data AS jsonb))"
        conn.execute(text(broken), {"data": data})
    with pytest.raises(FingerprintError, match="the probe's rule cannot be read"):
        registry.rule("m", "math")
    with pytest.raises(FingerprintError, match="the probe's rule cannot be read"):
        registry.champion("m", "math")
    (said,) = predictor(registry).predict(RUN, [waiting(STATES[0])])
    assert said.probe == "prior"
    assert said.reason.startswith("probe refused: the probe's rule cannot be read")


def test_a_query_with_other_features_or_none_gets_the_prior_with_both_fingerprints_shown(
    registry: ProbeRegistry,
) -> None:
    name = register(registry, MlpProbe(SIZE))
    queries = [waiting(STATES[0], OTHER_SPEC), waiting(STATES[1]), waiting(None)]
    other, fitting, none = predictor(registry).predict(RUN, queries)
    reads = f"probe {name} reads {SPEC.fingerprint()}"
    assert other == prior(f"features are {OTHER_SPEC.fingerprint()}, {reads}")
    assert none == prior(f"features are None, {reads}")
    assert fitting.probe == name


def test_a_probe_of_another_sampling_is_refused_with_both_fingerprints_shown(registry: ProbeRegistry) -> None:
    name = register(registry, MlpProbe(SIZE))
    hotter = replace(SAMPLING, temperature=1.0)
    (said,) = predictor(registry, hotter).predict(RUN, [waiting(STATES[0])])
    assert said == prior(
        f"probe refused: probe {name} was trained for sampling {SAMPLING.fingerprint()}, "
        f"the engine draws with {hotter.fingerprint()}"
    )


def test_a_probe_of_another_decoder_is_none(registry: ProbeRegistry) -> None:
    register(registry, MlpProbe(SIZE))
    (said,) = predictor(registry).predict(replace(RUN, decoder="n"), [waiting(STATES[0])])
    assert said == prior("no probe for n on math")


def test_each_domain_has_its_own_probe(registry: ProbeRegistry) -> None:
    names = {domain: register(registry, MlpProbe(SIZE), domain) for domain in ("math", "verse")}
    domains = ["verse", "math", "prose", "verse"]
    queries = [waiting(state, domain=domain) for state, domain in zip(STATES, domains, strict=True)]
    said = predictor(registry).predict(RUN, queries)
    assert [p.probe for p in said] == [names["verse"], names["math"], "prior", names["verse"]]


def test_weights_that_were_changed_are_refused(registry: ProbeRegistry, database: Database) -> None:
    register(registry, MlpProbe(SIZE))
    with database.begin() as conn:
        conn.execute(text("UPDATE probes SET weights = weights || 'x'"))
    (said,) = predictor(registry).predict(RUN, [waiting(STATES[0])])
    assert said.probe == "prior"
    assert said.reason.startswith("probe refused: the weights do not have the digest")


def test_a_probe_that_another_machine_trained_serves_here(database: Database) -> None:
    there, here = ProbeRegistry(database, from_bytes), ProbeRegistry(database, from_bytes)
    name = register(there, MlpProbe(SIZE))
    (said,) = predictor(here).predict(RUN, [waiting(STATES[0])])
    assert said.probe == name


def test_a_probe_that_reads_another_size_than_it_was_registered_for_is_refused(
    registry: ProbeRegistry,
) -> None:
    register(registry, MlpProbe(SIZE + 1))
    (said,) = predictor(registry).predict(RUN, [waiting(STATES[0])])
    assert said == prior("probe refused: the probe reads 6 features, not 5")


def test_features_that_are_no_numbers_spoil_nobody_elses_prediction(registry: ProbeRegistry) -> None:
    name = register(registry, MlpProbe(SIZE))
    broken = np.full(SIZE, np.nan, dtype=np.float32)
    said = predictor(registry).predict(RUN, [waiting(broken), waiting(STATES[0])])
    assert said[0] == prior(f"probe {name} said what is no Beta distribution")
    assert said[1].probe == name


def test_the_newest_probe_is_in_use_and_the_one_before_retires(
    registry: ProbeRegistry, database: Database
) -> None:
    first = register(registry, MlpProbe(SIZE))
    champion = registry.champion("m", "math")
    assert champion is not None
    assert champion.name == first
    second = register(registry, MlpProbe(SIZE))
    again = registry.champion("m", "math")
    assert again is not None
    assert again.name == second
    with database.begin() as conn:
        rows = conn.execute(text("SELECT name, state, metrics FROM probes ORDER BY created_at"))
        assert [tuple(row) for row in rows] == [
            (first, "retired", {"loss": 0.5}),
            (second, "champion", {"loss": 0.5}),
        ]


def test_each_champion_is_loaded_once(database: Database) -> None:
    loads: list[str] = []

    def load(weights: bytes, sha256: str) -> MlpProbe:
        loads.append(sha256)
        return from_bytes(weights, sha256)

    registry = ProbeRegistry(database, load)
    for domain in ("math", "verse"):
        register(registry, MlpProbe(SIZE), domain)
    for _ in range(2):
        assert registry.champion("m", "math") is registry.champion("m", "math")
        assert registry.champion("m", "verse") is registry.champion("m", "verse")
    assert len(loads) == 2


@pytest.mark.parametrize(
    ("spec", "sampling", "fits"),
    [
        (SPEC, SAMPLING, True),
        (OTHER_SPEC, SAMPLING, False),
        (SPEC, replace(SAMPLING, max_tokens=9), False),
    ],
)
def test_a_probe_says_what_it_may_be_used_for(
    registry: ProbeRegistry, spec: FeatureSpec, sampling: Sampling, fits: bool
) -> None:
    register(registry, MlpProbe(SIZE))
    champion = registry.champion("m", "math")
    assert champion is not None
    assert champion.fits(spec, sampling) == fits
