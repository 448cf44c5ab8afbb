"""Proves that the ledger takes each query once, refuses what a run cannot take, and keeps every refusal."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from uuid_utils.compat import uuid7

from adaqueue.adapters.ledger.database import Database
from adaqueue.core.arrivals import Arrival, Refusal
from adaqueue.core.query import Query
from adaqueue.core.recording import RecordedSample, Recording
from adaqueue.core.specs import Run
from adaqueue.errors import LedgerRefusedError, SettingsError, UnavailableError
from tests.scene import Scene, query, recorded


@pytest.fixture
def scene(database: Database) -> Scene:
    return Scene(database)


def count(scene: Scene) -> int:
    return int(scene.one("SELECT count(*) FROM queries"))


def test_a_query_is_stored_as_it_was_given(scene: Scene) -> None:
    messages = [{"role": "system", "content": "é\u2028"}, {"role": "user", "content": '"\\'}]
    metadata = {"a": [1.5, None, True], "b": {"c": 2**70}}
    given = query("id é", prompt=messages, min_budget=1, max_budget=3, metadata=metadata, tenant="é: 1")
    (key,) = scene.add(given)
    (row,) = scene.rows("SELECT * FROM queries")
    assert (row.id, row.external_id, row.state, row.outcome) == (key, "id é", "window", None)
    stored = Query(
        domain=row.domain,
        prompt=row.prompt,
        reference=row.reference,
        id=row.external_id,
        min_budget=row.min_budget,
        max_budget=row.max_budget,
        metadata=row.metadata,
        tenant=row.tenant,
    )
    assert stored == given
    assert row.content.hex() == given.content_hash()


def test_a_recording_is_kept_for_the_replay_engine_alone(database: Database) -> None:
    rows = []
    for engine in ("replay", "transformers"):
        scene = Scene(database, name=engine, engine=engine)
        scene.add(query(recording=recorded(1, 0.5)))
        rows += scene.rows(
            "SELECT recording, recorded_samples FROM queries WHERE run_id = :run", run=scene.run.id
        )
    assert [row.recorded_samples for row in rows] == [2, None]
    assert Recording.from_json(rows[0].recording) == recorded(1, 0.5)
    assert rows[1].recording is None


def test_queries_of_a_run_with_features_wait_for_them_and_are_said(database: Database) -> None:
    scene = Scene(database, has_features=True)
    arrivals = [scene.arrival(query(name)) for name in "ab"]
    assert scene.ingest.insert(arrivals) == ({arrival.id: False for arrival in arrivals}, [])
    assert {row.state for row in scene.rows("SELECT state FROM queries")} == {"features"}


def test_queries_of_a_run_without_features_wait_for_their_window(scene: Scene) -> None:
    assert scene.ingest.insert([scene.arrival(query())]) == ({}, [])
    assert scene.one("SELECT state FROM queries") == "window"


def test_an_arrival_given_again_is_left_alone(database: Database) -> None:
    scene = Scene(database, has_features=True)
    arrival = scene.arrival(query())
    scene.ingest.insert([arrival])
    assert scene.ingest.insert([arrival, arrival]) == ({}, [])
    assert count(scene) == 1


def test_the_same_id_and_content_is_one_query_within_a_batch_and_across_batches(scene: Scene) -> None:
    first, second, third = (scene.arrival(query(metadata={"try": number})) for number in range(3))
    assert scene.ingest.insert([first, second])[1] == []
    assert scene.ingest.insert([third])[1] == []
    assert scene.one("SELECT id FROM queries") == first.id


def test_the_same_id_with_other_content_is_refused_within_a_batch_and_across_batches(scene: Scene) -> None:
    first, second, third = (scene.arrival(query(reference=str(number))) for number in range(3))
    _, within = scene.ingest.insert([first, second])
    _, across = scene.ingest.insert([third])
    for refusals, arrival in ((within, second), (across, third)):
        (refusal,) = refusals
        assert refusal.arrival == arrival
        assert refusal.reason == "id 'q' was given before in this run with other content"
        assert Arrival.from_json(refusal.payload) == arrival
    assert scene.one("SELECT reference FROM queries") == "0"


def test_an_id_belongs_to_its_tenant_and_another_tenants_query_is_no_conflict(scene: Scene) -> None:
    ours, theirs = scene.arrival(query()), scene.arrival(query(tenant="they"))
    assert scene.ingest.insert([ours, theirs]) == ({}, [])
    rows = scene.rows("SELECT id, tenant, external_id FROM queries ORDER BY tenant")
    assert rows == [(ours.id, "default", "q"), (theirs.id, "they", "q")]
    _, (refusal,) = scene.ingest.insert([scene.arrival(query(tenant="they", reference="3"))])
    assert refusal.reason == "id 'q' was given before in this run with other content"
    assert scene.ingest.insert([scene.arrival(query(tenant="default"))]) == ({}, [])
    assert count(scene) == 2


def test_a_deadline_counts_from_the_arrival_on_the_ledgers_clock_and_once(scene: Scene) -> None:
    scene.add(query("none"), query("soon", deadline_seconds=1.5), query("later", deadline_seconds=86_400))
    ahead = "SELECT external_id, extract(epoch FROM deadline_at - created_at)::float8 FROM queries"
    expected = {"none": None, "soon": 1.5, "later": 86_400.0}
    assert dict(map(tuple, scene.rows(ahead))) == expected
    scene.add(query("soon", deadline_seconds=9))
    assert dict(map(tuple, scene.rows(ahead))) == expected


def test_an_id_belongs_to_its_run(database: Database) -> None:
    one, two = Scene(database, name="one"), Scene(database, name="two")
    assert one.ingest.insert([one.arrival(query()), two.arrival(query(reference="3"))]) == ({}, [])
    assert count(one) == 2


def test_a_run_that_does_not_exist_is_refused_and_the_rest_goes_on(scene: Scene) -> None:
    lost = Arrival(uuid7(), UUID(int=1), query("lost"))
    _, (refusal,) = scene.ingest.insert([lost, scene.arrival(query("sound"))])
    assert refusal.arrival == lost
    assert refusal.reason == f"run {UUID(int=1)} does not exist"
    assert scene.one("SELECT external_id FROM queries") == "sound"


@pytest.mark.parametrize(
    ("engine", "fields", "reason"),
    [
        ("replay", {}, "the replay engine needs recorded samples, the query came with none"),
        (
            "transformers",
            {"domain": "code", "reference": None, "recording": recorded(1, 0)},
            "samples of the engine transformers need tests to be verified, the query came with none",
        ),
    ],
)
def test_what_the_runs_engine_cannot_serve_is_refused_and_the_rest_goes_on(
    database: Database, engine: str, fields: dict[str, Any], reason: str
) -> None:
    scene = Scene(database, engine=engine)
    sound = scene.arrival(query("sound", recording=recorded(1)))
    _, (refusal,) = scene.ingest.insert([scene.arrival(query("unfit", **fields)), sound])
    assert refusal.reason == reason
    assert scene.one("SELECT id FROM queries") == sound.id


def test_an_internal_key_of_another_query_is_refused(scene: Scene) -> None:
    first = scene.arrival(query("first"))
    scene.ingest.insert([first])
    _, (refusal,) = scene.ingest.insert([replace(first, query=query("second"))])
    assert refusal.reason == f"the internal key {first.id} belongs to another query"


def test_an_arrival_without_an_id_is_refused_as_data(scene: Scene) -> None:
    with pytest.raises(LedgerRefusedError, match="external_id"):
        scene.ingest.insert([scene.arrival(Query("math", "x", "1")), scene.arrival(query())])
    assert count(scene) == 0


def test_two_ingests_at_once_take_each_query_once(database: Database) -> None:
    scene = Scene(database, has_features=True)
    arrivals = [scene.arrival(query(f"q{number}")) for number in range(60)]
    said: list[dict[UUID, bool]] = []
    threads = [
        threading.Thread(target=lambda: said.append(scene.ingest.insert(arrivals)[0])) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(key for waiting in said for key in waiting) == sorted(arrival.id for arrival in arrivals)


def test_dead_letters_are_kept_with_what_is_known_of_them(scene: Scene) -> None:
    arrival = scene.arrival(query("a"))
    scene.ingest.bury([Refusal("{", "cannot be read"), Refusal(arrival.to_json(), "conflict", arrival)])
    unread, known = scene.rows("SELECT * FROM dead_letters ORDER BY reason")
    assert (unread.payload, unread.reason, unread.run_id, unread.external_id) == (
        "{",
        "cannot be read",
        None,
        None,
    )
    assert (known.run_id, known.external_id) == (scene.run.id, "a")
    assert known.content.hex() == arrival.query.content_hash()
    assert json.loads(known.payload)["query"]["id"] == "a"


def test_a_dead_letter_may_hold_what_is_no_text(scene: Scene) -> None:
    scene.ingest.bury([Refusal("a\x00b\udcff", "no\x00text\ud800")])
    assert scene.one("SELECT payload, reason FROM dead_letters") == ("a?b?", "no?text?")


def test_a_run_of_a_name_is_opened_once_until_it_is_closed(database: Database) -> None:
    scene = Scene(database, name="nightly", average_budget=2.5)
    again = scene.results.open_run(replace(scene.run, id=uuid7(), average_budget=9.0))
    assert again == scene.run
    scene.results.close_run(scene.run.id)
    assert Scene(database, name="nightly").run.id != scene.run.id


def test_what_postgres_cannot_hold_is_no_outage(scene: Scene) -> None:
    long = "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(5_000))
    with pytest.raises(LedgerRefusedError, match="index row"):
        scene.results.open_run(replace(scene.run, id=uuid7(), name=long))


def test_postgres_out_of_reach_says_so(database_url: str) -> None:
    unreachable = Database("postgresql://nobody@/adaqueue?host=/nowhere")
    with pytest.raises(UnavailableError, match="Postgres: "):
        Scene(unreachable)
    unreachable.close()


def test_a_connection_that_postgres_cut_is_an_outage_and_the_next_one_works(
    database: Database, database_url: str
) -> None:
    def cut() -> None:
        with database.begin() as conn:
            other = Database(database_url)
            with other.begin() as admin:
                mine = conn.execute(text("SELECT pg_backend_pid()")).scalar_one()
                admin.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": mine})
            other.close()
            conn.execute(text("SELECT 1"))

    with pytest.raises(UnavailableError, match="Postgres: "):
        cut()
    assert Scene(database).run.name == "run"


def test_only_postgres_is_served() -> None:
    with pytest.raises(SettingsError, match="database_url: sqlite: only postgresql"):
        Database("sqlite:///x")


def test_a_run_is_read_back_exactly(database: Database) -> None:
    run = Run(uuid7(), "r", "replay", "replay", "window", 0.1, 7, True, True)
    assert Scene(database, **{name: getattr(run, name) for name in run.__slots__}).run == run


def test_a_recorded_sample_may_lack_text_reward_or_tokens(database: Database) -> None:
    scene = Scene(database, engine="replay")
    recording = Recording((RecordedSample(None, 1), RecordedSample("a", None), RecordedSample("b", 0.25, 7)))
    scene.add(query(recording=recording))
    (stored,) = scene.rows("SELECT recording FROM queries")
    assert Recording.from_json(stored.recording) == recording
