"""The verifier of a running system: recorded rewards stand, other responses go to their domain's verifier."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from adaqueue.core.query import Query
from adaqueue.core.records import Sample, Verdict, not_verified, recorded
from adaqueue.errors import VerifierError
from adaqueue.ports import Verifier


class DomainVerifier:
    """Shares samples out among verifiers; one that breaks says nothing about the others' samples.

    Args:
        verifiers: one for each domain, and for `math without a reference`.
    """

    def __init__(self, verifiers: Mapping[str, Verifier]) -> None:
        self._verifiers = verifiers

    def verify(self, drawn: Sequence[tuple[Query, Sample]]) -> list[Verdict]:
        """Returns the verdicts, see `Verifier`."""
        verdicts: dict[int, Verdict] = {}
        waiting: dict[str, list[int]] = defaultdict(list)
        for place, (query, sample) in enumerate(drawn):
            if sample.reward is not None:
                verdicts[place] = recorded(sample, sample.reward)
            elif sample.text is None or (kind := self._kind(query)) is None:
                reason = "it has no recorded reward, and no verifier for what it has"
                verdicts[place] = not_verified(sample, reason)
            else:
                waiting[kind].append(place)
        for kind, places in waiting.items():
            said = self._ask(kind, [drawn[place] for place in places])
            verdicts.update(zip(places, said, strict=True))
        return [verdicts[place] for place in range(len(drawn))]

    def _kind(self, query: Query) -> str | None:
        """Whose query it is; None where nobody here could tell."""
        needs_none = query.domain == "chat" or query.reference is not None
        kind = query.domain if needs_none else f"{query.domain} without a reference"
        return kind if kind in self._verifiers else None

    def _ask(self, kind: str, drawn: Sequence[tuple[Query, Sample]]) -> list[Verdict]:
        try:
            return self._verifiers[kind].verify(drawn)
        except VerifierError as error:
            return [not_verified(sample, error) for _, sample in drawn]
