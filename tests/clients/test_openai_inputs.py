"""Images and files with the SDK: in chat and in Responses, from data, from uploads, and refused with their path."""

from __future__ import annotations

import base64
import io

import openai
import pytest
from openai import OpenAI

from clients.asking import MODEL

pytest.importorskip("PIL")
pytest.importorskip("rapidocr")

QUESTION = "What is the total?"
TOTAL = "118.40"


@pytest.fixture(scope="module")
def picture() -> bytes:
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (700, 220), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(32)
    draw.text((40, 40), "Invoice of the harbour master", fill="black", font=font)
    draw.text((40, 120), f"Total: {TOTAL} EUR", fill="black", font=font)
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


@pytest.fixture(scope="module")
def document() -> bytes:
    canvas = pytest.importorskip("reportlab.pdfgen.canvas")
    data = io.BytesIO()
    page = canvas.Canvas(data)
    page.drawString(72, 720, "Invoice of the harbour master")
    page.drawString(72, 700, f"Total: {TOTAL} EUR")
    page.save()
    return data.getvalue()


def data_url(data: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def test_an_image_in_chat(client: OpenAI, picture: bytes) -> None:
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": QUESTION},
                    {"type": "image_url", "image_url": {"url": data_url(picture, "image/png"), "detail": "high"}},
                ],
            }
        ],
        temperature=0,
        max_tokens=30,
    )
    assert TOTAL in (answer.choices[0].message.content or "")
    assert answer.usage is not None and answer.usage.prompt_tokens_details is not None
    details = answer.usage.prompt_tokens_details.model_dump()
    assert 0 < details["image_tokens"] < answer.usage.prompt_tokens
    [use] = answer.usage.model_dump()["spatz"]["inputs"]
    assert (use["kind"], use["param"]) == ("image", "messages[0].content[1].image_url.url")
    assert use["confidence"] > 0.9


def test_an_uploaded_pdf_in_chat(client: OpenAI, document: bytes) -> None:
    file = client.files.create(file=("invoice.pdf", document), purpose="user_data")
    stream = client.chat.completions.create(
        model=MODEL,
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "file", "file": {"file_id": file.id}},
                    {"type": "text", "text": QUESTION},
                ],
            }
        ],
        temperature=0,
        max_tokens=30,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    assert TOTAL in "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.model_dump()["spatz"]["inputs"][0]["kind"] == "pdf"
    client.files.delete(file.id)


def test_responses(client: OpenAI, picture: bytes, document: bytes) -> None:
    first = client.responses.create(
        model=MODEL,
        input=[
            {
                "role": "user",
                "content": [
                    {"type": "input_file", "filename": "i.pdf", "file_data": data_url(document, "application/pdf")},
                    {"type": "input_text", "text": QUESTION},
                ],
            }
        ],
        temperature=0,
        max_output_tokens=30,
    )
    assert TOTAL in first.output_text
    items = client.responses.input_items.list(first.id).data
    assert items[0].content[0].type == "input_file"  # type: ignore[union-attr]
    second = client.responses.create(
        model=MODEL,
        previous_response_id=first.id,
        input=[
            {
                "role": "user",
                "content": [
                    {"type": "input_image", "image_url": data_url(picture, "image/png"), "detail": "auto"},
                    {"type": "input_text", "text": "And here?"},
                ],
            }
        ],
        temperature=0,
        max_output_tokens=16,
    )
    assert second.usage is not None
    params = [use["param"] for use in second.usage.model_dump()["spatz"]["inputs"]]
    assert params == ["previous_response_id", "input[0].content[0].image_url"]


def test_refusals_name_the_part(client: OpenAI) -> None:
    for url, code in (
        ("data:image/png;base64,bm8gaW1hZ2U=", "invalid_image_format"),
        ("https://127.0.0.1/x.png", "url_not_allowed"),
        (data_url(b"\x89PNG\r\n\x1a\n" + b"damaged", "image/png"), None),
    ):
        with pytest.raises(openai.BadRequestError) as refused:
            client.chat.completions.create(
                model=MODEL,
                messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}],
            )
        assert refused.value.param == "messages[0].content[0].image_url.url"
        assert code in (None, refused.value.code)
