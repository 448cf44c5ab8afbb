"""Proves that a probe speaks for the features and sampling it was trained on, the prior for all else."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import text
from uuid_utils.compat import uuid7

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.predictor import ProbePredictor
from adaqueue.adapters.probe_registry import ProbeRegistry
from adaqueue.adapters.probes.fitting import load_probe
from adaqueue.core.beliefs import Beliefs
from adaqueue.core.decisions import Prediction, Waiting
from adaqueue.core.specs import FeatureSpec, Run, Sampling
from adaqueue.errors import FingerprintError
from adaqueue.ports import Probe
from tests.probes import RULE, SAMPLING, SIZE, SPEC, put_into_use, small_probe

OTHER_SPEC = replace(SPEC, template="u")
RUN = Run(uuid7(), "r", "transformers", "m", "window", 2.0, 8, True)
STATES = np.random.default_rng(0).normal(size=(4, SIZE)).astype(np.float32)


@pytest.fixture
def registry(database: Database) -> ProbeRegistry:
    return ProbeRegistry(database, load_probe)


def predictor(registry: ProbeRegistry, sampling: Sampling = SAMPLING) -> ProbePredictor:
    known = {spec.fingerprint(): asdict(spec) for spec in (SPEC, OTHER_SPEC)}
    return ProbePredictor(registry, sampling, lambda domain: (0.5, 1.5), known.get)


def waiting(state: NDArray[np.float32] | None, spec: FeatureSpec = SPEC, domain: str = "math") -> Waiting:
    vectors = {} if state is None else {spec.fingerprint(): state.tobytes()}
    return Waiting(uuid7(), "q", domain, 0, 8, vectors, "What is 1 + 1?")


def prior(reason: str) -> Prediction:
    return Prediction(0.5, 1.5, "prior", reason)


def test_without_a_probe_the_prior_speaks_and_says_so(registry: ProbeRegistry) -> None:
    said = predictor(registry).predict(RUN, [waiting(STATES[0]), waiting(None)])
    assert said == [prior("no probe for m on math")] * 2


def test_a_window_without_queries_needs_no_word(registry: ProbeRegistry) -> None:
    assert predictor(registry).predict(RUN, []) == []


def test_the_probe_in_use_speaks_for_each_query_in_its_place(registry: ProbeRegistry) -> None:
    name = put_into_use(registry, small_probe())
    said = predictor(registry).predict(RUN, [waiting(state) for state in STATES])
    expected = small_probe().predict(STATES, [])
    assert [prediction.probe for prediction in said] == [name] * 4
    assert [prediction.reason for prediction in said] == ["probe"] * 4
    np.testing.assert_allclose([p.alpha for p in said], expected.alpha, rtol=1e-6)
    np.testing.assert_allclose([p.beta for p in said], expected.beta, rtol=1e-6)
    assert [p.zero for p in said] == [0.0] * 4
    assert [prediction.curve for prediction in said] == [None] * 4


@pytest.mark.parametrize("average_budget", [0.5, 2.0, 3.0, 64.0])
def test_the_probes_rule_gives_each_query_the_curve_of_its_score_at_the_runs_average_budget(
    registry: ProbeRegistry, average_budget: float
) -> None:
    put_into_use(registry, small_probe(), rule=RULE)
    run = replace(RUN, average_budget=average_budget)
    said = predictor(registry).predict(run, [waiting(state) for state in STATES])
    score = Beliefs.of_predictions(said).score
    assert np.allclose([p.curve or () for p in said], RULE.curves(score, average_budget), rtol=1e-9)
    assert len({p.curve for p in said}) == len(STATES)


def test_a_run_without_budget_needs_no_curve(registry: ProbeRegistry) -> None:
    name = put_into_use(registry, small_probe(), rule=RULE)
    (said,) = predictor(registry).predict(replace(RUN, average_budget=0.0), [waiting(STATES[0])])
    assert (said.probe, said.curve) == (name, None)


def test_what_is_no_beta_distribution_gets_the_prior_without_a_curve(registry: ProbeRegistry) -> None:
    name = put_into_use(registry, small_probe(), rule=RULE)
    broken = np.full(SIZE, np.nan, dtype=np.float32)
    said = predictor(registry).predict(RUN, [waiting(STATES[0]), waiting(broken), waiting(None)])
    assert [p.curve is None for p in said] == [False, True, True]
    assert said[1] == prior(f"probe {name} said what is no Beta distribution")


def test_the_rule_is_stored_with_its_probe_and_read_back_exactly(
    registry: ProbeRegistry, database: Database
) -> None:
    put_into_use(registry, small_probe(), rule=RULE)
    champion = registry.champion("m", "math")
    assert champion is not None
    assert champion.rule == registry.rule("m", "math") == RULE
    assert ProbeRegistry(database, load_probe).rule("m", "math") == RULE


def test_without_a_probe_or_with_one_without_a_rule_there_is_no_rule(registry: ProbeRegistry) -> None:
    put_into_use(registry, small_probe(), rule=RULE)
    assert registry.rule("m", "verse") is None
    assert registry.rule("n", "math") is None
    put_into_use(registry, small_probe())
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
    put_into_use(registry, small_probe(), rule=RULE)
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


def test_a_query_with_other_features_or_none_gets_the_prior_with_both_values_shown(
    registry: ProbeRegistry,
) -> None:
    name = put_into_use(registry, small_probe())
    queries = [waiting(STATES[0], OTHER_SPEC), waiting(STATES[1]), waiting(None)]
    other, fitting, none = predictor(registry).predict(RUN, queries)
    assert other == prior(f"probe {name} refused: it reads other features: template: t against u")
    assert none == prior(f"probe {name} refused: it reads hidden states, and there are none")
    assert fitting.probe == name


def test_a_query_with_several_features_is_read_by_those_of_the_probe(registry: ProbeRegistry) -> None:
    name = put_into_use(registry, small_probe())
    both = waiting(STATES[0])
    both = replace(both, features={OTHER_SPEC.fingerprint(): STATES[1].tobytes(), **both.features})
    said, alone = predictor(registry).predict(RUN, [both, waiting(STATES[0])])
    assert said == alone
    assert said.probe == name


def test_a_probe_of_another_sampling_is_refused_with_both_values_shown(registry: ProbeRegistry) -> None:
    name = put_into_use(registry, small_probe())
    hotter = replace(SAMPLING, temperature=1.0)
    (said,) = predictor(registry, hotter).predict(RUN, [waiting(STATES[0])])
    assert said == prior(
        f"probe {name} refused: it was trained for another sampling: temperature: 0.7 against 1.0"
    )


def test_a_probe_that_reads_prompts_needs_no_features(registry: ProbeRegistry) -> None:
    name = put_into_use(registry, small_probe(head="length"), spec=None)
    said = predictor(registry).predict(RUN, [waiting(STATES[0]), waiting(None)])
    assert [p.probe for p in said] == [name] * 2
    assert said[0].alpha == said[1].alpha


def test_a_share_that_never_succeeds_is_part_of_what_is_said(registry: ProbeRegistry) -> None:
    put_into_use(registry, small_probe(head="beta_zero"))
    (said,) = predictor(registry).predict(RUN, [waiting(STATES[0])])
    assert said.zero == pytest.approx(small_probe(head="beta_zero").predict(STATES[:1], []).zero[0])
    assert 0 < said.zero < 1


def test_a_probe_of_another_decoder_is_none(registry: ProbeRegistry) -> None:
    put_into_use(registry, small_probe())
    (said,) = predictor(registry).predict(replace(RUN, decoder="n"), [waiting(STATES[0])])
    assert said == prior("no probe for n on math")


def test_each_domain_has_its_own_probe(registry: ProbeRegistry) -> None:
    names = {domain: put_into_use(registry, small_probe(), domain) for domain in ("math", "verse")}
    domains = ["verse", "math", "prose", "verse"]
    queries = [waiting(state, domain=domain) for state, domain in zip(STATES, domains, strict=True)]
    said = predictor(registry).predict(RUN, queries)
    assert [p.probe for p in said] == [names["verse"], names["math"], "prior", names["verse"]]


def test_weights_that_were_changed_are_refused(registry: ProbeRegistry, database: Database) -> None:
    put_into_use(registry, small_probe())
    with database.begin() as conn:
        conn.execute(text("UPDATE probes SET weights = weights || 'x'"))
    (said,) = predictor(registry).predict(RUN, [waiting(STATES[0])])
    assert said.probe == "prior"
    assert said.reason.startswith("probe refused: the weights have the digest")


def test_a_probe_that_another_machine_trained_serves_here(database: Database) -> None:
    there, here = ProbeRegistry(database, load_probe), ProbeRegistry(database, load_probe)
    name = put_into_use(there, small_probe())
    (said,) = predictor(here).predict(RUN, [waiting(STATES[0])])
    assert said.probe == name


def test_a_probe_that_reads_another_size_than_it_was_registered_for_is_refused(
    registry: ProbeRegistry,
) -> None:
    put_into_use(registry, small_probe(SIZE + 1))
    (said,) = predictor(registry).predict(RUN, [waiting(STATES[0])])
    assert said == prior("probe refused: the probe reads 6 features, not 5")


def test_features_that_are_no_numbers_spoil_nobody_elses_prediction(registry: ProbeRegistry) -> None:
    name = put_into_use(registry, small_probe())
    broken = np.full(SIZE, np.nan, dtype=np.float32)
    said = predictor(registry).predict(RUN, [waiting(broken), waiting(STATES[0])])
    assert said[0] == prior(f"probe {name} said what is no Beta distribution")
    assert said[1].probe == name


def test_each_champion_is_loaded_once(database: Database) -> None:
    loads: list[str] = []

    def load(weights: bytes, sha256: str) -> Probe:
        loads.append(sha256)
        return load_probe(weights, sha256)

    registry = ProbeRegistry(database, load)
    for domain in ("math", "verse"):
        put_into_use(registry, small_probe(), domain)
    for _ in range(2):
        assert registry.champion("m", "math") is registry.champion("m", "math")
        assert registry.champion("m", "verse") is registry.champion("m", "verse")
    assert len(loads) == 2
