"""Proves which processes `up` runs, and that each knows no more than it needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adaqueue.adapters.processes import ProcessSpec
from adaqueue.errors import SettingsError
from adaqueue.wiring import load_settings, machine
from adaqueue.wiring.addresses import Addresses

SERVERS = Addresses("redis://:secret@h/0", "redis://:secret@h/0", "postgresql://u:secret@h/d")


def specs(folder: Path, **settings: Any) -> dict[str, ProcessSpec]:
    found = machine.processes(load_settings(environment={}, **settings), folder, SERVERS)
    return {spec.name: spec for spec in found}


def variable(spec: ProcessSpec, name: str) -> str | None:
    assert spec.env is not None
    return spec.env.get(f"ADAQUEUE_{name}")


@pytest.fixture(params=[True, False], ids=["cpu", "gpu"])
def on_cpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(machine, "is_for_cpu", lambda: request.param)
    return bool(request.param)


def test_only_those_who_read_or_write_the_ledger_get_its_password(tmp_path: Path, on_cpu: bool) -> None:
    found = specs(tmp_path, engine="vllm", features="vllm")
    knowing = {name for name, spec in found.items() if "secret" in str(spec.env)}
    assert knowing == {"scheduler", "sampler", "features", "verifier", "trainer", "schedule"}
    assert set(found) - knowing == {"sandbox-1", "sandbox-2", "engine", "features-engine"}
    assert not any("secret" in word for spec in found.values() for word in spec.argv)


def test_each_sampler_has_an_engine_of_its_own_at_another_address(tmp_path: Path) -> None:
    found = specs(tmp_path, engine="vllm", samplers=3)
    urls = [variable(found[f"sampler-{number}"], "ENGINE_URL") for number in (1, 2, 3)]
    assert urls == [variable(found[f"engine-{number}"], "ENGINE_URL") for number in (1, 2, 3)]
    assert len(set(urls)) == 3
    assert all(str(url).startswith("http://127.0.0.1:") for url in urls)


def test_an_engine_that_is_given_is_not_started(tmp_path: Path) -> None:
    found = specs(tmp_path, engine="vllm", engine_url="http://gpu:8000", samplers=2)
    assert not [name for name in found if name.startswith("engine")]
    assert {variable(found[f"sampler-{number}"], "ENGINE_URL") for number in (1, 2)} == {"http://gpu:8000"}


def test_on_a_gpu_that_vllm_fills_features_come_from_vllm_too_and_both_have_room(
    tmp_path: Path, on_cpu: bool
) -> None:
    found = specs(tmp_path, engine="vllm", engine_options="--seed 1")
    assert ("features-engine" in found) is not on_cpu
    shares = [variable(spec, "ENGINE_OPTIONS") for name, spec in found.items() if name.endswith("engine")]
    if on_cpu:
        assert shares == ["--seed 1"]
    else:
        assert shares == [f"--gpu-memory-utilization {share} --seed 1" for share in (0.6, 0.3)]


@pytest.mark.parametrize("engine", ["replay", "transformers"])
def test_no_server_of_vllm_runs_for_other_engines(tmp_path: Path, engine: str, on_cpu: bool) -> None:
    found = specs(tmp_path, engine=engine)
    assert not [name for name in found if name.endswith("engine")]
    assert ("features" in found) is (engine == "transformers")
    assert variable(found["sampler"], "FEATURES") == "transformers"


def test_the_key_of_the_judge_reaches_verifiers_alone(tmp_path: Path) -> None:
    found = specs(
        tmp_path, judge_model="j", judge_url="http://j:1", judge_api_key="secret of the judge", verifiers=2
    )
    knowing = {name for name, spec in found.items() if "secret of the judge" in str(spec.env)}
    assert knowing == {"verifier-1", "verifier-2"}


def test_a_layer_that_vllm_cannot_give_is_refused_before_anything_is_started(
    tmp_path: Path, on_cpu: bool
) -> None:
    for_features = {"features": "vllm"} if on_cpu else {"engine": "vllm"}
    with pytest.raises(SettingsError, match="features_layer: -2: vLLM gives the last layer alone: leave it"):
        specs(tmp_path, features_layer=-2, **for_features)
    assert variable(specs(tmp_path, features_layer=-2)["features"], "FEATURES_LAYER") == "-2"


def test_suites_are_measured_where_a_file_names_them_even_if_nothing_is_retrained(tmp_path: Path) -> None:
    nightly = {"trainer", "evaluator", "schedule"}
    assert not nightly & set(specs(tmp_path, engine="replay"))
    assert nightly & set(specs(tmp_path, trainers=0)) == set()
    with_suites = specs(tmp_path, trainers=0, evaluate_suites=tmp_path / "suites.toml")
    assert nightly & set(with_suites) == {"evaluator", "schedule"}
    assert variable(with_suites["evaluator"], "EVALUATE_SUITES") == str(tmp_path / "suites.toml")
    assert all(machine.reports(name) for name in nightly)
