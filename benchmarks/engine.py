"""Samples a second through a vLLM server, by `LLM.generate` alone, and by the transformers engine.

`python -m benchmarks.engine [--queries N] [--samples K] [--repeats R] [--json FILE]`
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from adaqueue.adapters.language_model import LanguageModel
from adaqueue.adapters.prompt_encoder import PromptEncoder
from adaqueue.adapters.transformers_engine import TransformersEngine
from adaqueue.adapters.vllm_engine import VllmEngine
from adaqueue.adapters.vllm_installation import remedy
from adaqueue.adapters.vllm_link import never, wait_until_it_works
from adaqueue.adapters.vllm_options import VllmOptions
from adaqueue.core.records import Unit, sample_seed
from adaqueue.core.specs import Sampling
from adaqueue.demo import MAX_TOKENS, MODEL_NAME, TEMPERATURE
from adaqueue.demo.queries import demo_queries, model_path
from adaqueue.ports import Engine
from benchmarks import report

MAX_NUM_SEQS = 256
IN_FLIGHT = int(1.2 * MAX_NUM_SEQS)
START_SECONDS = 600.0
SAMPLING = Sampling(MODEL_NAME, TEMPERATURE, MAX_TOKENS)
Draw = Callable[[Sequence[Unit]], int]


def main() -> None:
    """Measures, prints a table, and writes JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", help="file to write the figures to; - is stdout")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--samples", type=int, default=16, help="of each query")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--port", type=int, default=18_500)
    given = parser.parse_args()
    if (missing := remedy()) is not None:
        sys.exit(missing)
    asked = units(demo_queries(given.queries), given.samples)
    transformers = _rates(_with_transformers(), asked, given.repeats)
    with _through_server(given.port) as draw:
        server = _rates(draw, asked, given.repeats)
    alone = _rates(_alone(), asked, given.repeats)
    found = _summary({"": server, "vllm_alone_": alone, "transformers_": transformers})
    found |= {"queries": given.queries, "samples_per_query": given.samples, "repeats": given.repeats}
    report.show("engine", found)
    report.write(given.json, found)


def units(queries: Sequence[Mapping[str, Any]], samples: int) -> list[Unit]:
    """Returns so many samples of each query, as an engine is asked for them."""
    found = []
    for query in queries:
        key = uuid.uuid5(uuid.NAMESPACE_URL, query["id"])
        messages = ({"role": "user", "content": query["prompt"]},)
        found += [Unit(key, number, sample_seed(key, number), messages, None) for number in range(samples)]
    return found


@contextmanager
def served(options: VllmOptions) -> Iterator[None]:
    """Runs a server of vLLM, as `adaqueue up` starts it, and waits until it works."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(options.argv(), env=options.environment(), stdout=log, stderr=log)
        try:
            wait_until_it_works(options.url, options.probe(), START_SECONDS, never)
            yield
        finally:
            process.terminate()
            process.wait()


@contextmanager
def _through_server(port: int) -> Iterator[Draw]:
    """Our engine and its server, as `adaqueue up` runs them."""
    options = VllmOptions(str(model_path()), MODEL_NAME, port, MAX_NUM_SEQS)
    with served(options):
        prompts = PromptEncoder(str(model_path()), MODEL_NAME)
        yield _draw(VllmEngine(options.url, prompts, SAMPLING, in_flight=IN_FLIGHT))


def _with_transformers() -> Draw:
    return _draw(TransformersEngine(LanguageModel(str(model_path()), MODEL_NAME), SAMPLING))


def _draw(engine: Engine) -> Draw:
    return lambda units: sum(len(samples) for samples in engine.draw(units))


def _alone() -> Draw:
    """Nothing of ours but the prompts: no HTTP, no records."""
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    vllm: Any = import_module("vllm")  # not a statement: types that only some machines have
    prompts = PromptEncoder(str(model_path()), MODEL_NAME)
    # the shipped model is stored in float32, and our server leaves it so
    llm = vllm.LLM(str(model_path()), max_num_seqs=MAX_NUM_SEQS, dtype="float32", generation_config="vllm")

    def draw(units: Sequence[Unit]) -> int:
        firsts = {unit.query_id: unit for unit in reversed(units)}
        each = len(units) // len(firsts)
        encoded = [{"prompt_token_ids": prompts.encode(unit.messages)} for unit in firsts.values()]
        params = [
            vllm.SamplingParams(n=each, seed=unit.seed, temperature=TEMPERATURE, max_tokens=MAX_TOKENS)
            for unit in firsts.values()
        ]
        return sum(len(output.outputs) for output in llm.generate(encoded, params, use_tqdm=False))

    return draw


def _rates(draw: Draw, units: Sequence[Unit], repeats: int) -> list[float]:
    """Samples a second, repeat by repeat, after one that does not count."""
    rates = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        drawn = draw(units)
        rates.append(drawn / (time.perf_counter() - started))
        if drawn != len(units):
            sys.exit(f"{drawn} samples came of {len(units)}")
    return rates[1:]


def _summary(rates: dict[str, list[float]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for prefix, given in rates.items():
        found[f"{prefix}samples_per_second"] = round(statistics.median(given), 1)
        found[f"{prefix}samples_per_second_spread"] = [round(min(given), 1), round(max(given), 1)]
    found["ratio"] = round(found["samples_per_second"] / found["vllm_alone_samples_per_second"], 3)
    return found


if __name__ == "__main__":
    main()
