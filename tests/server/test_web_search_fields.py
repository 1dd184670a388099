"""How a web search is asked for: what of it is honoured, in the turn and in what the response repeats, and refused."""

from __future__ import annotations

from typing import Any

import pytest

from server.fields_chat import USER
from server.responding import function
from spatz.errors import RequestError
from spatz.prompt.turn import Location, ToolChoice, Turn, WebSearch
from spatz.server import web_search_fields
from spatz.server.chat_request import ChatRequest
from spatz.server.problems import validate
from spatz.server.responses_answer import new_response
from spatz.server.responses_kept import user_message
from spatz.server.responses_request import InputTokensRequest, ResponseRequest

SEARCH = {"type": "web_search"}
PLACE = {"country": "de", "region": "  Bavaria ", "city": "Bad\tTölz", "timezone": "Europe/Berlin"}
BERLIN = Location("DE", "Bavaria", "Bad Tölz", "Europe/Berlin")
NOWHERE = {"country": None, "region": None, "city": None, "timezone": None}


def request(**fields: Any) -> ResponseRequest:
    return validate(ResponseRequest, {"model": "m", "input": "hi", **fields})


def turn(**fields: Any) -> Turn:
    return request(**fields).turn([user_message("hi")])


# tool, what is searched, what the response repeats beside the type
TOOLS: list[tuple[dict[str, Any], WebSearch, dict[str, Any]]] = [
    ({}, WebSearch(), {"filters": None, "search_context_size": "medium", "user_location": None}),
    ({"search_context_size": "low"}, WebSearch("low"), {"search_context_size": "low"}),
    ({"search_context_size": None, "user_location": None, "filters": None}, WebSearch(), {}),
    ({"external_web_access": True, "search_content_types": ["text"]}, WebSearch(), {}),
    (
        {"user_location": {"type": "approximate", **PLACE}, "search_context_size": "high"},
        WebSearch("high", BERLIN),
        {"user_location": {"type": "approximate", **PLACE}},
    ),
    (
        {"user_location": {"type": "approximate"}},
        WebSearch(),
        {"user_location": {"type": "approximate", **NOWHERE}},
    ),
    (
        {"user_location": {"country": "US"}},
        WebSearch(location=Location("US")),
        {"user_location": {"type": "approximate", **NOWHERE, "country": "US"}},
    ),
    (
        {"filters": {"allowed_domains": ["Docs.Python.org", "bücher.de", "example.com.", "example.com", "127.0.0.1"]}},
        WebSearch(allowed_domains=("docs.python.org", "xn--bcher-kva.de", "example.com", "127.0.0.1")),
        {
            "filters": {
                "allowed_domains": ["docs.python.org", "xn--bcher-kva.de", "example.com", "example.com", "127.0.0.1"]
            }
        },
    ),
    (
        {"filters": {"blocked_domains": ["a.test"], "allowed_domains": None}},
        WebSearch(blocked_domains=("a.test",)),
        {"filters": {"blocked_domains": ["a.test"]}},
    ),
    ({"filters": {}}, WebSearch(), {"filters": {}}),
]


@pytest.mark.parametrize("kind", ["web_search", "web_search_2025_08_26"])
@pytest.mark.parametrize(("fields", "wanted", "repeated"), TOOLS, ids=lambda value: str(value)[:50])
def test_the_tool(kind: str, fields: dict[str, Any], wanted: WebSearch, repeated: dict[str, Any]) -> None:
    given = request(tools=[{"type": kind, **fields}])
    found = given.turn([user_message("hi")])
    assert found.web_search == wanted
    assert found.tools == () and found.tool_choice == ToolChoice()
    (shown,) = new_response(given, "m", 0.0)["tools"]
    assert shown == {
        "type": kind,
        "filters": None,
        "search_context_size": "medium",
        "user_location": None,
    } | repeated | {key: value for key, value in fields.items() if key == "search_context_size" and value}


@pytest.mark.parametrize("kind", ["web_search_preview", "web_search_preview_2025_03_11"])
def test_the_first_generation(kind: str) -> None:
    given = request(tools=[{"type": kind, "search_context_size": "high", "user_location": {"type": "approximate"}}])
    assert given.turn([user_message("hi")]).web_search == WebSearch("high")
    assert new_response(given, "m", 0.0)["tools"] == [
        {"type": kind, "search_context_size": "high", "user_location": {"type": "approximate", **NOWHERE}}
    ]


TOO_MANY = [f"{number}.test" for number in range(101)]
REFUSED: list[tuple[Any, str, str]] = [
    ({"search_context_size": "huge"}, ".search_context_size", "invalid_value"),
    ({"user_location": {"type": "exact"}}, ".user_location.type", "invalid_value"),
    ({"user_location": {"country": "Germany"}}, ".user_location.country", "invalid_value"),
    ({"user_location": {"timezone": "Berlin"}}, ".user_location.timezone", "invalid_value"),
    ({"user_location": {"timezone": "../../etc/passwd"}}, ".user_location.timezone", "invalid_value"),
    ({"user_location": {"timezone": "Europe"}}, ".user_location.timezone", "invalid_value"),
    ({"user_location": {"timezone": "\0"}}, ".user_location.timezone", "invalid_value"),
    ({"user_location": {"city": "x" * 129}}, ".user_location.city", "string_above_max_length"),
    ({"user_location": {"latitude": 1.5}}, ".user_location.latitude", "unknown_parameter"),
    ({"filters": {"allowed_domains": []}}, ".filters.allowed_domains", "empty_array"),
    ({"filters": {"allowed_domains": TOO_MANY}}, ".filters.allowed_domains", "array_above_max_length"),
    ({"filters": {"blocked_domains": TOO_MANY}}, ".filters.blocked_domains", "array_above_max_length"),
    *(
        ({"filters": {"allowed_domains": [name]}}, ".filters.allowed_domains[0]", "invalid_value")
        for name in (
            "https://a.test",
            "a.test/path",
            "*.a.test",
            "a.test:80",
            "a b.test",
            "-a.test",
            "a..test",
            ".",
            "user@a.test",
            "a" * 64,
            "ü" * 300,
            "x." * 200,
            "🐦 /",
        )
    ),
    ({"filters": {"domains": []}}, ".filters.domains", "unknown_parameter"),
    ({"external_web_access": False}, ".external_web_access", "unsupported_value"),
    ({"search_content_types": ["image"]}, ".search_content_types[0]", "unsupported_value"),
    ({"search_content_types": ["video"]}, ".search_content_types[0]", "invalid_value"),
    ({"return_token_budget": "unlimited"}, ".return_token_budget", "unknown_parameter"),
    ({"name": "web_search"}, ".name", "unknown_parameter"),
    ({"type": "web_search_preview", "filters": {}}, ".filters", "unknown_parameter"),
    ({"type": "web_search_2099_01_01"}, ".type", "invalid_value"),
]


@pytest.mark.parametrize(("fields", "param", "code"), REFUSED, ids=lambda value: str(value)[:50])
def test_what_is_wrong_is_refused(fields: Any, param: str, code: str) -> None:
    with pytest.raises(RequestError) as caught:
        turn(tools=[{**SEARCH, **fields}])
    assert (caught.value.param, caught.value.code) == (f"tools[0]{param}", code)
    assert len(caught.value.message) < 500


def test_no_time_zone_is_refused_where_none_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_search_fields, "_has_timezones", lambda: False)
    found = turn(tools=[{**SEARCH, "user_location": {"timezone": "Atlantis/Capital"}}]).web_search
    assert found is not None and found.location == Location(timezone="Atlantis/Capital")


def allowed(mode: str, *tools: dict[str, Any]) -> dict[str, Any]:
    return {"type": "allowed_tools", "mode": mode, "tools": list(tools)}


F = {"type": "function", "name": "f"}
# choice, the choice among functions, the functions, whether the web may (False) or has to (True) be searched
CHOICES: list[tuple[Any, ToolChoice, str, bool | None]] = [
    (None, ToolChoice(), "fg", False),
    ("auto", ToolChoice(), "fg", False),
    ("none", ToolChoice("none"), "fg", None),
    ("required", ToolChoice("required"), "fg", False),  # either
    (F, ToolChoice("required", ("f",)), "fg", None),
    (SEARCH, ToolChoice(), "", True),
    ({"type": "web_search_preview"}, ToolChoice(), "", True),
    (allowed("auto", SEARCH), ToolChoice(), "", False),
    (allowed("required", SEARCH), ToolChoice(), "", True),
    (allowed("auto", F), ToolChoice("auto", ("f",)), "fg", None),
    (allowed("auto", F, SEARCH), ToolChoice("auto", ("f",)), "fg", False),
    (allowed("required", F, {"type": "web_search_preview"}), ToolChoice("required", ("f",)), "fg", False),
]


@pytest.mark.parametrize(("choice", "wanted", "names", "required"), CHOICES, ids=lambda value: str(value)[:60])
def test_choices(choice: Any, wanted: ToolChoice, names: str, required: bool | None) -> None:
    given = request(tools=[function("f"), {**SEARCH, "search_context_size": "low"}, function("g")], tool_choice=choice)
    found = given.turn([user_message("hi")])
    assert found.tool_choice == wanted
    assert "".join(tool.name for tool in found.tools) == names
    assert found.web_search == (None if required is None else WebSearch("low", required=required))
    assert new_response(given, "m", 0.0)["tool_choice"] == (choice or "auto")


@pytest.mark.parametrize(("choice", "required"), [("required", True), ("auto", False), ("none", None)])
def test_a_choice_where_the_search_is_the_only_tool(choice: str, required: bool | None) -> None:
    found = turn(tools=[SEARCH], tool_choice=choice, max_tool_calls=3)
    assert found.web_search == (None if required is None else WebSearch(required=required, most_calls=3))


@pytest.mark.parametrize(
    ("tools", "choice", "param"),
    [
        ([SEARCH, {"type": "web_search_preview"}], None, "tools[1].type"),
        ([SEARCH, function("f"), SEARCH], None, "tools[2].type"),
        ([function("f")], SEARCH, "tool_choice"),
        ([], SEARCH, "tool_choice"),
        ([function("f")], allowed("auto", F, SEARCH), "tool_choice"),
        ([SEARCH], F, "tool_choice"),
        ([SEARCH], {"type": "file_search"}, "tool_choice"),
        ([SEARCH], allowed("auto", {"type": "mcp", "server_label": "x"}), "tool_choice.tools[0]"),
    ],
)
def test_a_search_that_is_not_there_or_twice(tools: list[Any], choice: Any, param: str) -> None:
    with pytest.raises(RequestError) as caught:
        turn(tools=tools, tool_choice=choice)
    assert (caught.value.param, caught.value.code) == (param, "invalid_value")


@pytest.mark.parametrize("kind", [[], {}, 3, None, True])
def test_a_kind_that_is_no_name(kind: Any) -> None:
    for fields in ({"tools": [{"type": kind}]}, {"tools": [SEARCH], "tool_choice": {"type": kind}}):
        with pytest.raises(RequestError):
            turn(**fields)


def test_the_count_of_tokens_takes_the_tool_too() -> None:
    found = validate(InputTokensRequest, {"input": "hi", "tools": [SEARCH]}).turn([user_message("hi")])
    assert found.web_search == WebSearch()


def chat(options: Any, **fields: Any) -> Turn:
    return validate(ChatRequest, {"model": "m", "messages": USER, "web_search_options": options, **fields}).turn()


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (None, None),
        ({}, WebSearch(required=True)),
        ({"search_context_size": "low", "user_location": None}, WebSearch("low", required=True)),
        (
            {"user_location": {"type": "approximate", "approximate": PLACE}},
            WebSearch(location=BERLIN, required=True),
        ),
        ({"user_location": {"type": "approximate", "approximate": {}}}, WebSearch(required=True)),
    ],
)
def test_chat_options(options: Any, wanted: WebSearch | None) -> None:
    assert chat(options).web_search == wanted


def test_chat_options_stand_beside_tools() -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    found = chat({}, tools=[tool], tool_choice="auto")
    assert found.web_search == WebSearch(required=True) and [item.name for item in found.tools] == ["f"]


@pytest.mark.parametrize(
    ("options", "param", "code"),
    [
        ([], "", "invalid_type"),
        ({"search_context_size": 3}, ".search_context_size", "invalid_value"),
        ({"user_location": {"type": "approximate"}}, ".user_location.approximate", "missing_required_parameter"),
        ({"user_location": {"approximate": {}}}, ".user_location.type", "missing_required_parameter"),
        (
            {"user_location": {"type": "approximate", "approximate": {"country": "D"}}},
            ".user_location.approximate.country",
            "invalid_value",
        ),
        ({"user_location": {"type": "approximate", "country": "DE"}}, ".user_location.approximate", None),
        ({"filters": {"allowed_domains": ["a.test"]}}, ".filters", "unknown_parameter"),
    ],
)
def test_chat_options_that_are_wrong(options: Any, param: str, code: str | None) -> None:
    with pytest.raises(RequestError) as caught:
        chat(options)
    assert caught.value.param == f"web_search_options{param}"
    assert code is None or caught.value.code == code
