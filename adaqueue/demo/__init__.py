"""The demo: a small language model trained on arithmetic and code, its queries and its recorded outcomes.

Importing this package loads neither torch nor transformers.
"""

MODEL_NAME = "adaqueue-small"
"""The shipped model's name, as recorded outcomes and deployments give it."""

TEMPERATURE = 0.7
"""Temperature at which the recorded outcomes were drawn; no top-k, no top-p."""

MAX_TOKENS = 32
"""Most tokens of one response, end of sequence included; the longest right one has about 25."""

__all__ = ["MODEL_NAME", "TEMPERATURE", "MAX_TOKENS"]
