"""Proves that a chat sample's verdict is its reward model's score, or says that there is none."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from adaqueue.adapters.chat_verifier import RewardVerifier
from adaqueue.adapters.reward_model import RewardModel
from adaqueue.core.query import Query
from adaqueue.core.records import Sample
from tests.models import one_thread  # noqa: F401 - used by every test here
from tests.scoring import STRICT, save_llama


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> RewardModel:
    return RewardModel(str(save_llama(tmp_path_factory.mktemp("reward"), STRICT)), "tiny", batch=3)


def drawn(*texts: str, prompt: Any = "Why?") -> list[tuple[Query, Sample]]:
    query = Query("chat", prompt)
    return [
        (query, Sample(UUID(int=7), number, number, text, 1, 1, "stop", 0.1))
        for number, text in enumerate(texts)
    ]


def test_a_chat_sample_is_scored_by_the_model_of_a_name_and_revision(model: RewardModel) -> None:
    asked = drawn("a", "bb", "ccc", "", "eeeee")
    verdicts = RewardVerifier(model).verify(asked)
    expected = model.scores([(query.messages, str(sample.text)) for query, sample in asked])
    assert [verdict.reward for verdict in verdicts] == pytest.approx(expected, abs=1e-4)
    assert [verdict.number for verdict in verdicts] == [0, 1, 2, 3, 4]
    for verdict in verdicts:
        assert (verdict.query_id, verdict.verdict, verdict.route) == (UUID(int=7), "scored", "reward_model")
        assert (verdict.verifier, verdict.version, verdict.tier) == ("tiny", model.revision, None)
        assert verdict.seconds > 0
    assert RewardVerifier(model).verify([]) == []


def test_a_prompt_that_the_template_refuses_is_not_verified_and_spoils_no_other(model: RewardModel) -> None:
    refused = drawn("x", prompt=[{"role": "system", "content": "1"}])
    asked = [*drawn("a", "b", "c"), *refused, *drawn("d")]
    verdicts = RewardVerifier(model).verify(asked)
    assert [verdict.verdict for verdict in verdicts] == ["scored"] * 3 + ["not_verified", "scored"]
    assert verdicts[3].reward is None
    assert verdicts[3].route == "the chat template of tiny refuses the prompt: no system"
    alone = [RewardVerifier(model).verify([one])[0].reward for one in asked]
    assert [v.reward for v in verdicts if v.reward is not None] == pytest.approx(
        [reward for reward in alone if reward is not None], abs=1e-4
    )
