"""What the demo drew live, as files of recorded outcomes, and their report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from adaqueue import wiring
from adaqueue.cli.demo_report import DomainRuns
from adaqueue.cli.evaluate import evaluate
from adaqueue.demo.live_rows import graded_rows, paired_rows, verified_rows
from adaqueue.demo.outcomes import write
from adaqueue.demo.queries import model_path

SPLITS = 2
"""Ways to split the queries: few, to be quick; `adaqueue evaluate` on the same files takes ten."""


def report_live(
    folder: Path | None, runs: Mapping[str, DomainRuns], shares: Mapping[wiring.Domain, int]
) -> None:
    """Writes the files into a folder, evaluates them and writes their report there; None writes nothing."""
    if folder is None:
        return
    files = _write(folder, runs, shares)
    evaluate([str(file) for file in files], features=str(model_path()), seeds=SPLITS, report_folder=folder)


def _write(folder: Path, runs: Mapping[str, DomainRuns], shares: Mapping[wiring.Domain, int]) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    rows = {}
    for domain, count in shares.items():
        queries, drawn = wiring.demo_queries(count, domain), runs[domain].pool.responses
        rows[f"{domain}.jsonl.gz"] = verified_rows(queries, drawn)
        if domain == "math":
            rows["chat.jsonl.gz"] = graded_rows(queries, drawn)
            rows["routing.jsonl.gz"] = paired_rows(queries, drawn)
    for name, own in rows.items():
        write(own, folder / name)
    return [folder / name for name in rows]
