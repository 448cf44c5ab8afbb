"""Outcomes that were recorded elsewhere and came with a query: what the replay engine draws from."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adaqueue.core.plain import check_finite, check_text, whole
from adaqueue.errors import BadQueryError, NotYetError

MAX_SAMPLES = 1_024
ROW_FIELDS = (
    *("model", "group", "n", "successes", "rewards", "tokens", "samples", "stopped"),
    *("weak", "strong", "cost"),
)


@dataclass(frozen=True, slots=True)
class RecordedSample:
    """One sample as it was recorded.

    Attributes:
        text: the response; None where only its reward was kept.
        reward: its recorded reward; None where it is still to be verified.
        tokens: generated tokens, where known.
    """

    text: str | None
    reward: float | None
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """The recorded samples of one query, in the order in which they are replayed.

    Attributes:
        samples: 1 to 1,024 recorded samples.
        model: who drew them, where known.
    """

    samples: tuple[RecordedSample, ...]
    model: str | None = None

    def __post_init__(self) -> None:
        if not 0 < len(self.samples) <= MAX_SAMPLES:
            raise BadQueryError("recording", len(self.samples), f"give 1 to {MAX_SAMPLES:,} recorded samples")
        if self.model is not None:
            check_text("model", self.model)
        for number, sample in enumerate(self.samples):
            _check_sample(number, sample)

    @property
    def all_rewarded(self) -> bool:
        """Whether every sample has a reward, so that nothing is left to verify."""
        return all(sample.reward is not None for sample in self.samples)

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Recording | None:
        """Returns the recording in a row of recorded outcomes; None if the row has none.

        Raises:
            BadQueryError: the recorded fields contradict each other or are malformed.
        """
        for name in ("weak", "strong", "cost"):
            if name in row:
                raise NotYetError(name, row[name], "not yet: routing between two decoders")
        given = [name for name in ("n", "rewards", "samples") if row.get(name) is not None]
        if given == ["n", "samples"]:
            _check_counts(row)
        elif len(given) > 1:
            raise BadQueryError(given[1], row[given[1]], f"contradicts {given[0]}: give one of them")
        for name, owner in (("successes", "n"), ("tokens", "rewards")):
            if row.get(name) is not None and owner not in given:
                raise BadQueryError(name, row[name], f"says nothing without {owner}: give both or neither")
        if not given:
            return None
        parse = {"n": _from_counts, "rewards": _from_rewards, "samples": _from_samples}[given[-1]]
        return cls(parse(row), model=row.get("model"))

    def to_json(self) -> dict[str, Any]:
        """Returns the recording as plain data; `from_json` reads it back."""
        return {"model": self.model, "samples": [[s.text, s.reward, s.tokens] for s in self.samples]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Recording:
        """Returns the recording that `to_json` wrote."""
        return cls(tuple(RecordedSample(*sample) for sample in data["samples"]), model=data["model"])


def counts(row: Mapping[str, Any]) -> tuple[int, int]:
    """Returns `n` and `successes` of a row that has them.

    Raises:
        BadQueryError: they are no counts, or contradict each other.
    """
    n = whole("n", row["n"], 1, MAX_SAMPLES)
    return n, whole("successes", row.get("successes"), 0, n)


def _check_counts(row: Mapping[str, Any]) -> None:
    """Counts beside samples are their summary: the samples themselves are replayed, and verified."""
    n, _ = counts(row)
    if isinstance(row["samples"], list) and len(row["samples"]) != n:
        raise BadQueryError("n", n, f"contradicts the {len(row['samples'])} samples: leave n out")


def _from_counts(row: Mapping[str, Any]) -> tuple[RecordedSample, ...]:
    """`n` and `successes`, the order unknown: replayed in an order seeded by the row's id and prompt."""
    n, successes = counts(row)
    rewards = [1.0] * successes + [0.0] * (n - successes)
    seed = f"{row.get('id')}\n{row.get('prompt')}".encode(errors="surrogatepass")
    random.Random(seed).shuffle(rewards)  # noqa: S311 - an order, no secret
    return tuple(RecordedSample(None, reward) for reward in rewards)


def _from_rewards(row: Mapping[str, Any]) -> tuple[RecordedSample, ...]:
    rewards = _list("rewards", row["rewards"])
    tokens = [None] * len(rewards) if row.get("tokens") is None else _list("tokens", row["tokens"])
    if len(tokens) != len(rewards):
        raise BadQueryError("tokens", len(tokens), f"give one for each of the {len(rewards)} rewards")
    return tuple(RecordedSample(None, reward, count) for reward, count in zip(rewards, tokens, strict=True))


def _from_samples(row: Mapping[str, Any]) -> tuple[RecordedSample, ...]:
    samples = []
    for number, item in enumerate(_list("samples", row["samples"])):
        if not isinstance(item, Mapping) or not {"text"} <= set(item) <= {"text", "reward", "tokens"}:
            raise BadQueryError(
                f"samples[{number}]", item, "give {text, reward (optional), tokens (optional)}"
            )
        samples.append(RecordedSample(item["text"], item.get("reward"), item.get("tokens")))
    return tuple(samples)


def _check_sample(number: int, sample: RecordedSample) -> None:
    if sample.text is not None:
        check_text(f"samples[{number}].text", sample.text)
    if sample.text is None and sample.reward is None:
        raise BadQueryError(f"samples[{number}]", None, "has neither text nor reward: give one")
    if sample.reward is not None:
        check_finite(f"rewards[{number}]", sample.reward)
    if sample.tokens is not None:
        whole(f"tokens[{number}]", sample.tokens, 0, 2**31 - 1)


def _list(name: str, value: object) -> Sequence[Any]:
    if not isinstance(value, list):
        raise BadQueryError(name, value, "give a list")
    return value
