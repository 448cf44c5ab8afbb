"""Measures suites when the schedule says so."""

from adaqueue.cli.suite_sets import HANDS
from adaqueue.wiring.nightly import run_evaluator

if __name__ == "__main__":
    run_evaluator(HANDS)
