"""adaqueue decides how many samples each query deserves, and never loses one."""

from adaqueue.client import AdaQueue
from adaqueue.client.receipts import Receipt
from adaqueue.core.query import Query
from adaqueue.core.recording import RecordedSample, Recording
from adaqueue.core.records import Answer
from adaqueue.errors import (
    AdaQueueError,
    BadQueryError,
    ConflictError,
    DeadLetteredError,
    InboxFullError,
    NotYetError,
    QueryCancelledError,
    QueryExpiredError,
    QueryFailedError,
    SettingsError,
    UnavailableError,
)

__all__ = [
    "AdaQueue",
    "Query",
    "Receipt",
    "Answer",
    "Recording",
    "RecordedSample",
    "AdaQueueError",
    "BadQueryError",
    "ConflictError",
    "NotYetError",
    "QueryFailedError",
    "QueryCancelledError",
    "QueryExpiredError",
    "DeadLetteredError",
    "SettingsError",
    "UnavailableError",
    "InboxFullError",
]
