"""Proves that the documentation lists every setting, as the code has it."""

from __future__ import annotations

from pathlib import Path

from pydantic_core import PydanticUndefined

from adaqueue.settings import PREFIX, Settings

DOCS = Path(__file__).parents[1] / "docs"


def settings_table() -> list[str]:
    rows = []
    for name, field in Settings.model_fields.items():
        default = "" if field.default in (None, "", PydanticUndefined) else f"`{field.default}`"
        if name == "data_folder":
            default = "`~/.local/share/adaqueue`"
        rows.append(f"| `{PREFIX}{name.upper()}` | {default} | {field.description} |")
    return rows


def test_the_configuration_page_lists_every_setting_with_its_default_and_meaning() -> None:
    page = (DOCS / "configuration.md").read_text().splitlines()
    assert [row for row in settings_table() if row not in page] == []
    assert len([line for line in page if line.startswith(f"| `{PREFIX}")]) == len(Settings.model_fields)
