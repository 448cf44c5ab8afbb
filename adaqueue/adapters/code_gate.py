"""The gate: a query's own solution must pass its tests before anybody is asked to solve it."""

from __future__ import annotations

from collections.abc import Mapping

from adaqueue.adapters import code_program
from adaqueue.adapters.code_verifier import CodeVerifier
from adaqueue.adapters.code_wire import Report, Request
from adaqueue.core.query import Query
from adaqueue.errors import BadQueryError


def examine_solution(verifier: CodeVerifier, query: Query) -> Report | None:
    """Returns what came of running a query's own solution; None where it carries none.

    Args:
        verifier: with the limits and the comparison that samples will meet.
        query: of domain code, with its tests.

    Raises:
        BadQueryError: the query has no tests.
        VerifierError: no sandbox can be reached.
    """
    reference = query.reference
    if not isinstance(reference, Mapping):
        raise BadQueryError("reference", reference, "only queries of domain code have tests and a solution")
    if not reference.get("solution"):
        return None
    request = Request(
        programs=(reference["solution"],),
        reference=reference,
        definitions=code_program.definitions(code_program.asked(query)),
        limits=verifier.limits,
        comparison=verifier.comparison,
    )
    return verifier.examine([request])[0]
