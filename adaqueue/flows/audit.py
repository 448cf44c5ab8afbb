"""A share of verdicts is checked again, so that each verifier's errors are known."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from adaqueue.core.query import Query
from adaqueue.core.records import Sample, Verdict
from adaqueue.core.trust import Audit, is_audited, source
from adaqueue.errors import VerifierError
from adaqueue.ports import Verifier

log = logging.getLogger(__name__)


class Auditor:
    """Has a share of verdicts checked again by a second verifier.

    Args:
        verifier: gives the second verdicts.
        share: of all samples, in [0, 1].
    """

    def __init__(self, verifier: Verifier, share: float) -> None:
        self._verifier = verifier
        self._share = share

    def audits(self, settled: Sequence[tuple[Query, Sample, Verdict]]) -> list[Audit]:
        """Returns what came of checking some of the verdicts again; a verifier that breaks audits nothing.

        Only verdicts by rules and tests are checked: of the judge's own, no rule could tell.
        """
        chosen = [one for one in settled if self._is_chosen(one[2])]
        if not chosen:
            return []
        try:
            again = self._verifier.verify([(query, sample) for query, sample, _ in chosen])
        except VerifierError as error:
            log.warning("no audit: %s", error)
            return []
        pairs = zip((verdict for _, _, verdict in chosen), again, strict=True)
        return [_audit(verdict, second) for verdict, second in pairs if second.reward is not None]

    def _is_chosen(self, verdict: Verdict) -> bool:
        if verdict.reward is None or source(verdict) not in ("math", "code"):
            return False
        return is_audited(verdict.query_id, verdict.number, self._share)


def _audit(verdict: Verdict, second: Verdict) -> Audit:
    return Audit(
        query_id=verdict.query_id,
        number=verdict.number,
        source=source(verdict),
        accepted=bool(verdict.reward),
        auditor=source(second),
        auditor_version=second.version,
        confirmed=bool(second.reward),
    )
