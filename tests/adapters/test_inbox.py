"""Proves that the inbox admits each query once, and gives each entry to somebody until it is acknowledged."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
import redis
from uuid_utils.compat import uuid7

from adaqueue.adapters.inbox import CLAIM_AFTER_SECONDS, GROUP, STREAM, Admission, RedisInbox, connect
from adaqueue.core.arrivals import Arrival, Entry
from adaqueue.errors import UnavailableError
from tests.scene import query

RUN = UUID(int=1)
LONG_AGO = int(CLAIM_AFTER_SECONDS * 1000)


def arrival(external_id: str, **fields: Any) -> Arrival:
    return Arrival(uuid7(), RUN, query(external_id, **fields))


def fill(inbox: RedisInbox, *external_ids: str) -> None:
    admitted = inbox.admit([arrival(external_id) for external_id in external_ids])
    assert [admission.status for admission in admitted] == ["accepted"] * len(external_ids)


def take(inbox: RedisInbox, most: int = 500) -> list[Entry]:
    """Takes twice: the first time, a fresh Redis has no group yet."""
    return inbox.take(most, 0.0) or inbox.take(most, 0.0)


def ids(entries: list[Entry]) -> list[str]:
    return [json.loads(entry.payload)["query"]["id"] for entry in entries]


def pass_time(client: redis.Redis) -> None:
    """Lets every entry that was taken and not acknowledged count as left behind."""
    for item in pending(client):
        client.xclaim(STREAM, GROUP, item["consumer"], 0, [item["message_id"]], idle=LONG_AGO, justid=True)


def pending(client: redis.Redis) -> list[dict[str, Any]]:
    found: Any = client.xpending_range(STREAM, GROUP, "-", "+", 1_000)
    return list(found)


@contextmanager
def setting(client: redis.Redis, name: str, value: str) -> Iterator[None]:
    before = str(client.config_get(name)[name])
    client.config_set(name, value)
    try:
        yield
    finally:
        client.config_set(name, before)


@pytest.fixture
def inbox(redis_client: redis.Redis) -> RedisInbox:
    return RedisInbox(redis_client, consumer="one")


@pytest.fixture
def other(redis_client: redis.Redis) -> RedisInbox:
    return RedisInbox(redis_client, consumer="two")


def test_what_is_admitted_is_taken_in_order_and_reads_back(inbox: RedisInbox) -> None:
    given = [
        arrival("é\u2028", metadata={"a": [1.5, None]}),
        arrival("b", tenant="é: 1", deadline_seconds=0.25),
    ]
    assert inbox.admit(given) == [Admission("accepted", one.id) for one in given]
    entries = take(inbox)
    assert [Arrival.from_json(entry.payload) for entry in entries] == given
    assert [entry.deliveries for entry in entries] == [1, 1]


def test_the_same_id_and_content_is_one_query_under_its_first_key(inbox: RedisInbox) -> None:
    first, second = arrival("a"), arrival("a", metadata={"tried": "again"})
    assert inbox.admit([first, second]) == [Admission("accepted", first.id), Admission("duplicate", first.id)]
    assert inbox.admit([second]) == [Admission("duplicate", first.id)]
    assert len(take(inbox)) == 1


def test_the_same_id_with_other_content_is_a_conflict(inbox: RedisInbox) -> None:
    first = arrival("a")
    assert inbox.admit([first, arrival("a", reference="3")]) == [
        Admission("accepted", first.id),
        Admission("conflict", first.id),
    ]
    assert len(take(inbox)) == 1


def test_the_same_id_in_another_run_is_another_query(inbox: RedisInbox) -> None:
    elsewhere = Arrival(uuid7(), UUID(int=2), query("a"))
    assert [a.status for a in inbox.admit([arrival("a"), elsewhere])] == ["accepted", "accepted"]


def test_the_same_id_of_another_tenant_is_another_query(inbox: RedisInbox) -> None:
    given = [
        arrival("a"),
        arrival("a", tenant="they"),
        arrival("a", tenant="default"),
        arrival("a", tenant="a"),
    ]
    said = inbox.admit(given)
    assert [a.status for a in said] == ["accepted", "accepted", "duplicate", "accepted"]
    assert said[2].id == given[0].id
    assert [a.status for a in inbox.admit([arrival("a", tenant="they", reference="3")])] == ["conflict"]
    taken = [Arrival.from_json(entry.payload) for entry in take(inbox)]
    assert taken == [given[0], given[1], given[3]]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", "b:c"), ("a:b", "c")),
        (("a:1", "b"), ("a", "1:b")),
        (("1:a", "b"), ("1", "a:b")),
        (("default", "7:default:a"), ("default:7:default", "a")),
        (("é", "x"), ("e\u0301", "x")),
        ((":", "::"), ("::", ":")),
        (("a ", "b"), ("a", " b")),
    ],
)
def test_tenant_and_id_are_told_apart_whatever_characters_they_hold(
    inbox: RedisInbox, redis_client: redis.Redis, one: tuple[str, str], other: tuple[str, str]
) -> None:
    given = [arrival(name, tenant=tenant) for tenant, name in (one, other)]
    assert [a.status for a in inbox.admit(given)] == ["accepted", "accepted"]
    assert len(list(redis_client.scan_iter("adaqueue:seen:*"))) == 2


def test_an_id_stays_known_after_its_query_left_the_inbox(inbox: RedisInbox) -> None:
    fill(inbox, "a")
    inbox.acknowledge(take(inbox))
    assert [admission.status for admission in inbox.admit([arrival("a")])] == ["duplicate"]


def test_an_id_is_forgotten_some_day(inbox: RedisInbox, redis_client: redis.Redis) -> None:
    fill(inbox, "a")
    (key,) = redis_client.keys("adaqueue:seen:*")
    assert 0 < redis_client.ttl(key) <= 86_400


def test_at_the_cap_the_rest_finds_no_room_and_is_taken_up_later(redis_client: redis.Redis) -> None:
    inbox = RedisInbox(redis_client, consumer="one", capacity=2)
    given = [arrival(name) for name in "abcd"]
    assert [admission.id for admission in inbox.admit(given)] == [given[0].id, given[1].id]
    assert inbox.admit(given[2:]) == []
    assert [admission.status for admission in inbox.admit([given[0], *given[2:]])] == ["duplicate"]
    inbox.acknowledge(take(inbox, 1))
    assert [admission.id for admission in inbox.admit(given[2:])] == [given[2].id]
    inbox.acknowledge(take(inbox))
    assert [admission.id for admission in inbox.admit(given[3:])] == [given[3].id]
    assert ids(take(inbox)) == ["d"]


def test_what_was_refused_for_want_of_room_left_no_trace(redis_client: redis.Redis) -> None:
    full = RedisInbox(redis_client, capacity=0)
    assert full.admit([arrival("a")]) == []
    assert redis_client.keys("*") == []


def test_two_producers_at_once_admit_an_id_once(servers_url: str) -> None:
    inboxes = [RedisInbox(connect(servers_url)) for _ in range(4)]
    given = [arrival(f"q{number}") for number in range(50)]
    said: list[list[Admission]] = []
    threads = [threading.Thread(target=lambda one=one: said.append(one.admit(given))) for one in inboxes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    statuses = [[admission.status for admission in column] for column in zip(*said, strict=True)]
    assert all(sorted(column) == ["accepted"] + ["duplicate"] * 3 for column in statuses)
    for inbox in inboxes:
        inbox.close()


@pytest.fixture
def servers_url(redis_client: redis.Redis) -> str:
    options = redis_client.connection_pool.connection_kwargs
    password = f":{options['password']}@" if options.get("password") else ""
    return f"unix://{password}{options['path']}"


def test_an_entry_is_taken_by_one_consumer_and_gone_once_acknowledged(
    inbox: RedisInbox, other: RedisInbox, redis_client: redis.Redis
) -> None:
    fill(inbox, "a", "b", "c")
    mine, theirs = take(inbox, 2), take(other)
    assert (ids(mine), ids(theirs)) == (["a", "b"], ["c"])
    inbox.acknowledge(mine)
    other.acknowledge(theirs)
    assert redis_client.xlen(STREAM) == 0
    assert pending(redis_client) == []


@pytest.mark.parametrize("seconds", [0.0, 0.0001, 0.01])
def test_an_empty_inbox_is_waited_for_no_longer_than_asked(inbox: RedisInbox, seconds: float) -> None:
    take(inbox)
    assert inbox.take(10, seconds) == []


def test_acknowledging_twice_is_harmless(inbox: RedisInbox) -> None:
    fill(inbox, "a")
    entries = take(inbox)
    inbox.acknowledge(entries)
    inbox.acknowledge(entries)
    assert take(inbox) == []


def test_entries_of_a_consumer_that_died_are_taken_over_with_their_count(
    inbox: RedisInbox, other: RedisInbox, redis_client: redis.Redis
) -> None:
    fill(inbox, "a", "b")
    take(inbox)
    assert take(other) == []
    for delivery in range(2, 5):
        pass_time(redis_client)
        taken = take(other)
        assert ids(taken) == ["a", "b"]
        assert [entry.deliveries for entry in taken] == [delivery, delivery]


def test_a_consumer_takes_its_own_entries_over_after_a_restart(
    inbox: RedisInbox, redis_client: redis.Redis
) -> None:
    fill(inbox, "a")
    take(inbox)
    pass_time(redis_client)
    assert [entry.deliveries for entry in take(RedisInbox(redis_client, consumer="one"))] == [2]


def test_left_behind_entries_come_before_new_ones(
    inbox: RedisInbox, other: RedisInbox, redis_client: redis.Redis
) -> None:
    fill(inbox, "a")
    take(inbox)
    fill(inbox, "b")
    pass_time(redis_client)
    assert ids(take(other)) == ["a"]
    assert ids(take(other)) == ["b"]


def test_entries_handed_back_come_again_at_once_and_the_delivery_does_not_count(
    inbox: RedisInbox, other: RedisInbox
) -> None:
    fill(inbox, "a", "b")
    entries = take(inbox)
    for _ in range(3):
        inbox.hand_back(entries)
        entries = take(other)
        assert ids(entries) == ["a", "b"]
        assert [entry.deliveries for entry in entries] == [1, 1]


def test_handing_back_what_somebody_acknowledged_brings_nothing_back(inbox: RedisInbox) -> None:
    fill(inbox, "a")
    entries = take(inbox)
    inbox.acknowledge(entries)
    inbox.hand_back(entries)
    assert take(inbox) == []


def test_an_entry_that_kills_its_consumer_ends_up_alone(inbox: RedisInbox, redis_client: redis.Redis) -> None:
    names = [f"q{number}" for number in range(40)]
    fill(inbox, *names)
    deliveries: dict[str, int] = {}
    while entries := take(inbox, 40):
        named = dict(zip(ids(entries), entries, strict=True))
        deliveries |= {name: entry.deliveries for name, entry in named.items()}
        if "q7" not in named or deliveries["q7"] > 5:
            inbox.acknowledge(entries)
        pass_time(redis_client)
    assert deliveries.pop("q7") == 6
    assert max(deliveries.values()) <= 5
    assert set(deliveries) == set(names) - {"q7"}


def test_a_flushed_redis_is_healed(inbox: RedisInbox, redis_client: redis.Redis) -> None:
    fill(inbox, "a")
    entries = take(inbox)
    redis_client.flushall()
    inbox.acknowledge(entries)
    inbox.hand_back(entries)
    assert inbox.take(10, 0.0) == []
    fill(inbox, "b")
    assert ids(take(inbox)) == ["b"]


def test_a_redis_that_is_flushed_while_somebody_waits_is_healed(
    inbox: RedisInbox, redis_client: redis.Redis, servers_url: str
) -> None:
    take(inbox)
    waiting = RedisInbox(connect(servers_url), consumer="two")
    said: list[list[Entry]] = []
    thread = threading.Thread(target=lambda: said.append(waiting.take(10, 0.5)))
    thread.start()
    while not any(client["cmd"] == "xreadgroup" for client in redis_client.client_list()):
        time.sleep(0.005)
    redis_client.flushall()
    thread.join()
    assert said == [[]]
    fill(inbox, "a")
    assert ids(take(waiting)) == ["a"]
    waiting.close()


def test_two_consumers_may_create_the_group_at_once(inbox: RedisInbox, other: RedisInbox) -> None:
    inbox._create_group()
    other._create_group()
    assert take(other) == []


def test_an_entry_that_somebody_deleted_by_hand_is_forgotten(
    inbox: RedisInbox, redis_client: redis.Redis
) -> None:
    fill(inbox, "a", "b")
    gone, _ = take(inbox)
    redis_client.xdel(STREAM, gone.key)
    pass_time(redis_client)
    assert ids(take(inbox)) == ["b"]
    assert [item["message_id"] for item in pending(redis_client)] != []
    assert gone.key not in [item["message_id"] for item in pending(redis_client)]


@pytest.mark.parametrize("fields", [{b"arrival": b"\xff\xfe{"}, {b"other": b"x"}])
def test_bytes_that_are_no_text_are_delivered_like_all_others(
    inbox: RedisInbox, redis_client: redis.Redis, fields: dict[bytes, bytes]
) -> None:
    redis_client.xadd(STREAM, fields)  # type: ignore[arg-type]  # bytes as a foreign producer sends them
    fill(inbox, "a")
    strange, sound = take(inbox)
    assert strange.payload in ("\udcff\udcfe{", "")
    assert ids([sound]) == ["a"]


@pytest.mark.parametrize("url", ["redis://localhost:1", "unix:///nowhere/redis.sock"])
def test_redis_out_of_reach_says_so(url: str) -> None:
    inbox = RedisInbox(connect(url), consumer="one")
    entry = Entry("1-1", "", 1)
    for call in (
        lambda: inbox.admit([arrival("a")]),
        lambda: inbox.take(1, 0.0),
        lambda: inbox.acknowledge([entry]),
        lambda: inbox.hand_back([entry]),
    ):
        with pytest.raises(UnavailableError, match="Redis: Error"):
            call()


@pytest.mark.parametrize(("name", "value"), [("maxmemory", "1"), ("min-replicas-to-write", "1")])
def test_a_redis_that_cannot_write_counts_as_out_of_reach(
    inbox: RedisInbox, redis_client: redis.Redis, name: str, value: str
) -> None:
    with setting(redis_client, name, value):
        with pytest.raises(UnavailableError, match="Redis: "):
            inbox.admit([arrival("a")])
        with pytest.raises(UnavailableError, match="Redis: "):
            inbox.take(1, 0.0)
    fill(inbox, "a")
    assert ids(take(inbox)) == ["a"]
