"""Where probes' weights lie: in the ledger itself, or at a URL that fsspec knows."""

from __future__ import annotations

import fsspec

from adaqueue.errors import FingerprintError, UnavailableError


class WeightStore:
    """Keeps and fetches the bytes of artefacts.

    Args:
        url: of a folder, such as `file:///models/probes` or `s3://bucket/probes`; None: the ledger keeps
            them, so that machines need share nothing else.
    """

    def __init__(self, url: str | None) -> None:
        self._url = None if url is None else url.rstrip("/")

    def keep(self, name: str, data: bytes) -> str | None:
        """Returns the URL at which the data now lie; None where the ledger is to keep them.

        Raises:
            UnavailableError: they cannot be written there.
        """
        if self._url is None:
            return None
        url = f"{self._url}/{name}.safetensors"
        try:
            with fsspec.open(url, "wb", auto_mkdir=True) as file:
                file.write(data)
        except Exception as error:
            raise UnavailableError(f"{url} cannot be written: {error}: see ADAQUEUE_PROBES_URL") from error
        return url

    def fetch(self, url: str) -> bytes:
        """Returns the data at a URL, which may lie outside of this store's folder.

        Raises:
            FingerprintError: nothing lies there.
            UnavailableError: it cannot be reached.
        """
        try:
            with fsspec.open(url, "rb") as file:
                data: bytes = file.read()
        except FileNotFoundError as error:
            raise FingerprintError(f"no weights lie at {url}") from error
        except Exception as error:
            raise UnavailableError(f"{url} cannot be read: {error}") from error
        return data
