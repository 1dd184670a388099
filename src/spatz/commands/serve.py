"""`spatz serve`: the server, with the default model fetched when it is not there yet."""

from __future__ import annotations

import logging
import sys

import typer

from spatz.commands.shared import configured, note, set_up_logging
from spatz.config import Settings

__all__ = ["serve"]

logger = logging.getLogger("spatz.serve")


@configured()
def serve(settings: Settings, invocation: typer.Context) -> None:
    """Serve the model over the OpenAI API.

    Every flag can also be set in the environment or in the settings file: docs/configuration.md lists them.
    """
    from spatz.server.run import bind, serve_app

    set_up_logging(settings.log_level, invocation.obj.on)
    listener = bind(settings)  # first: a port that is taken should not cost a download to find out
    with listener:
        from spatz.commands.fetch import fetched
        from spatz.server.app import create_app
        from spatz.server.local import local_model

        path = fetched(settings)
        # Two threads of Python share the work: the one that steps the model, mostly in the core without the GIL, and
        # the event loop, which may hold the GIL for long. The step thread needs it for 0.1 ms between steps of 2 ms,
        # and would wait up to 5 ms for it, Python's default, each time that the loop is busy.
        sys.setswitchinterval(0.0005)
        with local_model(settings, path) as model:
            logger.info(
                "%s (%s) from %s, on %s threads, %s, KV in %s",
                model.name,
                model.format,
                path,
                model.core["threads"],
                model.core["isa"],
                model.core["kv"],
            )
            model.warm_up()
            app = create_app(model, settings)
            port = listener.getsockname()[1]
            keys = bool(settings.api_key) or app.state.spatz.keys.known
            caught = serve_app(
                app, settings, listener, lambda: print(greeting(settings, model.name, port, keys=keys), flush=True)
            )
    if caught:
        note("stopped")
    raise typer.Exit(130 if caught == 2 else 0)


def greeting(settings: Settings, name: str, port: int, *, keys: bool) -> str:
    """What to paste. Not wrapped, and without the key itself. keys: whether one is demanded."""
    host = settings.host.strip("[]")
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    base = f"http://{host}:{port}/v1"
    alias = settings.aliases[0] if settings.aliases else name
    key = '-H "Authorization: Bearer $SPATZ_API_KEY" ' if keys else ""
    python_key = 'os.environ["SPATZ_API_KEY"]' if keys else '"none"'
    python_import = "import os\n" if keys else ""
    return f"""
{name} is served at {base} (Ctrl-C stops it). Try:

curl {base}/chat/completions {key}-H "Content-Type: application/json" -d '{{
  "model": "{alias}", "max_tokens": 100,
  "messages": [{{"role": "user", "content": "What is the capital of France?"}}]
}}'

{python_import}from openai import OpenAI
client = OpenAI(base_url="{base}", api_key={python_key})
answer = client.chat.completions.create(
    model="{alias}",
    max_tokens=100,
    messages=[{{"role": "user", "content": "What is the capital of France?"}}],
)
print(answer.choices[0].message.content)
"""
