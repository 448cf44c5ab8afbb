"""Who draws samples and computes features, built from settings."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from adaqueue.adapters.replay_engine import ReplayEngine
from adaqueue.core.specs import FeatureSpec, Sampling
from adaqueue.demo import MAX_TOKENS, MODEL_NAME
from adaqueue.demo.queries import model_path
from adaqueue.errors import EngineError, SettingsError
from adaqueue.ports import Engine, FeatureProvider
from adaqueue.settings import PREFIX, Settings

if TYPE_CHECKING:
    from adaqueue.adapters.language_model import LanguageModel
    from adaqueue.adapters.lora_features import LoraFeatures
    from adaqueue.adapters.probe_registry import ProbeRegistry
    from adaqueue.adapters.prompt_encoder import PromptEncoder
    from adaqueue.adapters.vllm_server import VllmServer

DEFAULT_MAX_TOKENS = 1_024
# more than the server draws at once, so that its next samples already wait there
IN_FLIGHT_PER_SLOT = 1.2
READY_SECONDS = 3_600.0

Kind = Literal["generate", "pooling"]


def sampling(settings: Settings) -> Sampling:
    """Returns how the system's engine draws."""
    default = MAX_TOKENS if settings.model == MODEL_NAME else DEFAULT_MAX_TOKENS
    return Sampling(settings.model, settings.temperature, settings.max_tokens or default)


def sample_engines(settings: Settings, stopping: Callable[[], bool]) -> dict[str, Engine]:
    """Returns the engines that a sampler serves, by the name of their queue; waits for a server of vLLM."""
    engines: dict[str, Engine] = {"replay": ReplayEngine()}
    if settings.engine == "transformers":
        from adaqueue.adapters.transformers_engine import TransformersEngine

        engine = TransformersEngine(
            language_model(settings), sampling(settings), settings.batch_samples, stopping
        )
        if not engine.works():
            raise EngineError(f"{settings.model} can draw nothing: this process takes no work")
        engines["transformers"] = engine
    if settings.engine == "vllm":
        engines["vllm"] = _vllm_engine(settings, stopping)
    return engines


def feature_provider(settings: Settings, stopping: Callable[[], bool]) -> FeatureProvider:
    """Returns who computes hidden states.

    Raises:
        SettingsError: the model has no such layer, or vLLM cannot give it.
    """
    check_layer(settings)
    layer, pooling = settings.features_layer, settings.features_pooling
    if settings.features != "vllm":
        from adaqueue.adapters.transformers_features import TransformersFeatures

        model = language_model(settings)
        return TransformersFeatures(model, model.feature_spec(layer, pooling))
    from adaqueue.adapters.vllm_features import VllmFeatures

    url = _required(settings, "features_url")
    provider = VllmFeatures(url, prompt_encoder(settings), pooling=pooling)
    provider.wait_ready(READY_SECONDS, stopping)
    return provider


def lora_features(
    settings: Settings,
    provider: FeatureProvider,
    registry: ProbeRegistry,
    register: Callable[[FeatureSpec], None],
) -> LoraFeatures:
    """Returns who computes what LoRA probes in use read; it loads the base model if it has to."""
    from adaqueue.adapters.lora_features import LoraFeatures
    from adaqueue.adapters.transformers_features import TransformersFeatures

    @cache
    def model() -> LanguageModel:
        return provider.model if isinstance(provider, TransformersFeatures) else language_model(settings)

    return LoraFeatures(registry, provider.spec, model, register)


def check_layer(settings: Settings) -> None:
    """Refuses a layer that who computes features cannot give.

    Raises:
        SettingsError: names layer and remedy.
    """
    if settings.features == "vllm" and settings.features_layer != -1:
        raise SettingsError(
            f"features_layer: {settings.features_layer}: vLLM gives the last layer alone: "
            "leave it at -1, or set features to transformers"
        )


def engine_server(settings: Settings, kind: Kind) -> VllmServer:
    """Returns the launcher of a vLLM server at the address that its clients were told."""
    from adaqueue.adapters.vllm_options import VllmOptions
    from adaqueue.adapters.vllm_server import VllmServer

    name = "engine_url" if kind == "generate" else "features_url"
    address = urlsplit(_required(settings, name))
    options = VllmOptions(
        source=_source(settings),
        name=settings.model,
        host=address.hostname or "127.0.0.1",
        port=address.port or 80,
        max_num_seqs=settings.engine_slots,
        kind=kind,
        pooling=settings.features_pooling,
        extra=tuple(shlex.split(settings.engine_options)),
    )
    return VllmServer(options, stall_seconds=settings.engine_stall_seconds)


def language_model(settings: Settings) -> LanguageModel:
    """Loads the base model: the shipped one, a folder, or a name on the hub."""
    from adaqueue.adapters.language_model import LanguageModel

    return LanguageModel(_source(settings), settings.model)


def prompt_encoder(settings: Settings) -> PromptEncoder:
    """Loads what turns prompts into tokens; no weights."""
    from adaqueue.adapters.prompt_encoder import PromptEncoder

    return PromptEncoder(_source(settings), settings.model)


def _vllm_engine(settings: Settings, stopping: Callable[[], bool]) -> Engine:
    from adaqueue.adapters.vllm_engine import VllmEngine

    engine = VllmEngine(
        _required(settings, "engine_url"),
        prompt_encoder(settings),
        sampling(settings),
        in_flight=int(IN_FLIGHT_PER_SLOT * settings.engine_slots),
        stopping=stopping,
    )
    engine.wait_ready(READY_SECONDS)
    return engine


def _source(settings: Settings) -> str:
    return str(model_path()) if settings.model == MODEL_NAME else settings.model


def _required(settings: Settings, name: str) -> str:
    value = getattr(settings, name)
    if value is None:
        raise SettingsError(f"{PREFIX}{name.upper()}: is needed here: set it, or use `adaqueue up`")
    return str(value)
