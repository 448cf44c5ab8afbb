"""The processes that `up` runs on one machine."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from adaqueue.adapters.processes import ProcessSpec
from adaqueue.adapters.vllm_installation import is_for_cpu
from adaqueue.settings import PREFIX, SECRETS, Settings
from adaqueue.wiring.addresses import Addresses
from adaqueue.wiring.engines import check_layer

WORKER_GRACE_SECONDS = 30.0
ENGINE_MEMORY_SHARE = 0.6
FEATURES_MEMORY_SHARE = 0.3


def processes(settings: Settings, folder: Path, where: Addresses) -> list[ProcessSpec]:
    """Returns what to run, in the order of starting; each gets no more secrets than it needs."""
    settings = _with_features(settings)
    check_layer(settings)
    ledger = where.environment()
    found = [_process("scheduler", "scheduler", settings, folder, ledger)]
    found += [
        _process("sandbox", name, settings, folder, {}) for name in _names("sandbox", settings.sandboxes)
    ]
    found += [
        _process("verifier", name, settings, folder, {**ledger, **judge_key(settings)})
        for name in _names("verifier", settings.verifiers)
    ]
    for number, name in enumerate(_names("sampler", settings.samplers)):
        found += _sampler(name, _names("engine", settings.samplers)[number], settings, folder, ledger)
    if settings.engine != "replay":
        found += _features(settings, folder, ledger)
    nightly = {"trainer": trains(settings), "evaluator": settings.evaluate_suites is not None}
    nightly["schedule"] = any(nightly.values())
    found += [_process(name, name, settings, folder, ledger) for name, runs in nightly.items() if runs]
    return found


def trains(settings: Settings) -> bool:
    """Whether probes are retrained: replays have none."""
    return settings.trainers > 0 and settings.engine != "replay"


def reports(name: str) -> bool:
    """Whether the process of this name reports to the ledger once it serves."""
    alone = ("scheduler", "features", "trainer", "evaluator", "schedule")
    return name in alone or name.startswith(("sampler", "verifier"))


def judge_key(settings: Settings) -> dict[str, str]:
    """Returns the judge's key as an environment, for verifiers alone; empty where there is none."""
    key = settings.judge_api_key
    return {} if key is None else {f"{PREFIX}JUDGE_API_KEY": key.get_secret_value()}


def environment(settings: Settings, folder: Path) -> dict[str, str]:
    """Returns settings as an environment for processes of the folder; secrets come with the addresses."""
    plain = {
        name: str(value)
        for name, value in settings.model_dump(mode="json").items()
        if value is not None and name not in SECRETS
    }
    # a core is left to the other processes: threads that spin for one were seen to cost 9/10 of the samples
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(len(os.sched_getaffinity(0)) - 1, 1))
    quiet = {"TOKENIZERS_PARALLELISM": "false", "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": threads}
    # vLLM brings setproctitle, which Celery then uses: it would write titles over environments, and so over
    # the mark by which leftovers of a killed system are known
    quiet["SPT_NOENV"] = "1"
    return (
        {f"{PREFIX}{name.upper()}": value for name, value in plain.items()}
        | quiet
        | {f"{PREFIX}DATA_FOLDER": str(folder)}
    )


def _sampler(
    name: str, engine: str, settings: Settings, folder: Path, ledger: Mapping[str, str]
) -> Iterator[ProcessSpec]:
    """A sampler, and the engine that is its own where none is set."""
    chosen = settings
    if settings.engine == "vllm" and settings.engine_url is None:
        chosen = settings.model_copy(update={"engine_url": _own_url()})
        yield _process("engine", engine, _with_share(chosen, ENGINE_MEMORY_SHARE), folder, {})
    yield _process("sampler", name, chosen, folder, ledger)


def _features(settings: Settings, folder: Path, ledger: Mapping[str, str]) -> Iterator[ProcessSpec]:
    chosen = settings
    if settings.features == "vllm" and settings.features_url is None:
        chosen = settings.model_copy(update={"features_url": _own_url()})
        yield _process(
            "features_engine", "features-engine", _with_share(chosen, FEATURES_MEMORY_SHARE), folder, {}
        )
    yield _process("features", "features", chosen, folder, ledger)


def _with_features(settings: Settings) -> Settings:
    """On a GPU that vLLM fills, transformers would find no room for the same model's hidden states."""
    if settings.features is not None:
        return settings
    fills_gpu = settings.engine == "vllm" and settings.engine_url is None and not is_for_cpu()
    return settings.model_copy(update={"features": "vllm" if fills_gpu else "transformers"})


def _with_share(settings: Settings, share: float) -> Settings:
    """Leaves room on the GPU for the other server where features come from vLLM too; given options win."""
    if settings.features != "vllm" or is_for_cpu():
        return settings
    options = f"--gpu-memory-utilization {share} {settings.engine_options}".strip()
    return settings.model_copy(update={"engine_options": options})


def _process(
    kind: str, name: str, settings: Settings, folder: Path, secrets: Mapping[str, str]
) -> ProcessSpec:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(PREFIX)}
    return ProcessSpec(
        name=name,
        argv=(sys.executable, "-m", f"workers.{kind}"),
        env={**inherited, **environment(settings, folder), **secrets},
        grace_seconds=WORKER_GRACE_SECONDS,
    )


def _names(kind: str, count: int) -> list[str]:
    return [kind] if count == 1 else [f"{kind}-{number}" for number in range(1, count + 1)]


def _own_url() -> str:
    """An address on this machine that nobody uses now."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"
