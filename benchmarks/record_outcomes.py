"""Record the shipped model's outcomes, from which its first probes are trained.

`python -m benchmarks.record_outcomes --output adaqueue/demo/outcomes.jsonl.gz [--queries N] [--samples K]`
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from uuid import uuid4

import torch

from adaqueue.adapters import code_server
from adaqueue.adapters.code_verifier import CodeVerifier, Limits
from adaqueue.adapters.code_wire import SOCKET_SUFFIX
from adaqueue.adapters.math_check import MathChecker
from adaqueue.adapters.math_pool import MathPool
from adaqueue.adapters.math_verifier import MathVerifier
from adaqueue.core.query import Query
from adaqueue.core.records import Sample
from adaqueue.demo.outcomes import record, spread, write
from adaqueue.demo.problems import Domain, Problem
from adaqueue.demo.queries import model_path, query_of
from adaqueue.demo.sampling import DemoSampler
from adaqueue.errors import VerifierError
from adaqueue.ports import Verifier

PAIRS_PER_BATCH = 2048
"""Responses that a verifier is given at once."""

logger = logging.getLogger(__name__)


class VerifierJudge:
    """A domain's verifier as what tells right from wrong.

    Args:
        verifier: Of the domain.
        domain: Of all problems that it will be asked about.
    """

    def __init__(self, verifier: Verifier, domain: Domain) -> None:
        self._verifier = verifier
        self._domain = domain

    def __call__(self, pairs: Sequence[tuple[Problem, str]]) -> list[bool]:
        """Whether each response solves its problem.

        Raises:
            VerifierError: A response could not be judged.
        """
        queries = {
            p.id: Query.from_row(query_of(p, self._domain)) for p in {p.id: p for p, _ in pairs}.values()
        }
        drawn = [(queries[problem.id], _sample(text)) for problem, text in pairs]
        said: list[bool] = []
        for start in range(0, len(drawn), PAIRS_PER_BATCH):
            for verdict in self._verifier.verify(drawn[start : start + PAIRS_PER_BATCH]):
                if verdict.reward is None:
                    raise VerifierError(verdict.route)
                said.append(verdict.reward == 1)
            logger.info("%s: %d of %d responses judged", self._domain, len(said), len(drawn))
        return said


def main(arguments: Sequence[str] | None = None) -> None:
    """Record as the command line says."""
    parser = argparse.ArgumentParser(description="Record the small model's outcomes for its first probes.")
    parser.add_argument("--output", type=Path, required=True, help="file to write, .jsonl.gz")
    parser.add_argument("--model", type=Path, default=model_path(), help="model folder (default: shipped)")
    parser.add_argument("--queries", type=int, default=3000, help="queries a domain (default 3000)")
    parser.add_argument("--samples", type=int, default=32, help="responses per query (default 32)")
    parser.add_argument("--seed", type=int, default=0, help="seed of queries and draws (default 0)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default 1)")
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(chosen.threads)  # more threads than idle cores make drawing many times slower
    outcomes = []
    with verifiers() as lent:
        for domain, verifier in lent.items():
            draw, judge = DemoSampler(chosen.model, chosen.seed).draw, VerifierJudge(verifier, domain)
            recorded = record(draw, judge, domain, chosen.queries, chosen.samples, chosen.seed)
            logger.info("%s: %d queries, spread %s", domain, len(recorded), spread(recorded))
            outcomes += recorded
    write(outcomes, chosen.output)


@contextmanager
def verifiers() -> Iterator[dict[Domain, Verifier]]:
    """Lends every domain's verifier; that of code with a verifier process's server in a thread."""
    stopping, checker = Event(), MathChecker(MathPool())
    with tempfile.TemporaryDirectory(prefix="adaqueue-") as folder:
        path = Path(folder) / f"recording{SOCKET_SUFFIX}"
        server = Thread(target=code_server.serve, args=(path, stopping))
        server.start()
        try:
            yield {"math": MathVerifier(checker), "code": CodeVerifier(path.parent, Limits())}
        finally:
            stopping.set()
            server.join()
            checker.close()


def _sample(text: str) -> Sample:
    return Sample(uuid4(), 0, None, text, None, None, "stop", 0.0)


if __name__ == "__main__":
    main()
