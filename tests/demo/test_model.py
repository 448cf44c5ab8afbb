"""Proves that the shipped model is small, loads by the plain Auto class, and solves what is easy."""

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from adaqueue.demo import MAX_TOKENS
from adaqueue.demo.grammar import distinct_problems
from adaqueue.demo.outcomes import is_correct
from adaqueue.demo.queries import demo_queries, model_path
from adaqueue.demo.sampling import DemoSampler

MEBIBYTE = 2**20


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def _greedy(prompts: list[str]) -> list[str]:
    tokenizer = AutoTokenizer.from_pretrained(model_path())
    model = AutoModelForCausalLM.from_pretrained(model_path())
    conversations = [[{"role": "user", "content": prompt}] for prompt in prompts]
    asked = tokenizer.apply_chat_template(conversations, add_generation_prompt=True, tokenize=False)
    encoded = tokenizer(asked, padding=True, padding_side="left", return_tensors="pt")
    tokens = model.generate(**encoded, max_new_tokens=MAX_TOKENS, do_sample=False)  # type: ignore[misc] # transformers types it for its own mixins
    new = tokens[:, encoded["input_ids"].shape[1] :]
    return list(tokenizer.batch_decode(new, skip_special_tokens=True))


def test_the_shipped_folder_takes_at_most_five_mebibytes() -> None:
    assert sum(file.stat().st_size for file in model_path().iterdir()) <= 5 * MEBIBYTE


def test_the_plain_auto_class_loads_the_model_in_single_precision() -> None:
    model = AutoModelForCausalLM.from_pretrained(model_path())
    assert isinstance(model, PreTrainedModel)
    assert model.dtype == torch.float32
    assert model.num_parameters() < 2_000_000


def test_greedy_decoding_solves_sums_of_two_digit_numbers_that_it_never_saw() -> None:
    easy = [p for p in distinct_problems("demo", 2000, 0) if p.operation == "+" and p.left + p.right < 200]
    answers = _greedy([problem.prompt for problem in easy])
    right = [is_correct(answer, p.reference) for answer, p in zip(answers, easy, strict=True)]
    assert len(easy) >= 20
    assert sum(right) >= 0.9 * len(easy)


def test_draws_repeat_with_their_seed_and_keep_the_order_of_the_prompts() -> None:
    prompts = [query["prompt"] for query in demo_queries(20)]
    first = DemoSampler(model_path(), seed=1).draw(prompts, samples=4)
    assert first == DemoSampler(model_path(), seed=1).draw(prompts, samples=4)
    assert first != DemoSampler(model_path(), seed=2).draw(prompts, samples=4)
    assert [len(responses) for responses in first] == [4] * 20
