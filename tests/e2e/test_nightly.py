"""Proves that a night measures the live system, names a worse probe and its cause, and teaches nothing."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.probe_registry import ProbeRegistry
from adaqueue.adapters.probes.fitting import fit_probe, load_probe
from adaqueue.core.outcomes import Outcomes
from adaqueue.core.papers import Papers
from adaqueue.core.specs import FeatureSpec, Sampling
from adaqueue.demo.queries import demo_queries
from adaqueue.flows.train import train
from tests.e2e.live import System, command
from tests.models import one_thread  # noqa: F401 - a fixture, used where probes are fitted

pytestmark = pytest.mark.timeout(400)

SUITES = """
[[suite]]
name = "math"
kind = "live"
files = ["queries.jsonl"]
policies = ["sequential"]
budgets = [2]
draws = 6
[suite.alarms]
min_success = [{ policy = "sequential", budget = 2, success = 0.05 }]

[[suite]]
name = "recorded"
kind = "recorded"
files = ["outcomes.jsonl"]
budgets = [1, 2]
seeds = 1
"""
QUERIES = 120


@pytest.fixture(scope="module")
def system(place: Path) -> Iterator[System]:
    system = System(place / "data", engine="transformers", trainers=0, sandboxes=0).up()
    yield system
    assert system.stop() == 0


@pytest.fixture(scope="module")
def suites(place: Path) -> Path:
    rows = [row for row, _ in zip(demo_queries(400, "math", 11), range(QUERIES), strict=False)]
    (place / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    outcomes = [
        {
            "id": str(number),
            "domain": "math",
            "prompt": f"What is {number} times {number % 7}?",
            "n": 8,
            "successes": number % 9,
            "group": str(number),
        }
        for number in range(60)
    ]
    (place / "outcomes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in outcomes))
    (place / "suites.toml").write_text(SUITES)
    return place / "suites.toml"


def night(system: System, suites: Path, *more: object) -> subprocess.CompletedProcess[str]:
    return command("nightly", "run", "--suites", suites, "--data-folder", system.folder, "--json", "-", *more)


def learnable(system: System) -> tuple[int, int]:
    """Queries that probes and priors may learn from, and those that were ever asked."""
    ((serving, all_of_them),) = system.ask(
        "SELECT count(*) FILTER (WHERE purpose = 'serving'), count(*) "
        "FROM queries JOIN runs ON runs.id = run_id"
    )
    return serving, all_of_them


def put_reversed_probe_into_use(system: System) -> str:
    """A probe of a world in which the model fails where it succeeds here."""
    rows = system.ask(
        "SELECT q.external_id, q.prompt, f.vector, array_agg(v.reward ORDER BY v.number), s.spec "
        "FROM queries q JOIN runs r ON r.id = q.run_id AND r.policy = 'uniform' "
        "JOIN features f ON f.query_id = q.id JOIN feature_specs s ON s.fingerprint = f.fingerprint "
        "JOIN verdicts v ON v.query_id = q.id GROUP BY q.id, f.vector, s.spec ORDER BY q.id"
    )
    n = len(rows)
    there = Outcomes(
        tuple(row[0] for row in rows),
        tuple(({"role": "user", "content": row[1]},) for row in rows),
        np.stack([np.frombuffer(row[2], dtype=np.float32) for row in rows]),
        tuple(tuple(1.0 - reward for reward in row[3]) for row in rows),
        np.zeros(n, dtype=np.bool_),
        np.arange(n),
        np.full(n, np.nan),
    )
    trained = train("beta", replace(there), fit_probe)
    papers = Papers.of("math", FeatureSpec(**rows[0][4]), Sampling("adaqueue-small", 0.7, 32))
    with closing(Database(system.urls().database_url)) as database:
        registry = ProbeRegistry(database, load_probe)
        name = registry.register(trained.probe, None, papers, trained.metrics, {"source": "another world"})
        registry.promote(name, "by force")
    return name


def test_a_night_ends_well_and_the_next_names_a_worse_probe(
    system: System, suites: Path, tmp_path: Path
) -> None:
    first = night(system, suites, "--report", tmp_path / "first")
    assert first.returncode == 0, first.stderr
    good = json.loads(first.stdout)
    assert (good["regressions"], good["alarms"]) == ([], [])
    assert set(good["suites"]) == {"math", "recorded"}
    data = good["suites"]["math"]["sets"]["queries.jsonl"]
    lived = data["live"]["sequential"]["2"]
    assert lived["queries"] == QUERIES
    assert lived["failures"] == 0
    assert 0 < lived["low"] < lived["success"] < lived["high"]
    assert lived["samples"] <= 2.0
    assert data["equal_reward_budget"]["sequential"]["2"] < 1
    assert data["predictor"]["loss"] < data["predictor"]["average"]
    assert (tmp_path / "first" / "index.html").exists()
    assert learnable(system) == (0, 2 * QUERIES)

    name = put_reversed_probe_into_use(system)
    second = night(system, suites, "--report", tmp_path / "second")
    assert second.returncode == 4, second.stderr
    bad = json.loads(second.stdout)
    needs = next(words for words in bad["regressions"] if words.startswith("math: sequential needs "))
    assert "of uniform's samples at B=2" in needs
    assert f"the probe in use changed from {data['probe']} to {name}" in needs
    assert second.stderr.index("regression: math") < second.stderr.index("report: ")
    assert "needs" in (tmp_path / "second" / "report.md").read_text()
    assert not any(words.startswith("recorded") for words in bad["regressions"])
    assert learnable(system)[0] == 0
    check_the_books(system)


def check_the_books(system: System) -> None:
    def nightly(*words: object) -> Any:
        return command("nightly", *words, "--data-folder", system.folder, "--json", "-")

    rows = json.loads(nightly("list").stdout)
    assert [(row["suite"], row["state"]) for row in rows] == [("recorded", "done"), ("math", "done")] * 2
    last = nightly("show", "--last")
    assert last.returncode == 4
    assert json.loads(last.stdout)["regressions"]
    first = nightly("show", rows[-1]["night"])
    assert first.returncode == 0, first.stderr
    ((account,),) = system.ask("SELECT DISTINCT tenant FROM queries")
    assert account == "nightly"
    assert system.ask("SELECT count(*) FROM allocations WHERE policy = 'exploration'") == [(0,)]
