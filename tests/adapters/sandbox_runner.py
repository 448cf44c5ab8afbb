"""Runs programs in zygotes of this process's user; a script, so that it can be another user's.

Arguments: the tier, a file of JSON lines {name, code, reference}, CPU seconds, threads. Prints a JSON object:
for each name the verdict, and that of a clean program right after it in the same zygote.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

from adaqueue.adapters.code_isolation import located
from adaqueue.adapters.code_runs import run_tests
from adaqueue.adapters.code_wire import Limits, Request
from adaqueue.adapters.code_zygote import Kind, Zygote
from adaqueue.errors import VerifierError

CLEAN = Request(
    ("a, b = map(int, input().split())\nprint(a + b)",), {"style": "stdin", "tests": [["1 2\n", "3\n"]]}
)


def verdict(zygote: Zygote, request: Request) -> str:
    try:
        tests = run_tests(zygote, request)
    except VerifierError as error:
        return f"not_verified: {error}"
    return next((test for test in tests if test != "passed"), "passed")


def run(tier: str, rows: list[dict[str, Any]], limits: Limits) -> dict[str, tuple[str, str]]:
    plain, numpy = Zygote(Kind(tier)), Zygote(Kind(tier, located(["numpy"])))
    found = {}
    for row in rows:
        zygote = numpy if "numpy" in row["code"] else plain
        said = verdict(zygote, Request((row["code"],), row["reference"], limits=limits))
        found[row["name"]] = (said, verdict(zygote, CLEAN))
    plain.close()
    numpy.close()
    return found


def main(tier: str, file: str, cpu_seconds: str, threads: str) -> None:
    rows = [json.loads(line) for line in Path(file).read_text().splitlines()]
    count = int(threads)
    shares = [list(islice(rows, place, None, count)) for place in range(count)]
    with ThreadPoolExecutor(count) as pool:
        results = pool.map(lambda share: run(tier, share, Limits(float(cpu_seconds))), shares)
        sys.stdout.write(json.dumps({name: said for result in results for name, said in result.items()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
