"""What a probe can be trained to say, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from adaqueue.errors import BadOutcomesError, SettingsError


@dataclass(frozen=True, slots=True)
class Head:
    """One kind of probe.

    Attributes:
        says: what it is, in words.
        reads: `states` (hidden states) or `prompts` (their text alone).
        servable: whether it may be put into use: what it says of each query is a likelihood of counts.
        needs_full_counts: whether it trains on ratios of counts, so that queries whose drawing stopped at a
            success are refused.
    """

    says: str
    reads: str
    servable: bool
    needs_full_counts: bool


HEADS: Mapping[str, Head] = {
    "beta": Head("Beta distribution of the success probability", "states", True, False),
    "beta_zero": Head("the same, with a share of queries that never succeed", "states", True, False),
    "lora": Head("the Beta distribution, read off adapted hidden states", "states", True, False),
    "lambda": Head("success probability by cross-entropy (Eq. 7)", "states", False, True),
    "marginal": Head("marginal rewards by squared error (Eq. 6)", "states", False, True),
    "preference": Head("chance that the strong decoder's answer is preferred (Eq. 8)", "states", False, True),
    "constant": Head("one Beta distribution for all queries", "prompts", True, False),
    "length": Head("Beta distribution read off the prompt's length", "prompts", True, False),
    "tfidf": Head("ridge regression of success rates on TF-IDF of words", "prompts", False, True),
    "tfidf_logistic": Head("logistic regression of successes on TF-IDF of words", "prompts", False, True),
}
"""Every kind of probe; `beta` is the default."""


def head_named(name: str) -> Head:
    """Returns the head.

    Raises:
        SettingsError: there is none of this name; names those there are.
    """
    if name not in HEADS:
        raise SettingsError(f"there is no head {name!r}: choose one of {', '.join(HEADS)}")
    return HEADS[name]


def require_full_counts(head: str, stopped: int) -> None:
    """Refuses logs on which a head's targets, ratios of counts, would be biased.

    Args:
        head: its name.
        stopped: queries whose drawing depended on its rewards.

    Raises:
        BadOutcomesError: there are some; names how many, and the remedy.
    """
    if HEADS[head].needs_full_counts and stopped:
        raise BadOutcomesError(
            f"the head {head!r} trains on success rates, and {stopped} queries stopped at their successes, "
            "which biases them: train a head whose likelihood allows that, such as 'beta', or leave them out"
        )
