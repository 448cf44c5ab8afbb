"""Other sets of outcomes, on which policies are fitted to be used on one that taught them nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from adaqueue.core.marginal import IntArray
from adaqueue.core.outcomes import Outcomes
from adaqueue.core.query import prompt_text
from adaqueue.core.recorded import RecordedQuery, is_binary, outcomes_of
from adaqueue.core.transfer import FEWEST_GROUPS, unlike
from adaqueue.errors import BadOutcomesError


@dataclass(frozen=True, eq=False)
class Training:
    """Other sets, on which everything is fitted once more, to be used on this one.

    Attributes:
        sources: their names.
        queries: their rows.
    """

    sources: tuple[str, ...]
    queries: Sequence[RecordedQuery]


@dataclass(frozen=True, eq=False)
class Taught:
    """What other sets may teach.

    Attributes:
        sources: names of the sets.
        queries: the rows that are near duplicates of none of this set's, nor of one of its groups.
        outcomes: the same as outcomes.
        left_out: rows that are.
    """

    sources: tuple[str, ...]
    queries: Sequence[RecordedQuery]
    outcomes: Outcomes
    left_out: int


def taught_by(
    training: Training,
    queries: Sequence[RecordedQuery],
    plain: Outcomes,
    near_duplicates: Callable[[Sequence[str]], IntArray],
) -> Taught:
    """Returns what other sets may teach about a set of one decoder.

    Args:
        training: the other sets.
        queries: rows of this set: one whose named group is among the others' keeps that group from teaching.
        plain: the same as outcomes.
        near_duplicates: prompts -> a number for each, the same for those of nearly the same words.

    Raises:
        BadOutcomesError: they hold another kind of outcomes, or too little is left; says what to name.
    """
    others, named = training.queries, f"train-on: {', '.join(training.sources)}"
    if any(own.strong is not None for own in others):
        raise BadOutcomesError(f"{named}: holds rows of two decoders, weak and strong: name files of one")
    prompts = [*plain.prompts, *(prompt_text(own.query.messages) for own in others)]
    named_groups = [own.group for own in (*queries, *others)]
    kept = [others[row] for row in unlike(near_duplicates(prompts), named_groups, len(plain))]
    known = outcomes_of(kept, near_duplicates) if kept else None
    if known is None or len(np.unique(known.groups)) < FEWEST_GROUPS:
        raise BadOutcomesError(
            f"{named}: {len(kept)} of {len(others)} queries are unlike this set's and of other groups, "
            f"{FEWEST_GROUPS} groups of them are needed: name other files"
        )
    if is_binary(known) != is_binary(plain):
        kinds = ("real rewards", "rewards 0 and 1")
        raise BadOutcomesError(f"{named}: this set holds {kinds[is_binary(plain)]}: name files of the same")
    return Taught(training.sources, kept, known, len(others) - len(kept))
