"""Input that nobody should send: each is a clear error in the API's shape, and the next request is served.

Grammars are compiled for real, after which the answers are scripted. Slow and half-closed connections are
test_connection.py's.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from server.batching import jsonl, line
from server.conftest import WAIT, serving
from server.fake import FakeModel
from spatz.config import Settings
from spatz.engine.request import Constraint
from spatz.prompt.grammar import Grammars
from spatz.prompt.tool_grammar import compiled
from spatz.prompt.tools import wanted_form
from spatz.prompt.turn import Turn
from spatz.server.body import body_limit
from spatz.weights.tokenizer import Tokenizer
from weights.vocabularies import byte_level, metadata

CHAT = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"
RESPONSES = "/v1/responses"
CONVERSATIONS = "/v1/conversations"
BATCHES = "/v1/batches"
BODIES: dict[str, dict[str, Any]] = {
    CHAT: {"model": "gpt-4.1-nano", "messages": [{"role": "user", "content": "hi"}]},
    COMPLETIONS: {"model": "gpt-4.1-nano", "prompt": "hi"},
    RESPONSES: {"model": "gpt-4.1-nano", "input": "hi"},
    CONVERSATIONS: {},
    BATCHES: {"input_file_id": "file-none", "endpoint": CHAT, "completion_window": "24h"},
}


@pytest.fixture(scope="module")
def grammars() -> Grammars:
    tokenizer = Tokenizer.from_gguf(metadata(byte_level("smollm", 600), "smollm"))
    assert tokenizer.eos_id is not None
    return Grammars(tokenizer, frozenset({tokenizer.eos_id}), tokenizer.vocab_size)


class CompilingModel(FakeModel):
    def __init__(self, grammars: Grammars) -> None:
        super().__init__()
        self.real = grammars

    async def constrain(self, turn: Turn, source: str) -> Callable[[], Constraint] | None:
        wanted = wanted_form(turn, self.dialect, ())
        return None if wanted is None else await compiled(self.real, wanted, turn.tools, source)


@pytest.fixture
async def api(grammars: Grammars, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The app on a socket."""
    async with (
        serving(CompilingModel(grammars), settings) as live,
        httpx.AsyncClient(base_url=live.url, timeout=WAIT) as client,
    ):
        yield client


def check_error(answer: httpx.Response, status: int | None = None) -> dict[str, Any]:
    assert 400 <= answer.status_code < 500, (answer.status_code, answer.text[:500])
    assert status is None or answer.status_code == status, answer.text[:500]
    body = answer.json()
    assert set(body) == {"error"}
    error: dict[str, Any] = body["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert isinstance(error["message"], str)
    assert 0 < len(error["message"]) < 2000
    assert isinstance(error["type"], str)
    assert error["param"] is None or len(error["param"]) < 1000
    return error


async def check_serving(api: httpx.AsyncClient) -> None:
    answer = await api.post(CHAT, json=BODIES[CHAT])
    assert answer.status_code == 200, answer.text
    assert answer.json()["choices"][0]["message"]["content"] == "Hello wörld"


async def send(api: httpx.AsyncClient, path: str, data: bytes, kind: str = "application/json") -> httpx.Response:
    return await api.post(path, content=data, headers={"content-type": kind})


def deep(levels: int, opening: str = '{"a":', closing: str = "}", core: str = "1") -> str:
    return opening * levels + core + closing * levels


def body_with(path: str, **fields: str) -> bytes:
    """A body whose fields are given as JSON text."""
    base = {key: json.dumps(value) for key, value in BODIES[path].items()}
    return ("{" + ",".join(f'"{key}":{text}' for key, text in {**base, **fields}.items()) + "}").encode()


MALFORMED = {
    "empty": b"",
    "space": b" \n",
    "open": b"{",
    "text": b"hello",
    "single quotes": b"{'model': 'm'}",
    "trailing comma": b'{"model": "m",}',
    "two": b"{}{}",
    "null": b"null",
    "array": b"[]",
    "string": b'"x"',
    "number": b"1",
    "not a number": b'{"model": NaN}',
    "infinity": b'{"model": Infinity}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "utf-16": '{"model": "m"}'.encode("utf-16"),
    "invalid utf-8": b'{"model": "\xff"}',
    "overlong utf-8": b'{"model": "\xc0\xaf"}',
    "surrogate in utf-8": b'{"model": "\xed\xa0\x80"}',
    "half a pair": b'{"model": "\\ud800"}',
    "raw control": b'{"model": "a\x00b"}',
    "bad escape": b'{"model": "\\x41"}',
    "nul after": b"{}\x00",
    "comment": b'{"model": "m" /* a comment */}',
    "10,000 arrays": b'{"model": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "10,000 objects": deep(10_000).encode(),
    "never closed": b"[" * 100_000,
    "digits": b'{"model": ' + b"9" * 100_000 + b"}",
}


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS, RESPONSES, BATCHES])
async def test_malformed_bodies(api: httpx.AsyncClient, path: str) -> None:
    for name, data in MALFORMED.items():
        error = check_error(await send(api, path, data), 400)
        assert error["type"] == "invalid_request_error", name
        assert error["code"] in ("invalid_json", "invalid_type"), (name, error)
        await check_serving(api)


async def test_fields_of_any_kind(api: httpx.AsyncClient) -> None:
    """Every field of every body, with values that it is not made for: served, or an error that says where."""
    values = [
        *("null", "true", "0", "-1", "1.5", "1e400", "-1e308", "9" * 4000, '""', '"\\u0000"', '"x"', "[]", "{}"),
        *("[null]", "[[]]", '[""]', "[{}]", '{"":null}', '{"a":{"a":[]}}', '[{"type":"text"}]', '{"type":"function"}'),
        *(json.dumps("x" * 100_000), deep(90), deep(90, "[", "]")),
    ]
    document = (await api.get("/openapi.json")).json()
    tried = 0
    for path, base in BODIES.items():
        fields = _fields(document, path) | {"nonsense"}
        assert fields > base.keys()
        for field in sorted(fields):
            for value in values:
                answer = await send(api, path, body_with(path, **{field: value}))
                tried += 1
                if answer.status_code != 200:
                    check_error(answer)
                elif answer.headers["content-type"] == "application/json":
                    assert "error" not in answer.json() or answer.json()["error"] is None
        await check_serving(api)
    assert tried > 1000


def _fields(document: dict[str, Any], path: str) -> set[str]:
    schema = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return set(schema["properties"])


async def test_unknown_fields_anywhere(api: httpx.AsyncClient) -> None:
    function = {"name": "f", "parameters": {"type": "object", "properties": {}}}
    bodies: list[tuple[str, dict[str, Any], str | None]] = [
        (CHAT, {"nonsense": 1}, None),
        (CHAT, {"messages": [{"role": "user", "content": "hi", "nonsense": 1}]}, "messages[0].nonsense"),
        (
            CHAT,
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi", "nonsense": 1}]}]},
            "messages[0].content[0].nonsense",
        ),
        (CHAT, {"stream": True, "stream_options": {"nonsense": 1}}, "stream_options.nonsense"),
        (
            CHAT,
            {"tools": [{"type": "function", "function": {**function, "nonsense": 1}}]},
            "tools[0].function.nonsense",
        ),
        (CHAT, {"response_format": {"type": "text", "nonsense": 1}}, "response_format.nonsense"),
        (RESPONSES, {"nonsense": 1}, None),
        (RESPONSES, {"text": {"nonsense": 1}}, "text.nonsense"),
        (RESPONSES, {"input": [{"role": "user", "content": "hi", "nonsense": 1}]}, "input[0].nonsense"),
        (COMPLETIONS, {"nonsense": 1}, None),
        (BATCHES, {"nonsense": 1}, None),
    ]
    for path, fields, param in bodies:
        error = check_error(await api.post(path, json={**BODIES[path], **fields}), 400)
        assert "nonsense" in error["message"], error
        assert param is None or error["param"] == param, error
    await check_serving(api)


async def test_what_a_key_says_last_counts(api: httpx.AsyncClient) -> None:
    """As in every parser that people use; the first is checked by nobody, and used by nobody."""
    answer = await send(api, CHAT, body_with(CHAT)[:-1] + b',"max_tokens":1,"max_tokens":2}')
    assert answer.status_code == 200
    assert answer.json()["usage"]["completion_tokens"] == 0 or answer.json()["choices"]
    check_error(await send(api, CHAT, body_with(CHAT)[:-1] + b',"n":1,"n":"x"}'), 400)


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "x" * 5000]
)
async def test_content_types(api: httpx.AsyncClient, kind: str) -> None:
    for path in (CHAT, RESPONSES, BATCHES):
        error = check_error(await send(api, path, json.dumps(BODIES[path]).encode(), kind), 415)
        assert error["code"] == "unsupported_content_type"
    await check_serving(api)


async def test_huge_bodies(api: httpx.AsyncClient, settings: Settings) -> None:
    most = body_limit(settings, CHAT)
    huge = body_with(CHAT, user=json.dumps("x" * most))
    error = check_error(await send(api, CHAT, huge), 413)
    assert error["code"] == "request_too_large"

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(huge), 65_536):
            yield huge[start : start + 65_536]

    answer = await api.post(CHAT, content=pieces(), headers={"content-type": "application/json"})
    check_error(answer, 413)
    await check_serving(api)


# --- schemas ----------------------------------------------------------------------------------------------------------


def chain(links: int, **more: Any) -> dict[str, Any]:
    """Each definition holds the next one twice: written out, it would be 2**links schemas."""
    definitions = {
        f"d{number}": {
            "type": "object",
            "properties": {"a": {"$ref": f"#/$defs/d{number + 1}", **more}, "b": {"$ref": f"#/$defs/d{number + 1}"}},
            "required": ["a", "b"],
        }
        for number in range(links)
    }
    return {"$ref": "#/$defs/d0", "$defs": {**definitions, f"d{links}": {"type": "object"}}}


def choices(number: int) -> dict[str, Any]:
    """3**number ways through."""
    return {
        "allOf": [
            {"anyOf": [{"type": "object", "properties": {f"k{key}": {"const": value}}} for value in range(3)]}
            for key in range(number)
        ]
    }


BOMBS: dict[str, dict[str, Any]] = {
    "references": chain(40),
    "references and keywords": chain(40, minProperties=1),
    "a long chain of references": chain(2000),
    "unions that multiply": choices(20),
    "allOf of allOf": {
        "$ref": "#/$defs/d0",
        "$defs": {
            **{f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(30)},
            "d30": {"type": "object", "properties": {"a": {"type": "string"}}},
        },
    },
    "repetitions": {"type": "string", "pattern": "^((((a{1,100}){1,100}){1,100}){1,100}){1,100}$"},
    "an expression of many states": {"type": "string", "pattern": "(a|b)*a(a|b){25}$"},
    "lengths": {"type": "string", "minLength": 10**9, "maxLength": 2 * 10**9},
    "items": {"type": "array", "items": {"type": "array", "minItems": 10**6}, "minItems": 10**9},
    "multiples": {"allOf": [{"type": "integer", "multipleOf": n} for n in (7, 11, 13, 17, 19, 23, 29)]},
    "many values": {"enum": [f"value {number}" for number in range(10_000)]},
    "many properties": {"type": "object", "properties": {f"p{number}": {} for number in range(4000)}},
    "a loop": {"$ref": "#"},
    "two in a loop": {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
}


def formats(schema: object, *, strict: bool = False) -> dict[str, tuple[str, dict[str, Any]]]:
    """A schema in each place of the API where one may stand."""
    named = {"name": "X", "schema": schema, "strict": strict}
    function = {"name": "X", "parameters": schema, "strict": strict}
    return {
        "chat format": (CHAT, {"response_format": {"type": "json_schema", "json_schema": named}}),
        "chat tool": (CHAT, {"tools": [{"type": "function", "function": function}], "tool_choice": "required"}),
        "responses format": (RESPONSES, {"text": {"format": {"type": "json_schema", **named}}}),
        "responses tool": (RESPONSES, {"tools": [{"type": "function", **function}], "tool_choice": "required"}),
    }


@pytest.mark.parametrize("name", BOMBS)
async def test_schema_bombs(api: httpx.AsyncClient, name: str) -> None:
    """Compiled, or refused with the reason; in bounded time, which WAIT is a very generous bound of."""
    schema = BOMBS[name]
    for place, (path, fields) in formats(schema if "tool" not in name else {"type": "object"}).items():
        answer = await api.post(path, json={**BODIES[path], **fields})
        if answer.status_code != 200:
            error = check_error(answer, 400)
            assert error["param"] is not None, (place, error)
        await check_serving(api)


@pytest.mark.parametrize("levels", [90, 150, 10_000])
async def test_deep_nesting(api: httpx.AsyncClient, levels: int) -> None:
    """In a body, a schema, a tool's parameters, metadata, a message, an output of a tool."""
    schema = deep(levels, '{"type":"object","properties":{"a":', "}}", "{}")
    array = deep(levels, '{"type":"array","items":', "}", "{}")
    value = deep(levels)
    for text in (schema, array):
        for path, fields in formats("@").values():
            data = json.dumps({**BODIES[path], **fields}).replace('"@"', text).encode()
            answer = await send(api, path, data)
            if answer.status_code != 200 or levels > 100:
                check_error(answer, 400)
    for path, field in (
        (CHAT, "metadata"),
        (CHAT, "messages"),
        (CHAT, "tools"),
        (CHAT, "logit_bias"),
        (RESPONSES, "metadata"),
        (RESPONSES, "input"),
        (RESPONSES, "tools"),
        (CONVERSATIONS, "metadata"),
        (BATCHES, "metadata"),
    ):
        check_error(await send(api, path, body_with(path, **{field: value})), 400)
    await check_serving(api)


GRAMMARS = [
    ("lark", ""),
    ("lark", "start:"),
    ("lark", "start: start"),
    ("lark", "start: a\na: b\nb: a"),
    ("lark", 'start: start "a" | "a"'),
    ("lark", "start: missing"),
    ("lark", 'start: "a"~1000000'),
    ("lark", "start: /((a{1,1000}){1,1000}){1,1000}/"),
    ("lark", "start: %json {"),
    ("lark", 'start: %json {"not": {}}'),
    ("lark", "(" * 10_000),
    ("lark", 'start: "' + "a" * 40_000 + '"'),
    ("regex", "("),
    ("regex", "a{100000000}"),
    ("regex", "(a|b)*a(a|b){25}"),
    ("regex", "(" * 10_000 + ")" * 10_000),
    ("regex", "(?=a)"),
    ("regex", "[^\x00-\U0010ffff]"),
]


@pytest.mark.parametrize(("syntax", "definition"), GRAMMARS)
async def test_grammars(api: httpx.AsyncClient, syntax: str, definition: str) -> None:
    form = {"type": "grammar", "grammar": {"syntax": syntax, "definition": definition}}
    tool = {"type": "custom", "name": "f", "format": {"type": "grammar", "syntax": syntax, "definition": definition}}
    for path, fields in (
        (CHAT, {"response_format": form}),
        (RESPONSES, {"tools": [tool], "tool_choice": "required"}),
    ):
        answer = await api.post(path, json={**BODIES[path], **fields})
        if answer.status_code != 200:
            check_error(answer, 400)
        await check_serving(api)


# --- files and batches ------------------------------------------------------------------------------------------------


async def upload(api: httpx.AsyncClient, content: bytes, **fields: str) -> httpx.Response:
    return await api.post("/v1/files", files={"file": ("in.jsonl", content)}, data={"purpose": "batch", **fields})


BROKEN_FILES = {
    "no JSON": jsonl(line(1)) + b"not json\n",
    "half a line": jsonl(line(1)) + b'{"custom_id": "x"',
    "no object": jsonl(line(1), [1]),
    "the same custom_id twice": jsonl(line(1), line(2), line(1)),
    "no custom_id": jsonl({key: value for key, value in line(1).items() if key != "custom_id"}),
    "a custom_id that is a number": jsonl({**line(1), "custom_id": 1}),
    "another method": jsonl({**line(1), "method": "GET"}),
    "another endpoint": jsonl({**line(1), "url": "/v1/files"}),
    "no body": jsonl({key: value for key, value in line(1).items() if key != "body"}),
    "a body that is text": jsonl({**line(1), "body": "x"}),
    "deep": b'{"custom_id":"x","method":"POST","url":"' + CHAT.encode() + b'","body":' + deep(10_000).encode() + b"}\n",
    "invalid UTF-8": b'{"custom_id":"\xff"}\n',
    "NUL": b"\x00\n",
    "empty": b"",
    "blank": b"\n\n\n",
}


@pytest.mark.parametrize("name", BROKEN_FILES)
async def test_batch_files_with_broken_lines(api: httpx.AsyncClient, name: str) -> None:
    """Refused when it is uploaded, or a batch that fails and says which line; no line is run."""
    uploaded = await upload(api, BROKEN_FILES[name])
    if uploaded.status_code != 200:
        check_error(uploaded, 400)
        await check_serving(api)
        return
    body = {"input_file_id": uploaded.json()["id"], "endpoint": CHAT, "completion_window": "24h"}
    made = await api.post(BATCHES, json=body)
    if made.status_code != 200:
        check_error(made, 400)
    else:
        batch = made.json()
        async with asyncio.timeout(WAIT):
            while batch["status"] in ("validating", "in_progress", "finalizing"):
                await asyncio.sleep(0)
                batch = (await api.get(f"{BATCHES}/{batch['id']}")).json()
        assert batch["status"] == "failed", batch
        (error, *_) = batch["errors"]["data"]
        assert set(error) == {"code", "line", "message", "param"}
        assert error["message"]
        assert batch["output_file_id"] is None
    await check_serving(api)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "multipart/form-data"),
        (b"", "multipart/form-data; boundary=x"),
        (b"--x\r\n", "multipart/form-data; boundary=x"),
        (b"--x--\r\n", "multipart/form-data; boundary=x"),
        (b"--x\r\nContent-Disposition: form-data\r\n\r\nx\r\n--x--\r\n", "multipart/form-data; boundary=x"),
        (b"--x\r\nnot a header\r\n\r\nx\r\n--x--\r\n", "multipart/form-data; boundary=x"),
        (
            b'--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
        ),
        (b"garbage", "multipart/form-data; boundary=" + "x" * 5000),
    ],
)
async def test_uploads_that_are_no_form(api: httpx.AsyncClient, data: bytes, kind: str) -> None:
    check_error(await send(api, "/v1/files", data, kind), 400)
    await check_serving(api)


@pytest.mark.parametrize("name", ["../../etc/passwd", "a\x00b", "x" * 5000, "😀", "", "con:|<>"])
async def test_names_of_files(api: httpx.AsyncClient, name: str) -> None:
    answer = await api.post("/v1/files", files={"file": (name, b"{}")}, data={"purpose": "user_data"})
    if answer.status_code == 200:
        assert "/" not in answer.json()["filename"]
    else:
        check_error(answer, 400)
    await check_serving(api)


# --- addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/v1/nothing",
        "/v1/files/file-none",
        "/v1/files/%00/content",
        "/v1/files/..%2f..%2fetc%2fpasswd/content",
        "/v1/batches/" + "x" * 3000,
        "/v1/responses/resp_\u00fc",
        "/v1/chat/completions/chatcmpl-none",
        "/v1/conversations/conv_none/items",
        "/v1//models",
    ],
)
async def test_addresses_of_nothing(api: httpx.AsyncClient, path: str) -> None:
    check_error(await api.get(path), 404)
    await check_serving(api)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=x", "limit=9999999999999999999999", "after=%00", "order=up", "limit=1&limit=2", "x=1"]
)
async def test_queries(api: httpx.AsyncClient, query: str) -> None:
    for path in ("/v1/files", "/v1/batches", CHAT):
        answer = await api.get(f"{path}?{query}")
        if answer.status_code != 200:
            check_error(answer)
    await check_serving(api)
