"""What a person types."""

from __future__ import annotations

import logging
import sys

import typer

from adaqueue.cli.audit import audit
from adaqueue.cli.demo import demo
from adaqueue.cli.doctor import doctor
from adaqueue.cli.estimate import estimate
from adaqueue.cli.evaluate import evaluate
from adaqueue.cli.export import export
from adaqueue.cli.gate import gate
from adaqueue.cli.importing import import_queries
from adaqueue.cli.nightly import nightly
from adaqueue.cli.probe import probe
from adaqueue.cli.run import run
from adaqueue.cli.system import down, status, up
from adaqueue.cli.twin import twin
from adaqueue.cli.verify import code, math
from adaqueue.errors import AdaQueueError

app = typer.Typer(
    name="adaqueue",
    help="Decides how many samples each query deserves: input-adaptive best-of-k that never loses a query.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",  # brackets stand for themselves
    pretty_exceptions_enable=False,
)
for command in (demo, run, up, down, status, doctor, twin, evaluate, estimate, export):
    app.command()(command)
app.command("import")(import_queries)
verify = typer.Typer(
    help="Give verdicts to programs and answers in a file, without a system; run queries' own solutions.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
verify.command()(code)
verify.command()(math)
verify.command()(gate)
verify.command()(audit)
app.add_typer(verify, name="verify")
app.add_typer(probe, name="probe")
app.add_typer(nightly, name="nightly")


def main() -> None:
    """Runs the command line; an expected error is one line on stderr and exit status 1."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        app()
    except AdaQueueError as error:
        print(f"adaqueue: {error}", file=sys.stderr)  # noqa: T201 - the command line's own output
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
