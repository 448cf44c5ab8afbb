"""Proves that probes learn what text, states and metadata tell, and from no row that they may not see."""

from __future__ import annotations

import numpy as np
import pytest

from adaqueue.adapters import recorded_probes
from adaqueue.adapters.recorded_probes import (
    RecordedProbe,
    baselines,
    linear,
    metadata_values,
    nearness,
    state_probe,
    text,
    text_probe,
    words,
)
from adaqueue.adapters.text_features import Texts
from adaqueue.core.outcomes import Outcomes, States

N, DRAWS = 120, 20
KNOWN, ASKED = np.arange(0, N, 2), np.arange(1, N, 2)
EASY = np.random.default_rng(0).random(N) < 0.5
CHANCE = np.where(EASY, 0.8, 0.2)


def outcomes(prompts: list[str], seed: int = 1) -> Outcomes:
    rewards = (np.random.default_rng(seed).random((N, DRAWS)) < CHANCE[:, None]).astype(float)
    return Outcomes(
        ids=tuple(map(str, range(N))),
        messages=tuple(({"role": "user", "content": prompt},) for prompt in prompts),
        states=None,
        rewards=tuple(tuple(row) for row in rewards.tolist()),
        stopped=np.zeros(N, dtype=np.bool_),
        groups=np.arange(N),
        tokens=np.full(N, np.nan),
    )


SILENT = outcomes([f"question {number}" for number in range(N)])
TELLING = outcomes([f"{'add' if easy else 'prove'} {number}" for number, easy in enumerate(EASY)])


def telling_states() -> States:
    noise = np.random.default_rng(2).normal(size=(N, 12))
    noise[:, 3] += 4.0 * EASY
    return noise.astype(np.float32)


def by_text(data: Outcomes) -> RecordedProbe:
    return text_probe(data, Texts.of(data.prompts), [])


def told(probe: RecordedProbe) -> float:
    """Correlation of the scores of queries not seen with the truth."""
    scores = probe(KNOWN, ASKED, 0).asked
    return float(np.corrcoef(scores, CHANCE[ASKED])[0, 1]) if np.ptp(scores) > 1e-9 else 0.0


def test_text_that_tells_is_read_and_text_that_does_not_is_worth_nothing() -> None:
    assert told(by_text(TELLING)) > 0.9
    assert told(baselines(TELLING, Texts.of(TELLING.prompts))["tfidf"]) > 0.9
    assert abs(told(by_text(SILENT))) < 0.4


def test_states_are_read_where_the_text_tells_nothing_and_do_no_harm_where_it_does() -> None:
    assert told(state_probe(SILENT, Texts.of(SILENT.prompts), telling_states(), [])) > 0.8
    noise = np.random.default_rng(3).normal(size=(N, 12)).astype(np.float32)
    assert told(state_probe(TELLING, Texts.of(TELLING.prompts), noise, [])) > 0.9


def test_metadata_that_tells_is_read_beside_the_text() -> None:
    tags: list[list[float | str]] = [["easy" if easy else "hard"] for easy in EASY]
    for values in (metadata_values(tags), metadata_values([[3.0 * easy] for easy in EASY])):
        assert told(text_probe(SILENT, Texts.of(SILENT.prompts), [nearness(values)])) > 0.8


def test_metadata_becomes_numbers_and_a_column_for_each_tag() -> None:
    found = metadata_values([[1.5, "a"], [2.0, "b"], ["", "a"]])
    assert found.tolist() == [[1.5, 0, 1, 0], [2, 0, 0, 1], [0, 1, 1, 0]]


def test_scores_hang_on_no_outcome_that_is_not_known() -> None:
    other = outcomes(list(TELLING.prompts), seed=9)
    mixed = [other.rewards[row] if row in ASKED else TELLING.rewards[row] for row in range(N)]
    changed = Outcomes(
        TELLING.ids, TELLING.messages, None, tuple(mixed), TELLING.stopped, TELLING.groups, TELLING.tokens
    )
    pairs = [
        (by_text(data), state_probe(data, Texts.of(data.prompts), telling_states(), []))
        for data in (TELLING, changed)
    ]
    for before, after in zip(*pairs, strict=True):
        first, second = before(KNOWN, ASKED, 0), after(KNOWN, ASKED, 0)
        assert (first.asked == second.asked).all()
        assert (first.held_out == second.held_out).all()


def test_held_out_scores_are_those_of_fits_without_the_query(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = by_text(SILENT)(KNOWN, ASKED, 0).held_out
    assert abs(np.corrcoef(whole, SILENT.successes[KNOWN])[0, 1]) < 0.5
    monkeypatch.setattr(recorded_probes, "MOST_TRAINING", 30)
    some = by_text(TELLING)(KNOWN, ASKED, 0)
    assert len(some.held_out) == len(KNOWN)
    assert np.corrcoef(some.held_out, CHANCE[KNOWN])[0, 1] > 0.8
    assert np.corrcoef(some.asked, CHANCE[ASKED])[0, 1] > 0.8


def test_columns_that_never_change_among_the_known_are_left_out() -> None:
    values = telling_states()
    values[KNOWN, 0] = 1.0
    for similarity in (linear(values), nearness(values)):
        alike = similarity(KNOWN)
        assert np.isfinite(alike.matrix()).all()
        assert alike.weighted(ASKED, np.ones(len(KNOWN))).shape == (len(ASKED),)


def test_what_others_are_worth_is_the_sum_of_their_weighed_similarities() -> None:
    """Asked about the known rows themselves, that is the matrix times the weights."""
    dual = np.random.default_rng(4).normal(size=len(KNOWN))
    texts, values = Texts.of(TELLING.prompts), telling_states()
    for similarity in (text(texts), words(texts), linear(values), nearness(values)):
        alike = similarity(KNOWN)
        np.testing.assert_allclose(alike.weighted(KNOWN, dual), alike.matrix() @ dual, atol=1e-9)
        np.testing.assert_allclose(alike.matrix(), alike.matrix().T, atol=1e-9)
