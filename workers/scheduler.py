"""Ingest, windows and the reaper, in one process."""

from adaqueue.wiring.processes import run_scheduler

if __name__ == "__main__":
    run_scheduler()
