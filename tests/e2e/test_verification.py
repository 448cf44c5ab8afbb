"""Proves that a whole system gives each kind of query its verdicts: votes, rewards, a judge, audits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adaqueue import AdaQueue, Answer, Query, RecordedSample, Recording
from tests.contracts.stub import Body, Stub, serve
from tests.e2e.live import System, command, eventually
from tests.models import one_thread  # noqa: F401 - used where the model is made
from tests.scoring import save_bert

WORDS = "a ball that is red"


def judge(body: Body) -> tuple[int, Any]:
    """Calls those words equivalent, and nothing else; sixteen is no 16 to it."""
    said = "YES" if WORDS in body["messages"][-1]["content"] else "NO"
    return 200, {"choices": [{"message": {"content": said}, "finish_reason": "stop"}]}


@pytest.fixture(scope="module")
def system(place: Path) -> Iterator[System]:
    with serve(Stub(judge)) as stub:
        model = save_bert(place / "reward")
        system = System(
            place / "data",
            reward_model=model,
            judge_model="judge",
            judge_url=stub.url,
            judge_api_key="the-key",
            audit_share=1,
        ).up()
        yield system
        assert system.stop() == 0
        assert set(stub.keys) == {"Bearer the-key"}


def replayed(name: str, *texts: str, **fields: Any) -> Query:
    recording = Recording(tuple(RecordedSample(text, None) for text in texts))
    usual = {"domain": "math", "prompt": f"What is {name}?"}
    return Query(**{**usual, **fields}, id=name, recording=recording)


def answer(queue: AdaQueue, query: Query) -> Answer:
    return queue.enqueue(query).result(timeout=90)


def said(system: System, queue: AdaQueue) -> list[tuple[Any, ...]]:
    return system.ask(
        "SELECT verdict, reward, verifier, route FROM verdicts v JOIN queries q ON q.id = v.query_id "
        "WHERE run_id = %s ORDER BY number",
        queue.run.id,
    )


def test_samples_of_math_without_a_reference_vote(system: System) -> None:
    texts = [r"\boxed{1}", r"\boxed{x+1}", r"\boxed{1+x}", r"so \boxed{1 + x}"]
    with system.connect(policy="uniform", average_budget=4) as queue:
        given = answer(queue, replayed("votes", *texts))
        assert (given.text, given.reward, given.verified) == (texts[1], 0.75, False)


def test_a_clear_vote_leaves_samples_to_others(system: System) -> None:
    sure = replayed("sure", *[r"\boxed{5}"] * 12)
    torn = replayed("torn", *[rf"\boxed{{{number % 2}}}" for number in range(12)])
    with system.connect(policy="sequential", average_budget=8, batch=True) as queue:
        receipts = queue.enqueue_many([sure, torn])
        queue.seal()
        used = {given.id: given.samples_used for given in queue.as_completed(receipts, timeout=90)}
    assert used["sure"] < used["torn"]


def test_chat_is_scored_by_the_reward_model_and_the_best_response_is_the_answer(system: System) -> None:
    texts = ["once upon a time", "no", "there was a king who had three daughters"]
    with system.connect(policy="uniform", average_budget=3) as queue:
        given = answer(queue, replayed("a story", *texts, domain="chat", prompt="Tell a story."))
        verdicts = said(system, queue)
        rewards = [row[1] for row in verdicts]
        assert {row[0] for row in verdicts} == {"scored"}
        assert len(set(rewards)) == 3
        assert given.reward == max(rewards)
        assert given.text == texts[rewards.index(max(rewards))]
        assert not given.verified


def test_what_no_rule_can_tell_the_judge_does_and_what_rules_tell_it_checks_again(system: System) -> None:
    with system.connect(policy="uniform", average_budget=3) as queue:
        texts = [rf"\boxed{{\text{{{WORDS}}}}}", r"\boxed{\text{the sky above}}", r"\boxed{\text{red ball}}"]
        given = answer(queue, replayed("red", *texts, reference=r"\text{red ball}"))
        assert given.verified
        assert [(row[0], row[3]) for row in said(system, queue)] == [
            ("passed", "judge"),
            ("wrong_answer", "judge"),
            ("passed", "string"),
        ]
        audited: Any = (
            "SELECT source, accepted, auditor, confirmed FROM audits a JOIN queries q ON q.id = a.query_id "
            "WHERE run_id = %s"
        )
        found = eventually(lambda: system.ask(audited, queue.run.id), "the rule's verdict is audited")
        assert found == [("math", True, "math:judge", False)]
    shown = command("verify", "audit", "--data-folder", system.folder, "--json", "-")
    by_pair = {(row["verifier"], row["against"]): row for row in json.loads(shown.stdout)}
    assert by_pair["math", "math:judge"]["false_accepts"]["count"] >= 1
    assert "math:judge" in command("verify", "audit", "--data-folder", system.folder).stdout


def test_programs_are_run_again_by_audits(system: System) -> None:
    reference = {"style": "function", "entry": "f", "tests": [{"args": [2], "expected": 4}]}
    program = "```python\ndef f(x):\n    return 2 * x\n```"
    with system.connect(policy="uniform", average_budget=1) as queue:
        query = replayed("code", program, domain="code", prompt="Double it.", reference=reference)
        assert answer(queue, query).verified
        audited: Any = (
            "SELECT source, accepted, auditor, confirmed FROM audits a JOIN queries q ON q.id = a.query_id "
            "WHERE run_id = %s"
        )
        found = eventually(lambda: system.ask(audited, queue.run.id), "it was run again")
        assert found == [("code", True, "code", True)]
