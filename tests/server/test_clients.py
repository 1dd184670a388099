"""The clients that people use, unchanged, against a server of the embedded model: openai, langchain-openai, llm."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from langchain_openai import ChatOpenAI
from openai import AsyncOpenAI, OpenAI

from server.running import RunningServer, serve

WAIT = 300
MODEL = "gpt-4.1-nano"
ASKED = "The capital of France is Paris. So what is the capital of France?"  # what a small model cannot get wrong
QUESTION = [{"role": "user", "content": ASKED}]


@pytest.fixture
def client(server: RunningServer) -> Iterator[OpenAI]:
    with OpenAI(base_url=server.base_url, api_key="none", timeout=WAIT, max_retries=0) as client:
        yield client


def test_whole_answer(client: OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=QUESTION, temperature=0, max_tokens=30)
    assert "Paris" in answer.choices[0].message.content
    assert answer.model == "smollm2-135m-instruct"
    assert answer.system_fingerprint.startswith("fp_")
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.choices[0].finish_reason in ("stop", "length")
    assert answer._request_id.startswith("req_")


def test_streamed_answer_is_the_whole_one(client: OpenAI) -> None:
    asked = {"model": MODEL, "messages": QUESTION, "seed": 7, "max_completion_tokens": 40}
    whole = client.chat.completions.create(**asked)
    chunks = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)


async def test_async(server: RunningServer) -> None:
    async with AsyncOpenAI(base_url=server.base_url, api_key="none", timeout=WAIT) as client:
        answer = await client.chat.completions.create(model=MODEL, messages=QUESTION, temperature=0, max_tokens=30)
        stream = await client.chat.completions.create(
            model=MODEL, messages=QUESTION, temperature=0, max_tokens=30, stream=True
        )
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert text == answer.choices[0].message.content


def test_the_stream_helper(client: OpenAI) -> None:
    with client.chat.completions.stream(model=MODEL, messages=QUESTION, temperature=0, stop="zzz") as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert "Paris" in final.choices[0].message.content


def test_logprobs(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL, messages=QUESTION, temperature=0, max_tokens=8, logprobs=True, top_logprobs=3
    )
    entries = answer.choices[0].logprobs.content
    assert b"".join(bytes(entry.bytes) for entry in entries).decode() == answer.choices[0].message.content
    for entry in entries:
        assert entry.logprob <= 0
        assert len(entry.top_logprobs) == 3
        assert entry.top_logprobs[0].token == entry.token  # greedy: the likeliest is taken
        ranked = [top.logprob for top in entry.top_logprobs]
        assert ranked == sorted(ranked, reverse=True)


def test_several_choices(client: OpenAI) -> None:
    asked = {"model": MODEL, "messages": QUESTION, "seed": 1, "max_tokens": 12, "temperature": 1.5}
    answer = client.chat.completions.create(**asked, n=4)
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    assert len({choice.message.content for choice in answer.choices}) > 1
    alone = client.chat.completions.create(**asked)
    assert alone.choices[0].message.content == answer.choices[0].message.content


def test_stop(client: OpenAI) -> None:
    asked = {"model": MODEL, "messages": QUESTION, "temperature": 0, "max_tokens": 30}
    whole = client.chat.completions.create(**asked).choices[0].message.content
    word = whole.split()[2]
    for stream in (False, True):
        answer = client.chat.completions.create(**asked, stop=[word], stream=stream)
        if stream:
            chunks = list(answer)
            text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
            reason = chunks[-1].choices[0].finish_reason
        else:
            text, reason = answer.choices[0].message.content, answer.choices[0].finish_reason
        assert text == whole[: whole.index(word)]
        assert reason == "stop"


def test_extensions(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL, messages=QUESTION, max_tokens=50, extra_body={"top_k": 1, "min_p": 0.1, "ignore_eos": True}
    )
    assert answer.usage.completion_tokens == 50
    assert answer.choices[0].finish_reason == "length"


def test_logit_bias_steers(client: OpenAI) -> None:
    banned = client.chat.completions.create(
        model=MODEL, messages=QUESTION, temperature=0, max_tokens=1, logprobs=True, top_logprobs=1
    )
    first = banned.choices[0].message.content
    ids = client.completions.create(model=MODEL, prompt=first, echo=True, max_tokens=0, logprobs=0)
    assert "".join(ids.choices[0].logprobs.tokens) == first
    with pytest.raises(openai.BadRequestError) as error:
        client.chat.completions.create(model=MODEL, messages=QUESTION, logit_bias={"49999999": 1})
    assert error.value.param == "logit_bias"


def test_a_repeated_prompt_is_cached(client: OpenAI) -> None:
    messages = [{"role": "user", "content": "The heron stands in the reeds. " * 60 + "Who stands where?"}]
    asked = {"model": MODEL, "messages": messages, "temperature": 0, "max_tokens": 5}
    client.chat.completions.create(**asked)
    usage = client.chat.completions.create(**asked).usage
    assert usage.prompt_tokens_details.cached_tokens >= 256
    assert usage.prompt_tokens_details.cached_tokens % 128 == 0


def test_legacy_completions(client: OpenAI) -> None:
    answer = client.completions.create(model=MODEL, prompt=["1, 2, 3, 4,", "a, b, c, d,"], temperature=0, max_tokens=4)
    assert "5" in answer.choices[0].text
    assert "e" in answer.choices[1].text
    scored = client.completions.create(model=MODEL, prompt="The capital of France", echo=True, max_tokens=2, logprobs=2)
    found = scored.choices[0].logprobs
    assert "".join(found.tokens) == scored.choices[0].text
    assert found.token_logprobs[0] is None
    assert all(value <= 0 for value in found.token_logprobs[1:])
    assert found.text_offset == [len("".join(found.tokens[:place])) for place in range(len(found.tokens))]
    streamed = client.completions.create(model=MODEL, prompt="1, 2, 3, 4,", temperature=0, max_tokens=4, stream=True)
    assert "".join(chunk.choices[0].text for chunk in streamed) == answer.choices[0].text
    best = client.completions.create(model=MODEL, prompt="Once", max_tokens=5, best_of=3, n=1, seed=1)
    assert len(best.choices) == 1


def test_raw_response(client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=QUESTION, max_tokens=1)
    assert raw.headers["x-request-id"] == raw.parse()._request_id
    assert int(raw.headers["openai-processing-ms"]) >= 0


def test_models(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["smollm2-135m-instruct", MODEL]
    assert client.models.retrieve(MODEL).id == MODEL


def test_errors_are_the_sdk_classes(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as bad:
        client.chat.completions.create(model=MODEL, messages=QUESTION, temperature=9)
    assert bad.value.param == "temperature"
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="gpt-9", messages=QUESTION)
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as long:
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "heron " * 20_000}])
    assert long.value.code == "context_length_exceeded"
    with pytest.raises(openai.BadRequestError) as tools:
        client.chat.completions.create(
            model=MODEL, messages=QUESTION, tools=[{"type": "function", "function": {"name": "f"}}]
        )
    assert tools.value.param == "tools"


def test_keys_and_the_way_down(model_path: Path, data_dir: Path) -> None:
    with serve(data_dir, SPATZ_API_KEY="one-secret") as server:
        assert "one-secret" not in server.greeting
        with OpenAI(base_url=server.base_url, api_key="wrong", timeout=WAIT) as client:
            with pytest.raises(openai.AuthenticationError):
                client.models.list()
            assert client.with_options(api_key="one-secret").models.list().data
        assert server.stop() == 0


def test_two_signals_stop_at_once(model_path: Path, data_dir: Path) -> None:
    with serve(data_dir) as server, OpenAI(base_url=server.base_url, api_key="x", timeout=WAIT) as client:
        endless = client.chat.completions.create(
            model=MODEL, messages=QUESTION, stream=True, max_tokens=8000, extra_body={"ignore_eos": True}
        )
        next(iter(endless))
        assert server.stop(signals=2) == 0


def test_the_greeting_works_when_pasted(server: RunningServer) -> None:
    snippet = server.greeting[server.greeting.index("from openai") :]
    done = subprocess.run([sys.executable, "-c", snippet], capture_output=True, timeout=WAIT, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    curl = server.greeting[server.greeting.index("curl ") : server.greeting.index("}'") + 2]
    body = curl[curl.index("'") + 1 : -1]
    url = curl.split()[1]
    request = urllib.request.Request(url, body.encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=WAIT) as response:
        assert json.load(response)["choices"]


def test_langchain(server: RunningServer) -> None:
    chat = ChatOpenAI(
        model=MODEL,
        base_url=server.base_url,
        api_key="none",
        temperature=0,
        max_tokens=30,
        stream_usage=True,
        timeout=WAIT,
    )
    answer = chat.invoke([("system", "You are helpful."), ("human", ASKED)])
    # What the model makes of it is its own affair; it must be what the API's own client gets.
    with OpenAI(base_url=server.base_url, api_key="none", timeout=WAIT) as plain:
        same = plain.chat.completions.create(
            model=MODEL,
            temperature=0,
            max_tokens=30,
            messages=[{"role": "system", "content": "You are helpful."}, {"role": "user", "content": ASKED}],
        )
    assert answer.content == same.choices[0].message.content != ""
    assert answer.usage_metadata["total_tokens"] > 0
    assert answer.response_metadata["finish_reason"] in ("stop", "length")
    streamed = None
    for chunk in chat.stream(ASKED):
        streamed = chunk if streamed is None else streamed + chunk
    assert streamed is not None
    assert "Paris" in streamed.content
    assert streamed.usage_metadata["output_tokens"] > 0


@pytest.mark.parametrize("flags", [(), ("--no-stream",)])
def test_llm(server: RunningServer, tmp_path: Path, flags: tuple[str, ...]) -> None:
    (tmp_path / "extra-openai-models.yaml").write_text(
        f'- model_id: spatz\n  model_name: {MODEL}\n  api_base: "{server.base_url}"\n'
    )
    command = [sys.executable, "-m", "llm", "-m", "spatz", "-o", "temperature", "0", "-o", "max_tokens", "30", *flags]
    done = subprocess.run(
        [*command, ASKED],
        env={**os.environ, "LLM_USER_PATH": str(tmp_path), "OPENAI_API_KEY": "none"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=WAIT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"Paris" in done.stdout
