"""Proves that a night is judged by queries that never taught, and promotes only what is better."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import text

from adaqueue.adapters.language_model import LanguageModel
from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.probe_registry import ProbeRegistry
from adaqueue.adapters.probe_workshop import ProbeWorkshop
from adaqueue.adapters.probes.fitted import FittedProbe
from adaqueue.adapters.probes.fitting import fit_probe, load_probe
from adaqueue.core.beliefs import Beliefs
from adaqueue.core.logged import Law, Logged, Provenance, Scope
from adaqueue.core.outcomes import Outcomes
from adaqueue.core.papers import Papers
from adaqueue.core.retraining import Plan, sides
from adaqueue.errors import BadOutcomesError, NoSupportError, UnavailableError
from adaqueue.flows.retrain import Trainer, drift_of
from tests.probes import SAMPLING, SPEC, made_up, put_into_use, small_probe

PAPERS = Papers.of("math", SPEC, SAMPLING)
SCOPE = Scope("m", "math", PAPERS.sampling_fingerprint, PAPERS.features_fingerprint, 10_000)
PLAN = Plan(("beta",), fewest=100)


def logged(outcomes: Outcomes, probe: str = "prior", beliefs: Beliefs | None = None) -> Logged:
    n = len(outcomes)
    return Logged(
        outcomes=outcomes,
        windows=np.zeros(n, dtype=np.int64),
        probes=(probe,) * n,
        reads=(None,) * n,
        beliefs=beliefs or Beliefs.of(np.ones(n), np.ones(n)),
        budgets=outcomes.samples,
        explored=np.zeros(n, dtype=np.bool_),
        explorable=np.zeros(n, dtype=np.bool_),
        propensities=np.ones(n),
        law=Law(np.full(n, 4.0), np.zeros(n, dtype=np.int64), np.full(n, 4)),
        provenance=Provenance(queries=n),
    )


class Ledger:
    """Holds what it was given."""

    def __init__(self, given: Logged) -> None:
        self._given = given

    def load(self, scope: Scope) -> Logged:
        assert replace(scope, most=0) == replace(SCOPE, most=0)
        return self._given


class Taught(ProbeWorkshop):
    """The library's own, which remembers whom its probes learnt from."""

    def __init__(self) -> None:
        super().__init__(no_model)
        self.ids: set[str] = set()

    def fit(self, head: str, outcomes: Outcomes, seed: int) -> FittedProbe:
        self.ids |= set(outcomes.ids)
        return super().fit(head, outcomes, seed)


def no_model() -> LanguageModel:
    raise AssertionError("no head here adapts a model")


def everything(usable: Logged, papers: Papers, head: str) -> Logged:
    return usable


@pytest.fixture
def registry(database: Database) -> ProbeRegistry:
    return ProbeRegistry(database, load_probe)


def trainer(registry: ProbeRegistry, given: Logged, workshop: Taught | None = None) -> Trainer:
    return Trainer(Ledger(given), registry, workshop or Taught(), everything)


def in_use(registry: ProbeRegistry) -> str | None:
    champion = registry.champion("m", "math")
    return champion.name if champion else None


def test_the_first_probe_is_promoted_if_it_knows_more_than_the_population(registry: ProbeRegistry) -> None:
    found = trainer(registry, logged(made_up(600))).retrain(SCOPE, PAPERS, PLAN)
    (challenger,) = found.challengers
    assert challenger.trial.objections == []
    assert (found.champion, found.promoted, in_use(registry)) == (None, challenger.name, challenger.name)
    record = registry.show(challenger.name)
    assert record.metrics["trial"]["gain"] == pytest.approx(challenger.trial.gain)
    assert record.papers == PAPERS
    assert record.data["queries"] == 600


def test_who_judges_has_not_taught(registry: ProbeRegistry) -> None:
    workshop, outcomes = Taught(), made_up(600)
    found = trainer(registry, logged(outcomes), workshop).retrain(SCOPE, PAPERS, PLAN)
    judges = {outcomes.ids[row] for row in sides(outcomes)[1]}
    assert workshop.ids == set(outcomes.ids) - judges
    assert found.challengers[0].trial.queries == len(judges)
    assert 100 < len(judges) < 200


def test_the_same_prompts_judge_every_night_and_their_near_duplicates_never_teach() -> None:
    tonight = replace(made_up(300), groups=np.arange(300) // 4)
    taught, judging = sides(tonight)
    tomorrow = tonight.take(np.arange(101, 300))
    assert (sides(tomorrow)[1] + 101).tolist() == [row for row in judging if row >= 101]
    assert set(tonight.groups[taught]).isdisjoint(tonight.groups[judging])
    assert len(taught) + len(judging) < 300


def test_what_a_head_must_not_learn_from_is_left_out_of_it_alone(registry: ProbeRegistry) -> None:
    put_into_use(registry, small_probe())

    def screen(usable: Logged, papers: Papers, head: str) -> Logged:
        return usable.take(np.arange(150)) if head == "constant" else usable

    given = Trainer(Ledger(logged(made_up(600))), registry, Taught(), screen)
    found = given.retrain(SCOPE, PAPERS, Plan(("constant", "beta"), fewest=200))
    assert [one.head for one in found.challengers] == ["beta"]
    assert found.refusal == (
        "constant: 150 drawn queries are fewer than 200, and on 450 decided what it does not read"
    )


def test_a_probe_that_was_put_into_use_meanwhile_is_not_replaced(registry: ProbeRegistry) -> None:
    class Meanwhile(Taught):
        def fit(self, head: str, outcomes: Outcomes, seed: int) -> FittedProbe:
            put_into_use(registry, small_probe(seed=3))
            return super().fit(head, outcomes, seed)

    found = trainer(registry, logged(made_up(600)), Meanwhile()).retrain(SCOPE, PAPERS, PLAN)
    assert found.challengers[0].trial.objections == []
    assert found.promoted is None
    assert in_use(registry) != found.challengers[0].name


def test_a_champion_that_cannot_be_read_is_replaced(registry: ProbeRegistry, database: Database) -> None:
    broken = put_into_use(registry, small_probe())
    with database.begin() as conn:
        conn.execute(text("UPDATE probes SET weights = weights || 'x'"))
    found = trainer(registry, logged(made_up(600))).retrain(SCOPE, PAPERS, PLAN)
    assert found.champion is None
    assert found.promoted == registry.in_use("m", "math") != broken


def test_an_equal_challenger_changes_nothing(registry: ProbeRegistry) -> None:
    champion = put_into_use(registry, fit_probe("beta", made_up(900, seed=1), 0))
    found = trainer(registry, logged(made_up(600))).retrain(SCOPE, PAPERS, PLAN)
    assert found.champion == champion
    assert "not significant" in found.challengers[0].trial.objections[0]
    assert (found.promoted, in_use(registry)) == (None, champion)
    assert registry.show(found.challengers[0].name).state == "challenger"


def test_a_better_challenger_takes_the_champions_place(registry: ProbeRegistry) -> None:
    champion = put_into_use(registry, small_probe(head="constant"), spec=None)
    found = trainer(registry, logged(made_up(600))).retrain(SCOPE, PAPERS, PLAN)
    assert found.champion == champion
    assert found.promoted == in_use(registry) != champion
    assert found.to_data()["challengers"][0]["objections"] == []


def test_the_best_of_several_heads_is_promoted(registry: ProbeRegistry) -> None:
    plan = replace(PLAN, heads=("constant", "beta"))
    found = trainer(registry, logged(made_up(600))).retrain(SCOPE, PAPERS, plan)
    constant, beta = found.challengers
    assert constant.trial.objections != []
    assert found.promoted == beta.name
    assert registry.show(constant.name).papers.features is None


def test_without_leave_to_promote_a_better_one_waits(registry: ProbeRegistry) -> None:
    found = trainer(registry, logged(made_up(600))).retrain(SCOPE, PAPERS, replace(PLAN, promotes=False))
    assert found.challengers[0].trial.objections == []
    assert (found.promoted, in_use(registry)) == (None, None)


def test_a_champion_of_other_features_has_no_word(registry: ProbeRegistry) -> None:
    put_into_use(registry, small_probe(), spec=replace(SPEC, template="u"))
    found = trainer(registry, logged(made_up(600))).retrain(SCOPE, PAPERS, PLAN)
    assert found.champion is None
    assert found.promoted == in_use(registry)


def test_too_few_queries_train_nothing_and_say_so(registry: ProbeRegistry) -> None:
    nothing_drawn = replace(made_up(600), rewards=((1.0,),) * 99 + ((),) * 501)
    found = trainer(registry, logged(nothing_drawn)).retrain(SCOPE, PAPERS, PLAN)
    assert found.refusal == "beta: 99 drawn queries are fewer than 100"
    assert (found.challengers, registry.newest(9)) == ((), [])


def test_logs_that_cannot_teach_train_nothing_and_say_why(registry: ProbeRegistry) -> None:
    def screen(usable: Logged, papers: Papers, head: str) -> Logged:
        assert (papers, head) == (PAPERS, "beta")
        raise NoSupportError("explore more")

    given = Trainer(Ledger(logged(made_up(600))), registry, Taught(), screen)
    assert given.retrain(SCOPE, PAPERS, PLAN).refusal == "beta: explore more"


def test_an_outage_is_no_refusal(registry: ProbeRegistry) -> None:
    class Away(Taught):
        def fit(self, head: str, outcomes: Outcomes, seed: int) -> FittedProbe:
            raise UnavailableError("the ledger is away")

    given = trainer(registry, logged(made_up(600)), Away())
    with pytest.raises(UnavailableError):
        given.retrain(SCOPE, PAPERS, PLAN)
    assert in_use(registry) is None


def test_drift_is_told_of_the_probe_in_use_alone(registry: ProbeRegistry) -> None:
    outcomes = made_up(600)
    name = put_into_use(registry, small_probe())
    right = small_probe().predict(outcomes.states, ())
    assert trainer(registry, logged(outcomes, name, right)).drift(SCOPE, PAPERS) is not None
    wrong = Beliefs.of(right.beta, right.alpha)
    shift = trainer(registry, logged(outcomes, name, wrong)).drift(SCOPE, PAPERS)
    assert shift is not None
    assert shift.is_alarm
    assert trainer(registry, logged(outcomes, "another", wrong)).drift(SCOPE, PAPERS) is None
    few = logged(outcomes, name, wrong).take(np.arange(99))
    assert drift_of(few, name) is None


def test_queries_too_much_alike_to_hold_any_out_train_nothing(registry: ProbeRegistry) -> None:
    outcomes = made_up(600)
    alike = replace(outcomes, groups=np.zeros(600, dtype=np.int64))
    found = trainer(registry, logged(alike)).retrain(SCOPE, PAPERS, PLAN)
    assert found.refusal != ""
    assert found.challengers == ()
    assert issubclass(NoSupportError, BadOutcomesError)


def test_other_policies_are_estimated_on_what_came_after_the_probes_teachers(
    registry: ProbeRegistry,
) -> None:
    teacher = logged(made_up(600))
    last = "2026-01-02T03:04:05+00:00"
    given = replace(teacher, provenance=replace(teacher.provenance, last=last))
    assert trainer(registry, given).retrain(SCOPE, PAPERS, PLAN).promoted

    asked: list[Scope] = []

    class Later(Ledger):
        def load(self, scope: Scope) -> Logged:
            asked.append(scope)
            return fully_explored(made_up(600))

    later = replace(trainer(registry, given), ledger=Later(given))
    with_probe = later.counterfactual(SCOPE, PAPERS, (1, 2), with_probe=True)
    without = later.counterfactual(SCOPE, PAPERS, (1, 2), with_probe=False)
    assert (set(with_probe.policies), set(without.policies)) == (
        {"uniform", "uniform_early_stop", "sequential"},
        {"uniform", "uniform_early_stop"},
    )
    after, whenever = asked
    assert after.since == datetime.fromisoformat(last) + timedelta(microseconds=1)
    assert whenever.since is None


def fully_explored(outcomes: Outcomes) -> Logged:
    """Every query was explored, and drew all of 4 samples, its own minimum."""
    n = len(outcomes)
    free = replace(
        outcomes,
        rewards=tuple((*row, 0.0, 0.0, 0.0, 0.0)[:4] for row in outcomes.rewards),
        stopped=np.zeros(n, dtype=np.bool_),
    )
    whole = np.ones(n, dtype=np.bool_)
    return replace(
        logged(free),
        windows=np.arange(n) // 20,
        explored=whole,
        explorable=whole,
        law=Law(np.full(n, 4.0), np.full(n, 4), np.full(n, 4)),
    )
