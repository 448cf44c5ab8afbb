"""The verifier of a running system: recorded rewards stand, other responses go to their domain's verifier."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from adaqueue.core.query import Query
from adaqueue.core.records import Sample, Verdict, not_verified
from adaqueue.errors import VerifierError
from adaqueue.ports import Verifier


class DomainVerifier:
    """Shares samples out among verifiers; one that breaks says nothing about the others' samples.

    Args:
        verifiers: one for each domain.
    """

    def __init__(self, verifiers: Mapping[str, Verifier]) -> None:
        self._verifiers = verifiers

    def verify(self, drawn: Sequence[tuple[Query, Sample]]) -> list[Verdict]:
        """Returns the verdicts, see `Verifier`."""
        verdicts: dict[int, Verdict] = {}
        waiting: dict[str, list[int]] = defaultdict(list)
        for place, (query, sample) in enumerate(drawn):
            if sample.reward is not None:
                verdicts[place] = _recorded(sample, sample.reward)
            elif query.reference is None or sample.text is None:
                reason = "neither a recorded reward nor a response and its reference"
                verdicts[place] = not_verified(sample, reason)
            else:
                waiting[query.domain].append(place)
        for domain, places in waiting.items():
            said = self._ask(domain, [drawn[place] for place in places])
            verdicts.update(zip(places, said, strict=True))
        return [verdicts[place] for place in range(len(drawn))]

    def _ask(self, domain: str, drawn: Sequence[tuple[Query, Sample]]) -> list[Verdict]:
        try:
            return self._verifiers[domain].verify(drawn)
        except VerifierError as error:
            return [not_verified(sample, str(error)) for _, sample in drawn]


def _recorded(sample: Sample, reward: float) -> Verdict:
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
