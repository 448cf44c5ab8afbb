"""Proves that the registry says which probe is in use, why and after which, and that weights are safe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.probe_registry import ProbeRegistry
from adaqueue.adapters.probes.fitting import load_probe
from adaqueue.adapters.weights import WeightStore
from adaqueue.core.papers import Papers
from adaqueue.errors import FingerprintError, SettingsError, UnavailableError
from tests.probes import RULE, SAMPLING, SIZE, SPEC, put_into_use, small_probe


@pytest.fixture
def registry(database: Database) -> ProbeRegistry:
    return ProbeRegistry(database, load_probe)


def in_use(registry: ProbeRegistry) -> str | None:
    champion = registry.champion("m", "math")
    return None if champion is None else champion.name


def challenger(registry: ProbeRegistry) -> str:
    papers = Papers.of("math", SPEC, SAMPLING)
    return registry.register(small_probe(), RULE, papers, {"gain": 0.1}, {"queries": 7})


def test_a_registered_probe_is_a_challenger_until_it_is_promoted(registry: ProbeRegistry) -> None:
    first = put_into_use(registry, small_probe())
    second = challenger(registry)
    assert in_use(registry) == first
    record = registry.show(second)
    assert (record.state, record.parent, record.head, record.used) == ("challenger", first, "beta", ())
    assert (record.metrics, record.data) == ({"gain": 0.1}, {"queries": 7})
    assert record.papers == Papers.of("math", SPEC, SAMPLING)
    registry.promote(second, "it is better")
    assert in_use(registry) == second
    assert [reason for _, reason in registry.show(second).used] == ["it is better"]
    assert [probe.state for probe in registry.newest(9)] == ["champion", "retired"]


def test_promoting_the_probe_in_use_changes_nothing(registry: ProbeRegistry) -> None:
    name = put_into_use(registry, small_probe())
    registry.promote(name, "again")
    assert len(registry.show(name).used) == 1


def test_a_rollback_restores_the_probe_before_and_another_the_one_before_that(
    registry: ProbeRegistry,
) -> None:
    names = [put_into_use(registry, small_probe()) for _ in range(3)]
    given_up, restored = registry.rollback("m", "math")
    assert (given_up.name, given_up.state) == (names[2], "retired")
    assert (restored.name, restored.state) == (names[1], "champion")
    assert in_use(registry) == names[1]
    registry.rollback("m", "math")
    assert in_use(registry) == names[0]
    with pytest.raises(SettingsError, match="is the first of m on math"):
        registry.rollback("m", "math")
    assert in_use(registry) == names[0]


def test_a_probe_that_was_rolled_back_may_be_promoted_again(registry: ProbeRegistry) -> None:
    names = [put_into_use(registry, small_probe()) for _ in range(2)]
    registry.rollback("m", "math")
    registry.promote(names[1], "it was right after all")
    assert in_use(registry) == names[1]
    registry.rollback("m", "math")
    assert in_use(registry) == names[0]


def test_a_probe_is_loaded_by_its_name_though_it_is_not_in_use(registry: ProbeRegistry) -> None:
    name = challenger(registry)
    found = registry.load(name)
    assert in_use(registry) is None
    assert (found.name, found.papers) == (name, registry.show(name).papers)
    states = np.zeros((2, SIZE), dtype=np.float32)
    assert found.model.predict(states, ["", ""]).success.shape == (2,)


def test_nothing_can_be_done_with_a_probe_that_is_not_there(registry: ProbeRegistry) -> None:
    with pytest.raises(SettingsError, match="'math-0': no such probe"):
        registry.promote("math-0", "")
    with pytest.raises(SettingsError, match="'math-0': no such probe"):
        registry.show("math-0")
    with pytest.raises(SettingsError, match="'math-0': no such probe"):
        registry.load("math-0")
    with pytest.raises(SettingsError, match="m on math has no probe in use"):
        registry.rollback("m", "math")


def test_weights_may_lie_at_a_url_and_are_read_from_there(database: Database, tmp_path: Path) -> None:
    folder = tmp_path / "probes" / "new"
    there = ProbeRegistry(database, load_probe, WeightStore(f"file://{folder}"))
    name = put_into_use(there, small_probe())
    assert [file.name for file in folder.iterdir()] == [f"{name}.safetensors"]
    assert there.show(name).url == f"file://{folder}/{name}.safetensors"
    here = ProbeRegistry(database, load_probe, WeightStore(None))
    champion = here.champion("m", "math")
    assert champion is not None
    states = np.ones((1, SIZE), dtype=np.float32)
    assert champion.model.predict(states, []).alpha == small_probe().predict(states, []).alpha


def test_weights_at_a_url_that_were_changed_or_lost_are_refused(database: Database, tmp_path: Path) -> None:
    store = WeightStore(f"file://{tmp_path}")
    name = put_into_use(ProbeRegistry(database, load_probe, store), small_probe())
    file = tmp_path / f"{name}.safetensors"
    file.write_bytes(small_probe(seed=1).to_bytes())
    with pytest.raises(FingerprintError, match="digest"):
        ProbeRegistry(database, load_probe, store).champion("m", "math")
    file.unlink()
    with pytest.raises(FingerprintError, match="no weights lie at file://"):
        ProbeRegistry(database, load_probe, store).champion("m", "math")


@pytest.mark.parametrize("url", ["nowhere://x", "file:///proc/nothing/here"])
def test_a_url_that_cannot_be_written_registers_nothing(database: Database, url: str) -> None:
    registry = ProbeRegistry(database, load_probe, WeightStore(url))
    with pytest.raises(UnavailableError, match=f"{url}.*ADAQUEUE_PROBES_URL"):
        challenger(registry)
    assert registry.newest(9) == []


def test_two_probes_of_a_domain_are_never_in_use_together(
    registry: ProbeRegistry, database: Database
) -> None:
    for _ in range(3):
        put_into_use(registry, small_probe())
    with database.begin() as conn:
        assert conn.execute(text("SELECT count(*) FROM probes WHERE state = 'champion'")).scalar_one() == 1
