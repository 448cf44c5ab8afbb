"""What runs beside or below LM-written code: the standard library alone, and nothing secret."""
