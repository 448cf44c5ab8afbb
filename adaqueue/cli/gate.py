"""`verify gate`: queries whose own solutions fail are found before anybody is asked to solve them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import IO, Annotated

import typer
from rich.console import Console

from adaqueue.adapters.code_gate import examine_solution
from adaqueue.adapters.code_verifier import CodeVerifier
from adaqueue.adapters.in_order import in_order
from adaqueue.cli.files import writer
from adaqueue.cli.lines import Line, count_lines, read_lines, shown
from adaqueue.cli.options import Config, JsonFile, check_writable, write_json
from adaqueue.cli.sandboxing import ComparisonChoice, Sandboxes, Unisolated, sandbox_settings, threads
from adaqueue.cli.verify import INCOMPLETE
from adaqueue.core.query import Query
from adaqueue.errors import BadQueryError, SettingsError
from adaqueue.wiring.verification import own_sandboxes

NO_SOLUTION = "no_solution"
REFUSED = "refused"


@dataclass(frozen=True)
class Gated:
    """A row at the gate.

    Attributes:
        line: the row.
        id: of the query, where it has one.
        verdict: of its solution; `no_solution`; or `refused` where it is no good code query.
        reason: of `not_verified` and `refused`, in words.
    """

    line: Line
    id: str | None
    verdict: str
    reason: str = ""


def gate(
    file: Annotated[str, typer.Argument(help="Code queries, JSON lines; .gz is read too; - is stdin.")],
    output: Annotated[
        str | None,
        typer.Option(help="Write the rows whose solution passes here, as they are.", show_default=False),
    ] = None,
    sandboxes: Sandboxes = None,
    comparison: ComparisonChoice = None,
    run_code_without_isolation: Unisolated = False,
    config: Config = None,
    json: JsonFile = None,
) -> None:
    """Run each code query's own solution against its tests before anybody is asked to solve it.

    Where it fails, the tests are wrong, or the program needs what programs do not get here: such a query can
    only mislead. These rows are listed with their verdicts, as are those that carry no solution.

    Exit status 3: some solution failed or could not be verified, or some row was refused.
    """
    if output == "-" and json == "-":
        raise SettingsError("json: '-': the rows go to stdout: name a file for one of them")
    for target in (output, json):
        check_writable(target)
    settings = sandbox_settings(config, sandboxes, comparison, run_code_without_isolation)
    started = time.monotonic()
    with own_sandboxes(settings) as verifier, _writer(output) as target_file:
        gated = in_order(partial(_gated, verifier), read_lines(file), threads(settings))
        verdicts, kept_out = _keep(target_file, shown(gated, "verifying solutions", count_lines(file)))
    seconds = time.monotonic() - started
    _report(verdicts, kept_out, seconds)
    listed = [{"line": row.line.number, "id": row.id, "verdict": row.verdict} for row in kept_out]
    write_json(json, {"verdicts": dict(verdicts), "kept_out": listed, "seconds": round(seconds, 3)})
    if set(verdicts) - {"passed", NO_SOLUTION}:
        raise typer.Exit(INCOMPLETE)


def _gated(verifier: CodeVerifier, line: Line) -> Gated:
    try:
        query = Query.from_row(line.row())
        report = examine_solution(verifier, query)
    except BadQueryError as error:
        return Gated(line, None, REFUSED, str(error))
    if report is None:
        return Gated(line, query.id, NO_SOLUTION)
    return Gated(line, query.id, report.verdict, report.route if report.verdict == "not_verified" else "")


@contextmanager
def _writer(target: str | None) -> Iterator[IO[str] | None]:
    if target is None:
        yield None
    else:
        with writer(target) as file:
            yield file


def _keep(target: IO[str] | None, gated: Iterable[Gated]) -> tuple[Counter[str], list[Gated]]:
    """Writes the rows that passed; returns how often each verdict was given, and the other rows."""
    verdicts: Counter[str] = Counter()
    kept_out = []
    for row in gated:
        verdicts[row.verdict] += 1
        if row.verdict != "passed":
            kept_out.append(row)
        elif target is not None:
            target.write(row.line.data.decode().rstrip("\r\n") + "\n")
    return verdicts, kept_out


def _report(verdicts: Counter[str], kept_out: list[Gated], seconds: float) -> None:
    console = Console(stderr=True)
    for row in kept_out:
        words = f"line {row.line.number}{f', {row.id}' if row.id else ''}: {row.verdict}"
        reason = f": {row.reason}" if row.reason else ""
        console.print(f"{words}{reason}", markup=False, highlight=False, soft_wrap=True)
    solved = verdicts.total() - verdicts[NO_SOLUTION] - verdicts[REFUSED]
    console.print(
        f"{verdicts['passed']:,} of {solved:,} solutions passed in {seconds:.1f} s; "
        f"{verdicts[NO_SOLUTION]:,} rows without a solution, {verdicts[REFUSED]:,} refused",
        soft_wrap=True,
    )
