"""Proves that training runs from the command line to a folder that the plain Auto classes load."""

import math
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from adaqueue.demo.tokenizer import build_tokenizer
from adaqueue.demo.train import PEAK_LEARNING_RATE, WARMUP_STEPS, Schedule, build_model, extend, main


def test_two_steps_of_training_leave_a_model_that_loads(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    main(["--output", str(tmp_path), "--steps", "2"])
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    logits = model(torch.tensor([tokenizer("What is 1 + 2?")["input_ids"]])).logits
    assert logits.shape[-1] == len(tokenizer)
    assert math.isfinite(logits.sum().item())
    assert "2 steps" in caplog.text


def test_a_start_hands_on_its_weights_and_new_words_keep_theirs(tmp_path: Path) -> None:
    tokenizer = build_tokenizer()
    saved = build_model(tokenizer)
    saved.resize_token_embeddings(30)
    saved.save_pretrained(tmp_path)
    model = build_model(tokenizer)
    words, layer = "model.embed_tokens.weight", "model.layers.2.mlp.up_proj.weight"
    new_words = model.state_dict()[words][30:].clone()
    extend(model, tmp_path)
    assert torch.equal(model.state_dict()[words][:30], saved.state_dict()[words])
    assert torch.equal(model.state_dict()[words][30:], new_words)
    assert torch.equal(model.state_dict()[layer], saved.state_dict()[layer])


def test_the_schedule_ends_with_the_minutes_or_the_steps_whichever_comes_first() -> None:
    assert Schedule(minutes=1).progress(step=10**6, elapsed_seconds=30) == 0.5
    assert Schedule(minutes=1, steps=10).progress(step=10, elapsed_seconds=0) == 1
    assert Schedule(minutes=1, steps=10).progress(step=1, elapsed_seconds=60) == 1


def test_the_learning_rate_rises_to_its_peak_and_falls_to_zero() -> None:
    schedule = Schedule(minutes=1)
    assert schedule.learning_rate(step=0, progress=0) == PEAK_LEARNING_RATE / WARMUP_STEPS
    assert schedule.learning_rate(step=WARMUP_STEPS, progress=0) == PEAK_LEARNING_RATE
    assert schedule.learning_rate(step=10**4, progress=1) == pytest.approx(0)
