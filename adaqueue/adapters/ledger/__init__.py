"""The ledger in Postgres: one class for each flow, each method one transaction."""
