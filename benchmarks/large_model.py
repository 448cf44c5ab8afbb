"""What features would cost beside sampling with a model of 7B parameters on one GPU: arithmetic alone.

The hidden state of a prompt of p tokens costs one prefill, bound by compute:

    prefill = 2 N p / (u F)

and four samples of t tokens each cost one more prefill (they share it) and 4 t tokens at the rate of a full
batch. Two rates are given: the published one, and the highest that the memory allows, with s samples in
flight, each of which reads its own keys and values in every step, and all of which read the weights:

    rate = s / max((2 N + s k (p + t/2)) / (v M), 2 N s / (u F))
    share = prefill / (prefill + 4 t / rate)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Setting:
    """A model on a GPU, in bfloat16.

    Attributes:
        parameters: N.
        kept_bytes: keys and values of one token, k.
        flops: of the GPU a second, F.
        memory_bytes: that it reads a second, M.
        compute_share: of F that a prefill reaches, u.
        memory_share: of M that a decode reaches, v.
        in_flight: samples that the engine draws at once, s.
        published_rate: output tokens a second of a full vLLM server.
    """

    parameters: float
    kept_bytes: float
    flops: float
    memory_bytes: float
    compute_share: float
    memory_share: float
    in_flight: int
    published_rate: float


# Mathstral-7B, the paper's decoder of mathematics: 7.25B parameters, 32 layers, 8 heads of 128 for keys and
# values (its config.json). H100 SXM: 989 dense bfloat16 TFLOP/s, 3.35 TB/s (NVIDIA's data sheet). 256 is the
# default of the setting engine_slots. 12,500 tokens/s: Llama 3.1 8B, bfloat16, one H100
# (https://www.morphllm.com/vllm-benchmarks).
SETTING = Setting(
    parameters=7.25e9,
    kept_bytes=2 * 32 * 8 * 128 * 2,
    flops=989e12,
    memory_bytes=3.35e12,
    compute_share=0.5,
    memory_share=0.8,
    in_flight=256,
    published_rate=12_500.0,
)
# a mathematical problem with its template, and solutions of three lengths; 1,024 is the default of max_tokens
PROMPT = 100
RESPONSES = (256, 512, 1_024)


def estimates(samples: int) -> dict[str, Any]:
    """Returns the shares for a prompt of 100 tokens and so many samples, by their length and the rate."""
    return {
        f"estimated_7b_share_{response}_tokens{suffix}": round(share(PROMPT, samples * response, rate), 4)
        for response in RESPONSES
        for suffix, rate in (
            ("", SETTING.published_rate),
            ("_at_most", highest_rate(PROMPT + response / 2)),
        )
    } | {"estimated_7b_prefill_milliseconds": round(1_000 * prefill_seconds(PROMPT), 2)}


def prefill_seconds(prompt: int) -> float:
    """Returns how long the hidden state of a prompt of so many tokens takes."""
    return 2 * SETTING.parameters * prompt / (SETTING.compute_share * SETTING.flops)


def highest_rate(context: float) -> float:
    """Returns the tokens a second that memory and compute allow, each sample having so many to read."""
    weights = 2 * SETTING.parameters
    read = weights + SETTING.in_flight * SETTING.kept_bytes * context
    memory = read / (SETTING.memory_share * SETTING.memory_bytes)
    compute = weights * SETTING.in_flight / (SETTING.compute_share * SETTING.flops)
    return SETTING.in_flight / max(memory, compute)


def share(prompt: int, tokens: int, rate: float) -> float:
    """Returns the share of sampling time that one prefill takes, for so many sampled tokens at that rate."""
    prefill = prefill_seconds(prompt)
    return prefill / (prefill + tokens / rate)
