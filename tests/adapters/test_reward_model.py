"""Proves that a score is that of its own texts alone, computed as transformers does, and never made up."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
)

from adaqueue.adapters.reward_model import RewardModel
from adaqueue.errors import SettingsError, VerifierError
from tests.models import ask, one_thread  # noqa: F401 - one_thread: used by every test here
from tests.scoring import LLAMA_3, ONE_NUMBER, SAVERS, save_llama, tokens_of

TEXTS = [
    "",
    "a",
    "no",
    "An answer.",
    "A longer answer, of several words.",
    "x" * 100,
    "7 " * 40,
    "\u00e9\n\n?",
]
PAIRS = [(ask(f"Question {number}: {'why ' * number}"), text) for number, text in enumerate(TEXTS)]


@pytest.fixture(scope="module", params=SAVERS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return SAVERS[request.param](tmp_path_factory.mktemp("reward"))


@pytest.fixture(scope="module")
def model(folder: Path) -> RewardModel:
    return RewardModel(str(folder), "tiny", batch=3)


def test_a_score_is_the_same_alone_in_a_batch_and_in_any_order(model: RewardModel) -> None:
    alone = [score for pair in PAIRS for score in model.scores([pair])]
    assert model.scores(PAIRS) == pytest.approx(alone, abs=1e-4)
    assert model.scores(PAIRS[::-1]) == pytest.approx(alone[::-1], abs=1e-4)
    assert max(alone) - min(alone) > 0.01
    assert len({round(score, 4) for score in alone}) == len(PAIRS)


def test_a_score_depends_on_prompt_and_response(model: RewardModel) -> None:
    same, prompt, response = model.scores([(ask("a"), "b"), (ask("c"), "b"), (ask("a"), "c")])
    assert len({round(score, 4) for score in (same, prompt, response)}) == 3


def test_no_responses_get_no_scores(model: RewardModel) -> None:
    assert model.scores([]) == []


def test_threads_may_share_a_model(model: RewardModel) -> None:
    expected = model.scores(PAIRS)
    with ThreadPoolExecutor(4) as pool:
        for scores in pool.map(model.scores, [PAIRS] * 8):
            assert scores == pytest.approx(expected, abs=1e-4)


def test_a_model_says_who_scores(model: RewardModel, folder: Path) -> None:
    assert model.name == "tiny"
    assert len(model.revision) == 16
    assert RewardModel(str(folder), "again").revision == model.revision


def test_a_score_is_what_transformers_itself_gives(folder: Path, model: RewardModel) -> None:
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    bare: Any = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    for messages, response in PAIRS:
        if tokenizer.chat_template is None:
            given = tokenizer(messages[0]["content"], response, return_tensors="pt")
        else:
            turns = [*messages, {"role": "assistant", "content": response}]
            given = tokenizer.apply_chat_template(turns, return_tensors="pt", return_dict=True)
        with torch.inference_mode():
            expected = bare(**given).logits.item()
        assert model.scores([(messages, response)]) == pytest.approx([expected], abs=1e-4)


def test_the_longest_responses_are_scored_and_their_end_counts(model: RewardModel) -> None:
    long, longer, other = (
        "a " * 5_000 + "good",
        "b " * 9_000 + "a " * 5_000 + "good",
        "a " * 5_000 + "bad " * 30,
    )
    first, second, third = model.scores([(ask("x"), text) for text in (long, longer, other)])
    assert first == pytest.approx(second, abs=1e-4)
    assert abs(first - third) > 1e-3


@pytest.mark.parametrize("labels", [2, 5])
def test_a_model_that_gives_several_numbers_is_refused_by_name_and_count(tmp_path: Path, labels: int) -> None:
    save_llama(tmp_path, num_labels=labels)
    with pytest.raises(SettingsError, match=rf"reward_model: {tmp_path} gives {labels} numbers a response"):
        RewardModel(str(tmp_path), "tiny")


def test_a_language_model_is_refused_though_it_claims_one_number(tmp_path: Path) -> None:
    """Transformers would give it a head of random weights and say so in a log alone."""
    tokenizer = tokens_of(LLAMA_3)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=32, num_hidden_layers=1, **ONE_NUMBER
    )
    config.num_attention_heads = config.num_key_value_heads = 4
    LlamaForCausalLM(config).save_pretrained(tmp_path)  # type: ignore[no-untyped-call] # it has no types
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(SettingsError, match=r"lacks weights of a sequence classifier: score\.weight"):
        RewardModel(str(tmp_path), "tiny")


def test_weights_that_are_a_pickle_are_refused(tmp_path: Path) -> None:
    save_llama(tmp_path)
    weights = tmp_path / "model.safetensors"
    torch.save(load_file(weights), tmp_path / "pytorch_model.bin")
    weights.unlink()
    with pytest.raises(SettingsError, match=r"reward_model: .* cannot be loaded: .*safetensors"):
        RewardModel(str(tmp_path), "tiny")


def test_a_folder_that_holds_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=rf"reward_model: {tmp_path} cannot be loaded"):
        RewardModel(str(tmp_path), "tiny")


def test_a_model_with_code_of_its_own_is_refused_and_its_code_never_run(tmp_path: Path) -> None:
    save_llama(tmp_path)
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    config = (tmp_path / "config.json").read_text()
    auto = '"auto_map": {"AutoConfig": "evil.E", "AutoModelForSequenceClassification": "evil.M"},'
    changed = config.replace("{", "{" + auto, 1).replace('"model_type": "llama"', '"model_type": "evil"')
    assert changed.count("evil") == 3
    (tmp_path / "config.json").write_text(changed)
    with pytest.raises(SettingsError, match=r"(?s)cannot be loaded: .*trust_remote_code"):
        RewardModel(str(tmp_path), "tiny")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_a_broken_model(tmp_path: Path, number: float) -> None:
    model = RewardModel(str(save_llama(tmp_path)), "tiny")
    with torch.no_grad():
        model._model.score.weight.fill_(number)
    with pytest.raises(VerifierError, match="the reward model tiny gives a number that is not finite"):
        model.scores(PAIRS)


def test_a_model_that_breaks_is_a_verifier_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = RewardModel(str(save_llama(tmp_path)), "tiny")

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(model._model, "forward", broken)
    with pytest.raises(VerifierError, match="the reward model tiny: CUDA out of memory"):
        model.scores(PAIRS)
