"""Trains and judges probes when the schedule says so."""

from adaqueue.wiring.trainer import run_trainer

if __name__ == "__main__":
    run_trainer()
