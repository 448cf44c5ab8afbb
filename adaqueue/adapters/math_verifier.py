"""The math verifier: a response's final answer is checked by rules, and what they leave open by a judge."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from adaqueue.adapters.code_program import asked
from adaqueue.adapters.math_check import MathChecker, MathVerdict
from adaqueue.core.query import Query
from adaqueue.core.records import Doubt, Sample, Verdict, not_verified
from adaqueue.errors import VerifierError
from adaqueue.ports import Judge

MAX_THREADS = 16
"""Samples of one call that are checked at the same time; the processes of the pool limit them further."""


@dataclass(frozen=True)
class _Checked:
    said: MathVerdict | VerifierError
    seconds: float


class MathVerifier:
    """Gives math samples their verdicts.

    Without a judge an undecided answer is wrong, by the route `unjudged`: nothing showed it to be right.

    Args:
        checker: decides by rules.
        judge: asked once in each call about everything that the rules leave undecided.
    """

    def __init__(self, checker: MathChecker, judge: Judge | None = None) -> None:
        self._checker = checker
        self._judge = judge

    def verify(self, drawn: Sequence[tuple[Query, Sample]]) -> list[Verdict]:
        """Returns the verdicts, see `Verifier`."""
        pairs = [(str(query.reference), str(sample.text)) for query, sample in drawn]
        checked = self._check_all(list(dict.fromkeys(pairs)))
        doubts = [
            Doubt(asked(query), pair[0], said.answer)
            for (query, _), pair in zip(drawn, pairs, strict=True)
            if isinstance(said := checked[pair].said, MathVerdict) and said.equal is None
        ]
        judged = self._ask(list(dict.fromkeys(doubts)))
        return [
            self._verdict(query, sample, checked[pair], judged)
            for (query, sample), pair in zip(drawn, pairs, strict=True)
        ]

    def _check_all(self, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], _Checked]:
        if len(pairs) < 2:
            return {pair: self._check(pair) for pair in pairs}
        with ThreadPoolExecutor(min(len(pairs), MAX_THREADS)) as threads:
            return dict(zip(pairs, threads.map(self._check, pairs), strict=True))

    def _check(self, pair: tuple[str, str]) -> _Checked:
        started = time.perf_counter()
        said: MathVerdict | VerifierError
        try:
            said = self._checker.check(*pair)
        except VerifierError as error:
            said = error
        return _Checked(said, time.perf_counter() - started)

    def _ask(self, doubts: Sequence[Doubt]) -> Mapping[Doubt, bool | VerifierError]:
        """What the judge says, its own breakdown included; nothing without a judge."""
        if self._judge is None or not doubts:
            return {}
        try:
            return dict(zip(doubts, self._judge.equal(doubts), strict=True))
        except VerifierError as error:
            return dict.fromkeys(doubts, error)

    def _verdict(
        self, query: Query, sample: Sample, checked: _Checked, judged: Mapping[Doubt, bool | VerifierError]
    ) -> Verdict:
        if isinstance(checked.said, VerifierError):
            return not_verified(sample, checked.said)
        equal, route = checked.said.equal, checked.said.route
        if equal is None:
            doubt = Doubt(asked(query), str(query.reference), checked.said.answer)
            said = judged.get(doubt)
            if isinstance(said, VerifierError):
                return not_verified(sample, said)
            equal, route = bool(said), "unjudged" if said is None else "judge"
        return Verdict(
            query_id=sample.query_id,
            number=sample.number,
            verdict="passed" if equal else "wrong_answer",
            reward=float(equal),
            verifier=self._checker.name,
            version=self._version(route),
            route=route,
            tier=None,
            seconds=checked.seconds,
        )

    def _version(self, route: str) -> str:
        if self._judge is None or route != "judge":
            return self._checker.version
        return f"{self._checker.version}, {self._judge.name} {self._judge.revision}".strip()
