"""What goes wrong, as the SDK's own classes of errors; raw answers, request ids, timeouts, and who may ask."""

from __future__ import annotations

import openai
import pytest
from openai import APITimeoutError, AsyncOpenAI, OpenAI

from clients.asking import MODEL, QUESTION, WAIT


def test_errors_are_the_sdk_classes(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as bad:
        client.chat.completions.create(model=MODEL, messages=QUESTION, temperature=9)
    assert bad.value.param == "temperature"
    assert bad.value.type == "invalid_request_error"
    assert bad.value.request_id.startswith("req_")
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="gpt-9", messages=QUESTION)
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as long:
        client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": "heron " * 20_000}],
            extra_body={"spatz": {"context": "exact"}},
        )
    assert long.value.code == "context_length_exceeded"
    with pytest.raises(openai.BadRequestError) as tools:
        client.chat.completions.create(model=MODEL, messages=QUESTION, tools=[{"type": "function", "function": {}}])
    assert tools.value.param.startswith("tools[0]")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"reasoning_effort": "low"}, None),
        ({"prediction": {"type": "content", "content": "x"}}, "unsupported_parameter"),
    ],
)
def test_what_the_model_never_had(client: OpenAI, fields: dict[str, object], code: str | None) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model=MODEL, messages=QUESTION, **fields)
    assert refused.value.code == code


def test_fine_tuning_is_refused(client: OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as refused:
        client.fine_tuning.jobs.create(model=MODEL, training_file="file-abc")
    assert refused.value.code == "model_not_available"


def test_raw_responses(client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=QUESTION, max_tokens=1)
    assert raw.headers["x-request-id"] == raw.parse()._request_id
    assert int(raw.headers["openai-processing-ms"]) >= 0
    response = client.responses.with_raw_response.create(model=MODEL, input="Hi", max_output_tokens=16)
    assert response.headers["x-request-id"] == response.parse()._request_id
    with client.chat.completions.with_streaming_response.create(
        model=MODEL, messages=QUESTION, max_tokens=3, stream=True
    ) as streamed:
        assert streamed.headers["content-type"].startswith("text/event-stream")
        assert list(streamed.iter_lines())[-2:] in (["data: [DONE]", ""], ["", "data: [DONE]"])


async def test_a_timeout_ends_the_request(base_url: str) -> None:
    """The client gives up; the server takes the request out and serves the next one."""
    async with AsyncOpenAI(base_url=base_url, api_key="none", timeout=WAIT, max_retries=0) as client:
        with pytest.raises(APITimeoutError):
            await client.chat.completions.create(
                model=MODEL, messages=QUESTION, timeout=0.05, max_tokens=4000, extra_body={"ignore_eos": True}
            )
        answer = await client.chat.completions.create(model=MODEL, messages=QUESTION, max_tokens=2)
    assert answer.choices[0].message.content


def test_a_stream_that_is_closed(client: OpenAI) -> None:
    with client.chat.completions.create(
        model=MODEL, messages=QUESTION, stream=True, max_tokens=4000, extra_body={"ignore_eos": True}
    ) as stream:
        next(iter(stream))
    assert client.chat.completions.create(model=MODEL, messages=QUESTION, max_tokens=2).choices
