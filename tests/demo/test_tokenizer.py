"""Proves that the shipped tokenizer asks exactly as the model was trained and loses nothing of a text."""

from itertools import islice
from typing import cast, get_args

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from adaqueue.demo import MAX_TOKENS
from adaqueue.demo.problems import Domain, problems
from adaqueue.demo.queries import demo_queries, model_path
from adaqueue.demo.tokenizer import build_tokenizer
from adaqueue.demo.train import IGNORED_LABEL, Example, encode

DOMAINS: tuple[Domain, ...] = get_args(Domain)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return cast(PreTrainedTokenizerFast, AutoTokenizer.from_pretrained(model_path()))


def _asked(tokenizer: PreTrainedTokenizerFast, prompt: str) -> list[int]:
    conversation = [{"role": "user", "content": prompt}]
    ids = tokenizer.apply_chat_template(conversation, add_generation_prompt=True, return_dict=False)
    return cast(list[int], ids)


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_chat_template_gives_exactly_the_prefix_of_the_training_text(
    tokenizer: PreTrainedTokenizerFast, domain: Domain
) -> None:
    for problem in islice(problems(domain, "train", 0), 200):
        ids, labels = encode([Example(problem.prompt, problem.response)], tokenizer)
        asked = _asked(tokenizer, problem.prompt)
        assert ids[0, : len(asked)].tolist() == asked
        assert labels[0, : len(asked)].eq(IGNORED_LABEL).all()


def test_what_is_learned_is_the_answer_and_the_end_of_the_sequence(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    examples = [Example("What is 37 * 12?", "444"), Example("What is 1 - 2?", "-1")]
    _, labels = encode(examples, tokenizer)
    learned = [row[row != IGNORED_LABEL] for row in labels]
    assert [tokenizer.decode(row) for row in learned] == ["444<eos>", "-1<eos>"]


def test_the_generation_prompt_is_added_only_when_it_is_wanted(tokenizer: PreTrainedTokenizerFast) -> None:
    conversation = [{"role": "user", "content": "What is 37 * 12?"}]
    plain = tokenizer.apply_chat_template(conversation, tokenize=False)
    asking = tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=True)
    assert plain == "<bos>What is 37 * 12?"
    assert asking == "<bos>What is 37 * 12?<answer>"


@pytest.mark.parametrize("domain", DOMAINS)
def test_prompts_and_responses_survive_encoding_and_decoding(
    tokenizer: PreTrainedTokenizerFast, domain: Domain
) -> None:
    for problem in islice(problems(domain, "demo", 0), 2000):
        for text in (problem.prompt, problem.response):
            ids = tokenizer(text)["input_ids"]
            assert tokenizer.decode(ids) == text
            assert tokenizer.unk_token_id not in ids


@pytest.mark.parametrize(("domain", "most"), [("math", 16), ("code", 32)])
def test_a_demo_prompt_takes_few_tokens(
    tokenizer: PreTrainedTokenizerFast, domain: Domain, most: int
) -> None:
    assert max(len(_asked(tokenizer, query["prompt"])) for query in demo_queries(300, domain)) <= most


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_true_response_and_its_end_fit_into_the_most_tokens(
    tokenizer: PreTrainedTokenizerFast, domain: Domain
) -> None:
    for problem in islice(problems(domain, "demo", 0), 2000):
        assert len(tokenizer(problem.response)["input_ids"]) + 1 <= MAX_TOKENS


def test_a_character_that_the_grammar_does_not_use_becomes_the_unknown_token(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    assert tokenizer("é\n")["input_ids"] == [tokenizer.unk_token_id] * 2


def test_the_shipped_tokenizer_is_the_one_that_the_training_script_builds(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    built = build_tokenizer()
    assert built.get_vocab() == tokenizer.get_vocab()
    assert built.chat_template == tokenizer.chat_template
