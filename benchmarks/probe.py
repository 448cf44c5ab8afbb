"""Prompts scored a second (hidden state and probe), and what share of the time of sampling that is.

`python -m benchmarks.probe [--queries N] [--samples B] [--repeats R] [--json FILE]`

Scoring and sampling take turns on the same queries of the demo, half arithmetic and half code. Figures
without a prefix are of vLLM, its pooling server beside the server that draws; `transformers_` is of
transformers alone; `mixed_` draws with vLLM and scores with transformers, as `adaqueue up --engine vllm` does
without a GPU; each process leaves a core to the others, as there. A model of 7B parameters is estimated, see
`benchmarks.large_model`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from adaqueue.adapters.language_model import LanguageModel
from adaqueue.adapters.probes.fitting import fit_probe
from adaqueue.adapters.prompt_encoder import PromptEncoder
from adaqueue.adapters.transformers_engine import TransformersEngine
from adaqueue.adapters.transformers_features import TransformersFeatures
from adaqueue.adapters.vllm_engine import VllmEngine
from adaqueue.adapters.vllm_features import VllmFeatures
from adaqueue.adapters.vllm_installation import remedy
from adaqueue.adapters.vllm_options import VllmOptions
from adaqueue.demo import MODEL_NAME
from adaqueue.demo.queries import demo_queries, model_path
from adaqueue.ports import Engine, FeatureProvider, Probe
from adaqueue.wiring.training import DEFAULT_HEAD, shipped_outcomes
from benchmarks import report
from benchmarks.engine import IN_FLIGHT, MAX_NUM_SEQS, SAMPLING, served, units
from benchmarks.large_model import estimates

Queries = Sequence[Mapping[str, Any]]


def main() -> None:
    """Measures, prints a table, and writes JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", help="file to write the figures to; - is stdout")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--samples", type=int, default=4, help="of each query")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--port", type=int, default=18_520)
    given = parser.parse_args()
    if (missing := remedy()) is not None:
        sys.exit(missing)
    threads = os.environ.setdefault("OMP_NUM_THREADS", str(max(len(os.sched_getaffinity(0)) - 1, 1)))
    torch.set_num_threads(int(threads))
    queries = [query for domain in ("math", "code") for query in demo_queries(given.queries // 2, domain)]
    found = measure(queries, given.samples, given.repeats, given.port)
    found |= {"queries": len(queries), "samples_per_query": given.samples, "repeats": given.repeats}
    found |= estimates(given.samples)
    report.show("probe", found)
    report.write(given.json, found)


def measure(queries: Queries, samples: int, repeats: int, port: int) -> dict[str, Any]:
    """Returns the figures of all three ways."""
    model = LanguageModel(str(model_path()), MODEL_NAME)
    ours = TransformersFeatures(model)
    race = Race(queries, samples, repeats, fit_probe(DEFAULT_HEAD, shipped_outcomes("math", ours), seed=0))
    engine = TransformersEngine(model, SAMPLING)
    found = _lengths(queries, engine) | race.run("transformers_", engine, ours)
    with _vllm(port) as (server, theirs):
        return found | race.run("", server, theirs) | race.run("mixed_", server, ours)


@dataclass(frozen=True)
class Race:
    """Scoring against sampling.

    Attributes:
        queries: of both.
        samples: of each query.
        repeats: that count; one before them does not.
        probe: reads the hidden states.
    """

    queries: Queries
    samples: int
    repeats: int
    probe: Probe

    def run(self, prefix: str, engine: Engine, provider: FeatureProvider) -> dict[str, Any]:
        """Returns medians and spreads; a share is of one repeat's scoring and sampling."""
        turns = [(self._score(provider), self._sample(engine)) for _ in range(self.repeats + 1)][1:]
        figures = {
            "prompts_per_second": [len(self.queries) / scoring for scoring, _ in turns],
            "share_of_sampling_time": [scoring / sampling for scoring, sampling in turns],
            "sampling_seconds": [sampling for _, sampling in turns],
        }
        found: dict[str, Any] = {}
        for name, values in figures.items():
            found[prefix + name] = round(statistics.median(values), 4)
            found[f"{prefix}{name}_spread"] = [round(min(values), 4), round(max(values), 4)]
        return found

    def _score(self, provider: FeatureProvider) -> float:
        started = time.perf_counter()
        vectors = provider.vectors([({"role": "user", "content": row["prompt"]},) for row in self.queries])
        self.probe.predict(np.stack([np.frombuffer(vector, dtype=np.float32) for vector in vectors]), [])
        return time.perf_counter() - started

    def _sample(self, engine: Engine) -> float:
        asked = units(self.queries, self.samples)
        started = time.perf_counter()
        drawn = sum(len(samples) for samples in engine.draw(asked))
        if drawn != len(asked):
            sys.exit(f"{drawn} samples came of {len(asked)}")
        return time.perf_counter() - started


def _lengths(queries: Queries, engine: Engine) -> dict[str, Any]:
    """Returns the mean tokens of a prompt and of a sample, one drawn of each query."""
    drawn = [sample for samples in engine.draw(units(queries, 1)) for sample in samples]
    return {
        "prompt_tokens": round(statistics.mean(sample.tokens_in or 0 for sample in drawn), 1),
        "response_tokens": round(statistics.mean(sample.tokens_out or 0 for sample in drawn), 1),
    }


@contextmanager
def _vllm(port: int) -> Iterator[tuple[Engine, FeatureProvider]]:
    """Both servers, as `adaqueue up` runs them on a GPU."""
    source = str(model_path())
    drawing = VllmOptions(source, MODEL_NAME, port, MAX_NUM_SEQS)
    pooling = VllmOptions(source, MODEL_NAME, port + 1, MAX_NUM_SEQS, "pooling")
    prompts = PromptEncoder(source, MODEL_NAME)
    with served(drawing), served(pooling):
        engine = VllmEngine(drawing.url, prompts, SAMPLING, in_flight=IN_FLIGHT)
        yield engine, VllmFeatures(pooling.url, prompts)


if __name__ == "__main__":
    main()
