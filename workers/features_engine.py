"""Runs and watches the vLLM server that computes features."""

from adaqueue.wiring.processes import run_engine

if __name__ == "__main__":
    run_engine("pooling")
