"""What the API has and this server has not: endpoints refused by name, each with the reason and what to do instead.

A client that asks for one of them should not have to guess from "Invalid URL". The gate and the app ask here; paths
that are served never get here.
"""

from __future__ import annotations

from dataclasses import dataclass

from spatz.errors import RequestError

__all__ = ["REFUSALS", "Refusal", "refusal"]


@dataclass(frozen=True, slots=True)
class Refusal:
    prefix: str  # of the path: itself, and all below it
    message: str
    status: int = 404
    code: str | None = "unsupported_endpoint"
    param: str | None = None
    methods: frozenset[str] = frozenset()  # none: all

    def error(self) -> RequestError:
        return RequestError(self.message, status=self.status, code=self.code, param=self.param)


TEXT_ONLY = "the model reads and writes text."
STATEFUL = "Use the Responses API (/v1/responses) with conversations instead."

REFUSALS = (
    Refusal("/v1/fine_tuning", "Fine-tuning is not available for this model.", 400, "model_not_available", "model"),
    Refusal("/v1/fine-tunes", "Fine-tuning is not available for this model.", 400, "model_not_available", "model"),
    Refusal(
        "/v1/models/",
        "Only fine-tuned models can be deleted, and this server has none.",
        405,
        "model_not_available",
        "model",
        frozenset({"DELETE"}),
    ),
    # The reference's own answer where a model that is not for embeddings is named.
    Refusal(
        "/v1/embeddings",
        "You are not allowed to generate embeddings from this model: this server has no model for embeddings.",
        403,
        "model_not_available",
        "model",
    ),
    Refusal("/v1/moderations", "Moderation is not supported: this server has no model that classifies.", 404),
    Refusal("/v1/audio", f"Audio is not supported: {TEXT_ONLY}"),
    Refusal("/v1/images", f"Making images is not supported: {TEXT_ONLY}"),
    Refusal("/v1/videos", f"Videos are not supported: {TEXT_ONLY}"),
    Refusal("/v1/realtime", f"The Realtime API is not supported: {TEXT_ONLY} Stream /v1/responses instead."),
    Refusal("/v1/live", f"Live sessions are not supported: {TEXT_ONLY} Stream /v1/responses instead."),
    Refusal("/v1/assistants", f"The Assistants API is not supported. {STATEFUL}"),
    Refusal("/v1/threads", f"The Assistants API is not supported. {STATEFUL}"),
    Refusal("/v1/agents", "Hosted agents are not supported: run the agent where the tools are."),
    Refusal("/v1/chatkit", f"ChatKit is not supported. {STATEFUL}"),
    Refusal("/v1/vector_stores", "Vector stores are not supported: this server has no model for embeddings."),
    Refusal("/v1/uploads", "Uploads in parts are not supported: send the whole file to /v1/files."),
    Refusal("/v1/evals", "Evals are not supported: they would run graders on other models."),
    Refusal("/v1/graders", "Graders are not supported: they would run other models."),
    Refusal("/v1/containers", "Containers are not supported: this server runs no code of its users."),
    Refusal("/v1/skills", "Skills are not supported: this server runs no code of its users."),
    Refusal("/v1/edits", "The Edits API has been removed. Use /v1/chat/completions instead."),
    Refusal("/v1/engines", "The Engines API has been removed. Use /v1/models instead."),
    Refusal("/v1/responses/compact", "Compaction is not supported. Use truncation, or begin a new conversation."),
    Refusal(
        "/v1/organization",
        "Organizations are not served. The operator manages keys with `spatz keys`; usage is at "
        "/v1/organization/usage/completions.",
    ),
    Refusal("/v1/projects", "Projects are not served. The operator manages keys with `spatz keys`."),
    Refusal("/v1/webhook_endpoints", "Webhooks are not supported: poll the object instead."),
    Refusal("/v1/webhook_event_types", "Webhooks are not supported: poll the object instead."),
    Refusal("/v1/vaults", "Vaults are not supported."),
    Refusal("/v1/safety", "Safety cases are not supported."),
    Refusal("/v1/decisions", "Decisions are not supported."),
    Refusal("/v1/content_provenance_checks", "Provenance checks are not supported."),
)


def refusal(method: str, path: str) -> RequestError | None:
    """The error for a path that is not served; None where there is no such endpoint in the API either."""
    for item in REFUSALS:
        if (path == item.prefix or path.startswith(item.prefix.rstrip("/") + "/")) and (
            not item.methods or method in item.methods
        ):
            return item.error()
    return None
