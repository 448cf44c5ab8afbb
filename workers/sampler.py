"""Draws what its doorbells say."""

from adaqueue.wiring.processes import run_sampler

if __name__ == "__main__":
    run_sampler()
