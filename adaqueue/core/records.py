"""What passes between the steps of a query's life, as plain frozen data."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from uuid import UUID

from adaqueue.core.decisions import Prediction
from adaqueue.core.query import Message, Query
from adaqueue.core.recording import Recording
from adaqueue.errors import VerifierAwayError, VerifierError

ABSTENTION = "I don't know"


@dataclass(frozen=True, slots=True)
class Sample:
    """One response of the language model.

    Attributes:
        query_id: to whom it belongs.
        number: counts the query's samples from 0; with the query it is unique.
        seed: of the engine; None where the sample was recorded elsewhere.
        text: the response; None where only its reward was recorded.
        tokens_in: prompt tokens; None where unknown.
        tokens_out: generated tokens; None where unknown.
        finish_reason: `stop`, `length` or `recorded`.
        seconds: time of its engine response, shared among the response's samples.
        reward: recorded reward; None where it is to be verified.
    """

    query_id: UUID
    number: int
    seed: int | None
    text: str | None
    tokens_in: int | None
    tokens_out: int | None
    finish_reason: str
    seconds: float
    reward: float | None = None


@dataclass(frozen=True, slots=True)
class Unit:
    """One sample that is to be drawn.

    Attributes:
        query_id: for whom.
        number: the sample's number.
        seed: never the same for two samples of a query.
        messages: the prompt.
        recording: recorded samples, where the query came with some.
    """

    query_id: UUID
    number: int
    seed: int
    messages: tuple[Message, ...]
    recording: Recording | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the verifier says of one sample.

    Attributes:
        query_id: whose sample.
        number: the sample's number.
        verdict: `passed`, `wrong_answer`, `runtime_error`, `timeout`, `memory_limit`, `output_limit`,
            `sandbox_violation`, `recorded`, `scored` (by a reward model), `grouped` (math without a
            reference), or `not_verified` (the verifier's own fault).
        reward: 1 passed, 0 not; any real number for `recorded` and `scored`; None for `grouped` and
            `not_verified`.
        verifier: name of the verifier.
        version: of the verifier.
        route: which rule decided; the reason of `not_verified`.
        tier: isolation under which it ran; None where nothing ran.
        seconds: time it took.
    """

    query_id: UUID
    number: int
    verdict: str
    reward: float | None
    verifier: str
    version: str
    route: str
    tier: str | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Doubt:
    """An answer of which no rule can say whether it is right.

    Attributes:
        problem: the query's prompt, as text.
        reference: the right answer.
        answer: the final answer of a response, written by a model and so never to be trusted; the end of the
            response where no final answer is marked.
    """

    problem: str
    reference: str
    answer: str


@dataclass(frozen=True, slots=True)
class Claim:
    """An allocation that one worker holds.

    Attributes:
        allocation_id: which.
        attempt: fencing token: every write names it, and a later claim makes it void.
        query_id: internal key of the query.
        query: the query itself, recording included.
        budget: samples granted.
        first_sample: number of the first.
        samples: those the query already has, of earlier allocations or attempts.
        verdicts: of those samples, `not_verified` left out.
        stops: whether a verified success ends the query, and a failure may buy it more samples.
        min_budget: samples the query gets even after a success.
        max_budget: samples after which it ends.
        prior: (alpha, beta) of its chance of success, as believed when the allocation was made.
        gives_way: whether others come first.
    """

    allocation_id: UUID
    attempt: int
    query_id: UUID
    query: Query
    budget: int
    first_sample: int
    samples: tuple[Sample, ...]
    verdicts: tuple[Verdict, ...]
    stops: bool
    min_budget: int
    max_budget: int
    prior: tuple[float, float]
    gives_way: bool = False

    @property
    def numbers(self) -> range:
        """Numbers of the samples that it grants."""
        return range(self.first_sample, self.first_sample + self.budget)

    def units(self) -> list[Unit]:
        """Returns the samples still to be drawn, in order of their numbers."""
        drawn = {sample.number for sample in self.samples}
        return [
            Unit(self.query_id, n, sample_seed(self.query_id, n), self.query.messages, self.query.recording)
            for n in self.numbers
            if n not in drawn
        ]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client gets.

    Attributes:
        id: the user's id of the query.
        text: the response chosen; "I don't know" if abstained; None where only rewards were recorded.
        reward: of the response chosen; where math has no reference, the share of samples that agree with it;
            None if abstained.
        verified: whether a verifier passed it.
        budget: samples granted.
        samples_used: samples drawn.
        abstained: whether the budget was 0.
    """

    id: str
    text: str | None
    reward: float | None
    verified: bool
    budget: int
    samples_used: int
    abstained: bool

    @property
    def outcome(self) -> str:
        """`abstained` or `answered`."""
        return "abstained" if self.abstained else "answered"


@dataclass(frozen=True, slots=True)
class Closing:
    """An allocation's end as the verifier sees it.

    Attributes:
        claim: the allocation that is finished.
        answer: what the client gets if nothing more is drawn.
        sample_number: of the response chosen.
        ends: whether the query ends with it; else it may buy more samples.
    """

    claim: Claim
    answer: Answer
    sample_number: int
    ends: bool = True


@dataclass(frozen=True, slots=True)
class Result:
    """How a query ended.

    Attributes:
        id: the user's id.
        content: digest of the query's content, in hexadecimal.
        outcome: answered, abstained, expired, cancelled or dead_lettered.
        answer: for answered and abstained.
        reason: for dead letters.
    """

    id: str
    content: str
    outcome: str
    answer: Answer | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Drawn:
    """One query of a run with what was believed of it and what came out.

    Attributes:
        id: the user's id.
        prediction: before its first sample.
        budget: samples granted.
        rewards: of its samples, in order of their numbers.
    """

    id: str
    prediction: Prediction
    budget: int
    rewards: tuple[float, ...]


def sample_seed(query_id: UUID, number: int) -> int:
    """Returns the engine's seed for one sample, in [0, 2**63).

    Seeds of a query follow one another, as those of one request for several samples do in vLLM, so that none
    repeats for a query, whoever draws which of its samples.
    """
    first = int.from_bytes(hashlib.blake2b(query_id.bytes, digest_size=8).digest(), "big") >> 2
    return first + number


def recorded(sample: Sample, reward: float) -> Verdict:
    """Returns the verdict of a sample that came with its reward."""
    verdict = {0.0: "wrong_answer", 1.0: "passed"}.get(float(reward), "recorded")
    return Verdict(
        query_id=sample.query_id,
        number=sample.number,
        verdict=verdict,
        reward=float(reward),
        verifier="recorded",
        version="",
        route="recorded",
        tier=None,
        seconds=0.0,
    )


AWAY = "away"
"""The verifier of a `not_verified` where there was nobody to verify; else it is `none`."""


def not_verified(sample: Sample, reason: str | VerifierError) -> Verdict:
    """Returns the verdict where the verifier itself is at fault; it says nothing about the sample."""
    who = AWAY if isinstance(reason, VerifierAwayError) else "none"
    return Verdict(sample.query_id, sample.number, "not_verified", None, who, "", str(reason), None, 0.0)
