"""Proves that features are the model's last hidden state of each prompt alone, whoever shares its batch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from adaqueue.adapters import transformers_features
from adaqueue.adapters.language_model import LanguageModel
from adaqueue.adapters.transformers_features import TransformersFeatures
from adaqueue.demo.tokenizer import CHAT_TEMPLATE
from adaqueue.errors import EngineError, SettingsError
from tests.models import LONGEST, ask, one_thread, tiny_model  # noqa: F401 - one_thread: used by every test here

PROMPTS = [ask(prompt) for prompt in ("What is 1 + 1?", "2", "What is 12345 * 678?", "9 - 8 - 7", "2")]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return tiny_model(tmp_path_factory.mktemp("model"))


def read(vectors: list[bytes]) -> NDArray[np.float32]:
    return np.stack([np.frombuffer(vector, dtype=np.float32) for vector in vectors])


def alone(model: LanguageModel, prompt: Any) -> NDArray[np.float32]:
    """What the model itself says of a prompt that it reads alone, without padding."""
    with torch.inference_mode():
        said = model.model(torch.tensor([model.encode(prompt)]), output_hidden_states=True)
    state: NDArray[np.float32] = said.hidden_states[-1][0, -1].float().numpy()
    return state


def test_a_feature_is_the_last_hidden_state_of_the_prompt_alone(model: LanguageModel) -> None:
    found = read(TransformersFeatures(model).vectors(PROMPTS))
    expected = np.stack([alone(model, prompt) for prompt in PROMPTS])
    assert np.allclose(found, expected, atol=1e-5)
    assert np.abs(expected[0] - expected[2]).max() > 0.1


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_neither_order_nor_batch_changes_a_feature(
    model: LanguageModel, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = TransformersFeatures(model)
    together = read(provider.vectors(PROMPTS))
    monkeypatch.setattr(transformers_features, "BATCH", batch)
    backwards = read(provider.vectors(PROMPTS[::-1]))[::-1]
    assert np.allclose(backwards, together, atol=1e-5)
    assert np.array_equal(together[1], together[4])


def test_padding_is_not_read(tmp_path: Path) -> None:
    model = tiny_model(tmp_path)
    before = read(TransformersFeatures(model).vectors(PROMPTS))
    with torch.no_grad():
        model.model.base_model.embed_tokens.weight[model.tokenizer.pad_token_id] += 100.0
    assert np.allclose(read(TransformersFeatures(model).vectors(PROMPTS)), before, atol=1e-5)


def test_a_vector_is_as_long_as_the_spec_says_and_no_prompts_give_none(model: LanguageModel) -> None:
    provider = TransformersFeatures(model)
    assert provider.spec.size == 32
    assert [len(vector) for vector in provider.vectors(PROMPTS)] == [4 * 32] * 5
    assert provider.vectors([]) == []


def test_of_a_prompt_that_is_too_long_the_end_is_read(model: LanguageModel) -> None:
    provider = TransformersFeatures(model)
    (found,) = read(provider.vectors([ask("1" * 60)]))
    with torch.inference_mode():
        ids = torch.tensor([model.encode(ask("1" * 60))[-LONGEST:]])
        said = model.model(ids, output_hidden_states=True)
    assert np.allclose(found, said.hidden_states[-1][0, -1].numpy(), atol=1e-5)
    assert (provider.spec.most_tokens, provider.spec.cut) == (LONGEST, "left")


@pytest.mark.parametrize("layer", [-1, -2, -3, 0, 1, 2])
@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_any_layer_and_pooling_are_what_the_model_says_of_each_prompt_alone(
    model: LanguageModel, layer: int, pooling: str
) -> None:
    provider = TransformersFeatures(model, model.feature_spec(layer, pooling))
    with torch.inference_mode():
        layers = [
            model.model(torch.tensor([model.encode(prompt)]), output_hidden_states=True).hidden_states[layer]
            for prompt in PROMPTS
        ]
    expected = [states[0, -1] if pooling == "last" else states[0].mean(dim=0) for states in layers]
    assert np.allclose(read(provider.vectors(PROMPTS)), np.stack(expected), atol=1e-5)
    assert provider.spec.final_norm == (layer in (-1, 2))


def test_a_layer_has_one_fingerprint_however_it_is_counted(model: LanguageModel) -> None:
    assert [model.feature_spec(layer).layer for layer in (0, 1, 2)] == [-3, -2, -1]
    assert model.feature_spec(2) == model.feature_spec(-1) == TransformersFeatures(model).spec


@pytest.mark.parametrize("layer", [-4, 3])
def test_a_layer_that_the_model_has_not_is_refused(model: LanguageModel, layer: int) -> None:
    with pytest.raises(SettingsError, match=rf"features_layer: {layer}: tiny has 2 layers: give one of -3 "):
        model.feature_spec(layer)


def test_a_batch_has_no_more_prompts_and_tokens_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transformers_features, "BATCH", 3)
    monkeypatch.setattr(transformers_features, "BATCH_TOKENS", 100)
    found = list(transformers_features.batches([50, 10, 300, 20, 10, 10, 40, 50]))
    assert found == [[1, 4, 5], [3, 6], [0, 7], [2]]
    assert list(transformers_features.batches([])) == []


def test_a_model_that_breaks_is_an_engine_error(
    model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    for fault in (RuntimeError("CUDA out of memory"), IndexError("index out of range in self")):

        def broken(*_: Any, error: Exception = fault, **__: Any) -> None:
            raise error

        monkeypatch.setattr(model.model.base_model, "forward", broken)
        with pytest.raises(EngineError, match=f"features: {fault}"):
            TransformersFeatures(model).vectors(PROMPTS)


def test_messages_that_the_template_refuses_are_an_engine_error(tmp_path: Path) -> None:
    refusing = "{{ raise_exception('roles must alternate') }}"
    model = tiny_model(tmp_path, template=refusing)
    with pytest.raises(
        EngineError, match="the chat template of tiny refuses the prompt: roles must alternate"
    ):
        TransformersFeatures(model).vectors([ask("1")])


def test_a_prompt_of_which_no_token_is_left_is_an_engine_error(tmp_path: Path) -> None:
    model = tiny_model(tmp_path, template="{% if false %}x{% endif %}")
    with pytest.raises(EngineError, match="a prompt is no token at all to tiny"):
        TransformersFeatures(model).vectors([ask("1")])


def test_a_model_without_a_template_reads_the_contents_as_they_are(tmp_path: Path) -> None:
    model = tiny_model(tmp_path, template="")
    model.tokenizer.chat_template = None
    assert model.encode(ask("12")) == model.tokenizer("12")["input_ids"]


def test_the_fingerprint_is_the_same_for_the_same_model_and_changes_with_weights_and_template(
    tmp_path: Path,
) -> None:
    given: dict[str, dict[str, Any]] = {
        "model": {},
        "again": {},
        "weights": {"seed": 1},
        "template": {"template": CHAT_TEMPLATE + " "},
    }
    specs = {
        name: TransformersFeatures(tiny_model(tmp_path / name, **changes)).spec
        for name, changes in given.items()
    }
    assert specs["again"] == specs["model"]
    assert specs["weights"] == replace(specs["model"], revision=specs["weights"].revision)
    assert specs["template"] == replace(specs["model"], template=specs["template"].template)
    assert len({spec.fingerprint() for spec in specs.values()}) == 3


def test_weights_in_the_older_format_have_a_revision_of_their_own(tmp_path: Path) -> None:
    specs = []
    for seed in range(2):
        folder = tmp_path / str(seed)
        model = tiny_model(folder, seed=seed)
        (folder / "model.safetensors").unlink()
        torch.save(model.model.state_dict(), folder / "pytorch_model.bin")
        specs.append(TransformersFeatures(LanguageModel(str(folder), "tiny")).spec)
    assert specs[0].revision != specs[1].revision
