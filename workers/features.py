"""Computes hidden states of prompts."""

from adaqueue.wiring.processes import run_features

if __name__ == "__main__":
    run_features()
