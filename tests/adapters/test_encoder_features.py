"""Proves that a folder's model of any kind gives the vectors that it should, or is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel

from adaqueue.adapters.encoder_features import EncoderFeatures
from adaqueue.adapters.language_model import LanguageModel
from adaqueue.adapters.transformers_features import TransformersFeatures
from adaqueue.core.outcomes import States
from adaqueue.core.query import Message
from adaqueue.demo.tokenizer import build_tokenizer
from adaqueue.errors import EngineError, SettingsError
from tests.models import LONGEST, ask, one_thread, tiny_model

__all__ = ["one_thread"]

PROMPTS = [ask("What is 1 + 2?"), ask("Is 7 odd?"), ask("What is 12345678 * 87654321?")]
TEMPLATE = "{% for message in messages %}{{ message['content'] }}={% endfor %}"


def tiny_bert(folder: Path) -> Path:
    """Writes a random encoder with the demo's tokenizer."""
    tokenizer = build_tokenizer()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=LONGEST,
        )
        model = BertModel(config)  # type: ignore[no-untyped-call] # it has no types
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def states(features: EncoderFeatures, prompts: list[tuple[Message, ...]]) -> States:
    return features.states(prompts, lambda _: None)[0]


@pytest.mark.parametrize("template", [None, TEMPLATE])
def test_a_language_model_gives_what_the_system_s_own_features_are(
    tmp_path: Path, template: str | None
) -> None:
    model: LanguageModel = tiny_model(tmp_path, template=template)
    features = EncoderFeatures(tmp_path)
    assert features.is_causal
    ours = [
        np.frombuffer(vector, dtype=np.float32) for vector in TransformersFeatures(model).vectors(PROMPTS)
    ]
    assert states(features, PROMPTS) == pytest.approx(np.stack(ours), abs=1e-4)


def test_an_encoder_gives_the_mean_over_the_prompt_s_tokens_in_whatever_batch(tmp_path: Path) -> None:
    features = EncoderFeatures(tiny_bert(tmp_path))
    assert not features.is_causal
    together = states(features, PROMPTS)
    alone = np.concatenate([states(features, [prompt]) for prompt in PROMPTS])
    assert together == pytest.approx(alone, abs=1e-4)
    model, tokenizer = BertModel.from_pretrained(tmp_path), build_tokenizer()
    ids = torch.tensor([tokenizer("Is 7 odd?")["input_ids"]])
    with torch.inference_mode():
        mean = model(input_ids=ids).last_hidden_state.mean(dim=1).numpy()
    assert together[1:2] == pytest.approx(mean, abs=1e-4)


def test_what_is_too_long_is_cut_and_counted_and_a_language_model_reads_its_end(tmp_path: Path) -> None:
    tiny_model(tmp_path / "causal")
    causal, encoder = EncoderFeatures(tmp_path / "causal"), EncoderFeatures(tiny_bert(tmp_path / "bert"))
    assert causal.longest == encoder.longest == LONGEST
    ends, begins = ask("1" * 100 + "2" * 60), ask("2" * 60 + "1" * 100)
    other_end, other_begin = ask("3" * 100 + "2" * 60), ask("2" * 60 + "3" * 100)
    for features, same, pair in ((causal, ends, other_end), (encoder, begins, other_begin)):
        found, cut = features.states([same, pair, ask("1")], lambda _: None)
        assert cut == 2
        assert found[0] == pytest.approx(found[1], abs=1e-5)


def test_progress_adds_up_to_all_prompts(tmp_path: Path) -> None:
    told: list[int] = []
    EncoderFeatures(tiny_bert(tmp_path)).states([ask(str(number)) for number in range(70)], told.append)
    assert sum(told) == 70
    assert len(told) == 2


@pytest.mark.parametrize("missing", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_folder_that_lacks_something_is_refused_by_name(tmp_path: Path, missing: str) -> None:
    (tiny_bert(tmp_path) / missing).unlink()
    with pytest.raises(SettingsError, match=tmp_path.name):
        EncoderFeatures(tmp_path)


def test_weights_that_are_pickled_are_never_read(tmp_path: Path) -> None:
    folder = tiny_bert(tmp_path)
    model = BertModel.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(SettingsError, match="cannot be loaded"):
        EncoderFeatures(folder)


def test_damaged_weights_give_no_features(tmp_path: Path) -> None:
    folder = tiny_bert(tmp_path)
    model = BertModel.from_pretrained(folder)
    with torch.no_grad():
        model.embeddings.LayerNorm.weight.fill_(float("nan"))
    model.save_pretrained(folder)
    with pytest.raises(EngineError, match="not finite"):
        states(EncoderFeatures(folder), PROMPTS)
