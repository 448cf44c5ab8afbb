"""Pure decisions: numpy and scipy only, no input or output, no clock, no settings."""
