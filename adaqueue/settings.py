"""Every setting, its unit and its default; unknown ones are refused."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from adaqueue.errors import SettingsError

PREFIX = "ADAQUEUE_"


def default_data_folder() -> Path:
    """Returns the folder of servers and logs, by the XDG convention."""
    given = os.environ.get("XDG_DATA_HOME")
    try:
        return (Path(given) if given else Path.home() / ".local" / "share") / "adaqueue"
    except RuntimeError:
        raise SettingsError(f"data_folder: this user has no home: set {PREFIX}DATA_FOLDER") from None


class Settings(BaseModel):
    """Settings of clients and workers; each is `ADAQUEUE_` and its name in upper case in the environment."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    redis_url: SecretStr | None = Field(None, description="Redis; absent: embedded in the data folder")
    database_url: SecretStr | None = Field(None, description="Postgres; absent: embedded in the data folder")
    broker_url: SecretStr | None = Field(None, description="Celery's broker; absent: the same as redis_url")
    data_folder: Path = Field(default_factory=default_data_folder, description="servers, logs")

    engine: Literal["transformers", "vllm", "replay"] = Field("transformers", description="who draws samples")
    engine_url: str | None = Field(
        None,
        pattern=r"^https?://",
        description="OpenAI-compatible server that vllm draws from; absent: one of our own for each sampler",
    )
    engine_slots: int = Field(
        256, ge=1, le=65_536, description="samples that a vLLM server draws at once (max_num_seqs)"
    )
    engine_stall_seconds: float = Field(
        30.0,
        gt=0,
        le=3_600,
        description="a vLLM server of our own that stands still so long is started afresh",
    )
    engine_options: str = Field("", description="further options of our own vLLM servers, as in a shell")
    features: Literal["transformers", "vllm"] | None = Field(
        None,
        description="computes prompts' hidden states; absent: transformers, in `up` with vllm on a GPU: vllm",
    )
    features_url: str | None = Field(
        None, pattern=r"^https?://", description="vLLM pooling server of features; absent: one of our own"
    )
    features_layer: int = Field(
        -1, description="hidden layer that features are taken from, -1 the last; vllm has the last alone"
    )
    features_pooling: Literal["last", "mean"] = Field(
        "last", description="features are the prompt's last token's, or the mean of all its tokens'"
    )
    model: str = Field(
        "adaqueue-small", description="the shipped small model, a folder, or a hub name", min_length=1
    )
    temperature: float = Field(0.7, ge=0, le=10, description="of the softmax; 0 is greedy")
    max_tokens: int | None = Field(
        None,
        ge=1,
        le=131_072,
        description="generated tokens a sample at most; absent: 32 shipped model, else 1024",
    )
    batch_samples: int = Field(256, ge=1, le=65_536, description="samples of one engine response")

    policy: Literal["sequential", "uniform_early_stop", "uniform", "window", "beta_window"] = Field(
        "sequential", description="who gets how many samples"
    )
    average_budget: float = Field(4.0, ge=0, le=1_024, description="samples a query on average")
    b_max: int = Field(128, ge=1, le=1_024, description="samples for one query at most")
    window_queries: int = Field(256, ge=1, le=100_000, description="a window closes with so many queries,")
    window_seconds: float = Field(1.0, gt=0, le=3_600, description="or when its oldest has waited so long")
    waves: int = Field(
        16, ge=1, le=1_024, description="a sequential run's total is drawn in at least so many waves"
    )
    batch_idle_seconds: float = Field(
        60.0, gt=0, description="a batch that got no query for so long, and was not sealed, gets no more"
    )
    prior_alpha: float = Field(1.0, gt=0, description="Beta prior over success where there is no probe")
    prior_beta: float = Field(1.0, gt=0, description="Beta prior over success where there is no probe")

    exploration_share: float = Field(
        0.02, ge=0, le=1, description="share of queries with a random budget, which later probes learn from"
    )
    retrain_at: str = Field(
        "0 3 * * *", min_length=9, description="when probes are retrained: minute hour day month weekday, UTC"
    )
    retrain_heads: str = Field(
        "beta", description="heads that are trained as challengers, with commas", min_length=1
    )
    retrain_queries: int = Field(
        500, ge=50, le=1_000_000, description="drawn queries without which no probe is trained"
    )
    retrain_most_queries: int = Field(
        20_000, ge=50, le=1_000_000, description="newest queries that a probe is trained and judged on"
    )
    evaluate_at: str = Field(
        "0 4 * * *", min_length=9, description="when suites are measured: minute hour day month weekday, UTC"
    )
    evaluate_suites: Path | None = Field(
        None, description="TOML file of what is measured every night; absent: nothing is"
    )
    evaluate_reports: Path | None = Field(
        None, description="folder of nightly reports; absent: they are in the ledger alone"
    )
    probes_url: str | None = Field(
        None,
        pattern=r"^[a-z0-9+]+://",
        description="fsspec URL of the folder of probes' weights; absent: they are in the ledger",
    )

    samplers: int = Field(1, ge=1, le=64, description="sampler processes that `adaqueue up` runs")
    trainers: int = Field(
        1, ge=0, le=1, description="trainer and schedule processes of `adaqueue up`: 0 retrains nothing"
    )
    verifiers: int = Field(1, ge=1, le=64, description="verifier processes that `adaqueue up` runs")
    sandboxes: int = Field(2, ge=0, le=256, description="processes of `adaqueue up` that run tests of code")
    sandboxes_folder: Path | None = Field(
        None, description="where sandboxes' sockets are; absent: in the data folder"
    )
    run_code_without_isolation: bool = Field(
        False, description="run tests of code even where this machine can isolate nothing (tier none)"
    )
    test_libraries: str = Field(
        "numpy", description="installed modules that a program under test may import, with commas"
    )
    test_cpu_seconds: float = Field(
        10.0, gt=0, le=600, description="processor time of a program under test; twice that and 1 s elapsed"
    )
    test_memory_mebibytes: int = Field(512, ge=64, le=65_536, description="memory of a program under test")
    test_output_bytes: int = Field(2**20, ge=1_024, le=2**30, description="output of a program under test")
    test_comparison: Literal["strict", "taco"] = Field(
        "strict", description="how outputs are compared; taco: as that data set's own, laxer script does"
    )
    math_paper_exact: bool = Field(
        False, description="send every math answer that differs as text to the judge, as the paper does"
    )
    judge_model: str | None = Field(
        None, description="chat model that judges math answers; absent: nobody does", min_length=1
    )
    judge_url: str | None = Field(
        None,
        pattern=r"^https?://",
        description="OpenAI-compatible server of judge_model; absent: transformers loads it",
    )
    judge_api_key: SecretStr | None = Field(None, description="sent to judge_url; absent: none")
    reward_model: str | None = Field(
        None, description="sequence classifier that scores chat, a folder or a hub name", min_length=1
    )
    audit_share: float = Field(
        0.01, ge=0, le=1, description="share of verdicts that a second verifier checks again"
    )

    inbox_capacity: int = Field(100_000, ge=1, description="queries in the inbox at most")
    heartbeat_seconds: float = Field(2.0, gt=0, description="between two signs of life of a worker")
    worker_timeout_seconds: float = Field(
        10.0, gt=0, description="silent for so long, a worker counts as dead"
    )
    ring_again_seconds: float = Field(
        15.0, gt=0, description="a doorbell nobody answered is rung again after"
    )
    most_failures: int = Field(5, ge=1, le=100, description="attempts at a query before it is a dead letter")


SECRETS = frozenset(
    name for name, field in Settings.model_fields.items() if field.annotation == SecretStr | None
)
"""Settings that carry passwords."""


def load_settings(
    config: Path | None = None,
    environment: Mapping[str, str] | None = None,
    **given: Any,
) -> Settings:
    """Returns settings: `given` before the environment, before the file, before the defaults.

    Args:
        config: a TOML file of settings.
        environment: `os.environ` if absent.
        **given: settings by name; None counts as not given.

    Raises:
        SettingsError: names the unknown or malformed setting, its value and the remedy.
    """
    variables = os.environ if environment is None else environment
    from_environment = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in variables.items()
        if name.startswith(PREFIX) and value != ""
    }
    from_call = {name: value for name, value in given.items() if value is not None}
    merged: dict[str, Any] = {}
    for source, where in ((_read(config), f"{config}: "), (from_environment, PREFIX), (from_call, "")):
        for name in source:
            _check_known(name, where)
        merged |= source
    try:
        settings = Settings(**merged)
    except ValidationError as error:
        raise SettingsError(_words(error)) from None
    _check_judge(settings)
    return settings


def _check_judge(settings: Settings) -> None:
    for name in ("judge_url", "judge_api_key", "math_paper_exact"):
        if getattr(settings, name) and settings.judge_model is None:
            raise SettingsError(f"judge_model: None: name the model that judges, since {name} is set")


def _read(config: Path | None) -> dict[str, Any]:
    if config is None:
        return {}
    try:
        return tomllib.loads(config.read_text())
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"config {config}: {error}: give a readable TOML file") from error


def _check_known(name: str, where: str) -> None:
    if name in Settings.model_fields:
        return
    shown = f"{where}{name.upper() if where == PREFIX else name}"
    close = difflib.get_close_matches(name, Settings.model_fields, n=1)
    remedy = f"did you mean {close[0]}?" if close else f"known are {', '.join(Settings.model_fields)}"
    raise SettingsError(f"{shown}: unknown setting: {remedy}")


def _words(error: ValidationError) -> str:
    """One line for each fault: setting, value (never a secret's), what is allowed."""
    lines = []
    for fault in error.errors():
        name = str(fault["loc"][0])
        value = "(hidden)" if name in SECRETS else repr(fault["input"])
        lines.append(f"{name}: {value}: {fault['msg']}")
    return "; ".join(lines)
