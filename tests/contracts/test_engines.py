"""Proves that every engine draws just what it is asked for, the same sample whoever shares its batch."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import torch

from adaqueue.adapters.language_model import LanguageModel
from adaqueue.adapters.transformers_engine import SeededChoice, TransformersEngine
from adaqueue.core.records import Unit, sample_seed
from adaqueue.core.specs import Sampling
from adaqueue.demo.queries import model_path
from adaqueue.errors import EngineError
from tests.contracts.cases import (
    MAX_TOKENS,
    PROMPTS,
    Case,
    CaseOf,
    asked,
    draw,
    draw_until_it_fails,
    model_case,
    replay_case,
    texts,
    vllm_case_of,
)
from tests.contracts.vllm import with_starts
from tests.models import LONGEST, ask, one_thread, tiny_model  # noqa: F401 - one_thread: used by every test here

pytestmark = with_starts


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def shipped() -> LanguageModel:
    if not model_path().exists():
        pytest.skip(f"the shipped model is not at {model_path()} yet")
    return LanguageModel(str(model_path()), "shipped")


@pytest.fixture(params=["transformers", "vllm"])
def case_of(request: pytest.FixtureRequest) -> CaseOf:
    """What every engine with a model does, on the tiny one; a vLLM server has it in another folder."""
    if request.param == "transformers":
        return model_case
    return vllm_case_of(request.getfixturevalue("drawing_server"))


@pytest.fixture(params=["replay", "tiny", "shipped", "vllm"])
def case(request: pytest.FixtureRequest, tiny: LanguageModel) -> Case:
    if request.param == "replay":
        return replay_case()
    if request.param == "vllm":
        return vllm_case_of(request.getfixturevalue("drawing_server"))(tiny)
    return model_case(request.getfixturevalue(request.param))


@pytest.mark.parametrize("batch", [1, 2, 5, 100])
def test_each_unit_gets_one_sample_under_its_number_in_responses_no_larger_than_asked(
    case: Case, batch: int
) -> None:
    units = case.units(3, 0, 5)
    responses = list(case.make(batch).draw(units))
    assert max(len(response) for response in responses) <= batch
    assert all(responses)
    assert set(texts([sample for response in responses for sample in response])) == asked(units)


def test_nothing_is_drawn_where_nothing_is_asked(case: Case) -> None:
    assert list(case.make(4).draw([])) == []


def test_a_unit_gives_the_same_text_in_any_company_and_order(case: Case) -> None:
    units = case.units(*range(8))
    expected = texts(draw(case.make(100), units))
    rng = np.random.default_rng(0)
    for batch in (1, 3, 16):
        shuffled = [units[index] for index in rng.permutation(len(units))]
        assert texts(draw(case.make(batch), shuffled)) == expected
    few = [units[1], units[10], units[20]]
    assert texts(draw(case.make(2), few)) == {key: expected[key] for key in asked(few)}


def test_a_sample_says_whose_it_is_what_it_cost_and_why_it_ended(case: Case) -> None:
    for sample in draw(case.make(4), case.units(0, 7)):
        assert sample.text is not None
        assert "\x00" not in sample.text
        assert sample.tokens_out is not None
        assert sample.tokens_out >= 0
        assert sample.seconds >= 0
        assert sample.finish_reason in ("stop", "length", "recorded")


def test_what_cannot_be_drawn_fails_after_everything_else_was_drawn(case: Case) -> None:
    units = case.units(0, 1)
    drawn, reason = draw_until_it_fails(case.make(2), [case.impossible(), *units])
    assert set(texts(drawn)) == asked(units)
    assert reason


def test_an_engine_that_is_well_says_so_and_draws_the_same_afterwards(case: Case) -> None:
    engine, units = case.make(2), case.units(0, 1)
    before = texts(draw(engine, units))
    assert engine.works()
    assert texts(draw(engine, units)) == before


def test_an_engine_says_who_draws_and_how(case: Case) -> None:
    engine = case.make(2)
    assert engine.decoder
    assert engine.sampling.fingerprint()


def test_a_replayed_sample_is_the_one_recorded_under_its_number() -> None:
    case = replay_case()
    (sample,) = draw(case.make(2), [case.unit(1, 5)])
    assert (sample.text, sample.reward, sample.tokens_out) == ("said 5", 5 / 8, 5)
    assert (sample.seed, sample.tokens_in, sample.finish_reason) == (None, None, "recorded")


def test_replay_names_how_many_samples_are_missing() -> None:
    case = replay_case()
    bare = Unit(UUID(int=98), 0, 0, ask("2"), None)
    with pytest.raises(EngineError, match="2 samples were asked for that the queries did not come with"):
        draw(case.make(2), [case.impossible(), bare, case.unit(0, 0)])


def test_samples_of_a_query_differ_where_their_seeds_do(case_of: CaseOf, tiny: LanguageModel) -> None:
    case = case_of(tiny)
    drawn = texts(draw(case.make(100), case.units(*range(20))))
    for query in range(len(PROMPTS)):
        said = {text for (key, _), text in drawn.items() if key == UUID(int=query + 1)}
        assert len(said) > 10


def test_the_seed_alone_decides_whatever_number_it_has(case_of: CaseOf, tiny: LanguageModel) -> None:
    key = UUID(int=1)
    units = [Unit(key, number, 7, ask("2"), None) for number in range(3)]
    assert len(set(texts(draw(case_of(tiny).make(2), units)).values())) == 1


def test_temperature_zero_is_greedy_whatever_the_seed(case_of: CaseOf, tiny: LanguageModel) -> None:
    case = case_of(tiny, temperature=0.0)
    drawn = texts(draw(case.make(4), case.units(0, 1)))
    for query, prompt in enumerate(PROMPTS):
        ids = torch.tensor([tiny.encode(ask(prompt))])
        greedy = tiny.model.generate(ids, max_new_tokens=MAX_TOKENS, do_sample=False)[0, ids.shape[1] :]
        expected = tiny.tokenizer.decode(greedy.tolist(), skip_special_tokens=True)
        assert drawn[UUID(int=query + 1), 0] == drawn[UUID(int=query + 1), 1] == expected


def test_tokens_are_drawn_as_often_as_their_probability_says() -> None:
    scores = torch.tensor([0.0, 1.0, -2.0, float("-inf"), 0.5])
    rows = 4_000
    choice = SeededChoice([sample_seed(UUID(int=1), row) for row in range(rows)], 0.5, 2)
    for _ in range(2):
        drawn = choice(torch.zeros(rows, 1), scores.expand(rows, -1)).argmax(dim=1)
        shares = torch.bincount(drawn, minlength=5) / rows
        assert torch.allclose(shares, torch.softmax(scores / 0.5, dim=0), atol=0.03)
        assert shares[3] == 0


def test_tokens_are_counted_and_the_end_is_named(case_of: CaseOf, tiny: LanguageModel) -> None:
    case = case_of(tiny)
    seen = set()
    for sample in draw(case.make(100), case.units(*range(60))):
        prompt = PROMPTS[sample.query_id.int - 1]
        assert sample.tokens_in == len(tiny.encode(ask(prompt)))
        assert sample.tokens_out is not None
        assert 1 <= sample.tokens_out <= MAX_TOKENS
        if sample.tokens_out < MAX_TOKENS:
            assert sample.finish_reason == "stop"
        seen.add(sample.finish_reason)
    assert seen == {"stop", "length"}


def test_a_model_with_several_ends_stops_at_each_of_them(case_of: CaseOf, tmp_path: Path) -> None:
    tiny = tiny_model(tmp_path)
    digits = [tiny.tokenizer.convert_tokens_to_ids(digit) for digit in "0123456789"]
    tiny.model.generation_config.eos_token_id = [tiny.tokenizer.eos_token_id, *digits]
    tiny.model.generation_config.save_pretrained(tmp_path)
    case = case_of(LanguageModel(str(tmp_path), "tiny"))
    samples = draw(case.make(100), case.units(*range(30)))
    stopped = [sample for sample in samples if sample.text and sample.text[-1].isdigit()]
    assert len(stopped) > 20
    for sample in samples:
        assert sample.text is not None
        assert not any(character.isdigit() for character in sample.text[:-1])
    assert {sample.finish_reason for sample in stopped} == {"stop"}
    assert min(sample.tokens_out or 0 for sample in stopped) == 1


def test_a_model_that_says_nul_is_quoted_with_a_mark_in_its_place(case_of: CaseOf, tmp_path: Path) -> None:
    tiny = tiny_model(tmp_path)
    vocabulary = (tmp_path / "tokenizer.json").read_text()
    assert '"What is "' in vocabulary
    (tmp_path / "tokenizer.json").write_text(vocabulary.replace('"What is "', '"a\\u0000b"'))
    case = case_of(LanguageModel(str(tmp_path), "tiny"))
    said = [sample.text for sample in draw(case.make(100), case.units(*range(60)))]
    assert tiny.tokenizer is not None
    assert not any("\x00" in (text or "") for text in said)
    assert any("a\ufffdb" in (text or "") for text in said)


def test_a_prompt_may_fill_all_that_its_response_leaves(case_of: CaseOf, tiny: LanguageModel) -> None:
    engine = case_of(tiny).make(2)
    room = LONGEST - MAX_TOKENS - len(tiny.encode(ask("")))
    (sample,) = draw(engine, [Unit(UUID(int=1), 0, 0, ask("1" * room), None)])
    assert sample.tokens_in == LONGEST - MAX_TOKENS
    with pytest.raises(EngineError, match=f"a prompt of {LONGEST - MAX_TOKENS + 1} tokens with up to 6 more"):
        draw(engine, [Unit(UUID(int=1), 0, 0, ask("1" * (room + 1)), None)])


def test_messages_that_the_template_refuses_fail_after_everything_else_was_drawn(
    case_of: CaseOf, tmp_path: Path
) -> None:
    template = (
        "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "{{ m['content'] }}{% endfor %}"
    )
    case = case_of(tiny_model(tmp_path, template=template))
    refused = Unit(UUID(int=99), 0, 0, ({"role": "system", "content": "1"},), None)
    drawn, reason = draw_until_it_fails(case.make(2), [refused, *case.units(0)])
    assert set(texts(drawn)) == asked(case.units(0))
    assert reason == "the chat template of tiny refuses the prompt: no system"


def test_a_model_that_can_draw_nothing_is_sick_and_says_so(
    tiny: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(tiny.model, "generate", broken)
    assert not model_case(tiny).make(2).works()


def test_who_is_told_to_stop_gives_the_response_at_hand_up(tiny: LanguageModel) -> None:
    case, told = model_case(tiny), threading.Event()
    engine = TransformersEngine(tiny, Sampling("m", 0.7, MAX_TOKENS), 3, told.is_set)
    responses = engine.draw(case.units(*range(4)))
    assert len(next(responses)) == 3
    told.set()
    assert list(responses) == []


@pytest.mark.parametrize("fault", [RuntimeError("CUDA out of memory"), IndexError("index out of range")])
def test_a_model_that_breaks_is_an_engine_error_and_what_was_yielded_stands(
    tiny: LanguageModel, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    case = model_case(tiny)
    responses = case.make(1).draw(case.units(0))
    assert len(next(iter(responses))) == 1

    def broken(*_: Any, **__: Any) -> None:
        raise fault

    monkeypatch.setattr(tiny.model, "generate", broken)
    with pytest.raises(EngineError, match=str(fault)):
        next(iter(responses))
