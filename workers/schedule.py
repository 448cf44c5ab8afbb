"""Says when probes are to be retrained."""

from adaqueue.wiring.trainer import run_schedule

if __name__ == "__main__":
    run_schedule()
