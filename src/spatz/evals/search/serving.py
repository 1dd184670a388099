"""Spatz's own app in this process, over HTTP on 127.0.0.1: what is asked goes the way of any request."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from spatz.config import Settings
from spatz.errors import SpatzError

__all__ = ["served"]

_START_SECONDS = 120.0
_SWITCH_SECONDS = 0.0005  # as `spatz serve` does, and for its reasons


@contextmanager
def served(settings: Settings, path: Path, data_dir: Path) -> Iterator[tuple[str, str]]:
    """The base URL, with /v1, and the model's name. path: of its weights. What is asked leaves nothing outside of
    data_dir, and needs no key.
    """
    from spatz.server.app import create_app
    from spatz.server.local import local_model
    from spatz.server.run import Server, bind

    own = replace(settings, data_dir=data_dir, database_url="", api_key=(), host="127.0.0.1", port=0)
    before = sys.getswitchinterval()
    with bind(own) as listener, local_model(own, path) as model:
        model.warm_up()
        started = threading.Event()
        server = Server(create_app(model, own), own, started.set)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="eval-server", daemon=True)
        sys.setswitchinterval(_SWITCH_SECONDS)
        thread.start()
        try:
            if not started.wait(_START_SECONDS):
                raise SpatzError("the server of the eval did not start")
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1", model.name
        finally:
            server.should_exit = True
            thread.join()
            sys.setswitchinterval(before)
