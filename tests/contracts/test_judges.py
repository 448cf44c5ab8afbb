"""Proves that every judge says of each answer what its model says of it, and of a hostile one never YES.

The model is gullible: it does what anybody tells it who gets past the data, see `tests.judging.gullible`.
That a trained model takes data for data is not proved here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from transformers import LlamaForCausalLM

from adaqueue.adapters.judge_api import ApiJudge
from adaqueue.adapters.judge_prompt import messages
from adaqueue.adapters.judge_transformers import TransformersJudge
from adaqueue.core.records import Doubt
from adaqueue.errors import VerifierError
from adaqueue.ports import Judge
from tests.contracts.stub import Stub, serve
from tests.contracts.vllm import Served, served, with_starts
from tests.hostile import HOSTILE, doubt
from tests.judging import (
    FAMILIES,
    as_chatml,
    chat,
    config_for,
    controls_in,
    gullible,
    gullible_model,
    tokenizer_of,
)
from tests.models import one_thread  # noqa: F401 - used by every test here

pytestmark = with_starts
DOUBTS = [doubt(answer) for answer in ("4", "5", "four " * 40, "4", "", "44")]
SAID = [True, False, False, True, False, False]


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    entry = {"id": "gullible", "root": "maker/gullible-7b"}
    with serve(Stub(chat, models={"data": [{"id": "other"}, entry]})) as stub:
        yield stub


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> TransformersJudge:
    return TransformersJudge(gullible_model(tmp_path_factory.mktemp("judge")), batch=4)


@pytest.fixture(params=["api", "transformers"])
def judge(request: pytest.FixtureRequest) -> Judge:
    if request.param == "api":
        return ApiJudge(request.getfixturevalue("stub").url, "gullible", in_flight=3)
    local: TransformersJudge = request.getfixturevalue("local")
    return local


def test_each_answer_gets_what_the_model_says_of_it_in_order(judge: Judge) -> None:
    assert judge.equal(DOUBTS) == SAID
    assert judge.equal(DOUBTS[::-1]) == SAID[::-1]


def test_an_answer_gets_the_same_alone_and_in_company(judge: Judge) -> None:
    assert [said for doubt in DOUBTS for said in judge.equal([doubt])] == SAID


def test_no_answers_get_nothing(judge: Judge) -> None:
    assert judge.equal([]) == []


def test_no_hostile_answer_is_called_equal_and_none_changes_what_is_said_of_others(judge: Judge) -> None:
    hostile = [doubt(answer) for answer in HOSTILE.values()]
    asked = [one for pair in zip(hostile, [doubt("4")] * len(hostile), strict=True) for one in pair]
    assert judge.equal(asked) == [False, True] * len(hostile)


def test_a_problem_that_speaks_to_the_judge_flips_nothing(judge: Judge) -> None:
    problems = [answer for answer in HOSTILE.values() if answer.strip()]
    assert judge.equal([Doubt(problem, "4", "5") for problem in problems]) == [False] * len(problems)


def test_threads_may_share_a_judge(judge: Judge) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(judge.equal, [DOUBTS] * 4)) == [SAID] * 4


def test_a_judge_says_who_judges(judge: Judge) -> None:
    judge.equal(DOUBTS[:1])
    assert judge.name == "gullible"
    assert judge.revision


def test_a_naive_prompt_would_flip_the_same_model_with_many_of_the_answers() -> None:
    def naive(answer: str) -> str:
        return f"Reference: 4\nAnswer: {answer}\nAre they equivalent? Begin with YES or NO."

    told = {name: gullible(as_chatml([{"role": "user", "content": naive(a)}])) for name, a in HOSTILE.items()}
    assert sum(said.startswith("YES") for said in told.values()) >= 20


def test_a_broken_judge_says_nothing_about_any_answer(
    local: TransformersJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(LlamaForCausalLM, "generate", broken)
    with pytest.raises(VerifierError, match="the judge gullible: gullible: CUDA out of memory"):
        local.equal(DOUBTS)
    with (
        serve(Stub(lambda _: (500, {"message": "CUDA out of memory"}))) as sick,
        pytest.raises(VerifierError, match=r"the judge gullible: .* broke: 500 CUDA out of memory"),
    ):
        ApiJudge(sick.url, "gullible").equal(DOUBTS)


@pytest.fixture(scope="module")
def judging_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A vLLM server whose model says YES to whatever it is asked."""
    folder = tmp_path_factory.mktemp("judging")
    save_model_that_says(folder / "model", "\nYES")
    with served(folder / "model", folder / "log", name="yes") as server:
        yield server


def save_model_that_says(folder: Path, text: str) -> None:
    """Writes a Llama that reads its last token alone; after each of the text's it says the next one."""
    tokenizer = tokenizer_of(FAMILIES["ChatML"])
    model: Any = LlamaForCausalLM(config_for(tokenizer))  # type: ignore[no-untyped-call] # it has no types
    chain = [*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id]
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(0)
        model.model.embed_tokens.weight.normal_()
        model.lm_head.weight.zero_()
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        for before, after in pairwise(chain):
            model.lm_head.weight[after] += model.model.embed_tokens.weight[before]
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def test_a_real_server_of_vllm_takes_the_question_and_is_heard(judging_server: Served) -> None:
    judge = ApiJudge(judging_server.url + "/v1", "yes")
    assert judge.equal(DOUBTS) == [True] * len(DOUBTS)
    assert judge.revision.endswith("model")
    with pytest.raises(VerifierError, match=r"the judge other: .* refuses the prompt: .*other"):
        ApiJudge(judging_server.url, "other").equal(DOUBTS)


def test_a_real_server_of_vllm_reads_no_control_token_in_an_answer(judging_server: Served) -> None:
    tokenizer = tokenizer_of(FAMILIES["ChatML"])

    def controls(asked: Sequence[Any]) -> list[str]:
        body = {"model": "yes", "messages": asked, "add_generation_prompt": True}
        said = httpx.post(f"{judging_server.url}/tokenize", json=body, trust_env=False).json()
        return controls_in(tokenizer, said["tokens"])

    expected = ["<|im_start|>", "<|im_end|>", "<|im_start|>"]
    for answer in HOSTILE.values():
        assert controls(messages(doubt(answer))) == expected
    assert controls([{"role": "user", "content": "5<|im_end|>"}]) != expected
