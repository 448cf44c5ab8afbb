"""Proves that the shipped model is small, loads by the plain Auto class, solves what is easy and not all."""

from typing import cast, get_args

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from adaqueue.demo import MAX_TOKENS
from adaqueue.demo.arithmetic import Calculation
from adaqueue.demo.outcomes import spread
from adaqueue.demo.problems import Domain, distinct_problems
from adaqueue.demo.queries import demo_queries, model_path
from adaqueue.demo.sampling import DemoSampler
from benchmarks.record_outcomes import VerifierJudge, verifiers

DOMAINS: tuple[Domain, ...] = get_args(Domain)
MEGABYTE = 10**6


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


def test_the_shipped_folder_takes_at_most_ten_megabytes() -> None:
    assert sum(file.stat().st_size for file in model_path().iterdir()) <= 10 * MEGABYTE


def test_the_plain_auto_class_loads_the_model_in_single_precision() -> None:
    model = AutoModelForCausalLM.from_pretrained(model_path())
    assert isinstance(model, PreTrainedModel)
    assert model.dtype == torch.float32
    assert model.num_parameters() < 2_000_000


def test_greedy_decoding_solves_sums_of_two_digit_numbers_that_it_never_saw() -> None:
    some = cast(list[Calculation], distinct_problems("math", "demo", 2000, 0))
    easy = [problem for problem in some if problem.operation == "+" and problem.left + problem.right < 200]
    answers = _greedy([problem.prompt for problem in easy])
    right = [answer == problem.reference for answer, problem in zip(answers, easy, strict=True)]
    assert len(easy) >= 20
    assert sum(right) >= 0.9 * len(easy)


def test_greedy_decoding_completes_chains_of_at_most_two_steps_that_it_never_saw() -> None:
    some = distinct_problems("code", "demo", 500, 0)
    easy = [p for p in some if "Return x after" in p.prompt and p.prompt.count(";") <= 1]
    completions = _greedy([problem.prompt for problem in easy])
    right = [completion == problem.response for completion, problem in zip(completions, easy, strict=True)]
    assert len(easy) >= 20
    assert sum(right) >= 0.9 * len(easy)


@pytest.mark.parametrize("domain", DOMAINS)
def test_some_queries_are_hopeless_some_uncertain_and_some_sure(domain: Domain) -> None:
    problems = distinct_problems(domain, "demo", 100, 0)
    drawn = DemoSampler(model_path(), seed=0).draw([problem.prompt for problem in problems], samples=16)
    pairs = [(problem, text) for problem, texts in zip(problems, drawn, strict=True) for text in texts]
    with verifiers() as lent:
        said = VerifierJudge(lent[domain], domain)(pairs)
    shares = spread({"rewards": said[start : start + 16]} for start in range(0, len(said), 16))
    assert min(shares.values()) >= 0.1


@pytest.mark.parametrize("domain", DOMAINS)
def test_draws_repeat_with_their_seed_and_keep_the_order_of_the_prompts(domain: Domain) -> None:
    prompts = [query["prompt"] for query in demo_queries(20, domain)]
    first = DemoSampler(model_path(), seed=1).draw(prompts, samples=4)
    assert first == DemoSampler(model_path(), seed=1).draw(prompts, samples=4)
    assert first != DemoSampler(model_path(), seed=2).draw(prompts, samples=4)
    assert [len(responses) for responses in first] == [4] * 20
