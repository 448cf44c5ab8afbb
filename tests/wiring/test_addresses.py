"""Proves that a system counts as up while it serves, and not for what an earlier one left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from adaqueue.adapters.data_folder import hold
from adaqueue.errors import UnavailableError
from adaqueue.settings import Settings, load_settings
from adaqueue.wiring.addresses import READY, check_up, mark_ready


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(environment={}, data_folder=tmp_path / "data")


def test_a_folder_that_nobody_holds_has_no_system(settings: Settings) -> None:
    with pytest.raises(UnavailableError, match=r"no system is up in .*: start one with `adaqueue up`"):
        check_up(settings)


def test_a_system_is_up_once_it_says_so(settings: Settings) -> None:
    with hold(settings.data_folder) as held:
        with pytest.raises(UnavailableError, match="is starting or stopping: try again in a moment"):
            check_up(settings)
        mark_ready(held.folder)
        check_up(settings)
        (held.folder / READY).unlink()
        with pytest.raises(UnavailableError, match="is starting or stopping"):
            check_up(settings)


@pytest.mark.parametrize("left", ["", "Identity(pid=1, start_time=1)"])
def test_what_a_killed_system_left_does_not_make_the_next_one_ready(settings: Settings, left: str) -> None:
    with hold(settings.data_folder) as held:
        (held.folder / READY).write_text(left)
        with pytest.raises(UnavailableError, match="is starting or stopping"):
            check_up(settings)
