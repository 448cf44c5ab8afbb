"""What is known of a claim while a worker holds it, and how it ends."""

from __future__ import annotations

from collections.abc import Mapping

from adaqueue.core import rerank
from adaqueue.core.consensus import NO_GROUP, Consensus, certainty, leader
from adaqueue.core.records import AWAY, Answer, Claim, Closing, Sample, Verdict, recorded
from adaqueue.core.trust import Rates, false_accept, is_trusted, source

CERTAIN = 0.95
"""A query without a reference ends when its leading answer wins with at least this chance."""


class Progress:
    """A claim with its samples and verdicts.

    Args:
        claim: what is held.
        rates: how often sources of verdicts err.

    Attributes:
        broken: why some sample could not be verified; None if all could.
        is_alone: whether there was nobody to verify some of them.
    """

    def __init__(self, claim: Claim, rates: Mapping[str, Rates]) -> None:
        self.claim = claim
        self.samples: dict[int, Sample] = {}
        self.verdicts = {verdict.number: verdict for verdict in claim.verdicts}
        self.broken: str | None = None
        self.is_alone = False
        self._rates = rates
        for sample in claim.samples:
            self.add(sample)

    def add(self, sample: Sample) -> None:
        """Takes a sample in; one that came with its reward has its verdict."""
        self.samples[sample.number] = sample
        if sample.reward is not None and sample.number not in self.verdicts:
            self.verdicts[sample.number] = recorded(sample, sample.reward)

    def settle(self, verdict: Verdict) -> None:
        """Takes a verdict in; one that says that nobody could tell now is none."""
        if verdict.verdict == "not_verified":
            self.broken = verdict.route
            self.is_alone = self.is_alone or verdict.verifier == AWAY
        self.verdicts[verdict.number] = verdict

    @property
    def is_drawn(self) -> bool:
        """Whether every sample of the budget is drawn."""
        return all(number in self.samples for number in self.claim.numbers)

    @property
    def is_settled(self) -> bool:
        """Whether every sample has its verdict."""
        return self.is_drawn and self.samples.keys() <= self.verdicts.keys()

    @property
    def votes(self) -> bool:
        """Whether its samples agree or differ rather than pass or fail: there is no reference to say so."""
        query = self.claim.query
        is_rewarded = all(sample.reward is not None for sample in self.samples.values())
        return query.domain == "math" and query.reference is None and not is_rewarded

    @property
    def owed(self) -> list[Sample]:
        """Samples to be verified: those without a verdict; where they vote, all of them together."""
        if self.votes:
            return [self.samples[number] for number in sorted(self.samples)]
        return [sample for number, sample in self.samples.items() if number not in self.verdicts]

    @property
    def is_solved(self) -> bool:
        """Whether the query ends with what was drawn, whatever it might still draw."""
        if not self.claim.stops or len(self.samples) < self.claim.min_budget:
            return False
        if self.votes:
            lead = self._consensus()
            return lead is not None and certainty(lead.votes, lead.runner_up) >= CERTAIN
        return self.claim.query.domain != "chat" and is_trusted(
            list(self.verdicts.values()), self.claim.prior, self._rates
        )

    @property
    def new_verdicts(self) -> list[Verdict]:
        """Those that the ledger does not have."""
        known = {verdict.number for verdict in self.claim.verdicts}
        return [verdict for number, verdict in self.verdicts.items() if number not in known]

    def closing(self) -> Closing:
        """Returns the answer, the best of what was drawn, and whether the query ends with it."""
        best, reward = self._leader() if self.votes else self._best()
        numbers = sorted(self.samples)
        answer = Answer(
            id=str(self.claim.query.id),
            text=self.samples[best].text,
            reward=reward,
            verified=not self.votes and self._passed(self.verdicts[best]),
            budget=self.claim.numbers.stop,
            samples_used=len(numbers),
            abstained=False,
        )
        ends = not self.claim.stops or self.is_solved or len(numbers) >= self.claim.max_budget
        return Closing(self.claim, answer, best, ends)

    def _passed(self, verdict: Verdict) -> bool:
        """Whether it is a success; where rewards are real, in chat, nothing is."""
        return verdict.reward is not None and verdict.reward > 0 and self.claim.query.domain != "chat"

    def _best(self) -> tuple[int, float | None]:
        """The sample of the largest reward; of equal ones the one whose verdict is trusted most."""
        numbers = sorted(self.samples)
        reward = self.verdicts[numbers[rerank.best([self.verdicts[n].reward for n in numbers])]].reward
        equals = [number for number in numbers if self.verdicts[number].reward == reward]
        return min(equals, key=lambda number: self._doubt(self.verdicts[number])), reward

    def _doubt(self, verdict: Verdict) -> float:
        return false_accept(source(verdict), self._rates)

    def _leader(self) -> tuple[int, float | None]:
        """The first sample of the largest group, and the group's share of all samples."""
        lead = self._consensus()
        if lead is None:
            return min(self.samples), 0.0
        return sorted(self.samples)[lead.leader], lead.votes / len(self.samples)

    def _consensus(self) -> Consensus | None:
        """None where no sample holds an answer."""
        said = [self.verdicts[number] for number in sorted(self.samples)]
        routes = [verdict.route if verdict.verdict == "grouped" else None for verdict in said]
        return leader([NO_GROUP if route is None else routes.index(route) for route in routes])
