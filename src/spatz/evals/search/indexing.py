"""Making the local index as `spatz index add` does it, and what came of it."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from typing import Any

from spatz.config import Settings
from spatz.errors import SpatzError

__all__ = ["index_folder_of", "index_site"]


def index_site(settings: Settings, site_url: str) -> dict[str, Any]:
    """All pages that the site's sitemap lists, by the product's crawler, into the index of data_dir.

    settings: they have to allow the site's host. Raises SpatzError where a page could not be read.
    """
    return _gathered(settings, f"{site_url}/sitemap.xml")


def index_folder_of(settings: Settings, folder: str) -> dict[str, Any]:
    return _gathered(settings, folder)


def _gathered(settings: Settings, target: str) -> dict[str, Any]:
    from spatz.commands.indexing import gather, source_of

    said = io.StringIO()
    with redirect_stdout(said):
        gather(settings, [source_of(target, 0, 0, "", (), ())], 0.0, as_json=True)
    found: dict[str, Any] = json.loads(said.getvalue())
    if found["failed"]:
        first = found["failures"][0]
        raise SpatzError(f"{found['failed']} documents could not be indexed: {first['address']}: {first['message']}")
    return found
