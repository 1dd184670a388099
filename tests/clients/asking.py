"""What the tests of clients ask, and how long they wait. Also for the second environment: imports nothing of ours."""

from __future__ import annotations

import os

MODEL = "gpt-4.1-nano"  # the name that a workflow written for the cloud has
NAME = "smollm2-135m-instruct"  # the model's own
WAIT = 300  # seconds; a busy machine is slow, a hanging test is worse
ASKED = "The capital of France is Paris. So what is the capital of France?"  # what a small model cannot get wrong
QUESTION = [{"role": "user", "content": ASKED}]

# An environment in which no client sends or fetches anything but what the test asks it for.
QUIET = {
    "DO_NOT_TRACK": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_POLICY_TEMPLATES": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_TELEMETRY": "False",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "LANGCHAIN_TRACING_V2": "false",
    "LANGSMITH_TRACING": "false",
    "HF_HUB_OFFLINE": "1",
    "PYDANTIC_DISABLE_PLUGINS": "__all__",
    "NEXT_TELEMETRY_DISABLED": "1",
    # Nothing listens on port 9: whatever tries to go out all the same fails at once, loudly.
    "HTTP_PROXY": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "http_proxy": "http://127.0.0.1:9",
    "https_proxy": "http://127.0.0.1:9",
    "NO_PROXY": "127.0.0.1,localhost",
    "no_proxy": "127.0.0.1,localhost",
}


def quiet_environ() -> dict[str, str]:
    """This process's variables without what belongs to the cloud, and with what keeps clients quiet."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("OPENAI_", "SPATZ_"))}
    return {**kept, **QUIET}
