"""Proves that a restart keeps the probe in use, and that a failed night is worked off within the hour."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.probe_registry import ProbeRegistry
from adaqueue.adapters.probes.fitting import load_probe
from adaqueue.core.specs import FeatureSpec, Sampling
from adaqueue.demo import MAX_TOKENS, MODEL_NAME, TEMPERATURE
from adaqueue.settings import load_settings
from adaqueue.wiring.trainer import Training
from adaqueue.wiring.training import train_shipped_probes
from tests.probes import SIZE, put_into_use, small_probe

SAMPLING = Sampling(MODEL_NAME, TEMPERATURE, MAX_TOKENS)
SPEC = FeatureSpec(MODEL_NAME, "r", -1, "last", True, "t", SIZE)


class NoFeatures:
    """Whose spec fits, and who is asked for nothing."""

    spec = SPEC

    def vectors(self, prompts: object) -> list[bytes]:
        raise AssertionError("a probe is trained")


@pytest.mark.parametrize("spec", [SPEC, replace(SPEC, adapter="of a LoRA probe")])
def test_a_restart_trains_no_probe_where_one_that_fits_is_in_use(
    database: Database, spec: FeatureSpec
) -> None:
    registry = ProbeRegistry(database, load_probe)
    domains = ("math", "code")
    names = [put_into_use(registry, small_probe(), domain, None, spec, SAMPLING) for domain in domains]
    train_shipped_probes(NoFeatures(), registry, SAMPLING)
    assert [registry.in_use(MODEL_NAME, domain) for domain in domains] == names


def trainings(database: Database) -> list[Any]:
    with database.begin() as conn:
        asked = text("SELECT split_part(slot, ' ', 1), domain, state FROM trainings ORDER BY 1, 2")
        return [tuple(row) for row in conn.execute(asked)]


def test_the_hourly_look_works_off_a_night_that_failed(database: Database) -> None:
    training = Training(load_settings(environment={}), database)
    training.retrain_slot()
    nights = [("retrain", domain, "done") for domain in ("code", "math")]
    assert trainings(database) == nights
    with database.begin() as conn:
        conn.execute(text("UPDATE trainings SET state = 'failed' WHERE domain = 'math'"))
    training.watch_slot()
    assert trainings(database) == [*nights, *[("watch", domain, "done") for domain in ("code", "math")]]
