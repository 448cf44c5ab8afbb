"""How far a verdict is to be trusted, by what audits have shown of who gave it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from scipy.special import betaincinv, roots_jacobi

from adaqueue.core.records import Verdict

JUDGE = "math:judge"
"""The language model that judges what no rule can tell, as a source of verdicts."""
ASSUMED_FALSE_ACCEPT = {JUDGE: 0.02}
"""Held of a source until audits bound it higher; of the others nothing is held against them."""
TRUSTED = 0.9
"""A query ends when the sample that passed is right with at least this chance."""

_NODES = 64
_LEAST_SHAPE = 1e-3
_MOST_KNOWN = 500.0


@dataclass(frozen=True, slots=True)
class Audit:
    """A verdict that a second verifier checked again.

    Attributes:
        query_id: whose sample.
        number: the sample's number.
        source: who gave the verdict.
        accepted: whether it passed.
        auditor: who checked it again.
        auditor_version: of the auditor.
        confirmed: whether it passed there.
    """

    query_id: UUID
    number: int
    source: str
    accepted: bool
    auditor: str
    auditor_version: str
    confirmed: bool


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many.

    Attributes:
        count: how many.
        of: among how many.
    """

    count: int
    of: int

    @property
    def value(self) -> float:
        """The share, not a number where there was none."""
        return self.count / self.of if self.of else float("nan")

    def interval(self) -> tuple[float, float]:
        """Returns the exact 95% interval (Clopper and Pearson); all of [0, 1] where there was none."""
        if not self.of:
            return 0.0, 1.0
        hits, misses = self.count, self.of - self.count
        low = float(betaincinv(hits, misses + 1, 0.025)) if hits else 0.0
        high = float(betaincinv(hits + 1, misses, 0.975)) if misses else 1.0
        return low, high


@dataclass(frozen=True, slots=True)
class Rates:
    """How often one verifier errs, taking the other for the truth.

    Attributes:
        false_accepts: of what the other refuses, what it accepts.
        false_rejects: of what the other accepts, what it refuses.
    """

    false_accepts: Share
    false_rejects: Share


def rates(both: int, accepted_alone: int, other_alone: int, neither: int) -> Rates:
    """Returns a verifier's rates from how often it and the other accepted the same sample."""
    return Rates(
        Share(accepted_alone, accepted_alone + neither),
        Share(other_alone, other_alone + both),
    )


def source(verdict: Verdict) -> str:
    """Returns who gave a verdict: the verifier, and the judge apart from the rules before it."""
    return JUDGE if f"{verdict.verifier}:{verdict.route}" == JUDGE else verdict.verifier


def is_audited(query_id: UUID, number: int, share: float) -> bool:
    """Whether a sample belongs to the share that is audited; the same whoever asks."""
    digest = hashlib.blake2b(query_id.bytes + number.to_bytes(4), digest_size=8).digest()
    return int.from_bytes(digest) < share * 2**64


def false_accept(name: str, found: Mapping[str, Rates]) -> float:
    """Returns the rate to hold against a source: what audits leave no doubt of, at least what is assumed."""
    assumed = ASSUMED_FALSE_ACCEPT.get(name, 0.0)
    shown = found[name].false_accepts.interval()[0] if name in found else 0.0
    return max(assumed, shown)


def chance_right(prior: tuple[float, float], passed: int, failed: int, false_accept: float) -> float:
    """Returns the chance that a sample which passed is right.

    The query's chance of success lambda is Beta distributed before its samples; one sample passes with
    a = lambda + (1 - lambda) f, and one that passed is right with lambda / a.

    Args:
        prior: (alpha, beta) of lambda, above 0.
        passed: samples that passed, at least 1.
        failed: samples that did not.
        false_accept: f, the chance that a wrong sample passes, in [0, 1).

    Returns:
        The mean of lambda / a given what passed and failed, in (0, 1]; 1 where f is 0.
    """
    if false_accept == 0.0:
        return 1.0
    # a prior that knows more than any probe does would leave the quadrature nothing but rounding
    scale = min(1.0, _MOST_KNOWN / sum(prior)) if sum(prior) else 1.0
    alpha, beta = (max(scale * shape, _LEAST_SHAPE) for shape in prior)
    nodes, weights = roots_jacobi(_NODES, beta - 1, alpha - 1)
    success = (nodes + 1) / 2
    passes = success + (1 - success) * false_accept
    log_weight = np.log(weights) + passed * np.log(passes) + failed * np.log1p(-passes)
    weight = np.exp(log_weight - log_weight.max())
    return float(np.average(success / passes, weights=weight))


def is_trusted(verdicts: Sequence[Verdict], prior: tuple[float, float], found: Mapping[str, Rates]) -> bool:
    """Whether what passed settles the query: its best source says right with a chance of `TRUSTED`.

    Args:
        verdicts: of the query's samples.
        prior: (alpha, beta) of its chance of success before them.
        found: rates by source, as audits have shown them.
    """
    passed = [verdict for verdict in verdicts if verdict.reward is not None and verdict.reward > 0]
    if not passed:
        return False
    rate = min(false_accept(source(verdict), found) for verdict in passed)
    told = sum(verdict.reward is not None for verdict in verdicts)
    return chance_right(prior, len(passed), told - len(passed), rate) >= TRUSTED
