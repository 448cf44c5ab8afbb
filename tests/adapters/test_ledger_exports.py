"""Proves that what an evaluation of the system drew is exported only where its run is named."""

from __future__ import annotations

import pytest

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.ledger.exports import PostgresExports
from adaqueue.core.specs import EVALUATION
from adaqueue.errors import SettingsError
from tests.scene import Scene


def test_runs_that_measured_the_system_are_exported_by_name_or_id_alone(database: Database) -> None:
    night = Scene(database, name="night", purpose=EVALUATION)
    ledger = PostgresExports(database)
    with pytest.raises(SettingsError, match="run: the ledger has none that served"):
        ledger.runs(None, newest=True)
    served = [Scene(database, name=name).run.name for name in ("one", "two")]
    Scene(database, name="another night", purpose=EVALUATION)
    assert [run.name for run in ledger.runs(None, newest=True)] == ["two"]
    assert [run.name for run in ledger.runs(None, newest=False)] == served[::-1]
    for given in ("night", str(night.run.id)):
        assert [run.name for run in ledger.runs(given, newest=False)] == ["night"]
