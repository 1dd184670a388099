"""Every task's questions: of exact length, with what is asked for in the text where it is said to be, and solvable."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from spatz.errors import SpatzError
from spatz.evals.case import Case
from spatz.evals.counting import PromptMaker
from spatz.evals.graphwalks import reached
from spatz.evals.needle import Needles, depths, single_cases
from spatz.evals.paraphrase import paraphrases
from spatz.evals.plan import TASKS
from spatz.evals.words import Words
from spatz.evals.writer import Writer

LENGTH = 3_000
FEW = Needles(count=4, depths=4, seed=7)


def said(case: Case) -> str:
    """All of a conversation's text."""
    texts: list[Any] = [message["content"] for message in case.messages]
    parts = [part if isinstance(part, str) else "\n".join(item["text"] for item in part) for part in texts]
    return "\n\n".join(parts)


@pytest.mark.parametrize("task", TASKS)
def test_lengths_and_seeds(task: str, writer: Writer) -> None:
    cases = list(TASKS[task](writer, LENGTH, FEW))
    assert len(cases) == FEW.count
    for case in cases:
        size = writer.count(case.messages) + case.max_tokens
        # Lists and conversations have things of some tokens, so that they may be a little shorter.
        assert size == LENGTH if task not in ("aggregation", "mrcr", "graphwalks") else LENGTH - 200 <= size <= LENGTH
        assert case.expected
        assert case.repeated == 0
    assert [said(case) for case in cases] == [said(case) for case in TASKS[task](writer, LENGTH, FEW)]
    other = replace(FEW, seed=8)
    assert said(cases[0]) != said(next(TASKS[task](writer, LENGTH, other)))


@pytest.mark.parametrize("task", ["number", "word", "sentence", "multikey", "paraphrase"])
def test_facts_are_where_they_are_said_to_be(task: str, writer: Writer, maker: PromptMaker) -> None:
    for case in TASKS[task](writer, LENGTH, FEW):
        text = said(case)
        assert text.count(case.expected[0]) == 1
        place = text.index(case.expected[0])
        before = len(maker.tokenizer.encode_array(text[:place]))
        assert case.depth is not None
        assert before / len(maker.tokenizer.encode_array(text)) == pytest.approx(case.depth, abs=0.1)
        assert case.score(f"It is {case.expected[0]}.", case.expected) == 1
        assert case.score("I cannot find it.", case.expected) == 0


def test_depths_are_spread() -> None:
    found = depths(Needles(count=20, depths=10), "any")
    assert sorted(int(depth * 10) for depth in found) == sorted([*range(10)] * 2)
    assert len({round(depth * 10 % 1, 6) for depth in found}) == 20


def test_the_wording(writer: Writer) -> None:
    case = next(single_cases(writer, LENGTH, FEW))
    assert f"One of the special magic numbers for {case.key} is: {case.expected[0]}." in said(case)
    question = f"What is the special magic number for {case.key} mentioned in the text?"
    assert case.messages[0]["content"].endswith("\n\n" + question)


def test_a_shared_haystack(writer: Writer) -> None:
    wanted = Needles(count=5, depths=5, share=3, seed=1)
    cases = list(single_cases(writer, LENGTH, wanted))
    texts = [said(case).rpartition("\n\n")[0] for case in cases]
    assert [texts.index(text) for text in texts] == [0, 0, 0, 3, 3]
    assert all(case.expected[0] in text for case, text in zip(cases, texts, strict=True))
    assert len({case.key for case in cases}) == 5
    sizes = [writer.count(case.messages) + case.max_tokens for case in cases]
    assert max(sizes[:3]) == max(sizes[3:]) == LENGTH
    assert all(LENGTH - 20 < size <= LENGTH for size in sizes)


def test_forms(writer: Writer) -> None:
    whole = [next(single_cases(replace(writer, form=form), LENGTH, FEW)) for form in ("one", "parts", "messages")]  # type: ignore[arg-type]
    one, parts, messages = (case.messages for case in whole)
    assert len(one) == len(parts) == 1
    assert [part["type"] for part in parts[0]["content"]] == ["text", "text"]
    assert [message["role"] for message in messages] == ["user", "user"]
    assert one[0]["content"].endswith(parts[0]["content"][1]["text"])
    assert {writer.count(case.messages) + case.max_tokens for case in whole} == {LENGTH}


def test_many_values(writer: Writer) -> None:
    for task in ("multikey", "multivalue", "multiquery"):
        case = next(TASKS[task](writer, LENGTH, FEW))
        facts = re.findall(r"One of the special magic numbers for (\S+) is: (\d+)\.", said(case))
        assert len(facts) == len({value: key for key, value in facts}) == 4
        assert len({key for key, _ in facts}) == (1 if task == "multivalue" else 4)
        question = said(case).rpartition("\n\n")[2]
        assert {value for key, value in facts if key in question} == set(case.expected)
        assert case.score(f"{case.expected[0]}", case.expected) == (1 if task == "multikey" else 0.25)


def test_the_chain_can_be_followed(writer: Writer) -> None:
    for case in TASKS["tracking"](writer, LENGTH, FEW):
        values: dict[str, str] = {}
        for name, value in re.findall(r"VAR ([A-Z]{5}) = (?:VAR )?(\w+)\.", said(case)):
            values[name] = values.get(value, value)
        assert set(values.values()) == {case.key}
        assert set(values) == set(case.expected)
        assert len(case.expected) == 5


def test_the_most_frequent_words(writer: Writer) -> None:
    for case in TASKS["aggregation"](writer, LENGTH, FEW):
        listed = said(case).rpartition("\n\n")[0]
        counts = Counter(re.findall(r"[a-z]+", listed)).most_common(4)
        assert tuple(word for word, _ in counts[:3]) == case.expected
        assert counts[2][1] > counts[3][1]


def test_the_note_that_is_asked_for(writer: Writer) -> None:
    for case in TASKS["mrcr"](writer, LENGTH, FEW):
        code, note = case.expected
        ordinal, topic = case.key.split()
        request = {"role": "user", "content": f"Write a short note about a {topic}."}
        answers = [case.messages[at + 1]["content"] for at, said in enumerate(case.messages) if said == request]
        assert len(answers) == len(set(answers)) == 4
        assert answers[("first", "second", "third", "fourth").index(ordinal)] == note
        assert code in case.messages[-1]["content"] and ordinal in case.messages[-1]["content"]
        roles = [message["role"] for message in case.messages]
        assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"]


def test_walks(writer: Writer) -> None:
    edges = [("a", "b"), ("b", "c"), ("a", "d"), ("d", "a"), ("c", "d"), ("b", "d"), ("x", "a")]
    assert reached(edges, "a", 1) == {"b", "d"}
    assert reached(edges, "a", 2) == {"c"}
    assert reached(edges, "a", 3) == set()
    for case in TASKS["graphwalks"](writer, LENGTH, FEW):
        found = re.findall(r"^([0-9a-f]{6}) -> ([0-9a-f]{6})$", said(case), re.MULTILINE)
        start, steps = case.key.split(", ")
        assert len(found) == len(set(found)) > 50
        assert reached(found, start, int(steps[0])) == set(case.expected)
        assert case.score(f"Final Answer: [{', '.join(case.expected)}]", case.expected) == 1


def test_paraphrases_share_no_word() -> None:
    """But for the smallest ones, of which every text is full."""
    small = re.compile(r"a|an|the|of|to|in|on|at|by|from|for|with|was|is|are|that|who|which|what|s|and|did|not")
    known = paraphrases()
    assert len(known) >= 20 and len({item.fact for item in known}) == len({item.question for item in known}) == len(
        known
    )
    for item in known:
        fact, question = (
            set(re.findall(r"[a-z]+", text.casefold())) for text in (item.fact.replace("{name}", ""), item.question)
        )
        assert all(small.fullmatch(word) for word in fact & question), item
        assert item.fact.count("{name}") == 1


def test_what_does_not_fit(writer: Writer) -> None:
    with pytest.raises(SpatzError, match="no prompt of 30 tokens"):
        list(single_cases(writer, 30 + 64, FEW))
    with pytest.raises(SpatzError, match="no prompt of"):
        list(TASKS["mrcr"](writer, 400, FEW))


def test_words_do_not_repeat() -> None:
    words = Words("a")
    assert len({words.name() for _ in range(48)}) == 48
    with pytest.raises(ValueError, match="no more words"):
        words.name()
    assert len({words.key() for _ in range(500)}) == 500
