"""The few protocols that have more than one implementation, or through which a flow meets infrastructure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol
from uuid import UUID

from adaqueue.core.arrivals import Arrival, Entry, Refusal
from adaqueue.core.beliefs import Beliefs
from adaqueue.core.decisions import (
    Allocation,
    Entering,
    Outlook,
    Prediction,
    Round,
    Waiting,
    Window,
)
from adaqueue.core.outcomes import States
from adaqueue.core.query import Message, Query
from adaqueue.core.records import Claim, Closing, Doubt, Sample, Unit, Verdict
from adaqueue.core.specs import FeatureSpec, Run, Sampling
from adaqueue.core.trust import Audit

NO_VECTORS: Mapping[str, Mapping[UUID, bytes]] = MappingProxyType({})


class Inbox(Protocol):
    """Where queries lie between the client and the ledger."""

    def take(self, most: int, wait_seconds: float) -> list[Entry]:
        """Returns entries for this consumer: first those that another left behind, then new ones."""
        ...

    def acknowledge(self, entries: Sequence[Entry]) -> None:
        """Removes entries; only after the ledger has committed them."""
        ...

    def hand_back(self, entries: Sequence[Entry]) -> None:
        """Gives entries back unharmed: they are delivered again at once, and this delivery does not count."""
        ...


class Doorbell(Protocol):
    """Tells workers that there is work; carries ids alone, and may be lost."""

    def ring(self, queue: str, ids: Sequence[UUID], *, alone: bool = False, gives_way: bool = False) -> None:
        """Rings for ids in batches, or for each alone; what gives way is heard after everything else.

        Raises:
            UnavailableError: nobody heard it; the reaper rings again.
        """
        ...

    def waiting(self, queue: str) -> int:
        """Returns how many rings for a queue nobody has heard yet.

        Raises:
            UnavailableError: it cannot be told now.
        """
        ...


class IngestLedger(Protocol):
    """What ingest writes."""

    def insert(self, arrivals: Sequence[Arrival]) -> tuple[dict[UUID, bool], list[Refusal]]:
        """Commits arrivals, those already there left alone.

        Returns:
            Keys of new queries that wait for features, each with whether others come first, and what was
            refused: an id that the run has with other content, or a run that does not exist.

        Raises:
            LedgerRefusedError: some row cannot be stored; nothing was.
        """
        ...

    def bury(self, refusals: Sequence[Refusal]) -> None:
        """Commits dead letters, each once; what is a query of the ledger after all is none."""
        ...


class FeatureLedger(Protocol):
    """What the features step reads and writes."""

    def begin(self, ids: Sequence[UUID]) -> dict[UUID, Query]:
        """Counts an attempt and returns those that wait for features."""
        ...

    def store(
        self,
        fingerprint: str,
        vectors: Mapping[UUID, bytes],
        failed: Sequence[UUID],
        adapted: Mapping[str, Mapping[UUID, bytes]] = NO_VECTORS,
    ) -> None:
        """Commits vectors, and further ones by their fingerprint; all queries then wait for their window."""
        ...


class FeatureProvider(Protocol):
    """Turns prompts into vectors."""

    spec: FeatureSpec

    def vectors(self, prompts: Sequence[tuple[Message, ...]]) -> list[bytes]:
        """Returns one float32 vector of `spec.size` for each prompt.

        Raises:
            EngineError: the model broke on this batch.
        """
        ...


class Lease(Protocol):
    """Makes one scheduler at a time decide."""

    def acquire(self) -> int | None:
        """Takes or extends the lease; returns its epoch, None while another holds it."""
        ...


class WindowLedger(Protocol):
    """What the scheduler reads and writes of queries that come in."""

    def next_window(self) -> Window | None:
        """Returns the queries of the window that is due; None if none is."""
        ...

    def commit(self, epoch: int, window: Window, allocations: Sequence[Allocation]) -> None:
        """Commits states, allocations, abstentions and the account together.

        Raises:
            LeaseLostError: the lease or a query was taken by another; nothing was written.
        """
        ...

    def enter(
        self,
        epoch: int,
        window: Window,
        queries: Sequence[Entering],
        prices: tuple[float, float] | None,
        explored: Sequence[Allocation] = (),
    ) -> None:
        """Opens queries for sequential buying, but for those explored, which draw their random budgets.

        Commits predictions, the account, and its (base, price), together.

        Raises:
            LeaseLostError: as `commit`.
        """
        ...


class RoundLedger(Protocol):
    """What the scheduler reads and writes of open queries."""

    def next_round(self) -> Round | None:
        """Returns open queries of the account whose turn it is; None if there is nothing to decide."""
        ...

    def commit_round(
        self, epoch: int, decided: Round, allocations: Sequence[Allocation], kept: Sequence[Outlook]
    ) -> None:
        """Commits what is bought, what ends (allocations of 0), and what stays open, with the account.

        Raises:
            LeaseLostError: the lease or a query was taken by another; nothing was written.
        """
        ...


class Probe(Protocol):
    """Turns what is known of prompts into beliefs of their queries."""

    @property
    def head(self) -> str:
        """What was trained, one of the names of `adapters.probes`."""
        ...

    @property
    def reads(self) -> str:
        """`states` (hidden states) or `prompts` (their text alone)."""
        ...

    def predict(self, states: States | None, prompts: Sequence[str]) -> Beliefs:
        """Returns the beliefs of n queries.

        Args:
            states: hidden states, float32[n, size]; None where the probe reads prompts.
            prompts: their text, n of them; may be empty where the probe reads states.

        Raises:
            FingerprintError: states have another size than those that the probe was trained on.
        """
        ...

    def to_bytes(self) -> bytes:
        """Returns the weights, as safetensors with the head's name in their metadata."""
        ...


class Predictor(Protocol):
    """Says what is believed of queries before they are sampled."""

    def predict(self, run: Run, queries: Sequence[Waiting]) -> list[Prediction]:
        """Returns one prediction for each query."""
        ...


class Engine(Protocol):
    """Draws samples."""

    decoder: str
    sampling: Sampling

    def draw(self, units: Sequence[Unit]) -> Iterator[list[Sample]]:
        """Yields the engine's responses: together one sample for each unit.

        Raises:
            EngineError: the engine broke; responses already yielded stand.
        """
        ...

    def works(self) -> bool:
        """Whether it can draw at all: tells a sick engine from a prompt that it cannot take."""
        ...


class Verifier(Protocol):
    """Gives samples their verdicts."""

    def verify(self, drawn: Sequence[tuple[Query, Sample]]) -> list[Verdict]:
        """Returns one verdict for each sample; `not_verified` where the verifier itself is at fault.

        Raises:
            VerifierError: the verifier broke; says nothing about any sample.
        """
        ...


class Judge(Protocol):
    """Says what no rule can tell: whether an answer means the same as the reference.

    Attributes:
        name: id of the model that judges.
        revision: of the model, empty where it cannot be told.
    """

    name: str
    revision: str

    def equal(self, doubts: Sequence[Doubt]) -> list[bool]:
        """Returns whether each answer is equivalent to its reference.

        Raises:
            VerifierError: the judge broke; says nothing about any answer.
        """
        ...


class ClaimLedger(Protocol):
    """What samplers and verifiers read and write; every write is void once another attempt has begun."""

    def claim(self, ids: Sequence[UUID]) -> list[Claim]:
        """Takes those allocations that are ready."""
        ...

    def finish(self, closings: Sequence[Closing], verdicts: Sequence[Verdict]) -> None:
        """Commits verdicts, answers and outcomes together."""
        ...

    def fail(self, claims: Sequence[Claim], reason: str, verdicts: Sequence[Verdict]) -> None:
        """Gives claims up after a fault; they are tried again, and buried after too many faults."""
        ...

    def hand_back(self, claims: Sequence[Claim]) -> None:
        """Gives claims up unharmed; another worker gets them at once."""
        ...


class SamplingLedger(ClaimLedger, Protocol):
    """What a sampler writes besides."""

    def record(
        self,
        claims: Sequence[Claim],
        sampling: Sampling,
        samples: Sequence[Sample],
        complete: Sequence[Claim] = (),
    ) -> set[UUID]:
        """Commits one engine response, and leaves complete claims to the verifiers.

        Returns:
            Keys of the claims that were still held.
        """
        ...


class VerifyingLedger(ClaimLedger, Protocol):
    """What a verifier writes besides."""

    def audit(self, audits: Sequence[Audit]) -> None:
        """Commits audits; the first of a sample and auditor stays."""
        ...


class ReaperLedger(Protocol):
    """What the reaper puts right."""

    def return_orphans(self) -> int:
        """Makes ready what dead workers held; returns how many allocations."""
        ...

    def overdue(self) -> dict[tuple[str, bool], list[UUID]]:
        """Returns ids whose doorbell is overdue, by (queue, whether each is rung alone)."""
        ...
