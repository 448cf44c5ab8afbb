"""Every error that adaqueue raises on purpose, as one tree.

AdaQueueError
├── SettingsError             a setting, option or config key is unknown or out of range
├── BadQueryError             a query is refused at the door: names field, value and remedy
│   ├── NotYetError           the field or domain exists in the format, its effect is not built yet
│   └── ConflictError         the id was given before with other content
├── UnavailableError          a server or the system cannot be reached; nothing was accepted
│   └── InboxFullError        the inbox is at its cap; says when to try again
├── QueryFailedError          the query ended without an answer
│   ├── QueryCancelledError
│   ├── QueryExpiredError
│   └── DeadLetteredError     it could not be carried out; the ledger keeps it with the reason
├── EngineError               the engine broke; never a wrong answer
├── VerifierError             the verifier broke; never a wrong answer
│   └── VerifierAwayError     nobody can verify now: it is tried again until somebody can
├── FingerprintError          a probe does not belong to these features or sampling settings
├── BadOutcomesError          recorded outcomes cannot train a probe of this kind
│   └── NoSupportError        they say nothing of some queries or budgets: more must be explored
├── AlreadyUpError            another process holds the data folder
├── LeaseLostError            another scheduler took over; this one's window was not written
└── LedgerRefusedError        Postgres refuses the data itself; trying again does not help
"""

from __future__ import annotations


class AdaQueueError(Exception):
    """Base of all errors that adaqueue raises on purpose."""


class SettingsError(AdaQueueError):
    """A setting, option or config key is unknown or out of range."""


class BadQueryError(AdaQueueError):
    """A query is refused at the door.

    Attributes:
        field: name of the offending field.
        value: what was given, shortened.
        remedy: what to give instead.
    """

    def __init__(self, field: str, value: object, remedy: str) -> None:
        self.field = field
        self.value = shorten(value)
        self.remedy = remedy
        super().__init__(f"{field}: {self.value}: {remedy}")


class NotYetError(BadQueryError):
    """The field or domain exists in the format, but its effect is not built yet."""


class ConflictError(BadQueryError):
    """The id was given before in this run with other content."""


class UnavailableError(AdaQueueError):
    """A server or the whole system cannot be reached; nothing was accepted."""


class InboxFullError(UnavailableError):
    """The inbox is at its cap.

    Attributes:
        retry_after_seconds: when room is likely.
    """

    def __init__(self, retry_after_seconds: float) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(f"the inbox is full: try again in {retry_after_seconds:g} s")


class QueryFailedError(AdaQueueError):
    """The query ended without an answer.

    Attributes:
        query_id: the user's id of the query.
        reason: why, in words.
    """

    def __init__(self, query_id: str, reason: str) -> None:
        self.query_id = query_id
        self.reason = reason
        super().__init__(f"query {query_id!r}: {reason}")


class QueryCancelledError(QueryFailedError):
    """The query was cancelled before it was answered."""


class QueryExpiredError(QueryFailedError):
    """The query's deadline passed before it was answered."""


class DeadLetteredError(QueryFailedError):
    """The query could not be carried out; the ledger keeps it with the reason."""


class EngineError(AdaQueueError):
    """The engine broke while it drew samples; says nothing about the answer."""


class VerifierError(AdaQueueError):
    """The verifier broke; says nothing about the sample."""


class VerifierAwayError(VerifierError):
    """Nobody can verify now, whatever the sample; it is no fault of the query, and tried again."""


class FingerprintError(AdaQueueError):
    """A probe does not belong to these features or sampling settings."""


class BadOutcomesError(AdaQueueError):
    """Recorded outcomes cannot train a probe of this kind; says which, how many, and the remedy."""


class NoSupportError(BadOutcomesError):
    """Outcomes say nothing of some queries, or of some budgets; names them and the remedy."""


class AlreadyUpError(AdaQueueError):
    """Another process holds the data folder."""


class LeaseLostError(AdaQueueError):
    """Another scheduler took over; this one's window was not written."""


class LedgerRefusedError(AdaQueueError):
    """Postgres refuses the data itself; trying again does not help."""


def shorten(value: object, limit: int = 80) -> str:
    """Returns `repr(value)`, cut to `limit` characters."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."
