"""Proves that a setting is what was given last and nearest, that a wrong one is named, and a secret never."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from adaqueue.core.policy import ONCE
from adaqueue.core.sequential import HAZARDS
from adaqueue.errors import SettingsError
from adaqueue.settings import PREFIX, Settings, load_settings

SECRET = "hunter2"
URLS = {
    "redis_url": f"redis://:{SECRET}@localhost/0",
    "database_url": f"postgresql://me:{SECRET}@localhost/db",
    "broker_url": f"redis://:{SECRET}@localhost/1",
}


def load(environment: dict[str, str] | None = None, config: Path | None = None, **given: Any) -> Settings:
    return load_settings(config, environment or {}, **given)


def refusal(*sources: Any, **given: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        load(*sources, **given)
    return str(caught.value)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "adaqueue.toml"


def test_what_is_given_wins_over_the_environment_over_the_file_over_the_default(config: Path) -> None:
    environment = {f"{PREFIX}B_MAX": "30", f"{PREFIX}WINDOW_QUERIES": "31"}
    config.write_text("b_max = 20\nwindow_queries = 21\nbatch_samples = 22\n")
    settings = load(environment, config, b_max=40)
    assert (settings.b_max, settings.window_queries, settings.batch_samples) == (40, 31, 22)
    assert settings.most_failures == Settings.model_fields["most_failures"].default


def test_none_and_an_empty_variable_count_as_not_given(config: Path) -> None:
    config.write_text("b_max = 20\n")
    assert load({f"{PREFIX}B_MAX": ""}, config, b_max=None).b_max == 20


def test_every_setting_may_come_from_the_environment_under_its_name() -> None:
    words = {
        "engine": "replay",
        "model": "m",
        "policy": "uniform",
        "features": "vllm",
        "engine_options": "-x",
        "test_libraries": "numpy",
        "test_comparison": "taco",
        "judge_model": "j",
        "reward_model": "r",
        "features_pooling": "mean",
        "retrain_at": "0 4 * * *",
        "retrain_heads": "beta,tfidf",
        "evaluate_at": "0 5 * * *",
        "probes_url": "s3://b/probes",
    }
    flags = {"run_code_without_isolation": "1", "math_paper_exact": "1"}
    paths = {"data_folder": "/x", "sandboxes_folder": "/y", "evaluate_suites": "/s", "evaluate_reports": "/r"}
    own = {"engine_url": "http://e:1", "features_url": "http://f:1", "judge_url": "http://j:1"}
    given = {**URLS, **words, **paths, **own, **flags, "judge_api_key": "k"}
    fitting = {
        "test_memory_mebibytes": "64",
        "test_output_bytes": "1024",
        "audit_share": "0.5",
        "exploration_share": "0.5",
        "retrain_queries": "50",
        "retrain_most_queries": "50",
        "trainers": "0",
    }
    numbers = {name: fitting.get(name, "3") for name in Settings.model_fields if name not in given}
    environment = {f"{PREFIX}{name.upper()}": value for name, value in {**given, **numbers}.items()}
    settings = load(environment)
    assert all(getattr(settings, name) == value for name, value in {**words, **own}.items())
    assert all(getattr(settings, name) is True for name in flags)
    assert all(getattr(settings, name) == Path(value) for name, value in paths.items())
    assert all(getattr(settings, name) == float(value) for name, value in numbers.items())
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == URLS["database_url"]


def test_the_environment_is_that_of_the_process_unless_another_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(f"{PREFIX}B_MAX", "17")
    assert load_settings().b_max == 17
    assert load_settings(environment={}).b_max == 128


def test_other_programs_variables_are_none_of_our_business() -> None:
    assert load({"PATH": "/bin", "ADA_B_MAX": "x"}) == load()


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"ADAQUEUE_BMAX": "3"}, "ADAQUEUE_BMAX: unknown setting: did you mean b_max?"),
        (
            {"ADAQUEUE_DATABASE_URI": "x"},
            "ADAQUEUE_DATABASE_URI: unknown setting: did you mean database_url?",
        ),
        ({"ADAQUEUE_ZZZ": "3"}, "ADAQUEUE_ZZZ: unknown setting: known are redis_url, database_url, "),
    ],
)
def test_an_unknown_variable_is_refused_by_name_with_the_likely_one(
    environment: dict[str, str], said: str
) -> None:
    assert refusal(environment).startswith(said)


def test_an_unknown_key_of_the_file_is_refused_by_name_with_the_likely_one(config: Path) -> None:
    config.write_text("average_buget = 3\n")
    assert refusal({}, config) == f"{config}: average_buget: unknown setting: did you mean average_budget?"
    config.write_text("[workers]\nb_max = 3\n")
    assert refusal({}, config).startswith(f"{config}: workers: unknown setting: known are ")


def test_an_unknown_argument_is_refused_by_name_with_the_likely_one() -> None:
    assert refusal(polcy="window") == "polcy: unknown setting: did you mean policy?"


@pytest.mark.parametrize("content", ["b_max = ", "b_max 3", "b_max = 1\nb_max = 2", "\xff"])
def test_a_file_that_is_no_toml_is_refused_with_its_name(config: Path, content: str) -> None:
    config.write_bytes(content.encode("latin-1"))
    said = refusal({}, config)
    assert said.startswith(f"config {config}: ")
    assert said.endswith(": give a readable TOML file")


def test_a_file_that_is_not_there_is_refused_with_its_name(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.toml", tmp_path):
        assert refusal({}, path).startswith(f"config {path}: ")


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("b_max", "many", "integer"),
        ("b_max", "0", "greater than or equal to 1"),
        ("b_max", 1_025, "less than or equal to 1024"),
        ("b_max", 1.5, "integer"),
        ("average_budget", "-0.1", "greater than or equal to 0"),
        ("average_budget", "nan", "finite"),
        ("temperature", "11", "less than or equal to 10"),
        ("prior_alpha", 0, "greater than 0"),
        ("prior_alpha", "inf", "finite"),
        ("prior_beta", float("inf"), "finite"),
        ("heartbeat_seconds", "inf", "finite"),
        ("worker_timeout_seconds", "inf", "finite"),
        ("ring_again_seconds", "infinity", "finite"),
        ("window_seconds", "soon", "number"),
        ("engine", "gpt", "'vllm' or 'replay'"),
        ("policy", "greedy", "'sequential', 'uniform_early_stop', 'uniform', 'window' or 'beta_window'"),
        ("waves", "0", "greater than or equal to 1"),
        ("waves", 1_025, "less than or equal to 1024"),
        ("waves", 1.5, "integer"),
        ("batch_idle_seconds", 0, "greater than 0"),
        ("batch_idle_seconds", "inf", "finite"),
        ("model", "", "at least 1 character"),
        ("max_tokens", "0", "greater than or equal to 1"),
        ("most_failures", "101", "less than or equal to 100"),
        ("inbox_capacity", "1e5", "integer"),
    ],
)
def test_a_malformed_value_is_named_with_what_is_allowed(name: str, value: object, word: str) -> None:
    said = refusal(**{name: value})
    assert said.startswith(f"{name}: {value!r}: ")
    assert word in said


def test_all_faults_are_named_at_once() -> None:
    said = refusal(b_max=0, policy="greedy", window_seconds=-1)
    assert [part.split(":")[0] for part in said.split("; ")] == ["policy", "b_max", "window_seconds"]


def test_a_malformed_value_in_the_file_is_named(config: Path) -> None:
    config.write_text('b_max = "many"\n')
    assert refusal({}, config).startswith("b_max: 'many': ")


@pytest.mark.parametrize("name", URLS)
def test_a_secret_is_neither_shown_nor_said(name: str, config: Path) -> None:
    settings = load(None, None, **{name: URLS[name]})
    assert SECRET not in repr(settings)
    assert SECRET not in str(settings)
    assert SECRET not in settings.model_dump_json()
    assert SECRET not in refusal(**{name: URLS[name], "b_max": 0})
    assert SECRET not in refusal(**{name: {"url": URLS[name]}})
    assert f"{name}: (hidden): " in refusal(**{name: {"url": URLS[name]}})
    assert SECRET not in refusal({f"{PREFIX}{name.upper()}S": URLS[name]})
    config.write_text(f"{name} = {URLS[name]}\n")
    assert SECRET not in refusal({}, config)


def test_a_secret_is_not_in_the_chain_of_errors_either() -> None:
    with pytest.raises(SettingsError) as caught:
        load(database_url=[URLS["database_url"]])
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_every_policy_that_can_be_set_can_be_carried_out_and_the_default_buys_sequentially() -> None:
    known = set(get_args(Settings.model_fields["policy"].annotation))
    assert known == {*ONCE, *HAZARDS}
    assert load().policy in HAZARDS


def test_settings_do_not_change_once_loaded() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load().b_max = 3


def test_every_setting_says_what_it_is() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_the_data_folder_follows_the_xdg_convention(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert load().data_folder == tmp_path / "adaqueue"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load().data_folder == tmp_path / ".local" / "share" / "adaqueue"


@pytest.mark.parametrize(
    "setting", [{"judge_url": "http://j:1"}, {"judge_api_key": "k"}, {"math_paper_exact": "1"}]
)
def test_what_needs_a_judge_is_refused_where_none_is_named(setting: dict[str, str]) -> None:
    (name,) = setting
    words = refusal({}, None, **setting)
    assert words == f"judge_model: None: name the model that judges, since {name} is set"
    assert load({}, None, judge_model="j", **setting).judge_model == "j"
