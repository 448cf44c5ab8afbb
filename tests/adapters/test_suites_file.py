"""Proves that the file of suites is read, the example included, and each fault named with its remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from adaqueue.adapters.suites_file import digest_of, read_suites
from adaqueue.core.suites import Limit, Suite
from adaqueue.errors import SettingsError

EXAMPLE = Path(__file__).parents[2] / "suites.example.toml"
LIVE = 'name = "a"\nkind = "live"\nfiles = ["q.jsonl"]\nbudgets = [4, 2]\ndraws = 8\n'
RECORDED = 'name = "r"\nkind = "recorded"\nfiles = ["q.jsonl"]\n'


def read(tmp_path: Path, *suites: str) -> list[Suite]:
    path = tmp_path / "suites.toml"
    path.write_text("".join(f"[[suite]]\n{text}\n" for text in suites))
    return read_suites(path)


def test_the_example_is_read_and_the_page_explains_each_of_its_fields() -> None:
    recorded, live = read_suites(EXAMPLE)
    assert (recorded.kind, live.kind) == ("recorded", "live")
    assert live.alarms.max_equal_reward_budget == (Limit("sequential", 4, 0.9),)
    page = (EXAMPLE.parent / "docs" / "nightly.md").read_text()
    assert EXAMPLE.read_text().strip() in page


def test_files_are_found_beside_the_file_and_budgets_are_put_in_order(tmp_path: Path) -> None:
    (suite,) = read(tmp_path, LIVE)
    assert suite.files == (str(tmp_path / "q.jsonl"),)
    assert suite.budgets == (2, 4)
    assert suite.alarms.regression == 0.02


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LIVE + "dras = 3\n", r"suite\.0\.dras: 3: unknown: see docs/nightly\.md"),
        (LIVE.replace("draws = 8", "draws = 3"), "draws: 3: give at least the largest budget"),
        (LIVE.replace("draws = 8", ""), r"suite\.0\.draws: Field required"),
        (
            LIVE + 'policies = ["oracle"]\n',
            r"policies\.0: 'oracle': no such policy here: known are",
        ),
        (LIVE.replace("live", "dead"), "suite"),
        (LIVE + "[suite.alarms]\nmax_ece = 2.0\n", r"suite\.0\.alarms\.max_ece: 2\.0: Input should be less"),
        (
            LIVE + '[suite.alarms]\nmin_success = [{ policy = "sequential", budget = 2, share = 1 }]\n',
            r"min_success\.0\.share: 1: unknown",
        ),
        (
            LIVE + '[suite.alarms]\nmin_success = [{ policy = "sequental", budget = 2, success = 0.5 }]\n',
            r"suite\.0\.alarms\.min_success\.0\.policy: 'sequental': not measured here: known are sequential",
        ),
        (
            LIVE + '[suite.alarms]\nmin_success = [{ policy = "sequential", budget = "2", success = 1 }]\n',
            r"min_success\.0\.budget.*: '2': Input should be a valid",
        ),
        (
            LIVE.replace('["q.jsonl"]', '["a/q.jsonl", "b/q.jsonl"]'),
            r"files: 'b/q\.jsonl': has the name of 'a/q\.jsonl', and figures go by names: rename one",
        ),
        (
            RECORDED.replace('["q.jsonl"]', '["q.jsonl", "./q.jsonl"]'),
            r"files: '\./q\.jsonl': named twice: leave one out",
        ),
        ("nonsense", "give a readable TOML file"),
    ],
)
def test_a_fault_is_named_with_its_field_its_value_and_the_remedy(
    tmp_path: Path, text: str, words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        read(tmp_path, text)


def test_bounds_of_routing_are_at_shares_of_strong_calls(tmp_path: Path) -> None:
    bound = 'max_equal_reward_budget = [{ policy = "routed", budget = 0.5, share = 0.9 }]\n'
    (suite,) = read(tmp_path, RECORDED + f"policies = ['routed', 'cascade']\n[suite.alarms]\n{bound}")
    assert suite.alarms.max_equal_reward_budget == (Limit("routed", 0.5, 0.9),)


def test_two_suites_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="name: 'a': two suites have it"):
        read(tmp_path, LIVE, LIVE)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"suites .*none\.toml: .*give a readable TOML file"):
        read_suites(tmp_path / "none.toml")
    with pytest.raises(SettingsError, match=r"files: .*none: No such file"):
        digest_of(str(tmp_path / "none"))
