"""Proves that a night whose evaluator is killed is taken up again, and that it asks nothing twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from adaqueue.demo.queries import demo_queries
from tests.e2e.live import System, eventually, kill

pytestmark = pytest.mark.timeout(400)

QUERIES, DRAWS = 60, 4
SUITES = f"""
[[suite]]
name = "math"
kind = "live"
files = ["queries.jsonl"]
budgets = [2]
draws = {DRAWS}
[suite.alarms]
min_success = [{{ policy = "sequential", budget = 2, success = 0.999 }}]
"""
MID_NIGHT = (
    "SELECT count(*) FROM queries q JOIN evaluations e ON e.state = 'running' WHERE q.state <> 'closed'"
)
STATES = "SELECT state FROM evaluations"


def prepare(place: Path) -> Path:
    rows = [row for row, _ in zip(demo_queries(400, "math", 12), range(QUERIES), strict=False)]
    (place / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (place / "suites.toml").write_text(SUITES)
    return place / "suites.toml"


def test_a_night_whose_evaluator_is_killed_is_taken_up_again_and_asks_nothing_twice(place: Path) -> None:
    system = System(
        place / "data",
        engine="transformers",
        trainers=0,
        sandboxes=0,
        evaluate_suites=prepare(place),
        evaluate_at="0 0 1 1 *",
        evaluate_reports=place / "reports",
    )
    system.start()
    system.wait_until_it_says("up in", 240)
    eventually(lambda: system.ask(STATES) == [("done",)], "the first night ends")
    system.ask("DELETE FROM evaluations RETURNING 1")
    ask_for_the_newest_slot(system)
    eventually(lambda: system.ask(MID_NIGHT)[0][0] > 0, "a night is under way")
    evaluator = system.find("evaluator")
    kill(evaluator)
    ((state,),) = system.ask("UPDATE evaluations SET alive_at = now() - interval '3 minutes' RETURNING state")
    assert state == "running"
    eventually(lambda: system.status("evaluator").pid not in (None, evaluator.pid), "it is started again")
    ask_for_the_newest_slot(system)
    eventually(lambda: system.ask(STATES) == [("done",)], "the night ends")
    check_the_ledger(system)
    (report,) = (place / "reports").iterdir()
    eventually((report / "index.html").exists, "a report is written")
    log = (place / "data" / "logs" / "evaluator.log").read_text()
    assert "ERROR adaqueue.flows.nightly: math, night " in log
    assert "alarm: math: queries.jsonl: sequential has success on" in log
    assert system.stop() == 0


def ask_for_the_newest_slot(system: System) -> None:
    """Lets the schedule start again: it asks at once."""
    kill(system.find("schedule"))


def check_the_ledger(system: System) -> None:
    """Two runs a night, each query once in each, each draw once."""
    rows = system.ask(
        "SELECT r.policy, r.closed_at IS NOT NULL, count(*), count(DISTINCT q.external_id) "
        "FROM runs r JOIN queries q ON q.run_id = r.id AND r.purpose = 'evaluation' GROUP BY r.id ORDER BY 1"
    )
    ended = [(policy, True, QUERIES, QUERIES) for policy in ("sequential", "uniform")]
    assert rows == [one for one in ended for _ in range(2)]
    ((drawn,),) = system.ask(
        "SELECT count(*) FROM samples s JOIN queries q ON q.id = s.query_id "
        "JOIN runs r ON r.id = q.run_id AND r.policy = 'uniform'"
    )
    assert drawn == 2 * QUERIES * DRAWS
