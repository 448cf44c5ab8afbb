"""Runs programs against their tests."""

from adaqueue.wiring.processes import run_sandbox

if __name__ == "__main__":
    run_sandbox()
