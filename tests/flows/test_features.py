"""Proves that every query goes on to its window, with its features or, where the model breaks, without."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from uuid import UUID

import pytest

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.sql import features
from adaqueue.core.query import Message
from adaqueue.flows.features import featurize
from tests.flows.crashes import FAULTS, Crash
from tests.flows.plant import POISON, Plant, Reader, cut_off_everywhere, submit
from tests.scene import Scene, query


@pytest.fixture
def scene(database: Database) -> Scene:
    return Scene(database, has_features=True)


def add(scene: Scene, *prompts: str) -> list[UUID]:
    return scene.add(*(query(prompt, prompt=prompt) for prompt in prompts))


def vectors(scene: Scene) -> dict[str, bytes]:
    rows = scene.rows("SELECT external_id, vector FROM features JOIN queries q ON q.id = query_id")
    return {row.external_id: bytes(row.vector) for row in rows}


def states(scene: Scene) -> dict[str, str]:
    return {row.external_id: row.state for row in scene.rows("SELECT external_id, state FROM queries")}


def length(prompt: str) -> bytes:
    return len(prompt).to_bytes(4, "little")


def test_features_are_stored_with_their_fingerprint_and_the_query_goes_on(scene: Scene) -> None:
    ids = add(scene, "1", "1 + 1")
    assert featurize(ids, scene.features, Reader()) == 2
    assert vectors(scene) == {"1": length("1"), "1 + 1": length("1 + 1")}
    assert scene.one("SELECT DISTINCT fingerprint FROM features") == Reader.spec.fingerprint()
    assert set(states(scene).values()) == {"window"}


def test_a_bell_that_rings_twice_costs_no_second_reading(scene: Scene) -> None:
    reader = Reader()
    ids = add(scene, "1", "2")
    featurize(ids[:1], scene.features, reader)
    assert featurize(ids, scene.features, reader) == 1
    assert featurize(ids, scene.features, reader) == 0
    assert reader.read == ["1", "2"]


def test_nothing_is_read_for_ids_that_nobody_knows(scene: Scene) -> None:
    reader = Reader()
    assert featurize([UUID(int=1)], scene.features, reader) == 0
    assert featurize([], scene.features, reader) == 0
    assert reader.read == []


@pytest.mark.parametrize("place", range(5))
def test_a_prompt_on_which_the_model_breaks_goes_on_alone_without_features(scene: Scene, place: int) -> None:
    prompts = ["1", "22", "333", "4444"]
    prompts.insert(place, POISON)
    assert featurize(add(scene, *prompts), scene.features, Reader()) == 5
    assert vectors(scene) == {prompt: length(prompt) for prompt in prompts if prompt != POISON}
    assert set(states(scene).values()) == {"window"}


def test_where_every_prompt_breaks_the_model_all_go_on_without(scene: Scene) -> None:
    featurize(add(scene, POISON, f"{POISON} 2"), scene.features, Reader())
    assert vectors(scene) == {}
    assert set(states(scene).values()) == {"window"}


class Doubled(Reader):
    """The features of an adapted model: the prompt's length, twice."""

    spec = replace(Reader.spec, adapter="adapted")

    def vectors(self, prompts: Sequence[tuple[Message, ...]]) -> list[bytes]:
        return [2 * vector for vector in super().vectors(prompts)]


def test_a_domain_whose_probe_reads_adapted_features_gets_them_beside_the_base_models(scene: Scene) -> None:
    one, two, poisoned = scene.add(
        query("one", prompt="1"),
        query("two", prompt="22", domain="chat", reference=None),
        query("poisoned", prompt=POISON),
    )
    doubled = Doubled()
    featurize(
        [one, two, poisoned], scene.features, Reader(), lambda domain: doubled if domain == "math" else None
    )
    with scene.database.begin() as conn:
        found = features.of_queries(conn, [one, two, poisoned])
    base, adapted = Reader.spec.fingerprint(), Doubled.spec.fingerprint()
    assert found == {one: {base: length("1"), adapted: 2 * length("1")}, two: {base: length("22")}}
    assert doubled.read == ["1"]
    assert set(states(scene).values()) == {"window"}


@pytest.mark.parametrize(("fault", "after"), FAULTS)
def test_a_fault_at_any_call_costs_delay_alone(
    build: Callable[[str], Plant], fault: type[BaseException], after: bool
) -> None:
    def ready(name: str) -> Plant:
        plant = build(name)
        submit(plant, query("a", reference="1"), query("b", prompt=f"{name} {name}", reference="1"))
        return plant

    assert cut_off_everywhere(ready, "features", fault, after) >= 3


def test_a_prompt_that_kills_every_reader_goes_on_without_features_and_kills_no_mate(
    build: Callable[[str], Plant], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant = build("run")
    submit(plant, query("a", reference="1"), query("killer", prompt="kill", reference="1"))

    def read(prompts: Sequence[tuple[Message, ...]]) -> list[bytes]:
        if any(messages[0]["content"] == "kill" for messages in prompts):
            raise Crash
        return Reader.vectors(plant.reader, prompts)

    monkeypatch.setattr(plant.reader, "vectors", read)
    plant.settle()
    assert list(vectors(plant.scene)) == ["a"]
    assert plant.scene.outcomes() == {"a": "answered", "killer": "answered"}
