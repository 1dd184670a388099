"""The index itself: found by words, names and nearness; written by one, read by many, kept through crashes."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from spatz.search.index import index_file
from spatz.search.index.entry import NewDocument
from spatz.search.index.index_writer import IndexWriter
from spatz.search.index.local_index import LONGEST, LocalIndex
from spatz.search.index.rebuilding import begin_anew
from spatz.search.index.schema import IndexUnusable
from spatz.search.index.source import Source

PAGES = {
    "https://docs.test/birds/sparrow": (
        "Sparrows",
        "# Food\n\nSparrows eat seeds. They were nesting under roofs.",
        "2026-05-01",
    ),
    "https://docs.test/birds/gull": (
        "Gulls",
        "Gulls eat fish, chips and whatever they find near the sea.",
        "2020-01-01",
    ),
    "https://api.docs.test/pool": (
        "concurrent.futures",
        "A ThreadPoolExecutor runs calls. as_completed() gives results as they come. New in version 3.2.1.",
        "",
    ),
    "https://other.test/de": ("Vögel", "Der Spatz in der Größe eines Apfels pfeift.", "2026-01-01"),
    "https://other.test/ja": ("鳥", "雀は小さな鳥です。種を食べます。", ""),
    "file:///notes/sea.txt": ("sea.txt", "The harbour opens at seven. Ships come and go with the tide.", "2026-06-01"),
}


def documents() -> Iterator[NewDocument]:
    for url, (title, text, date) in PAGES.items():
        yield NewDocument(url, title, text, date)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[LocalIndex]:
    with LocalIndex.open(tmp_path / "index") as opened:
        assert opened.add(documents()) == len(PAGES)
        yield opened


def urls(index: LocalIndex, question: str, **more: object) -> list[str]:
    return [hit.url for hit in index.search(question, **more)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("question", "end"),
    [
        ("What do sparrows eat?", "/birds/sparrow"),
        ("where does a sparrow nest", "/birds/sparrow"),  # other forms of the words
        ("how do I use as_completed", "/pool"),
        ("thread pool executor", "/pool"),
        ("threadpoolexecutor", "/pool"),
        ("What is new in 3.2.1?", "/pool"),
        ("Wie groß ist der Spatz? Die Grösse bitte", "/de"),
        ("雀は何を食べますか", "/ja"),
        ("harbuor opening time", "/sea.txt"),  # exchanged letters
        ("harb", "/sea.txt"),  # what begins so
        ("chips sparrows gulls fish sea", "/birds/gull"),
    ],
)
def test_a_question_finds_its_page_first(index: LocalIndex, question: str, end: str) -> None:
    assert urls(index, question)[0].endswith(end)


def test_a_page_that_is_called_so_comes_before_those_that_mention_it(tmp_path: Path) -> None:
    index = LocalIndex.open(tmp_path)
    mention = "The falcon list has a falcon, the falcon of falcons. " * 3
    pages = [NewDocument(f"https://a.test/{n}", f"List {n}", mention + f"{n} " * 9) for n in range(5)]
    index.add([*pages, NewDocument("https://a.test/falcon", "Falcon", "A bird of prey with long wings. " * 8)])
    assert urls(index, "what is a falcon?")[0] == "https://a.test/falcon"


def test_words_that_stand_together_come_before_words_all_over_a_page(tmp_path: Path) -> None:
    index = LocalIndex.open(tmp_path)
    apart = "Engines. " + "filler text here. " * 40 + "Oil. " + "more of it there. " * 40 + "Pressure. "
    near = "filler text here. " * 60 + "The oil pressure of engines is five bar. " + "more of it there. " * 20
    index.add([NewDocument("https://a.test/apart", "A", apart * 2), NewDocument("https://a.test/near", "B", near)])
    assert urls(index, "oil pressure engines")[0] == "https://a.test/near"


def test_what_is_found_is_given_with_its_text_and_the_place(index: LocalIndex) -> None:
    hit = index.search("what do gulls eat")[0]
    assert (hit.title, hit.date, hit.text) == ("Gulls", "2020-01-01", PAGES[hit.url][1])
    assert hit.snippet.startswith("Gulls eat fish") and hit.score > 0


def test_a_very_long_document_is_given_around_what_was_found(tmp_path: Path) -> None:
    index = LocalIndex.open(tmp_path)
    chapters = [f"# Chapter {n}\n\n" + f"This is about subject{n} and nothing else. " * 120 for n in range(40)]
    text = "\n\n".join(chapters)
    index.add([NewDocument("https://a.test/book", "Book", text)])
    hit = index.search("subject17")[0]
    assert "subject17" in hit.text and "subject16" in hit.text and "subject30" not in hit.text
    assert len(hit.text) < LONGEST < len(text) and "subject17" in hit.snippet
    assert index.text("https://a.test/book") == text and index.text("https://a.test/none") is None


def test_domains_dates_and_counts_narrow_it_down(index: LocalIndex) -> None:
    question = "sparrows gulls eat as_completed"
    assert len(urls(index, question)) == 3 and len(urls(index, question, count=1)) == 1
    assert urls(index, question, domains=["api.docs.test"]) == ["https://api.docs.test/pool"]
    assert len(urls(index, question, domains=["Docs.test"])) == 3
    assert urls(index, question, domains=["ocs.test"]) == urls(index, question, domains=["%"]) == []
    assert urls(index, question, blocked_domains=["docs.test"]) == []
    assert urls(index, question, since="2026-01-01") == [
        url for url in urls(index, question) if not url.endswith("gull")
    ]
    assert urls(index, "") == urls(index, "?!") == urls(index, "zzzzqqq") == []


def test_the_same_text_under_two_urls_is_found_once(index: LocalIndex) -> None:
    index.add([NewDocument("https://mirror.test/sparrow", "Sparrows", PAGES["https://docs.test/birds/sparrow"][1])])
    assert len(urls(index, "what do sparrows eat", count=5)) == len(set(urls(index, "what do sparrows eat", count=5)))
    assert sum("sparrow" in url for url in urls(index, "sparrows")) == 1


def test_changes_and_removals_leave_nothing_behind(index: LocalIndex) -> None:
    url = "https://docs.test/birds/gull"
    assert index.add([NewDocument(url, "Gulls", PAGES[url][1], "2020-01-01")]) == 0
    assert index.add([NewDocument(url, "Gulls", "They like ice cream.")]) == 1
    assert urls(index, "chips") == [] and urls(index, "ice cream") == [url]
    assert index.remove(url) == 1 and index.remove(url) == 0
    assert urls(index, "ice cream gulls") == []
    assert index.remove("added") == len(PAGES) - 1  # the source of all
    with sqlite3.connect(index_file.path_of(index.folder)) as connection:
        connection.execute("INSERT INTO words(words) VALUES('integrity-check')")
        assert connection.execute("SELECT count(*) FROM part").fetchone() == (0,)
    connection.close()


def test_a_document_stays_as_long_as_a_source_names_it(tmp_path: Path) -> None:
    with IndexWriter.open(tmp_path) as writer:
        one, two = writer.source(Source("folder", "/one")), writer.source(Source("folder", "/two"))
        assert writer.put(NewDocument("https://a.test/", "A", "text here"), one, "k1") == "added"
        assert writer.put(NewDocument("https://a.test/", "A", "text here"), two, "k2") == "unchanged"
        assert not writer.forget(one, "k1") and writer.by_url("https://a.test/") is not None
        assert writer.remove("/two") == 1 and writer.by_url("https://a.test/") is None


def test_readers_see_what_is_committed_and_a_new_index_without_opening_again(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    index = LocalIndex.open(folder)
    assert urls(index, "seeds") == [] and not LocalIndex.exists(folder) and index.stats()["documents"] == 0
    with IndexWriter.open(folder) as writer:
        number = writer.source(Source("file", "x"))
        writer.put(NewDocument("https://a.test/1", "One", "seeds and more"), number, "1")
        assert urls(index, "seeds") == []
        writer.commit()
        assert urls(index, "seeds") == ["https://a.test/1"]
        with pytest.raises(IndexUnusable, match="by another process"):
            IndexWriter.open(folder)
    with index_file.locked(folder):
        index_file.delete(folder)
    assert urls(index, "seeds") == []
    index.add([NewDocument("https://a.test/2", "Two", "seeds again")])
    assert urls(index, "seeds") == ["https://a.test/2"]


def test_what_breaks_off_keeps_what_was_done_and_no_halves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = LocalIndex.open(tmp_path)
    with pytest.raises(KeyboardInterrupt), IndexWriter.open(tmp_path) as writer:
        number = writer.source(Source("file", "x"))
        writer.put(NewDocument("https://a.test/1", "One", "first words"), number, "1")

        def interrupted(*given: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("spatz.search.index.index_writer.feed", interrupted)
        writer.put(NewDocument("https://a.test/2", "Two", "second words"), number, "2")
    assert [entry.url for entry in index.list()] == ["https://a.test/1"]
    assert urls(index, "words") == ["https://a.test/1"] and index.stats()["parts"] == 1


def test_only_its_owner_reads_it(index: LocalIndex) -> None:
    assert stat.S_IMODE(index.folder.stat().st_mode) == 0o700
    for path in index.folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_one_that_is_damaged_or_of_another_version_says_so_and_is_made_anew(index: LocalIndex) -> None:
    path = index_file.path_of(index.folder)
    index.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    for opening in (LocalIndex.open, IndexWriter.open):
        with pytest.raises(IndexUnusable, match=r"another version of Spatz.*--rebuild"):
            opening(index.folder)
    assert begin_anew(index.folder) == [Source("file", "added")]
    assert LocalIndex.open(index.folder).stats()["documents"] == 0
    index_file.delete(index.folder)
    path.write_bytes(b"no database at all" * 500)
    for opening in (LocalIndex.open, IndexWriter.open):
        with pytest.raises(IndexUnusable, match=r"cannot be read.*spatz index clear"):
            opening(index.folder)
    assert begin_anew(index.folder) == []
    index_file.delete(index.folder)
    sqlite3.connect(path).execute("CREATE TABLE other(x)").connection.close()
    with pytest.raises(IndexUnusable, match="no index of Spatz"):
        LocalIndex.open(index.folder)


def test_what_is_damaged_within_says_so_when_it_is_read(index: LocalIndex) -> None:
    path = index_file.path_of(index.folder)
    index.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'words_idx'").fetchone()[0]
    connection.close()
    data = bytearray(path.read_bytes())
    data[(page - 1) * 4096 : page * 4096] = b"\xa5" * 4096
    path.write_bytes(data)
    with pytest.raises(IndexUnusable, match="cannot be read"):
        LocalIndex.open(index.folder).search("what do sparrows eat")
