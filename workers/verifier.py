"""Verifies what was drawn, and answers."""

from adaqueue.wiring.processes import run_verifier

if __name__ == "__main__":
    run_verifier()
