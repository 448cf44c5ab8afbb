"""One file for each thing outside: engines, verifiers, the ledger and the queue."""
