"""Proves that probes learn what text, states and metadata tell, and from no row that they may not see."""

from __future__ import annotations

import numpy as np
import pytest

from adaqueue.adapters import recorded_probes
from adaqueue.adapters.recorded_probes import (
    Likeness,
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
from adaqueue.core.marginal import FloatArray, IntArray
from adaqueue.core.outcomes import Outcomes, States
from adaqueue.core.splits import MOST_TRAINING

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


def many(groups: IntArray, chance: FloatArray) -> Outcomes:
    """Queries of given groups and chances, whose prompts tell nothing."""
    n = len(groups)
    rewards = (np.random.default_rng(5).random((n, 8)) < chance[:, None]).astype(float)
    return Outcomes(
        ids=tuple(map(str, range(n))),
        messages=tuple(({"role": "user", "content": "the same"},) for _ in range(n)),
        states=None,
        rewards=tuple(tuple(row) for row in rewards.tolist()),
        stopped=np.zeros(n, dtype=np.bool_),
        groups=groups,
        tokens=np.full(n, np.nan),
    )


@pytest.mark.parametrize(("count", "size"), [(10, 2_000), (8, 1_000)])
def test_a_probe_learns_from_every_one_of_a_few_big_groups(count: int, size: int) -> None:
    groups = np.repeat(np.arange(count), size)
    easy = np.random.default_rng(6).random(len(groups)) < 0.5
    data = many(groups, np.where(easy, 0.8, 0.2))
    values = np.where(easy, 1.0, -1.0)[:, None].astype(np.float32)
    seen: list[IntArray] = []

    def watched(known: IntArray) -> Likeness:
        seen.append(known)
        return nearness(values)(known)

    known, asked = np.flatnonzero(groups > 0), np.flatnonzero(groups == 0)
    found = RecordedProbe(data, [(watched,)])(known, asked, 0)
    (fitted,) = seen
    assert len(fitted) == MOST_TRAINING
    assert set(groups[fitted]) == set(groups[known])
    assert np.corrcoef(found.asked, easy[asked])[0, 1] > 0.9
    assert np.corrcoef(found.held_out, easy[known])[0, 1] > 0.9


def test_a_group_of_nearly_all_leaves_something_to_hold_out() -> None:
    groups = np.concatenate([np.zeros(1_997, dtype=np.int64), [1, 2, 3]])
    data = many(groups, np.full(2_000, 0.5))
    noise = np.random.default_rng(7).normal(size=(2_000, 2)).astype(np.float32)
    found = RecordedProbe(data, [(nearness(noise),)])(np.arange(2_000), np.arange(5), 0)
    assert np.isfinite(found.held_out).all()


def test_what_was_not_fitted_is_scored_without_its_group_s_outcomes() -> None:
    """A column tells half of a query's chance, its group the rest: of a group unseen, that is not known."""
    count, size = 40, 50
    rng, groups = np.random.default_rng(8), np.repeat(np.arange(count), size)
    secret, told = rng.choice([-1, 1], count)[groups], rng.choice([-1, 1], count * size)
    data = many(groups, 0.5 + 0.2 * secret + 0.2 * told)
    corners, line = nearness((4 * np.eye(count)[groups]).astype(np.float32)), told[:, None].astype(np.float32)
    known = np.arange(len(groups))
    held_out = RecordedProbe(data, [(corners, linear(line))])(known, known[:1], 0).held_out
    chosen = recorded_probes._chosen(groups, 0)
    for rows in (chosen, np.setdiff1d(known, chosen)):
        assert np.corrcoef(held_out[rows], told[rows])[0, 1] > 0.9
        assert np.corrcoef(held_out[rows], secret[rows])[0, 1] < 0.1
