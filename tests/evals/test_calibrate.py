"""Which heads are kept, by made-up numbers; the measuring itself, on the real model; and what the command says."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from spatz import _core
from spatz.cli import main
from spatz.config import Settings, load
from spatz.context.far_memory import Reach
from spatz.context.profile import Shape, read_profile
from spatz.errors import ConfigError
from spatz.evals.calibration.facts import plant
from spatz.evals.calibration.masses import Masses, measure
from spatz.evals.calibration.outcome import Outcome, check_output, print_outcome, write_outcome
from spatz.evals.calibration.picture import plot_outcome
from spatz.evals.calibration.prompts import Prompts
from spatz.evals.calibration.recall import Recall
from spatz.evals.calibration.selection import Heads, Tried, choose, depth_of, low_limit, rank, sizes_for, top
from spatz.evals.haystack import Corpus
from spatz.evals.writer import Writer
from spatz.server.local import LocalModel, local_model
from spatz.weights.load import LoadedModel, ModelCard, load_model
from weights.tiny_models import write_gguf

KV_HEADS = 3
CARD = ModelCard("tiny", Path("tiny"), "llama", 8192, 1, "q8", None, 0, "fp_1", "d1")
SHAPE = Shape(layers=4, heads=6, kv_heads=3, head_dim=16, hidden=64, vocab=288)
SHARES = np.array([[0.0, 0.3, 0.0], [0.9, 0.0, 0.1], [0.2, 0.0, 0.0], [0.05, 0.8, 0.0]])


def test_heads_are_ranked_by_what_they_pay_to_facts() -> None:
    ranking = rank(SHARES, (0, 0, 0, 0))
    assert ranking[:6] == (3, 10, 1, 6, 5, 9) and sorted(ranking) == list(range(12))
    # Layers with sliding windows are local as they were trained.
    assert rank(SHARES, (0, 512, 0, 0))[:4] == (10, 1, 6, 9) and len(rank(SHARES, (0, 512, 0, 0))) == 9


def test_sets_of_heads() -> None:
    ranking = rank(SHARES, (0, 0, 0, 0))
    assert top(ranking, 3, KV_HEADS) == (3, 10, 1)
    assert top(ranking, 3, KV_HEADS, below=3) == (3, 1, 6)
    assert len(top(ranking, 7, KV_HEADS, below=1)) == 3  # there are no more
    assert depth_of((3, 10, 1), KV_HEADS) == 4 and depth_of((0,), KV_HEADS) == 1
    assert sizes_for(12, (48, 4, 12, 8)) == [4, 8]


def runner(found: Callable[[Heads], int], asked: int = 20) -> tuple[list[Heads], Callable[[Heads], Tried]]:
    seen: list[Heads] = []

    def run(heads: Heads) -> Tried:
        seen.append(heads)
        return Tried(heads, depth_of(heads, KV_HEADS), found(heads), asked)

    return seen, run


def test_the_layers_that_hold_almost_all_attention_to_facts() -> None:
    assert low_limit(SHARES, (0, 0, 0, 0)) == 4
    assert low_limit(np.array([[0.5, 0.1], [0.4, 0.0], [0.0, 0.05], [0.01, 0.0]]), (0, 0, 0, 0)) == 2
    # What lies in layers with windows does not count.
    assert low_limit(SHARES, (0, 0, 0, 512)) == 3 and low_limit(SHARES, (0, 512, 0, 512)) == 3


def test_the_smallest_set_that_finds_as_much_but_for_one_is_kept() -> None:
    ranking = tuple(range(12))  # low layers first
    seen, run = runner(lambda heads: min(20, 11 + len(heads)))
    best, tried = choose(ranking, KV_HEADS, (2, 4, 6, 8, 10), run, limit=4)
    assert [len(heads) for heads in seen] == [12, 2, 4, 6, 8, 10] and tried[0].found == 20
    assert best.heads == tuple(range(8)) and best.found == 19 and best in tried
    # Without the curve, what comes behind it is not tried.
    seen, run = runner(lambda heads: min(20, 11 + len(heads)))
    assert choose(ranking, KV_HEADS, (2, 4, 6, 8, 10), run, limit=4, thorough=False)[0].heads == tuple(range(8))
    assert [len(heads) for heads in seen] == [12, 2, 4, 6, 8]


def test_all_heads_are_kept_where_fewer_find_less() -> None:
    _, run = runner(lambda heads: 20 if len(heads) == 12 else 5)
    best, tried = choose(tuple(range(12)), KV_HEADS, (4, 8), run, limit=4)
    assert len(best.heads) == 12 and len(tried) == 3


def test_high_layers_are_left_out_if_nothing_is_lost() -> None:
    ranking = (9, 3, 6, 10, 4, 7, 0, 1, 5, 2, 8, 11)
    _, run = runner(lambda heads: 20 if len(heads) >= 4 and 3 in heads and 6 in heads else 3)
    best, tried = choose(ranking, KV_HEADS, (2, 4, 8, 10), run, limit=3)
    assert best.heads == (3, 6, 4, 7) and best.depth == 3
    # Nine heads are all there are below the limit, and are tried once; one layer less is too little.
    assert [(len(one.heads), one.depth, one.below) for one in tried] == [
        (12, 4, 0),
        (2, 3, 3),
        (4, 3, 3),
        (8, 3, 3),
        (9, 3, 3),
        (4, 2, 2),
    ]
    # Where it costs recall, heads of all layers are tried.
    _, run = runner(lambda heads: 20 if len(heads) >= 4 and 9 in heads else 3)
    best, tried = choose(ranking, KV_HEADS, (2, 4), run, limit=3)
    assert best.heads == (9, 3, 6, 10) and [one.below for one in tried] == [0, 3, 3, 4, 4, 2, 3]


def test_the_highest_layers_are_taken_away_as_long_as_that_costs_nothing() -> None:
    ranking = (9, 10, 3, 6, 4, 7, 0, 1, 5, 2, 8, 11)
    _, run = runner(lambda heads: 20 if len(heads) >= 4 and max(heads) >= 3 else 3)
    best, tried = choose(ranking, KV_HEADS, (2, 4), run, limit=4)
    assert best.depth == 2 and best.heads == (3, 4, 0, 1)
    assert [one.depth for one in tried] == [4, 4, 4, 2]  # halved; and there are no four heads below that


def test_nothing_is_tried_any_more_where_all_heads_find_nothing() -> None:
    seen, run = runner(lambda heads: 0)
    best, tried = choose(tuple(range(12)), KV_HEADS, (4, 8), run, limit=4)
    assert best.found == 0 and len(seen) == len(tried) == 1


@pytest.fixture
def outcome() -> Outcome:
    ranking = rank(SHARES, (0, 0, 0, 0))
    _, run = runner(lambda heads: 18 if len(heads) >= 4 else 2)
    best, tried = choose(ranking, KV_HEADS, (2, 4, 8), run, limit=4)
    return Outcome(CARD, SHAPE, Masses(SHARES, 20, 17), 3072, 16384, ranking, tried, best, 7)


def test_a_profile_can_be_read_again(outcome: Outcome, tmp_path: Path) -> None:
    path = tmp_path / "profiles" / "d1.json"
    write_outcome(outcome, path)
    text = path.read_text()
    profile = read_profile(text, SHAPE, str(path))
    assert profile is not None and profile.name == "tiny" and profile.heads == tuple(sorted(outcome.best.heads))
    measured = json.loads(text)["measured"]
    assert (measured["model"], measured["digest"], measured["seed"]) == ("tiny", "d1", 7)
    assert measured["attention"] == {"tokens": 3072, "facts": 20, "told": 17, "shares": SHARES.tolist()}
    sets = measured["recall"]["sets"]
    assert [(one["heads"], one["found"]) for one in sets][:4] == [(12, 18), (2, 2), (4, 18), (8, 18)]
    assert [one["of_layers"] for one in sets] == [4, 4, 4, 4, 2]
    assert [path.name for path in path.parent.iterdir()] == ["d1.json"]  # nothing partial is left
    with pytest.raises(ConfigError, match="cannot be written"):
        write_outcome(outcome, path / "below-a-file.json")


def test_a_person_sees_what_was_found(outcome: Outcome, capsys: pytest.CaptureFixture[str]) -> None:
    print_outcome(outcome)
    out = capsys.readouterr().out
    assert "90.0%" in out and "all heads" in out and out.count("kept") == 2  # the column, and one set


def test_an_output_that_cannot_be_written_is_known_before(tmp_path: Path) -> None:
    check_output(tmp_path / "profile.json")
    for path in (tmp_path, tmp_path / "no" / "profile.json"):
        with pytest.raises(ConfigError, match="--output"):
            check_output(path)


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="the extra eval is not installed")
def test_the_picture(outcome: Outcome, tmp_path: Path) -> None:
    plot_outcome(outcome, tmp_path / "found.png")
    assert (tmp_path / "found.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ConfigError, match="--plot"):
        plot_outcome(outcome, tmp_path / "no" / "found.png")


@pytest.fixture(scope="module")
def loaded(model_path: Path) -> LoadedModel:
    return load_model(model_path, _core.Context(2))


@pytest.fixture(scope="module")
def known_writer(loaded: LoadedModel) -> Writer:
    return Writer(Corpus(loaded.tokenizer), Prompts(loaded).count)


def test_facts_of_all_wordings_at_all_depths(known_writer: Writer) -> None:
    planted = plant(known_writer, 2048, 10, "a", until=0.8)
    for fact, messages in zip(planted.facts, planted.conversations, strict=True):
        assert known_writer.count(messages) <= 2048
        said = messages[0]["content"]
        assert fact.sentence in said and said.endswith(fact.question)
        assert said.count(fact.value) == 1 and fact.value in fact.sentence and fact.value not in fact.begun
    assert sorted(int(fact.depth / 0.8 * 10) for fact in planted.facts) == list(range(10))
    assert len({fact.question.split()[3] for fact in planted.facts}) == 5
    assert plant(known_writer, 2048, 10, "a", until=0.8) == planted


def test_a_few_heads_of_the_real_model_fetch_facts(loaded: LoadedModel, known_writer: Writer) -> None:
    told: list[tuple[int, int]] = []
    texts = [plant(known_writer, 2048, 10, f"fetch/{text}", until=0.8) for text in range(2)]
    masses = measure(loaded, loaded.kv_kind(), texts, lambda asked, right: told.append((asked, right)))
    assert masses.shares.shape == (30, 3) and masses.asked == 20 and told[-1] == (20, masses.told)
    assert masses.told >= 5
    assert masses.shares.min() >= 0 and masses.shares.max() <= 1
    # A fact has less than one token in a hundred, and gets more than a third of what such heads see.
    assert 3 <= (masses.shares > 1 / 3).sum() <= 15 and np.median(masses.shares) < 0.05
    best = rank(masses.shares, loaded.decoder.window)[:8]
    assert {18 * 3 + 2, 21 * 3 + 2, 23 * 3 + 0} <= set(best)


def test_the_routed_mode_is_asked_with_a_set_of_heads(
    loaded: LoadedModel,
    known_writer: Writer,
    model_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    in_force: list[Heads] = []

    @contextmanager
    def spied(settings: Settings, path: Path, reach: Reach) -> Iterator[LocalModel]:
        assert reach.again == 0  # it is not said to the model once more what it should have kept
        with local_model(settings, path, reach) as model:
            far = model.engine.backend.far
            assert far is not None
            in_force.append(tuple(far.heads.heads))
            yield model

    monkeypatch.setattr("spatz.evals.calibration.recall.local_model", spied)
    decoder = loaded.decoder
    shape = Shape(decoder.layers, decoder.heads, decoder.kv_heads, decoder.head_dim, decoder.hidden, decoder.vocab)
    prompts = Prompts(loaded)
    settings = load(environ={"SPATZ_DATA_DIR": str(tmp_path)})
    texts = [plant(known_writer, 4096, 5, "recall", until=0.6)]
    told: list[Tried] = []
    recall = Recall(settings, model_path, loaded.card.digest, shape, prompts, texts, told.append)
    everything = recall(tuple(range(90)))
    few = recall((56, 3))
    assert in_force == [tuple(range(90)), (3, 56)]
    assert told == [everything, few] and everything.asked == few.asked == 5
    assert everything.depth == 30 and few.depth == 19 and everything.found >= 2
    assert everything.tokens_per_second > 0
    assert not list(tmp_path.iterdir())


def test_a_model_without_turns_gets_a_text_to_continue(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "base.gguf", metadata={"tokenizer.chat_template": None})
    loaded = load_model(path, _core.Context(2))
    prompts = Prompts(loaded)
    assert not prompts.chats
    text = loaded.tokenizer.decode(prompts.prompt([{"role": "user", "content": "A fact.\n\nWhat?"}]).tokens)
    assert text.endswith("A fact.\n\nWhat?\n\nAnswer:")
    assert loaded.tokenizer.decode(prompts.begun("It is")) == " It is" and not len(prompts.begun(""))


def test_a_model_that_finds_nothing_gets_no_profile(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_gguf(tmp_path / "tiny.gguf", metadata={"llama.context_length": 8192})
    out = tmp_path / "profile.json"
    asked = ["calibrate", str(path), "--quick", "--data-dir", str(tmp_path / "data"), "--output", str(out)]
    assert main(asked) == 1
    err = capsys.readouterr().err
    assert "0 of 20 facts told right" in err and "There is no profile" in err and "Traceback" not in err
    assert not out.exists() and not list(tmp_path.rglob("*.json"))


def test_a_model_without_a_layer_of_full_attention_has_nothing_to_choose(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_gguf(tmp_path / "tiny.gguf", "gemma3", metadata={"gemma3.context_length": 8192})
    assert main(["calibrate", str(path), "--data-dir", str(tmp_path)]) == 2
    assert "sliding windows in all layers" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("metadata", "said"),
    [({}, "at least 4,096"), ({"llama.context_length": 2048}, "2,048 tokens")],
)
def test_a_model_for_short_texts_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], metadata: dict[str, int], said: str
) -> None:
    path = write_gguf(tmp_path / "tiny.gguf", metadata=metadata)
    assert main(["calibrate", str(path), "--data-dir", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err


def test_wrong_flags_are_known_before_anything_is_loaded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["calibrate", "no-such-model", "--data-dir", str(tmp_path)]
    assert main([*asked, "--output", str(tmp_path)]) == 2
    assert "--output" in capsys.readouterr().err
    assert main([*asked, "--plot", str(tmp_path / "picture.svg")]) == 2
    assert "--plot" in capsys.readouterr().err


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", "--help"]) == 0
    out = capsys.readouterr().out
    for flag in ("--quick", "--texts", "--seed", "--output", "--plot", "--kv", "--data-dir"):
        assert flag in out
