"""Train the demo model: `python -m adaqueue.demo.train --output DIR [--start DIR] [--minutes M] [--seed S]`.

One model learns all domains together; each is an endless stream of prompts and responses.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from adaqueue.demo.optimizer import MuonAndAdamW
from adaqueue.demo.problems import Domain, problems
from adaqueue.demo.tokenizer import ANSWER, MAX_LENGTH, build_tokenizer

TURNS: tuple[Domain, ...] = ("math", "code", "code")
"""Whose problems follow one another; code is the wider field."""
BATCH_SIZE = 96
PIECE_SIZE = 32
"""Examples computed at once: pieces of like length waste little on padding and fit the processor's cache."""
PEAK_LEARNING_RATE = 4e-3
WARMUP_STEPS = 100
STEPS_BETWEEN_REPORTS = 50
IGNORED_LABEL = -100

Encoded = tuple[torch.Tensor, torch.Tensor]
"""Token ids and labels, both of shape (examples, longest)."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Example:
    """One thing to learn.

    Attributes:
        prompt: What the user says, without the chat template.
        response: What the model is to say, without the end-of-sequence token.
    """

    prompt: str
    response: str


@dataclass(frozen=True)
class Schedule:
    """When training ends, whichever comes first, and how fast it learns until then.

    Attributes:
        minutes: Longest training, in minutes of wall clock.
        steps: Most optimizer steps, or None for as many as the minutes allow.
    """

    minutes: float
    steps: int | None = None

    def progress(self, step: int, elapsed_seconds: float) -> float:
        """The share of training that is over, 0 at the start and at least 1 at the end."""
        by_time = elapsed_seconds / (60 * self.minutes)
        return by_time if self.steps is None else max(by_time, step / self.steps)

    def learning_rate(self, step: int, progress: float) -> float:
        """A linear rise over the first steps, then half a cosine down to zero at the end."""
        warmup = min(1.0, (step + 1) / WARMUP_STEPS)
        return PEAK_LEARNING_RATE * warmup * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def build_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """An untrained Llama of 1.8 million parameters for the tokenizer's vocabulary."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=6,
        num_key_value_heads=6,
        max_position_embeddings=MAX_LENGTH,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return LlamaForCausalLM(config)  # type: ignore[no-untyped-call] # its constructor has no types


def extend(model: LlamaForCausalLM, folder: Path) -> None:
    """Take over a saved model's weights; words that are new to its vocabulary keep theirs.

    Args:
        model: Of the same shape; its vocabulary begins with the saved model's. Changed in place.
        folder: What `save` wrote.
    """
    saved = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).state_dict()
    own = model.state_dict()
    with torch.no_grad():
        for name, weights in saved.items():
            own[name][: len(weights)] = weights


def training_examples(seed: int) -> Iterator[Example]:
    """The training splits of all domains in turn, endless and the same for the same seed."""
    streams = [problems(domain, "train", seed + place) for place, domain in enumerate(TURNS)]
    in_turn = itertools.chain.from_iterable(zip(*streams, strict=True))
    return (Example(problem.prompt, problem.response) for problem in in_turn)


def encode(examples: Sequence[Example], tokenizer: PreTrainedTokenizerFast) -> Encoded:
    """Token ids and labels; the labels leave out prompt and padding, so that only answers are learned."""
    conversations = [_conversation(example) for example in examples]
    rows = cast(list[list[int]], tokenizer.apply_chat_template(conversations, return_dict=False))
    ids = pad_sequence([torch.tensor(row) for row in rows], True, padding_value=tokenizer.pad_token_id)
    is_answer = ids.eq(tokenizer.get_vocab()[ANSWER])
    learned = (is_answer.cumsum(dim=1) > 0) & ~is_answer & (ids != tokenizer.pad_token_id)
    return ids, ids.masked_fill(~learned, IGNORED_LABEL)


def train(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    examples: Iterator[Example],
    schedule: Schedule,
) -> int:
    """Fit the model in place until the schedule ends, with a line of progress now and then.

    Returns:
        The number of optimizer steps taken.
    """
    optimizer = MuonAndAdamW(model)
    started = time.monotonic()
    model.train()
    step = 0
    while (progress := schedule.progress(step, time.monotonic() - started)) < 1:
        loss = _add_gradients(model, _pieces(itertools.islice(examples, BATCH_SIZE), tokenizer))
        optimizer.step(schedule.learning_rate(step, progress))
        if step % STEPS_BETWEEN_REPORTS == 0:
            logger.info("step %d  %.1f%%  loss %.4f", step, 100 * progress, loss)
        step += 1
    return step


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, output: Path) -> None:
    """Write model and tokenizer so that the plain Auto classes load them.

    The weights lie in half precision; the configuration asks for single precision, which CPUs compute faster.
    """
    model.half().save_pretrained(output)  # type: ignore[no-untyped-call] # transformers wraps it without types
    model.config.dtype = torch.float32
    model.config.save_pretrained(output)
    tokenizer.save_pretrained(output)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train as the command line says."""
    parser = argparse.ArgumentParser(description="Train the demo's small causal language model.")
    parser.add_argument("--output", type=Path, required=True, help="folder that receives model and tokenizer")
    parser.add_argument("--start", type=Path, help="model folder to go on from (default: from scratch)")
    parser.add_argument("--minutes", type=float, default=30.0, help="longest training, default 30")
    parser.add_argument("--steps", type=int, help="most optimizer steps (default: what the minutes allow)")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights and examples (default 0)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default 1)")
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(chosen.threads)
    torch.manual_seed(chosen.seed)
    tokenizer = build_tokenizer()
    model = build_model(tokenizer)
    if chosen.start is not None:
        extend(model, chosen.start)
    schedule = Schedule(chosen.minutes, chosen.steps)
    steps = train(model, tokenizer, training_examples(chosen.seed), schedule)
    save(model, tokenizer, chosen.output)
    logger.info("%d steps, %d parameters, saved in %s", steps, model.num_parameters(), chosen.output)


def _conversation(example: Example) -> list[dict[str, str]]:
    return [{"role": "user", "content": example.prompt}, {"role": "assistant", "content": example.response}]


def _pieces(examples: Iterable[Example], tokenizer: PreTrainedTokenizerFast) -> list[Encoded]:
    by_length = sorted(
        examples, key=lambda example: len(tokenizer.tokenize(example.prompt + example.response))
    )
    return [encode(by_length[at : at + PIECE_SIZE], tokenizer) for at in range(0, len(by_length), PIECE_SIZE)]


def _add_gradients(model: LlamaForCausalLM, pieces: Sequence[Encoded]) -> float:
    learned = sum(int((labels != IGNORED_LABEL).sum()) for _, labels in pieces)
    total = 0.0
    for ids, labels in pieces:
        loss = model(input_ids=ids, labels=labels, num_items_in_batch=learned, use_cache=False).loss
        loss.backward()
        total += float(loss.item())
    return total


if __name__ == "__main__":
    main()
