"""Which probes there are, and which is in use: rows in the ledger, weights there or at a URL."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from uuid_utils.compat import uuid7

from adaqueue.adapters.ledger.database import Database
from adaqueue.adapters.sql import probes, promotions
from adaqueue.adapters.weights import WeightStore
from adaqueue.core.papers import Papers, ProbeRecord
from adaqueue.core.rule import Rule
from adaqueue.errors import FingerprintError, SettingsError
from adaqueue.ports import Probe


@dataclass(frozen=True, slots=True)
class RegisteredProbe:
    """A probe with what it may be used for.

    Attributes:
        id: internal key.
        name: as allocations name it.
        papers: what it reads, and whose outcomes it was trained on.
        model: the probe itself.
        rule: turns its scores into hazard curves; None: its Beta gives them.
    """

    id: UUID
    name: str
    papers: Papers
    model: Probe
    rule: Rule | None


class ProbeRegistry:
    """Registers, promotes and loads probes.

    Args:
        database: the ledger's Postgres.
        load: reads weights, given the digest that they must have.
        store: where weights lie.
    """

    def __init__(
        self, database: Database, load: Callable[[bytes, str], Probe], store: WeightStore | None = None
    ) -> None:
        self._database = database
        self._load = load
        self._store = store or WeightStore(None)
        self._loaded: dict[tuple[str, str], RegisteredProbe] = {}

    def register(
        self,
        probe: Probe,
        rule: Rule | None,
        papers: Papers,
        metrics: Mapping[str, Any],
        data: Mapping[str, Any],
    ) -> str:
        """Registers a probe as a challenger, and returns its name.

        Raises:
            UnavailableError: its weights cannot be written.
        """
        key = uuid7()
        name = f"{papers.domain}-{key.hex[-12:]}"
        weights = probe.to_bytes()
        url = self._store.keep(name, weights)
        row = {
            "id": key,
            "name": name,
            "decoder": papers.decoder,
            "domain": papers.domain,
            "features_fingerprint": papers.features_fingerprint,
            "sampling_fingerprint": papers.sampling_fingerprint,
            "spec": {**papers.to_data(), "head": probe.head, "rule": rule.to_data() if rule else None},
            "metrics": dict(metrics),
            "data": dict(data),
            "weights": weights if url is None else None,
            "url": url,
            "sha256": hashlib.sha256(weights).hexdigest(),
        }
        with self._database.begin() as conn:
            parent = probes.champion(conn, papers.decoder, papers.domain)
            row["parent"] = None if parent is None else probes.whole(conn, parent).name
            probes.register(conn, row)
        return name

    def promote(self, name: str, reason: str) -> ProbeRecord:
        """Puts a probe into use, and returns what it is; does nothing if it is in use already.

        Raises:
            SettingsError: there is no such probe.
        """
        with self._database.begin() as conn:
            row = probes.named(conn, name)
            if row is None:
                raise _no_such(name)
            if row.state != "champion":
                previous = probes.use(conn, row.decoder, row.domain, row.id)
                promotions.enter(conn, row.decoder, row.domain, row.id, previous, reason)
        return self.show(name)

    def in_use(self, decoder: str, domain: str) -> str | None:
        """Returns the name of the probe in use, whether it can be read or not; None if there is none."""
        with self._database.begin() as conn:
            key = probes.champion(conn, decoder, domain)
            return None if key is None else str(probes.whole(conn, key).name)

    def succeed(self, name: str, champion: str | None, reason: str) -> bool:
        """Puts a probe into the champion's place, if that is in use still; returns whether it was.

        Args:
            name: of the probe, which was judged against the champion.
            champion: name of the one that was in use then; None: there was none.
            reason: why.
        """
        with self._database.begin() as conn:
            row = probes.named(conn, name)
            if row is None:
                return False
            key = probes.champion(conn, row.decoder, row.domain, locked=True)
            if champion != (None if key is None else probes.whole(conn, key).name):
                return False
            previous = probes.use(conn, row.decoder, row.domain, row.id)
            promotions.enter(conn, row.decoder, row.domain, row.id, previous, reason)
        return True

    def rollback(self, decoder: str, domain: str) -> tuple[ProbeRecord, ProbeRecord]:
        """Puts the probe before the one in use back into use; returns both, the one given up first.

        Raises:
            SettingsError: there is none in use, or none before it.
        """
        with self._database.begin() as conn:
            current = probes.champion(conn, decoder, domain, locked=True)
            if current is None:
                raise SettingsError(f"probe: {decoder} on {domain} has no probe in use: nothing to give up")
            earlier = promotions.before(conn, current)
            given_up = probes.whole(conn, current).name
            if earlier is None:
                raise SettingsError(
                    f"probe: {given_up} is the first of {decoder} on {domain}: none before it"
                )
            restored = probes.whole(conn, earlier).name
            probes.use(conn, decoder, domain, earlier)
            promotions.enter(conn, decoder, domain, earlier, current, promotions.ROLLBACK)
        return self.show(given_up), self.show(restored)

    def show(self, name: str) -> ProbeRecord:
        """Returns what the registry knows of a probe.

        Raises:
            SettingsError: there is no such probe.
        """
        with self._database.begin() as conn:
            row = probes.named(conn, name)
            used = promotions.of_probe(conn, name)
        if row is None:
            raise _no_such(name)
        return ProbeRecord.of(row._asdict(), [(row.created_at.isoformat(), row.reason) for row in used])

    def load(self, name: str) -> RegisteredProbe:
        """Returns a probe, whether it is in use or not.

        Raises:
            SettingsError: there is no such probe.
            FingerprintError: its weights are not those registered, or its papers cannot be read.
            UnavailableError: its weights cannot be reached.
        """
        with self._database.begin() as conn:
            known = probes.named(conn, name)
            if known is None:
                raise _no_such(name)
            row = probes.whole(conn, known.id)
        return self._read(row)

    def newest(self, most: int) -> list[ProbeRecord]:
        """Returns so many probes at most, the newest first, without the history of their use."""
        with self._database.begin() as conn:
            return [ProbeRecord.of(row._asdict(), []) for row in probes.newest(conn, most)]

    def rule(self, decoder: str, domain: str) -> Rule | None:
        """Returns the rule of the probe in use; None if there is no probe, or it has no rule.

        Raises:
            FingerprintError: it cannot be read.
        """
        with self._database.begin() as conn:
            key = probes.champion(conn, decoder, domain)
            return None if key is None else _rule(probes.whole(conn, key).spec.get("rule"))

    def champion(self, decoder: str, domain: str) -> RegisteredProbe | None:
        """Returns the probe in use for a decoder and a domain; None if there is none.

        It is looked up each time, so that a promotion counts from the next window on, and loaded once.

        Raises:
            FingerprintError: its weights are not those registered, or its papers cannot be read.
            UnavailableError: its weights cannot be reached.
        """
        with self._database.begin() as conn:
            key = probes.champion(conn, decoder, domain)
            known = self._loaded.get((decoder, domain))
            if key is None or (known is not None and known.id == key):
                return None if key is None else known
            row = probes.whole(conn, key)
        found = self._read(row)  # no transaction is open while weights are fetched
        self._loaded[decoder, domain] = found
        return found

    def _read(self, row: Row[Any]) -> RegisteredProbe:
        weights = row.weights if row.url is None else self._store.fetch(row.url)
        return RegisteredProbe(
            id=row.id,
            name=row.name,
            papers=Papers.from_data(row.domain, row.spec),
            model=self._load(weights, row.sha256),
            rule=_rule(row.spec.get("rule")),
        )


def _no_such(name: str) -> SettingsError:
    return SettingsError(f"probe: {name!r}: no such probe: see `adaqueue probe list`")


def _rule(data: Any) -> Rule | None:
    try:
        return None if data is None else Rule.from_data(data)
    except ValueError as error:
        raise FingerprintError(f"the probe's rule cannot be read: {error}") from error
