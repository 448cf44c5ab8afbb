"""Proves that the ledger keeps every vector of a query, and what each fingerprint stands for."""

from __future__ import annotations

from dataclasses import asdict, replace

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.sql import feature_specs, features
from adaqueue.core.specs import FeatureSpec
from tests.scene import Scene, query

SPEC = FeatureSpec("m", "r", -1, "last", True, "t", 192)


def test_the_ledger_says_what_a_fingerprint_stands_for(database: Database) -> None:
    scene = Scene(database)
    other = replace(SPEC, pooling="mean")
    for spec in (SPEC, other, SPEC):
        scene.features.register(spec)
    with database.begin() as conn:
        known = feature_specs.by_fingerprint(conn, [SPEC.fingerprint(), other.fingerprint(), "unknown"])
    assert known == {SPEC.fingerprint(): asdict(SPEC), other.fingerprint(): asdict(other)}


def test_a_query_has_a_vector_for_each_fingerprint(database: Database) -> None:
    scene = Scene(database, has_features=True)
    both, one, none = scene.add(query("a"), query("b"), query("c"))
    scene.features.store("base", {both: b"1111", one: b"2222"}, [none])
    scene.features.store("adapted", {both: b"3333"}, [])
    with database.begin() as conn:
        found = features.of_queries(conn, [both, one, none])
    assert found == {both: {"base": b"1111", "adapted": b"3333"}, one: {"base": b"2222"}}
