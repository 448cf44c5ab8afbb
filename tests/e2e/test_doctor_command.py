"""Proves that `adaqueue doctor` finds what is wrong with servers and engine, and says what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from adaqueue.adapters.servers import ServerUrls
from adaqueue.cli.doctor import doctor as show
from adaqueue.wiring import doctor, load_settings
from tests.e2e.live import command

SUBJECTS = ["redis", "postgres", "engine", "vllm", "gpu", "isolation"]


def findings(*arguments: object, **settings: Any) -> tuple[int, dict[str, dict[str, Any]]]:
    said = command("doctor", *arguments, "--json", "-", **settings)
    return said.returncode, {found["subject"]: found for found in json.loads(said.stdout)}


def test_a_machine_without_a_system_is_looked_at_whole(tmp_path: Path) -> None:
    status, found = findings("--data-folder", tmp_path / "none")
    assert list(found) == SUBJECTS
    faults = [subject for subject, finding in found.items() if not finding["good"]]
    assert status == (1 if faults else 0)
    assert all(found[subject]["remedy"] for subject in faults)
    assert "embedded" in found["redis"]["says"]
    assert not (tmp_path / "none").exists()


def test_a_remedy_in_brackets_is_shown_whole(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "vllm_remedy", lambda: "no vLLM: pip install '.[vllm]'")
    show(tmp_path)
    assert "'.[vllm]'" in capsys.readouterr().out


def test_servers_that_would_lose_queries_or_lack_the_schema_are_named_with_the_remedy(
    servers: ServerUrls, database_url: str, redis_client: redis.Redis
) -> None:
    redis_client.config_set("maxmemory-policy", "allkeys-lru")
    with psycopg.connect(database_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    urls = {"redis_url": servers.redis_url, "database_url": database_url}
    try:
        status, found = findings(**urls)
    finally:
        redis_client.config_set("maxmemory-policy", "noeviction")
    assert status == 1
    assert not found["redis"]["good"]
    assert "allkeys-lru" in found["redis"]["says"]
    assert "noeviction" in found["redis"]["remedy"]
    assert not found["postgres"]["good"]
    assert "adaqueue up" in found["postgres"]["remedy"]


def test_servers_in_order_are_called_so(servers: ServerUrls, database_url: str) -> None:
    _, found = findings(redis_url=servers.redis_url, database_url=database_url)
    assert found["redis"]["good"]
    assert found["postgres"]["good"]


def test_servers_that_do_not_answer_are_named_without_their_passwords() -> None:
    status, found = findings(
        redis_url="redis://:hidden@127.0.0.1:1/0", database_url="postgresql://a:hidden@127.0.0.1:1/b"
    )
    assert status == 1
    assert [found[name]["good"] for name in ("redis", "postgres")] == [False, False]
    assert "hidden" not in json.dumps(found)


@pytest.mark.parametrize(("engine", "good"), [("vllm", False), ("transformers", True)])
def test_a_vllm_that_cannot_run_is_a_fault_only_where_it_is_needed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, engine: str, good: bool
) -> None:
    monkeypatch.setattr(doctor, "vllm_remedy", lambda: "torchvision does not fit: pip uninstall torchvision")
    found = {
        finding.subject: finding
        for finding in doctor.examine(load_settings(engine=engine, data_folder=tmp_path))
    }
    assert found["vllm"].good is good
    assert found["vllm"].remedy == "pip uninstall torchvision"
