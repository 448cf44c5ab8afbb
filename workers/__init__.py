"""The processes of the system: each starts what the wiring built, and decides nothing."""
