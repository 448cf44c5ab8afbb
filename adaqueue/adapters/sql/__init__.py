"""The ledger's SQL: one module owns each table; every function works inside the caller's transaction."""
