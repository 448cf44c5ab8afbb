"""Steps 5 and 6 of a query's life: draw, commit, verify, rerank, answer."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Event
from uuid import UUID

from adaqueue.core import rerank
from adaqueue.core.records import Answer, Claim, Closing, Sample, Verdict, not_verified
from adaqueue.errors import EngineError, VerifierError
from adaqueue.ports import Engine, SamplingLedger, Verifier

log = logging.getLogger(__name__)


@dataclass
class _Progress:
    """What is known of one claim while it is worked on."""

    claim: Claim
    samples: dict[int, Sample] = field(default_factory=dict)
    verdicts: dict[int, Verdict] = field(default_factory=dict)
    broken: str | None = None

    def add(self, sample: Sample, verdict: Verdict) -> None:
        """Takes a sample in with its verdict."""
        self.samples[sample.number] = sample
        self.verdicts[sample.number] = verdict
        if verdict.verdict == "not_verified":
            self.broken = verdict.route

    @property
    def complete(self) -> bool:
        """Whether every sample of the budget is drawn."""
        return all(number in self.samples for number in self.claim.numbers)

    @property
    def solved(self) -> bool:
        """Whether a success ends the query, whatever of its budget is left."""
        won = any(self._passed(verdict) for verdict in self.verdicts.values())
        return self.claim.stops and won and len(self.samples) >= self.claim.min_budget

    def _passed(self, verdict: Verdict) -> bool:
        """Whether it is a success; where rewards are real, in chat, nothing is."""
        return verdict.reward is not None and verdict.reward > 0 and self.claim.query.domain != "chat"

    @property
    def new_verdicts(self) -> list[Verdict]:
        """Those that the ledger does not have."""
        known = {verdict.number for verdict in self.claim.verdicts}
        return [verdict for number, verdict in self.verdicts.items() if number not in known]

    def closing(self) -> Closing:
        """Returns the answer, the best of what was drawn, and whether the query ends with it."""
        numbers = sorted(self.samples)
        best = numbers[rerank.best([self.verdicts[number].reward for number in numbers])]
        verdict = self.verdicts[best]
        answer = Answer(
            id=str(self.claim.query.id),
            text=self.samples[best].text,
            reward=verdict.reward,
            verified=self._passed(verdict),
            budget=len(numbers) if self.solved else self.claim.numbers.stop,
            samples_used=len(numbers),
            abstained=False,
        )
        drawn = sum(number in self.samples for number in self.claim.numbers)
        ends = not self.claim.stops or self.solved or len(numbers) >= self.claim.max_budget
        return Closing(self.claim, answer, best, drawn, ends)


def answer(
    ids: Sequence[UUID], ledger: SamplingLedger, engine: Engine, verifier: Verifier, stopping: Event
) -> int:
    """Works allocations off, from claim to answer, and returns how many queries were answered for good.

    Under a sequential policy a query without a success goes back to the scheduler, unless it may draw no
    more.

    Each engine response is committed before anything is made of it, so that whoever takes over draws
    nothing twice. When `stopping` is set, what is unfinished after the response at hand is handed back.

    Raises:
        EngineError: the engine can draw nothing at all; whoever asked for samples is charged one attempt, as
            one of them may be what made it sick.
    """
    claims = ledger.claim(ids)
    open_claims = {claim.query_id: _Progress(claim) for claim in claims}
    _take_up(open_claims, verifier)
    solved = [query_id for query_id, progress in open_claims.items() if progress.solved]
    answered = _close_complete(open_claims, ledger, solved)
    units = [unit for progress in open_claims.values() for unit in progress.claim.units()]
    try:
        for samples in engine.draw(units) if units else ():
            held = ledger.record(claims, engine.sampling, samples)
            _drop_lost(open_claims, held)
            _take_in(open_claims, samples, verifier)
            answered += _close_complete(open_claims, ledger)
            if stopping.is_set():
                break
    except EngineError as error:
        log.error("engine %s broke: %s", engine.decoder, error)
        ledger.fail([progress.claim for progress in open_claims.values()], str(error), [])
        if not engine.works():
            raise
        return answered
    _give_up(open_claims, ledger, stopping)
    return answered


def _give_up(open_claims: dict[UUID, _Progress], ledger: SamplingLedger, stopping: Event) -> None:
    claims = [progress.claim for progress in open_claims.values()]
    if claims and stopping.is_set():
        ledger.hand_back(claims)
    elif claims:
        ledger.fail(claims, "the engine left samples undrawn", [])


def _take_up(open_claims: dict[UUID, _Progress], verifier: Verifier) -> None:
    """Goes on where earlier attempts were cut off: what has no verdict yet is verified first."""
    settled = {
        (verdict.query_id, verdict.number): verdict
        for progress in open_claims.values()
        for verdict in progress.claim.verdicts
    }
    drawn = [sample for progress in open_claims.values() for sample in progress.claim.samples]
    for sample in drawn:
        if verdict := settled.get((sample.query_id, sample.number)):
            open_claims[sample.query_id].add(sample, verdict)
    left = [sample for sample in drawn if (sample.query_id, sample.number) not in settled]
    _take_in(open_claims, left, verifier)


def _drop_lost(open_claims: dict[UUID, _Progress], held: set[UUID]) -> None:
    for query_id, progress in list(open_claims.items()):
        if progress.claim.allocation_id not in held:
            log.warning("allocation %s was taken over by another attempt", progress.claim.allocation_id)
            del open_claims[query_id]


def _take_in(open_claims: dict[UUID, _Progress], samples: Sequence[Sample], verifier: Verifier) -> None:
    """Verifies samples of claims that are still held, and takes them in."""
    drawn = [sample for sample in samples if sample.query_id in open_claims]
    pairs = [(open_claims[sample.query_id].claim.query, sample) for sample in drawn]
    try:
        verdicts = verifier.verify(pairs) if pairs else []
    except VerifierError as error:
        verdicts = [not_verified(sample, str(error)) for sample in drawn]
    for sample, verdict in zip(drawn, verdicts, strict=True):
        open_claims[sample.query_id].add(sample, verdict)


def _close_complete(
    open_claims: dict[UUID, _Progress], ledger: SamplingLedger, solved: Sequence[UUID] = ()
) -> int:
    """Finishes what is complete, or solved before it was; returns how many queries are answered for good.

    A query whose verifier broke is tried again, never answered as wrong.
    """
    done = [progress for key, progress in open_claims.items() if progress.complete or key in solved]
    for progress in done:
        del open_claims[progress.claim.query_id]
    broken = [progress for progress in done if progress.broken and not progress.solved]
    for progress in broken:
        log.error("verifier broke on query %s: %s", progress.claim.query_id, progress.broken)
        reason = f"not verified: {progress.broken}"
        ledger.fail([progress.claim], reason, progress.new_verdicts)
    sound = [progress for progress in done if progress not in broken]
    closings = [progress.closing() for progress in sound]
    if sound:
        ledger.finish(closings, [verdict for progress in sound for verdict in progress.new_verdicts])
    return sum(closing.ends for closing in closings)
