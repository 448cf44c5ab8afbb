"""Proves that what evaluates the system teaches it nothing: no probe, no prior, no watch, no population."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from uuid_utils.compat import uuid7

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.ledger.outcomes import PostgresOutcomes
from adaqueue.adapters.ledger.population import population_of
from adaqueue.adapters.ledger.prior import FittedPrior
from adaqueue.core.decisions import Account, Waiting, Window
from adaqueue.core.exploration import explore
from adaqueue.core.logged import Scope
from adaqueue.core.specs import Run
from tests.scene import SAMPLING, Scene, query, samples, verdict

SCOPE = Scope("m", "math", SAMPLING.fingerprint(), None, 100)


def live(database: Database, purpose: str, domain: str = "math") -> Scene:
    """A run whose queries have been drawn and verified, every sample a success."""
    scene = Scene(database, name=purpose, purpose=purpose)
    reference = None if domain == "chat" else "2"
    scene.add(*(query(f"q{number}", domain=domain, reference=reference) for number in range(4)))
    ids = scene.grant(2, 2, 2, 2)
    sampler, verifier = scene.sampler(), scene.verifier()
    claims = sampler.claim(ids)
    drawn = [sample for claim in claims for sample in samples(claim, 0, 1)]
    sampler.record(claims, SAMPLING, drawn, claims)
    verdicts = [verdict(claim, number) for claim in claims for number in (0, 1)]
    verifier.fail(verifier.claim(ids), "they stay open", verdicts)
    return scene


@pytest.mark.parametrize(("purpose", "learnt"), [("serving", 4), ("evaluation", 0)])
def test_probes_and_the_watch_for_drift_never_see_it(database: Database, purpose: str, learnt: int) -> None:
    live(database, purpose)
    found = PostgresOutcomes(database, lambda prompts: np.arange(len(prompts))).load(SCOPE)
    assert len(found.outcomes) == learnt


@pytest.mark.parametrize("purpose", ["serving", "evaluation"])
def test_the_prior_of_queries_without_a_probe_is_not_fitted_on_it(database: Database, purpose: str) -> None:
    live(database, purpose)
    alpha, beta = FittedPrior(database, SAMPLING, (1.0, 1.0))("math")
    assert (alpha / (alpha + beta) > 0.5) is (purpose == "serving")


def test_the_population_of_chat_is_each_run_s_own(database: Database) -> None:
    live(database, "evaluation", "chat")
    serving = Scene(database, name="other")
    with database.begin() as conn:
        assert population_of(conn, serving.run.id, "default") == (None, False)


@pytest.mark.parametrize(("purpose", "explored"), [("serving", 1), ("evaluation", 0)])
def test_it_is_not_explored(purpose: str, explored: int) -> None:
    run = replace(Run(uuid7(), "r", "transformers", "m", "sequential", 4.0, 16, False), purpose=purpose)
    waiting = Waiting(uuid7(), "a", "math", 0, 16, {}, "?")
    window = Window(uuid7(), Account(run, "default", 0.0, 4.0), (waiting,), 4)
    assert len(explore(window, 1.0)) == explored


def test_what_it_is_for_is_kept_with_the_run(database: Database) -> None:
    assert live(database, "evaluation").run.gives_way
    assert not live(database, "serving").run.gives_way
