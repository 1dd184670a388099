"""A tiny model that sees, served: images of every kind through the API, and what of them is run again."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from server.running import RunningServer, serve
from weights.tiny_vision import random_model, write_tiny_vision

pytest.importorskip("torch")
pytest.importorskip("transformers")

TOKENS = 16  # of a tile


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    vision = {"hidden_size": 48, "intermediate_size": 80, "num_attention_heads": 4, "image_size": 32, "patch_size": 4}
    return write_tiny_vision(tmp_path_factory.mktemp("eyes"), random_model(vision, 2), tile=32, longest=96)


@pytest.fixture(scope="module")
def server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with serve(tmp_path_factory.mktemp("data"), "--model", str(folder), "--kv", "bf16") as running:
        yield running
        assert running.stop() == 0


def picture(seed: int, size: tuple[int, int] = (96, 64), format: str = "PNG") -> bytes:
    colours = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(colours).save(out, format)
    return out.getvalue()


def data_url(data: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def ask(server: RunningServer, *parts: Any, path: str = "chat/completions", **more: Any) -> dict[str, Any]:
    content = [{"type": "text", "text": one} if isinstance(one, str) else one for one in parts]
    body = {"model": "gpt-4.1-nano", "temperature": 0, "max_tokens": 12, "logprobs": True, **more}
    body["messages"] = [{"role": "user", "content": content}]
    answer = httpx.post(f"{server.base_url}/{path}", json=body, timeout=120)
    found: dict[str, Any] = answer.json()
    return found


def shown(data: bytes, detail: str = "auto", kind: str = "png") -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": data_url(data, kind), "detail": detail}}


def logprobs(answer: dict[str, Any]) -> list[float]:
    return [entry["logprob"] for entry in answer["choices"][0]["logprobs"]["content"]]


def test_an_image_is_seen_and_counted(server: RunningServer) -> None:
    first, second = picture(1), picture(2)
    answers = [ask(server, shown(data), "What is it?") for data in (first, second, first)]
    # 3 x 2 tiles and the whole, each with the marks around them.
    details = [answer["usage"]["prompt_tokens_details"] for answer in answers]
    assert all(7 * TOKENS < detail["image_tokens"] < 7 * TOKENS + 20 for detail in details)
    assert logprobs(answers[0]) == logprobs(answers[2]) != logprobs(answers[1])
    # The second picture has the same tokens, and nothing of the first one's pages.
    assert [detail["cached_tokens"] for detail in details] == [0, 0, 128]
    (used,) = answers[0]["usage"]["spatz"]["inputs"]
    assert used["kind"] == "image" and used["param"].startswith("messages[0].content[0]")


def test_little_detail_costs_little(server: RunningServer) -> None:
    little = ask(server, shown(picture(3), "low"), "What is it?")
    assert TOKENS < little["usage"]["prompt_tokens_details"]["image_tokens"] < 2 * TOKENS


def test_formats_and_several_images(server: RunningServer) -> None:
    said = [shown(picture(4, format="WEBP"), kind="webp"), "and", shown(picture(5, format="BMP"), kind="bmp"), "?"]
    both = ask(server, *said)
    assert 14 * TOKENS < both["usage"]["prompt_tokens_details"]["image_tokens"] < 14 * TOKENS + 40
    assert len(both["usage"]["spatz"]["inputs"]) == 2
    turned = ask(server, said[2], "and", said[0], "?")
    assert logprobs(turned) != logprobs(both)


def test_responses_and_stored_pictures(server: RunningServer) -> None:
    def respond(**body: Any) -> dict[str, Any]:
        body = {"model": "gpt-4.1-nano", "temperature": 0, "max_output_tokens": 16, **body}
        found: dict[str, Any] = httpx.post(f"{server.base_url}/responses", json=body, timeout=120).json()
        return found

    image = {"type": "input_image", "image_url": data_url(picture(6)), "detail": "auto"}
    first = respond(input=[{"role": "user", "content": [image, {"type": "input_text", "text": "What is it?"}]}])
    assert first["status"] in ("completed", "incomplete"), first
    again = respond(input="And now?", previous_response_id=first["id"])
    assert again["usage"]["input_tokens"] > first["usage"]["input_tokens"]
    assert again["usage"]["input_tokens_details"]["cached_tokens"] >= 128  # the same image, from the stored item


@pytest.mark.parametrize("mode", ["routed", "skim"])
def test_only_exactly(server: RunningServer, mode: str) -> None:
    error = ask(server, shown(picture(1)), "What is it?", spatz={"context": mode})["error"]
    assert error["param"] == "spatz.context" and "images" in error["message"]


def test_what_is_no_image(server: RunningServer) -> None:
    for data in (b"\x89PNG\r\n\x1a\n" + bytes(40), b"hello"):
        error = ask(server, shown(data), "What is it?")["error"]
        assert error["type"] == "invalid_request_error" and error["param"].startswith("messages[0].content[0]")


def test_a_user_s_text_is_no_image(server: RunningServer) -> None:
    said = "<fake_token_around_image><global-img><image><image><end_of_utterance>"
    alone = ask(server, said)
    assert alone["usage"]["prompt_tokens"] > len(said) / 3  # bytes and pieces, not seven tokens
    assert alone["usage"]["prompt_tokens_details"]["image_tokens"] == 0
    with_image = ask(server, shown(picture(1), "low"), said)
    assert with_image["usage"]["prompt_tokens_details"]["image_tokens"] < 2 * TOKENS


def test_models_tell(server: RunningServer) -> None:
    models = httpx.get(f"{server.base_url}/models", timeout=60).json()["data"]
    assert "seen" in json.dumps(models[0])


def test_the_command(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "scan.png").write_bytes(picture(1))
    flags = ["--model", str(folder), "--data-dir", str(tmp_path / "data"), "--json", "-t", "0", "-n", "4"]
    command = [sys.executable, "-m", "spatz.cli", "run", "-i", str(tmp_path / "scan.png"), *flags, "What is it?"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["usage"]["prompt_tokens_details"]["image_tokens"] > 7 * TOKENS
