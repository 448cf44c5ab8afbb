"""The inbox: a Redis stream with a consumer group, and the one atomic call that admits to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import redis

from adaqueue.core.arrivals import Arrival, Entry
from adaqueue.errors import UnavailableError

STREAM = "adaqueue:inbox"
SEEN = "adaqueue:seen"
GROUP = "ingest"
SEEN_SECONDS = 86_400
CLAIM_AFTER_SECONDS = 5.0
ADMIT_BATCH = 200
CANNOT_WRITE = ("OOM ", "MISCONF ", "NOREPLICAS ", "READONLY ", "read only replica")

# KEYS: stream. ARGV: cap, seconds an id is remembered, then (seen key, content, internal key, payload) each.
# Stops at the first that finds no room; says (status, internal key) for each before it.
ADMIT = """
local cap, seconds, said = tonumber(ARGV[1]), tonumber(ARGV[2]), {}
for i = 3, #ARGV, 4 do
  local known = redis.call('HMGET', ARGV[i], 'content', 'key')
  if known[1] then
    said[#said + 1] = {known[1] == ARGV[i + 1] and 'duplicate' or 'conflict', known[2]}
  elseif redis.call('XLEN', KEYS[1]) >= cap then
    break
  else
    redis.call('XADD', KEYS[1], '*', 'arrival', ARGV[i + 3])
    redis.call('HSET', ARGV[i], 'content', ARGV[i + 1], 'key', ARGV[i + 2])
    redis.call('EXPIRE', ARGV[i], seconds)
    said[#said + 1] = {'accepted', ARGV[i + 2]}
  end
end
return said
"""


@dataclass(frozen=True, slots=True)
class Admission:
    """What the inbox said of one arrival.

    Attributes:
        status: `accepted`, `duplicate` (same id and content) or `conflict` (same id, other content).
        id: internal key of the query that holds the id.
    """

    status: str
    id: UUID


def connect(url: str) -> redis.Redis:
    """Returns a Redis client whose blocking reads end before its socket times out."""
    return redis.Redis.from_url(
        url,
        decode_responses=True,
        # what is no UTF-8 must reach ingest, which refuses it, rather than break every read of the stream
        encoding_errors="surrogateescape",
        socket_timeout=5,
        socket_connect_timeout=5,
    )


class RedisInbox:
    """Both ends of the inbox.

    Args:
        client: Redis, as `connect` gives it.
        consumer: name of this consumer in the group; needed by `take` alone.
        capacity: entries at most; more are refused until ingest has caught up.
    """

    def __init__(self, client: redis.Redis, *, consumer: str = "", capacity: int = 100_000) -> None:
        self._redis = client
        self._consumer = consumer
        self._capacity = capacity
        self._admit = client.register_script(ADMIT)

    def admit(self, arrivals: Sequence[Arrival]) -> list[Admission]:
        """Admits arrivals in order, each at most once; what the answer leaves out found no room.

        Raises:
            UnavailableError: Redis is out of reach; trying again is harmless.
        """
        argv: list[Any] = [self._capacity, SEEN_SECONDS]
        for arrival in arrivals:
            query = arrival.query
            # its length tells where the tenant ends, whatever characters it has
            seen = f"{SEEN}:{arrival.run_id}:{len(query.account)}:{query.account}:{query.id}"
            argv += [seen, arrival.query.content_hash(), str(arrival.id), arrival.to_json()]
        with _reachable():
            said: Any = self._admit(keys=[STREAM], args=argv)
        return [Admission(status, UUID(key)) for status, key in said]

    def take(self, most: int, wait_seconds: float) -> list[Entry]:
        """Returns entries for this consumer, see `Inbox`; never waits longer than three seconds."""
        with _reachable():
            try:
                return self._left_behind(most) or self._new(most, wait_seconds)
            except redis.ResponseError as error:
                if "NOGROUP" not in str(error):
                    raise
                self._create_group()
                return []

    def acknowledge(self, entries: Sequence[Entry]) -> None:
        """Acknowledges and deletes entries in one transaction, see `Inbox`."""
        keys = [entry.key for entry in entries]
        with _reachable(), self._redis.pipeline(transaction=True) as pipe:
            pipe.xack(STREAM, GROUP, *keys)
            pipe.xdel(STREAM, *keys)
            pipe.execute()

    def hand_back(self, entries: Sequence[Entry]) -> None:
        """Makes entries overdue and takes this delivery off their count, see `Inbox`."""
        idle = int(CLAIM_AFTER_SECONDS * 1000)
        with _reachable(), self._redis.pipeline(transaction=True) as pipe:
            for entry in entries:
                options: dict[str, Any] = {"idle": idle, "retrycount": entry.deliveries - 1, "justid": True}
                pipe.xclaim(STREAM, GROUP, self._consumer, 0, [entry.key], **options)
            try:
                pipe.execute()
            except redis.ResponseError as error:
                if "NOGROUP" not in str(error):  # flushed meanwhile: nothing is left to hand back
                    raise

    def close(self) -> None:
        """Closes connections."""
        self._redis.close()

    def _create_group(self) -> None:
        try:
            self._redis.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
        except redis.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    def _left_behind(self, most: int) -> list[Entry]:
        """Takes over entries that some consumer, perhaps this one, has held for too long.

        The more often they were delivered, the fewer at once: one that kills its consumer ends up alone.
        """
        idle = int(CLAIM_AFTER_SECONDS * 1000)
        pending: Any = self._redis.xpending_range(STREAM, GROUP, "-", "+", most, idle=idle)
        if not pending:
            return []
        tries = min(item["times_delivered"] for item in pending)
        alike = [item["message_id"] for item in pending if item["times_delivered"] == tries]
        keys = alike[: max(most >> 2 * tries, 1)]
        claimed: Any = self._redis.xclaim(STREAM, GROUP, self._consumer, idle, keys)
        found = {key: fields for key, fields in claimed if key is not None}
        self._forget_deleted([key for key in keys if key not in found])
        return [_entry(key, fields, tries + 1) for key, fields in found.items()]

    def _forget_deleted(self, keys: Sequence[str]) -> None:
        """Acknowledges entries that somebody deleted by hand: nobody can ever take them."""
        for key in keys:
            if not self._redis.xrange(STREAM, key, key):
                self._redis.xack(STREAM, GROUP, key)

    def _new(self, most: int, wait_seconds: float) -> list[Entry]:
        block = int(min(wait_seconds, 3.0) * 1000) or None  # to Redis, 0 means for ever
        said: Any = self._redis.xreadgroup(GROUP, self._consumer, {STREAM: ">"}, count=most, block=block)
        return [_entry(key, fields, 1) for _, entries in _streams(said) for key, fields in entries]


def _streams(said: Any) -> Any:
    """The reply's streams: pairs under RESP2, a mapping to lists of batches under RESP3."""
    if isinstance(said, dict):
        return [(name, [entry for batch in batches for entry in batch]) for name, batches in said.items()]
    return said or []


def _entry(key: str, fields: dict[str, str], deliveries: int) -> Entry:
    return Entry(key, fields.get("arrival", ""), deliveries)


@contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise UnavailableError(f"Redis: {error}") from error
    except redis.ResponseError as error:
        if isinstance(error, redis.exceptions.OutOfMemoryError) or any(w in str(error) for w in CANNOT_WRITE):
            raise UnavailableError(f"Redis: {error}") from error
        raise
