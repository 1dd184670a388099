"""Messages or a plain prompt to tokens, with the places of what was said: the last step before the engine.

The chat template's text is tokenized with its special tokens, the messages' without (control_text.py). Each part's
place is remembered as an area, for what comes later to tell instructions from documents. Lengths are not checked here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatz.context.areas import Area, Kind
from spatz.engine.images import PromptImages
from spatz.errors import RequestError
from spatz.inputs.cut import Cut
from spatz.prompt.chat_template import ChatTemplate
from spatz.prompt.control_text import ControlText
from spatz.prompt.look import IMAGE, LookTokens, PlacedLook
from spatz.weights.tokenizer import Tokenizer

__all__ = ["Prompt", "build_chat", "build_completion"]

_MARK = "\U000f0002"  # stands for an image until the text becomes tokens

_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}


@dataclass(frozen=True, slots=True)
class Prompt:
    tokens: NDArray[np.int32]  # [tokens]
    areas: tuple[Area, ...] = ()  # in order, none empty; the outermost tokens may hold a little of what is beside them
    looks: tuple[PlacedLook, ...] = ()  # the images that it shows to the model, in order
    images: PromptImages | None = None  # the same for the engine, where a model is there to look at them

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True, slots=True)
class _Part:
    role: str
    kind: Kind
    text: str  # of an image the mark that stands for it
    source: int | None = None
    cut: Cut | None = None


def build_chat(
    messages: Sequence[Mapping[str, Any]],
    template: ChatTemplate | None,
    tokenizer: Tokenizer,
    *,
    tools: Sequence[Mapping[str, Any]] = (),
    looks: LookTokens | None = None,
    add_generation_prompt: bool = True,
) -> Prompt:
    """messages: {role, content, name?}; content is a text, or parts {type: "text", text, kind?, source?}, which line
    breaks join, or {type: "image", image: Cut, source?} where `looks` says how images are written. kind is
    "instruction" (the default) or "document"; source is what its area says of it. tools, and the tool_calls of
    messages, are in the form of Hugging Face's templates. Raises RequestError for messages that cannot be rendered
    whole.
    """
    if template is None:
        raise RequestError(
            "This model has no chat template: it was trained to continue texts, not to answer. Use /v1/completions."
        )
    if not messages:
        raise RequestError("There must be at least one message.", param="messages")
    parts = [_parts(message, index, looks is not None) for index, message in enumerate(messages)]
    rendered, places, control, stand_ins = _render(messages, parts, tools, template, tokenizer, add_generation_prompt)
    shown = [part.cut for group in parts for part in group if part.cut is not None]
    if shown and rendered.count(_MARK) != len(shown):
        raise RequestError("The model's chat template has no place for these images.", param="messages")
    written = [looks.ids(cut) for cut in shown] if looks is not None else []
    return _encode(rendered, places, control, stand_ins, tokenizer, list(zip(shown, written, strict=True)))


def build_completion(prompt: str | Sequence[int], tokenizer: Tokenizer) -> Prompt:
    """A text, in which special tokens count as such, or token ids. An empty text stands for the beginning of one.

    The model's BOS is put before a text that does not begin with it. Raises RequestError.
    """
    if isinstance(prompt, str):
        tokens = _with_bos(tokenizer.encode_array(prompt, parse_special=True), tokenizer)
        if not len(tokens):
            start = tokenizer.special_id("<|endoftext|>")
            start = next((token for token in (start, tokenizer.bos_id, tokenizer.eos_id) if token is not None), None)
            if start is None:
                raise RequestError(
                    "The prompt is empty, and this model has no token that begins a text.", param="prompt"
                )
            tokens = np.array([start], np.int32)
    else:
        for token in prompt:
            if type(token) is not int or not 0 <= token < tokenizer.vocab_size:
                raise RequestError(
                    f"{str(token)[:40]} is not a token of this model: ids go from 0 to {tokenizer.vocab_size - 1}.",
                    param="prompt",
                )
        tokens = np.array(prompt, np.int32)
        if not len(tokens):
            raise RequestError("The prompt has no tokens.", param="prompt")
    return Prompt(tokens, (Area(0, len(tokens)),))


@lru_cache(maxsize=4)
def _control_text(tokenizer: Tokenizer) -> ControlText:
    return ControlText(tokenizer.special_tokens)


def _with_bos(tokens: NDArray[np.int32], tokenizer: Tokenizer) -> NDArray[np.int32]:
    if tokenizer.add_bos and tokenizer.bos_id is not None and tokens[:1].tolist() != [tokenizer.bos_id]:
        return np.concatenate([np.array([tokenizer.bos_id], np.int32), tokens])
    return tokens


def _parts(message: Mapping[str, Any], index: int, sees: bool) -> list[_Part]:
    role = message.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise RequestError(
            f"The role {str(role)[:40]!r} is not one of {', '.join(_ROLES)}.", param=f"messages.[{index}].role"
        )
    content = message.get("content")
    if content is None and message.get("tool_calls"):
        content = ""
    items = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(items, list | tuple) or not items:
        raise RequestError("A message needs a text or a list of text parts.", param=f"messages.[{index}].content")
    parts = []
    for item in items:
        if sees and isinstance(item, Mapping) and item.get("type") == "image" and isinstance(item.get("image"), Cut):
            parts.append(_Part(_ROLES[role], "document", _MARK, item.get("source"), item["image"]))
            continue
        if not isinstance(item, Mapping) or item.get("type") != "text" or not isinstance(item.get("text"), str):
            raise RequestError("Only text parts can be put into a prompt.", param=f"messages.[{index}].content")
        kind = item.get("kind", "instruction")
        if kind not in ("instruction", "document"):
            raise RequestError("A part is an instruction or a document.", param=f"messages.[{index}].content")
        parts.append(_Part(_ROLES[role], kind, item["text"], item.get("source")))
    return parts


def _render(
    messages: Sequence[Mapping[str, Any]],
    parts: Sequence[Sequence[_Part]],
    tools: Sequence[Mapping[str, Any]],
    template: ChatTemplate,
    tokenizer: Tokenizer,
    add_generation_prompt: bool,
) -> tuple[str, list[tuple[_Part, int, int]], ControlText, dict[str, str]]:
    """The rendered text with stand-ins, and where in it (from, to) each part lies."""
    control = _control_text(tokenizer)
    names = [message.get("name") for message in messages]
    if not all(name is None or isinstance(name, str) for name in names):
        raise RequestError("A name must be a text.", param="messages")
    contents = ["".join(part.text + _joint(group, place) for place, part in enumerate(group)) for group in parts]
    sees = any(part.cut is not None for group in parts for part in group)
    if sees and any(_MARK in part.text for group in parts for part in group if part.cut is None):
        raise RequestError(f"The character U+{ord(_MARK):X} cannot be said to this model.", param="messages")
    extra = [{key: message[key] for key in ("tool_calls", "tool_call_id") if message.get(key)} for message in messages]
    said = [*contents, *(name for name in names if name), *_texts([*extra, *tools])]
    stand_ins = control.stand_ins([*said, template.source, *tokenizer.special_tokens])
    if stand_ins is None:
        raise RequestError("The messages use every private character of Unicode.", param="messages")
    safe = [control.disarm(content, stand_ins) for content in contents]
    safe_tools = _disarmed(list(tools), control, stand_ins)
    safe_extra = _disarmed(extra, control, stand_ins)

    def render(texts: Sequence[str]) -> str:
        dicts = [
            {"role": group[0].role, "content": _pieces(text, sees) if template.takes_parts else text}
            | ({"name": control.disarm(name, stand_ins)} if name is not None else {})
            | more
            for group, text, name, more in zip(parts, texts, names, safe_extra, strict=True)
        ]
        text = template.render(dicts, tools=safe_tools, add_generation_prompt=add_generation_prompt)
        # Nothing that was said can be one of these, so each is an image's.
        return text.replace(IMAGE, _MARK) if sees else text

    rendered = render(safe)
    places, dropped = _places(rendered, safe, template, render)
    found: list[tuple[_Part, int, int]] = []
    for index, (group, place) in enumerate(zip(parts, places, strict=True)):
        if place is None:
            if index in dropped and contents[index].strip():
                raise RequestError(
                    f"The model's chat template has no place for this {group[0].role} message.",
                    param=f"messages.[{index}].content",
                )
            continue
        found += _part_places(group, *place)
    return rendered, found, control, stand_ins


def _joint(group: Sequence[_Part], place: int) -> str:
    """What stands behind a part. Images and texts follow one another as they are."""
    beside = group[place : place + 2]
    return "\n" if len(beside) == 2 and beside[0].cut is None and beside[1].cut is None else ""


def _pieces(text: str, sees: bool) -> list[dict[str, str]]:
    """A message's text, with marks where it shows images, for a template that takes parts."""
    pieces: list[dict[str, str]] = []
    for place, piece in enumerate(text.split(_MARK) if sees else [text]):
        if place:
            pieces.append({"type": "image"})
        if piece:
            pieces.append({"type": "text", "text": piece})
    return pieces or [{"type": "text", "text": ""}]


def _texts(value: Any) -> Iterator[str]:
    """All texts in something made of JSON, its keys too."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, Mapping):
            stack.extend(item.keys())
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)


def _disarmed(value: Any, control: ControlText, stand_ins: dict[str, str]) -> Any:
    """Their depth is bounded by the parser of the request's body, which came before."""
    if isinstance(value, str):
        return control.disarm(value, stand_ins)
    if isinstance(value, Mapping):
        return {control.disarm(key, stand_ins): _disarmed(item, control, stand_ins) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_disarmed(item, control, stand_ins) for item in value]
    return value


def _places(
    rendered: str, contents: Sequence[str], template: ChatTemplate, render: Any
) -> tuple[list[tuple[int, int, int] | None], set[int]]:
    """For each content (from, to, characters trimmed from its front) in the rendered text; None where it is not found
    as it was, because the template cuts something out of it. And which contents the template never looks at.
    """
    marks = [f"\U000f0000{index}\U000f0001" for index in range(len(contents))]
    usable = not any("\U000f0000" in text for text in (*contents, template.source))
    try:
        skeleton = render(marks) if usable else ""
    except RequestError:  # a template that reads the contents may not like the marks
        skeleton = ""
    dropped = {index for index, mark in enumerate(marks) if skeleton and mark not in skeleton}
    order = [(skeleton.find(mark), index) for index, mark in enumerate(marks) if skeleton.count(mark) == 1]
    places: list[tuple[int, int, int] | None] = [None] * len(contents)
    at = 0  # in rendered
    begin = 0  # in skeleton
    for start, index in sorted(order):
        literal = skeleton[begin:start]
        begin = start + len(marks[index])
        place = _at(rendered, at + len(literal), contents[index]) if rendered.startswith(literal, at) else None
        if place is None:
            break
        places[index] = place
        at = place[1]
    # Where the marked rendering does not lead: what was said comes in the order in which it was said.
    at = 0
    for index, content in enumerate(contents):
        if places[index] is None and content.strip():
            start = rendered.find(content.strip(), at)
            places[index] = _at(rendered, start, content) if start >= 0 else None
        at = max(at, (places[index] or (0, 0, 0))[1])
    return places, dropped


def _at(rendered: str, start: int, content: str) -> tuple[int, int, int] | None:
    """The content at start as it is, or as a template's trim filter leaves it."""
    if rendered.startswith(content, start):
        return start, start + len(content), 0
    stripped = content.strip()
    if rendered.startswith(content.rstrip(), start):
        return start, start + len(content.rstrip()), 0
    if not rendered.startswith(stripped, start):
        return None
    trimmed = len(content) - len(content.lstrip())
    whole = content.lstrip() if rendered.startswith(content.lstrip(), start) else stripped
    return start, start + len(whole), trimmed


def _part_places(group: Sequence[_Part], start: int, end: int, trimmed: int) -> Iterator[tuple[_Part, int, int]]:
    at = start - trimmed
    for place, part in enumerate(group):
        begin, stop = max(at, start), min(at + len(part.text), end)
        if begin < stop:
            yield part, begin, stop
        at += len(part.text) + len(_joint(group, place))


def _encode(
    rendered: str,
    places: Sequence[tuple[_Part, int, int]],
    control: ControlText,
    stand_ins: dict[str, str],
    tokenizer: Tokenizer,
    images: Sequence[tuple[Cut, tuple[NDArray[np.int32], NDArray[np.int32]]]],
) -> Prompt:
    """images: for each mark in the rendered text, its tokens and which of them the image takes the place of."""
    coming = iter(images)
    looks: list[PlacedLook] = []
    pieces: list[NDArray[np.int32]] = []
    count = 0  # tokens in them
    # Where each piece of text begins: in characters of rendered, in tokens; and the text's token borders, in bytes.
    edges = sorted({edge for _, begin, end in places for edge in (begin, end)})
    token_at: dict[int, tuple[int, int]] = {}  # edge -> (token that it lies in or before, the first token from it on)
    at = 0
    waiting = iter([*edges, len(rendered) + 1])
    edge = next(waiting)
    for text, is_special in _segments(control, rendered, bool(images)):
        if images and text == _MARK:
            cut, (ids, image_places) = next(coming)
            looks.append(PlacedLook(cut, image_places + count))
            if edge == at:
                token_at[edge] = (count, count)
                edge = next(waiting)
            pieces.append(ids)
            count += len(ids)
            at += 1
            if edge == at:
                token_at[edge] = (count, count)
                edge = next(waiting)
            continue
        if is_special:
            pieces.append(np.array([tokenizer.special_tokens[text]], np.int32))
            count += 1
            at += len(text)
            continue
        plain = control.restore(text, stand_ins)
        ids = tokenizer.encode_array(plain, continues=at > 0)
        if edge <= at + len(text):
            ends = np.cumsum(tokenizer.byte_lengths[ids])
            # SentencePiece may put a space in front, which the text does not have.
            shift = max(0, int(ends[-1]) - len(plain.encode())) if len(ids) and tokenizer.adds_space else 0
            while edge <= at + len(text):
                offset = len(plain[: edge - at].encode()) + (shift if edge > at else 0)
                inside = int(np.searchsorted(ends, offset, side="right"))
                after = int(np.searchsorted(ends, offset, side="left")) + (1 if offset > 0 else 0)
                token_at[edge] = (count + min(inside, len(ids)), count + min(after, len(ids)))
                edge = next(waiting)
        pieces.append(ids)
        count += len(ids)
        at += len(text)
    tokens = np.concatenate(pieces) if pieces else np.zeros(0, np.int32)
    with_bos = _with_bos(tokens, tokenizer)
    bos = len(with_bos) - len(tokens)
    areas = (
        Area(token_at[begin][0] + bos, token_at[end][1] + bos, part.kind, part.role, part.source)
        for part, begin, end in places
    )
    placed = tuple(PlacedLook(one.cut, one.places + bos) for one in looks)
    return Prompt(with_bos, tuple(area for area in areas if area.size), placed)


def _segments(control: ControlText, rendered: str, sees: bool) -> Iterator[tuple[str, bool]]:
    """(text, whether it is a special token), and images' marks alone."""
    for text, is_special in control.split(rendered):
        if is_special or not sees or _MARK not in text:
            yield text, is_special
            continue
        for place, piece in enumerate(text.split(_MARK)):
            if place:
                yield _MARK, False
            if piece:
                yield piece, False
