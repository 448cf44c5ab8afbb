"""What the policies do, a sentence each."""

from __future__ import annotations

from collections.abc import Iterable

POLICIES = {
    "uniform": "best-of-B for every query",
    "uniform_early_stop": "round by round over unsolved queries, until the samples are spent",
    "window": "the paper's online allocation: greedy on the predicted success, all at once",
    "bins": "the paper's offline allocation: greedy on what training queries of similar predictions gave",
    "beta_window": "greedy on a Beta distribution about the prediction, all at once",
    "sequential": "the system's default: one sample at a time to the likeliest next success",
    "oracle": "knows each query's true or recorded rewards: it bounds what can be saved",
    "sequential_oracle": "knows them too; one at a time",
    "window_early_stop": "as window, but a success closes its query",
    "beta_window_early_stop": "as beta_window, but a success closes its query",
    "sequential_beta": "one at a time by the Beta distribution's posterior",
    "sequential_4_waves": "as sequential, in four waves of equally many samples",
    "sequential_8_waves": "the same in eight waves",
    "sequential_16_waves": "the same in sixteen waves",
    "random": "sends a share of the queries to the strong decoder by chance",
    "routed": "sends the share that the probe prefers there",
    "routed_by_tfidf": "the share that TF-IDF of the words prefers",
    "routed_by_length": "the share that the prompt's length prefers",
    "cascade": "asks the weak decoder first, and the strong one where that failed",
    "strong": "sends every query to the strong decoder",
    "weak": "sends none",
}


def explained(policies: Iterable[str]) -> list[tuple[str, str]]:
    """Returns the policies that have an explanation, with it, in the glossary's order."""
    named = set(policies)
    return [(name, said) for name, said in POLICIES.items() if name in named]
