"""Proves that every feature provider gives the same vectors, under the same fingerprint."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from adaqueue.adapters.language_model import LanguageModel
from adaqueue.adapters.transformers_features import TransformersFeatures
from adaqueue.adapters.vllm_features import VllmFeatures
from adaqueue.core.query import Message
from adaqueue.demo.queries import demo_queries, model_path
from adaqueue.ports import FeatureProvider
from tests.contracts.vllm import with_starts
from tests.models import LONGEST, ask, one_thread, tiny_model  # noqa: F401 - one_thread: used by every test here

pytestmark = with_starts
PROMPTS = [ask(prompt) for prompt in ("What is 1 + 1?", "2", "What is 12345 * 678?", "9 - 8 - 7", "2")]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(params=["transformers", "vllm"])
def provider(request: pytest.FixtureRequest, tiny: LanguageModel) -> FeatureProvider:
    if request.param == "transformers":
        return TransformersFeatures(tiny, tiny.feature_spec(pooling="mean"))
    return VllmFeatures(request.getfixturevalue("tiny_features_server").url, tiny, pooling="mean")


def read(vectors: list[bytes]) -> NDArray[np.float32]:
    return np.stack([np.frombuffer(vector, dtype=np.float32) for vector in vectors])


def test_a_vector_is_as_long_as_the_spec_says_and_no_prompts_give_none(provider: FeatureProvider) -> None:
    assert [len(vector) for vector in provider.vectors(PROMPTS)] == [4 * provider.spec.size] * len(PROMPTS)
    assert provider.vectors([]) == []


def test_neither_order_nor_company_changes_a_vector(provider: FeatureProvider) -> None:
    together = read(provider.vectors(PROMPTS))
    assert np.allclose(read(provider.vectors(PROMPTS[::-1]))[::-1], together, atol=1e-4)
    for prompt, vector in zip(PROMPTS, together, strict=True):
        assert np.allclose(read(provider.vectors([prompt]))[0], vector, atol=1e-4)
    assert np.abs(together[0] - together[2]).max() > 0.1


def test_more_prompts_than_one_batch_keep_their_order(provider: FeatureProvider) -> None:
    prompts = [ask(f"What is {left} + {left * 7}?") for left in range(150)]
    assert np.allclose(
        read(provider.vectors(prompts))[::37], read(provider.vectors(prompts[::37])), atol=1e-4
    )


def test_a_prompt_may_fill_the_model_and_of_a_longer_one_the_end_is_read(
    provider: FeatureProvider, tiny: LanguageModel
) -> None:
    room = LONGEST - len(tiny.encode(ask("")))
    prompts = [ask(start + "1" * (room - 1)) for start in ("2", "222", "3")]
    assert [len(tiny.encode(prompt)) for prompt in prompts] == [LONGEST, LONGEST + 2, LONGEST]
    full, cut, other = read(provider.vectors([*prompts, *PROMPTS]))[:3]
    ours = TransformersFeatures(tiny, tiny.feature_spec(pooling="mean"))
    assert np.allclose([full, cut, other], read(ours.vectors(prompts)), atol=1e-4)
    assert np.abs(full - cut).max() > 1e-3
    assert provider.spec.most_tokens == LONGEST


@pytest.mark.parametrize(("size", "pooling"), [("tiny", "mean"), ("shipped", "last")])
def test_both_providers_give_the_same_vectors_under_the_same_fingerprint(
    size: str, pooling: str, request: pytest.FixtureRequest, tiny: LanguageModel
) -> None:
    model, prompts = tiny, PROMPTS
    if size == "shipped":
        model = LanguageModel(str(model_path()), "shipped")
        prompts = [ask(query["prompt"]) for query in demo_queries(100)]
        prompts.append(ask("1 + " * model.longest + "2"))
    ours = TransformersFeatures(model, model.feature_spec(pooling=pooling))
    theirs = VllmFeatures(request.getfixturevalue(f"{size}_features_server").url, model, pooling=pooling)
    assert theirs.spec.fingerprint() == ours.spec.fingerprint()
    assert difference(ours, theirs, prompts) < 1e-4


def difference(one: FeatureProvider, other: FeatureProvider, prompts: list[tuple[Message, ...]]) -> float:
    return float(np.abs(read(one.vectors(prompts)) - read(other.vectors(prompts))).max())
