"""Proves that a system learns at night: a poor probe is replaced, a worse one never, a rollback works."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adaqueue import Query
from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.probe_registry import ProbeRegistry, RegisteredProbe
from adaqueue.adapters.probes.fitting import fit_probe, load_probe
from adaqueue.core.curves import curve, recorded_survival, round_robin
from adaqueue.core.outcomes import Outcomes
from adaqueue.core.papers import Papers
from adaqueue.core.specs import FeatureSpec, Sampling
from adaqueue.core.trial import Contestant
from adaqueue.demo.queries import demo_queries
from adaqueue.flows.train import train
from tests.e2e.live import System, command, eventually
from tests.models import one_thread  # noqa: F401 - a fixture, used where probes are fitted

pytestmark = pytest.mark.timeout(1_200)

TEMPERATURE = 0.8  # not that of the shipped outcomes: no probe is there at the start
SERVED = 700
FRESH = 200
DRAWS = 10
AVERAGE = 3


@pytest.fixture(scope="module")
def system(place: Path) -> Iterator[System]:
    system = System(
        place / "data",
        engine="transformers",
        temperature=TEMPERATURE,
        retrain_at="* * * * *",
        retrain_queries=400,
        exploration_share=0.25,
        window_seconds=0.2,
        window_queries=40,
    ).up()
    yield system
    assert system.stop() == 0


def arithmetic(count: int, signs: str, seed: int) -> list[Query]:
    """So many questions of these operations."""
    rows = (row for row in demo_queries(12 * count, "math", seed) if row["prompt"].split()[-2] in signs)
    return [Query.from_row(row) for row, _ in zip(rows, range(count), strict=False)]


def outcomes(system: System, run: str) -> tuple[FeatureSpec, Outcomes]:
    """What a run's queries became, each drawn in full."""
    rows = system.ask(
        "SELECT q.external_id, q.prompt, f.vector, array_agg(v.reward ORDER BY v.number), s.spec "
        "FROM queries q JOIN features f ON f.query_id = q.id "
        "JOIN feature_specs s ON s.fingerprint = f.fingerprint "
        "JOIN verdicts v ON v.query_id = q.id WHERE q.run_id::text = %s "
        "GROUP BY q.id, f.vector, s.spec ORDER BY q.id",
        run,
    )
    n = len(rows)
    return FeatureSpec(**rows[0][4]), Outcomes(
        tuple(row[0] for row in rows),
        tuple(({"role": "user", "content": row[1]},) for row in rows),
        np.stack([np.frombuffer(row[2], dtype=np.float32) for row in rows]),
        tuple(tuple(row[3]) for row in rows),
        np.zeros(n, dtype=np.bool_),
        np.arange(n),
        np.full(n, np.nan),
    )


def serve(system: System, queries: list[Query], **settings: Any) -> str:
    """Answers queries, and returns their run."""
    with system.connect(**settings) as queue:
        assert len(list(queue.as_completed(queue.enqueue_many(queries)))) == len(queries)
        return str(queue.run.id)


def in_use(system: System) -> list[str]:
    return [
        name for (name,) in system.ask("SELECT name FROM probes WHERE state = 'champion' AND domain = 'math'")
    ]


def probes_of(system: System, run: str) -> set[str]:
    """Which probes decided on a run's queries."""
    asked = (
        "SELECT DISTINCT probe FROM allocations a JOIN queries q ON q.id = query_id WHERE run_id::text = %s"
    )
    return {probe for (probe,) in system.ask(asked, run)}


def samples_needed(probe: RegisteredProbe, fresh: Outcomes) -> float:
    """Samples a query with which buying by a probe reaches what uniform reaches with three."""
    alive = recorded_survival(fresh.successes, DRAWS, DRAWS)
    target = curve(round_robin(len(fresh), DRAWS), alive, stops=False).at(AVERAGE)
    word = Contestant(probe.model.predict(fresh.states, fresh.prompts), probe.rule)
    needed = curve(word.hazards(AVERAGE, DRAWS), alive, stops=True).needed(target)
    assert needed is not None
    return needed


def put_poor_probe_into_use(system: System, registry: ProbeRegistry) -> str:
    """A probe of another world, in which the model failed where it succeeds here, and the other way round.

    One that merely saw other questions may order these well by luck: a sequential policy forgives much.
    """
    run = serve(system, arithmetic(160, "*%", seed=1), policy="uniform", average_budget=4)
    spec, here = outcomes(system, run)
    there = replace(here, rewards=tuple(tuple(1.0 - reward for reward in row) for row in here.rewards))
    trained = train("beta", there, fit_probe)
    sampling = Sampling(spec.model, TEMPERATURE, 32)
    name = registry.register(
        trained.probe,
        trained.rule,
        Papers.of("math", spec, sampling),
        trained.metrics,
        {"source": "another world"},
    )
    registry.promote(name, "there is no other")
    return name


def test_a_night(system: System) -> None:
    with closing(Database(system.urls().database_url)) as database:
        live_through(system, ProbeRegistry(database, load_probe))


def live_through(system: System, registry: ProbeRegistry) -> None:
    """From a poor probe to a better one, and back."""
    poor_name = put_poor_probe_into_use(system, registry)
    poor = registry.champion("adaqueue-small", "math")
    assert poor is not None

    served = serve(system, arithmetic(SERVED, "*%", seed=2), average_budget=AVERAGE)
    assert poor_name in probes_of(system, served)
    wait_for_a_promotion(system, poor_name)

    system.find("schedule").suspend()  # what follows is one night's work
    (new_name,) = in_use(system)
    later = serve(system, arithmetic(60, "*%", seed=3), average_budget=AVERAGE)
    assert probes_of(system, later) == {new_name}

    new = registry.champion("adaqueue-small", "math")
    assert new is not None
    _, fresh = outcomes(
        system, serve(system, arithmetic(FRESH, "*%", seed=4), policy="uniform", average_budget=DRAWS)
    )
    before, after = samples_needed(poor, fresh), samples_needed(new, fresh)
    assert after < 0.95 * before

    record = registry.show(new_name)
    assert record.parent == poor_name
    assert record.metrics["objections"] == []
    assert record.data["policies"]["exploration"] > 0

    check_other_policies_are_estimated(system, served)
    check_trained_probes_are_evaluated(system, fresh, {poor_name: False, new_name: True})
    check_a_worse_challenger_is_not_promoted(system, new_name)
    check_a_slot_is_worked_off_once(system)
    check_a_rollback(system, new_name, poor_name)
    system.find("schedule").resume()


def wait_for_a_promotion(system: System, poor_name: str) -> None:
    """What the first queries show may not be enough to be sure: life goes on until it is."""
    for seed in (12, 22, 32):
        with suppress(AssertionError):
            eventually(lambda: in_use(system) != [poor_name], "a challenger is promoted", 150)
            return
        serve(system, arithmetic(SERVED, "*%", seed), average_budget=AVERAGE)
    eventually(lambda: in_use(system) != [poor_name], "a challenger is promoted", 150)


def check_other_policies_are_estimated(system: System, served: str) -> None:
    estimated = command(
        "estimate",
        "math",
        "--no-probe",
        "--budgets",
        "1",
        "--data-folder",
        system.folder,
        "--json",
        "-",
        temperature=TEMPERATURE,
    )
    assert estimated.returncode == 0, estimated.stderr
    found = json.loads(estimated.stdout)
    assert found["queries"] >= SERVED
    (first,) = system.ask(
        "SELECT avg(v.reward) FROM verdicts v JOIN queries q ON q.id = v.query_id "
        "WHERE q.run_id::text = %s AND v.number = 0",
        served,
    )
    once = found["policies"]["uniform"]["1"]
    assert once["success"]["low"] - 0.1 <= first[0] <= once["success"]["high"] + 0.1
    assert (once["samples"]["value"], once["limit"]) == (1.0, 1)


def check_trained_probes_are_evaluated(system: System, fresh: Outcomes, good: dict[str, bool]) -> None:
    """On queries that taught neither, drawn in full: one knows more than the population's mean, one less."""
    file = system.folder.parent / "fresh.jsonl"
    rows = zip(fresh.ids, fresh.prompts, fresh.rewards, strict=True)
    lines = [{"id": key, "domain": "math", "prompt": prompt, "rewards": drawn} for key, prompt, drawn in rows]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for name, is_good in good.items():
        said = command(
            "evaluate",
            file,
            "--probe",
            name,
            "--seeds",
            "1",
            "--budgets",
            "1,2",
            "--data-folder",
            system.folder,
            "--json",
            "-",
            temperature=TEMPERATURE,
        )
        assert said.returncode == 0, said.stderr
        found = json.loads(said.stdout)
        assert found["trained_probe"] == name
        assert (found["predictor"]["loss"] < found["predictor"]["average"]) == is_good
    unknown = command("evaluate", file, "--probe", "none", "--data-folder", system.folder)
    assert unknown.returncode == 1
    assert "no such probe: see `adaqueue probe list`" in unknown.stderr


def check_a_worse_challenger_is_not_promoted(system: System, new_name: str) -> None:
    trained = command(
        "probe",
        "train",
        "--domain",
        "math",
        "--head",
        "constant",
        "--data-folder",
        system.folder,
        "--json",
        "-",
        temperature=TEMPERATURE,
        retrain_queries=200,  # it reads no features: uniform and explored budgets alone may teach it
    )
    assert trained.returncode == 0, trained.stderr
    (challenger,) = json.loads(trained.stdout)["math"]["challengers"]
    assert challenger["gain"] < 0
    assert "not significant" in challenger["objections"][0]
    assert in_use(system) == [new_name]


def check_a_slot_is_worked_off_once(system: System) -> None:
    (often,) = system.ask(
        "SELECT count(*), count(DISTINCT slot) FROM trainings "
        "WHERE domain = 'math' AND starts_with(slot, 'retrain')"
    )
    assert often[0] == often[1] >= 1


def check_a_rollback(system: System, new_name: str, poor_name: str) -> None:
    rolled_back = command("probe", "rollback", "math", "--data-folder", system.folder)
    assert rolled_back.returncode == 0, rolled_back.stderr
    assert rolled_back.stdout.strip() == f"{poor_name} is in use again, in the place of {new_name}"
    assert in_use(system) == [poor_name]
    run = serve(system, arithmetic(60, "*%", seed=5), average_budget=AVERAGE)
    assert poor_name in probes_of(system, run)
