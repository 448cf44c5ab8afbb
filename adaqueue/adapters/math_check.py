"""Whether a response's final answer equals the reference: as text, as exact numbers, then symbolically.

What none of these can tell is left undecided, for a judge.
"""

from __future__ import annotations

from dataclasses import dataclass

from adaqueue.adapters.math_answer import Found, answer_to_judge, find_answer
from adaqueue.adapters.math_compare import Comparison, Exact
from adaqueue.adapters.math_form import Form, read
from adaqueue.adapters.math_guard import is_guarded
from adaqueue.adapters.math_pool import MathPool
from adaqueue.adapters.math_spelling import compact, differ_in_or, normalise
from adaqueue.errors import VerifierError, shorten

_EXACT = Comparison(Exact())


@dataclass(frozen=True)
class MathVerdict:
    """What the checker found.

    Attributes:
        equal: whether the final answer equals the reference; None where only a judge could tell.
        route: what decided: `string` (text alone), `number` (exact arithmetic), `unit` (units or bases that
            both stand and differ), `empty` (no answer), `hedged` (several answers for one), `symbolic`,
            `guarded` (an answer too large to be worked out). With None, why nothing did: `undecided`,
            `unmarked` (the response marks no final answer), `killed` (its worker was too slow or too large).
        answer: the final answer as the response writes it; where it marks none, the response's end.
    """

    equal: bool | None
    route: str
    answer: str


class MathChecker:
    """Checks math answers; any number of threads may share one.

    Args:
        pool: compares what is neither equal text nor exact numbers; without one, that stays undecided.
        paper_exact: equal text alone is a yes and a judge decides everything else, as in the paper (A.1).
    """

    name = "math"
    version = "2"

    def __init__(self, pool: MathPool | None, *, paper_exact: bool = False) -> None:
        self._pool = pool
        self._paper_exact = paper_exact

    def check(self, reference: str, response: str) -> MathVerdict:
        """Returns whether the response's final answer (see `final_answer`) equals the reference.

        Units and names of variables that stand on both sides must agree; on one side alone they are ignored.
        Neither more nor fewer answers than the reference has will pass; their order counts in tuples alone.

        Args:
            reference: The right answer, plain or LaTeX, without a box.
            response: What the model wrote, of any length.

        Returns:
            The verdict, within 2.5 s of a worker being free whatever the texts say.

        Raises:
            VerifierError: The reference is empty, or no worker can be started: nothing could be told.
        """
        expected = normalise(reference)
        if not expected:
            raise VerifierError(f"the reference {shorten(reference)} holds no answer to compare with")
        found = find_answer(response)
        answer = normalise(found.text)
        if found.mark and not any(map(str.isalnum, answer)):
            return MathVerdict(False, "empty", "")
        equal, route = self._decide(expected, answer, found)
        if equal and differ_in_or(reference, found.text):
            equal, route = None, "undecided"
        return MathVerdict(equal, route, answer_to_judge(response))

    def same_exactly(self, first: str, second: str) -> bool | None:
        """Returns what text and exact numbers tell of two final answers, None where that is nothing."""
        one, other = normalise(first), normalise(second)
        if not one or not other:
            return one == other
        said = _exactly(one, other)[0]
        return None if said and differ_in_or(first, second) else said

    def same(self, first: str, second: str) -> bool:
        """Returns whether two final answers are proven equal.

        Raises:
            VerifierError: no worker can be started.
        """
        one, other = normalise(first), normalise(second)
        if not one or not other:
            return one == other
        return self._compare(one, other)[0] is True and not differ_in_or(first, second)

    def close(self) -> None:
        """Ends the pool's processes."""
        if self._pool is not None:
            self._pool.close()

    def _decide(self, expected: str, answer: str, found: Found) -> tuple[bool | None, str]:
        if self._paper_exact and found.mark:
            return (True, "string") if compact(answer) == compact(expected) else (None, "undecided")
        if found.is_certain:
            return self._compare(expected, answer)
        if not found.mark:
            return None, "unmarked"
        equal, route = _exactly(expected, answer)
        return (True, route) if equal else (None, "unmarked")

    def _compare(self, expected: str, answer: str) -> tuple[bool | None, str]:
        equal, route = _exactly(expected, answer)
        if equal is not None:
            return equal, route
        if is_guarded(answer) or is_guarded(expected):
            return None if is_guarded(expected) else False, "guarded"
        if self._pool is None:
            return None, "undecided"
        said = self._pool.compare(expected, answer)
        if said.equal is None:
            return None, "killed" if said.killed else "undecided"
        return said.equal, "guarded" if said.guarded else "symbolic"


def _exactly(expected: str, answer: str) -> tuple[bool | None, str]:
    """What text and exact numbers tell, and which of the two did."""
    if compact(answer) == compact(expected):
        return True, "string"
    first, second = read(expected), read(answer)
    equal = _EXACT.equal(first, second)
    return equal, "undecided" if equal is None else _route(first, second, equal)


def _route(first: Form, second: Form, equal: bool) -> str:
    if not equal and first.unit and second.unit and first.unit != second.unit:
        return "unit"
    if not equal and first.kind in {"piece", "base"} and second.kind in {"list", "set", "union"}:
        return "hedged"
    return "number" if _holds_number(first) or _holds_number(second) else "string"


def _holds_number(form: Form) -> bool:
    return form.value is not None or any(map(_holds_number, form.parts))
