"""Proves that the text probe learns from words, and says held-out scores that are held out."""

from __future__ import annotations

import numpy as np
import pytest

from adaqueue.adapters.text_features import TextProbe, Texts
from adaqueue.core.marginal import FloatArray, IntArray

EASY = "Please add {} and {} and print their sum."
HARD = "Prove a theorem on {} and {}, then count every prime divisor!"


def prompts(n: int, seed: int = 0) -> tuple[list[str], FloatArray]:
    """Texts of two kinds, and the success probability of each."""
    rng = np.random.default_rng(seed)
    easy = rng.random(n) < 0.5
    texts = [(EASY if kind else HARD).format(*rng.integers(1, 10_000, 2)) for kind in easy]
    return texts, np.where(easy, 0.8, 0.2)


def probe(texts: Texts, successes: IntArray, samples: int = 10, seed: int = 0) -> TextProbe:
    count = len(successes)
    return TextProbe(texts, successes, np.full(count, samples), np.arange(count), seed)


def told(learned: TextProbe, successes: IntArray) -> float:
    """Correlation of held-out scores with outcomes; 0 where all scores are one."""
    known = learned.held_out.std() > 1e-9
    return float(np.corrcoef(learned.held_out, successes)[0, 1]) if known else 0.0


def test_scores_are_logits_of_the_success_rate_also_for_prompts_never_seen() -> None:
    training, chance = prompts(200)
    learned = probe(Texts.of(training), np.random.default_rng(1).binomial(10, chance))
    fresh, truth = prompts(100, seed=2)
    said = 1 / (1 + np.exp(-learned.score(Texts.of(fresh))))
    assert said == pytest.approx(truth, abs=0.15)
    assert np.corrcoef(learned.held_out, chance)[0, 1] > 0.95


def test_held_out_scores_of_outcomes_without_a_cause_tell_nothing() -> None:
    rng = np.random.default_rng(3)
    words = [f"word{number}" for number in range(300)]
    texts = Texts.of([" ".join(rng.choice(words, 12)) for _ in range(300)])
    successes = rng.binomial(10, rng.beta(0.5, 0.5, 300))
    learned = probe(texts, successes)
    assert abs(told(learned, successes)) < 0.2


def test_held_out_scores_do_not_know_their_own_group() -> None:
    texts = Texts.of([f"puzzle {'abcdefghijklmnopqrstuvwxyz'[place // 2] * 9}" for place in range(52)])
    successes = np.repeat(np.random.default_rng(4).integers(0, 11, 26), 2)
    samples, twins = np.full(52, 10), np.repeat(np.arange(26), 2)
    apart = TextProbe(texts, successes, samples, np.arange(52), 0)
    together = TextProbe(texts, successes, samples, twins, 0)
    assert told(apart, successes) > 0.7
    assert told(together, successes) < 0.4


def test_the_same_arguments_give_the_same_probe_and_order_of_asking_does_not_matter() -> None:
    training, chance = prompts(60)
    texts, successes = Texts.of(training), (10 * chance).astype(np.int64)
    first, second = probe(texts, successes), probe(texts, successes)
    assert (first.held_out == second.held_out).all()
    order = np.arange(60)[::-1]
    assert first.score(texts.take(order)) == pytest.approx(second.score(texts)[order])


def test_any_text_is_read() -> None:
    odd = ["", " ", "\n\n", "é" * 5_000, "9" * 400, "\udcff", "日本語 123"]
    training, chance = prompts(40)
    learned = probe(Texts.of(training), (10 * chance).astype(np.int64))
    assert np.isfinite(learned.score(Texts.of(odd))).all()


@pytest.mark.parametrize("successes", [0, 10])
def test_outcomes_that_are_all_the_same_are_learned(successes: int) -> None:
    texts = Texts.of(prompts(30)[0])
    said = probe(texts, np.full(30, successes)).score(texts)
    assert np.isfinite(said).all()
    assert (said > 1).all() if successes else (said < -1).all()


def test_a_template_of_many_prompts_is_the_work_itself_and_what_repeats_in_it_is_not() -> None:
    body = "A farmer has a number of cows and sells some of them at the market every day, gaining {}."
    prompts = [body.format(n) for n in range(20)] + [body.format(3).upper(), "How far is the moon?"]
    assert len(set(Texts.of(prompts).near_duplicates().tolist())) == 2
    groups = Texts.of(prompts).near_duplicates_of_a_workload()
    assert groups[3] == groups[20]
    assert len(set(groups.tolist())) == 21


def test_prompts_of_nearly_the_same_words_are_one_group() -> None:
    body = "A farmer has a number of cows and sells some of them at the market every day, gaining {}."
    groups = Texts.of([body.format(3), "How far is the moon?", body.format(44), ""]).near_duplicates()
    assert groups[0] == groups[2]
    assert len(set(groups.tolist())) == 3
