"""What each endpoint takes and gives, for the OpenAPI document: bodies, queries, answers and streams by route.

openapi.py makes the document of this and of the routes; a route that is missing here is an error there. Imported when
the document is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spatz.server.batch_body import BatchRequest
from spatz.server.chat_request import ChatRequest
from spatz.server.completion_request import CompletionRequest
from spatz.server.query import PageQuery, Query
from spatz.server.responses_request import InputTokensRequest, ResponseRequest
from spatz.server.routes import batches, conversations, files, responses, stored_chats
from spatz.server.routes.files import FileRequest
from spatz.server.shapes import chat, common, response, storage
from spatz.server.usage_query import UsageQuery

__all__ = ["ENDPOINTS", "Endpoint"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    summary: str
    tag: str
    answer: Any = None  # a type; None: not JSON
    body: type[Any] | None = None
    optional_body: bool = False
    form: type[Any] | None = None  # multipart, with a file
    query: type[Query] | None = None
    events: Any = None  # the type of a stream's events, where the body (or the query) asks for a stream
    other: str = ""  # the media type of an answer that is not JSON
    open: bool = False  # needs no key


def _get(summary: str, tag: str, answer: Any, query: type[Query] | None = None) -> Endpoint:
    return Endpoint(summary, tag, answer, query=query)


CHAT, RESPONSES, CONVERSATIONS = "Chat completions", "Responses", "Conversations"
FILES, BATCHES, OPERATION = "Files", "Batches", "Operation"
StoredList = common.Listed[chat.StoredChatCompletion]
MessageList = common.Listed[chat.StoredMessage]
FileList = common.Listed[storage.FileObject]
BatchList = common.Listed[storage.Batch]

ENDPOINTS: Mapping[tuple[str, str], Endpoint] = {
    ("POST", "/v1/chat/completions"): Endpoint(
        "Answer a chat",
        CHAT,
        chat.ChatCompletion,
        body=ChatRequest,
        events=chat.ChatCompletionChunk | common.ErrorAnswer,
    ),
    ("GET", "/v1/chat/completions"): _get("List stored chat completions", CHAT, StoredList, stored_chats.ListQuery),
    ("GET", "/v1/chat/completions/{completion_id}"): _get("A stored chat completion", CHAT, chat.StoredChatCompletion),
    ("POST", "/v1/chat/completions/{completion_id}"): Endpoint(
        "Replace the metadata of a stored chat completion",
        CHAT,
        chat.StoredChatCompletion,
        body=stored_chats.UpdateRequest,
    ),
    ("DELETE", "/v1/chat/completions/{completion_id}"): _get("Delete a stored chat completion", CHAT, common.Deleted),
    ("GET", "/v1/chat/completions/{completion_id}/messages"): _get(
        "The messages of a stored chat completion", CHAT, MessageList, PageQuery
    ),
    ("POST", "/v1/completions"): Endpoint(
        "Continue a text (legacy)",
        "Completions",
        chat.Completion,
        body=CompletionRequest,
        events=chat.CompletionChunk | common.ErrorAnswer,
    ),
    ("POST", "/v1/responses"): Endpoint(
        "Make a response", RESPONSES, response.Response, body=ResponseRequest, events=response.ResponseEvent
    ),
    ("POST", "/v1/responses/input_tokens"): Endpoint(
        "Count the tokens of an input", RESPONSES, response.InputTokens, body=InputTokensRequest
    ),
    ("GET", "/v1/responses/{response_id}"): Endpoint(
        "A stored response, or its events again",
        RESPONSES,
        response.Response,
        query=responses.RetrieveQuery,
        events=response.ResponseEvent,
    ),
    ("DELETE", "/v1/responses/{response_id}"): _get("Delete a stored response", RESPONSES, common.Deleted),
    ("POST", "/v1/responses/{response_id}/cancel"): _get(
        "Cancel a response in the background", RESPONSES, response.Response
    ),
    ("GET", "/v1/responses/{response_id}/input_items"): _get(
        "The input of a stored response", RESPONSES, response.ItemList, responses.ItemsQuery
    ),
    ("POST", "/v1/conversations"): Endpoint(
        "Begin a conversation",
        CONVERSATIONS,
        storage.Conversation,
        body=conversations.ConversationRequest,
        optional_body=True,
    ),
    ("GET", "/v1/conversations/{conversation_id}"): _get("A conversation", CONVERSATIONS, storage.Conversation),
    ("POST", "/v1/conversations/{conversation_id}"): Endpoint(
        "Replace the metadata of a conversation",
        CONVERSATIONS,
        storage.Conversation,
        body=conversations.ConversationUpdate,
    ),
    ("DELETE", "/v1/conversations/{conversation_id}"): _get("Delete a conversation", CONVERSATIONS, common.Deleted),
    ("POST", "/v1/conversations/{conversation_id}/items"): Endpoint(
        "Add items to a conversation",
        CONVERSATIONS,
        response.ItemList,
        body=conversations.ConversationItems,
        query=conversations.ItemQuery,
    ),
    ("GET", "/v1/conversations/{conversation_id}/items"): _get(
        "The items of a conversation", CONVERSATIONS, response.ItemList, conversations.ItemsQuery
    ),
    ("GET", "/v1/conversations/{conversation_id}/items/{item_id}"): _get(
        "An item of a conversation", CONVERSATIONS, response.Item, conversations.ItemQuery
    ),
    ("DELETE", "/v1/conversations/{conversation_id}/items/{item_id}"): _get(
        "Delete an item of a conversation", CONVERSATIONS, storage.Conversation
    ),
    ("POST", "/v1/files"): Endpoint("Upload a file", FILES, storage.FileObject, form=FileRequest),
    ("GET", "/v1/files"): _get("List files", FILES, FileList, files.ListQuery),
    ("GET", "/v1/files/{file_id}"): _get("A file, without its content", FILES, storage.FileObject),
    ("GET", "/v1/files/{file_id}/content"): Endpoint("The content of a file", FILES, other="application/octet-stream"),
    ("DELETE", "/v1/files/{file_id}"): _get("Delete a file", FILES, common.Deleted),
    ("POST", "/v1/batches"): Endpoint("Begin a batch", BATCHES, storage.Batch, body=BatchRequest),
    ("GET", "/v1/batches"): _get("List batches", BATCHES, BatchList, batches.ListQuery),
    ("GET", "/v1/batches/{batch_id}"): _get("A batch", BATCHES, storage.Batch),
    ("POST", "/v1/batches/{batch_id}/cancel"): _get("Cancel a batch", BATCHES, storage.Batch),
    ("GET", "/v1/models"): _get("The model, under each of its names", "Models", common.ModelList),
    ("GET", "/v1/models/{model}"): _get("The model, under one name", "Models", common.Model),
    ("GET", "/v1/organization/usage/completions"): _get("Tokens used, by day", "Usage", storage.UsagePage, UsageQuery),
    ("GET", "/healthz"): Endpoint("Whether requests are taken", OPERATION, common.Health, open=True),
    ("GET", "/metrics"): Endpoint("Metrics, for Prometheus", OPERATION, other="text/plain"),
}
