"""Proves that a LoRA challenger is made, judged and served on the states that it reads, night after night."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest

from adaqueue.adapters.language_model import LanguageModel
from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.lora_features import LoraFeatures
from adaqueue.adapters.probe_registry import ProbeRegistry
from adaqueue.adapters.probe_workshop import ProbeWorkshop
from adaqueue.adapters.probes.fitting import load_probe
from adaqueue.adapters.transformers_features import TransformersFeatures
from adaqueue.core.outcomes import Outcomes, States
from adaqueue.core.papers import Papers
from adaqueue.core.retraining import Plan
from adaqueue.core.specs import Sampling
from adaqueue.flows.retrain import Trainer
from tests.flows.test_retrain import SCOPE, Ledger, everything, logged
from tests.models import ask, one_thread, tiny_model  # noqa: F401 - one_thread: used by every test here
from tests.probes import made_up

SAMPLING = Sampling("tiny", 0.7, 8)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def outcomes(model: LanguageModel) -> Outcomes:
    """Sums are easy, differences are not."""
    prompts = tuple(ask(f"{n} {'+-'[n % 2]} {n // 2}") for n in range(160))
    rng = np.random.default_rng(0)
    rewards = tuple(tuple((rng.random(4) < (0.9, 0.1)[n % 2]).astype(float)) for n in range(160))
    base = replace(made_up(160), messages=prompts, rewards=rewards)
    return replace(base, states=vectors(TransformersFeatures(model), base))


def vectors(provider: TransformersFeatures, outcomes: Outcomes) -> States:
    found = provider.vectors(outcomes.messages)
    return np.stack([np.frombuffer(vector, dtype=np.float32) for vector in found])


def test_a_lora_challenger_is_judged_served_once_promoted_and_champion_the_next_night(
    model: LanguageModel, outcomes: Outcomes, database: Database
) -> None:
    registry, workshop = ProbeRegistry(database, load_probe), ProbeWorkshop(lambda: model)
    spec = model.feature_spec()
    papers = Papers.of("math", spec, SAMPLING)
    trainer = Trainer(Ledger(logged(outcomes)), registry, workshop, everything)
    plan = Plan(("lora",), fewest=50)
    (challenger,) = trainer.retrain(SCOPE, papers, plan).challengers
    registry.promote(challenger.name, "a test says so")

    champion = registry.champion("tiny", "math")
    assert champion is not None
    assert champion.papers.refusal_on_base(papers) == ""
    assert champion.papers.features is not None
    assert champion.papers.features["adapter"] != ""
    served = LoraFeatures(registry, spec, lambda: model, lambda told: None)("math")
    assert served is not None
    assert asdict(served.spec) == champion.papers.features
    read = workshop.states(champion.model, outcomes)
    assert read is not None
    np.testing.assert_allclose(read, vectors(served, outcomes), atol=1e-5)
    assert np.abs(read - np.asarray(outcomes.states)).max() > 1e-3

    again = trainer.retrain(SCOPE, papers, replace(plan, heads=("constant",)))
    assert again.champion == challenger.name
    assert again.challengers[0].trial.champion_error == pytest.approx(challenger.trial.error)


def test_only_a_lora_probe_needs_the_model(outcomes: Outcomes) -> None:
    def none() -> LanguageModel:
        raise AssertionError("the model is loaded")

    workshop, papers = ProbeWorkshop(none), Papers.of("math", None, SAMPLING)
    probe = workshop.fit("constant", outcomes, 0)
    assert workshop.states(probe, outcomes) is None
    assert workshop.papers(probe, papers).features is None
