"""`verify audit`: how often each verifier errs, as the audits of a system have shown."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from adaqueue import wiring
from adaqueue.cli.options import Config, DataFolder, JsonFile, write_json
from adaqueue.core.trust import Rates, Share


def audit(data_folder: DataFolder = None, config: Config = None, json: JsonFile = None) -> None:
    """Show how often verifiers err against each other, of the verdicts that a system audited.

    A share of all verdicts is checked again (ADAQUEUE_AUDIT_SHARE): math that rules decided, by the judge
    where one is set; code, by running its tests once more. False accepts are given of what the other
    refuses, false rejects of what it accepts, with exact 95% intervals. The system's servers must be up.
    """
    found = wiring.audited(wiring.load_settings(config, data_folder=data_folder))
    if json is None:
        _show(found)
    write_json(json, [_row(pair, rates) for pair, rates in found.items()])


def _show(found: dict[tuple[str, str], Rates]) -> None:
    console = Console()
    if not found:
        console.print("nothing was audited yet")
        return
    table = Table("verifier", "against", "false accepts", "false rejects", title="Audits")
    for (who, truth), rates in found.items():
        again = "itself, run again" if who == truth else truth
        table.add_row(who, again, _words(rates.false_accepts), _words(rates.false_rejects))
    console.print(table)


def _words(share: Share) -> str:
    low, high = share.interval()
    value = f"{share.value:.1%}" if share.of else "-"
    return f"{value} ({share.count} of {share.of:,}; {low:.1%} to {high:.1%})"


def _row(pair: tuple[str, str], rates: Rates) -> dict[str, Any]:
    return {
        "verifier": pair[0],
        "against": pair[1],
        "false_accepts": _figures(rates.false_accepts),
        "false_rejects": _figures(rates.false_rejects),
    }


def _figures(share: Share) -> dict[str, float | int | None]:
    low, high = share.interval()
    return {"count": share.count, "of": share.of, "low": low, "high": high}
