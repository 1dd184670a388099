"""What of a document is fed to the index: parts that make the whole, names in their parts, scripts without spaces."""

from __future__ import annotations

from spatz.search.index.feeding import FULL, feed, forms, name_of, parts, spaced


def test_a_long_text_is_cut_at_headings_and_put_together_is_the_same() -> None:
    sections = [f"# Section {number}\n\n" + f"Words of section {number}. " * 150 for number in range(12)]
    text = "\n\n".join(sections)
    found = list(parts(text))
    assert "".join(part for _, part in found) == text and len(found) > 8
    assert all(len(part) <= FULL for _, part in found)
    assert found[5][1].startswith("# Section 5") and found[5][0] == "Section 4"


def test_a_text_without_breaks_is_cut_as_well() -> None:
    text = "x" * (3 * FULL + 7)
    assert [len(part) for _, part in parts(text)] == [FULL, FULL, FULL, 7]
    assert list(parts("")) == []


def test_names_are_fed_with_their_parts_and_links_without_their_targets() -> None:
    fed = feed(
        "HashMap in std", "Above", "# Use\n\nSee [the ThreadPool](https://hidden.example/page).", "hash_map html"
    )
    assert "hidden" not in fed.body and "ThreadPool" in fed.body
    assert "Thread Pool" in fed.also and "Hash Map" in fed.also and "hash_map html" in fed.also
    assert fed.headings == "Above\nUse"


def test_scripts_without_spaces_are_fed_in_pairs() -> None:
    assert spaced("検索する and more").split() == ["検索", "索す", "する", "and", "more"]
    assert spaced("猫").strip() == "猫"


def test_words_for_corrections_are_folded_and_no_numbers() -> None:
    assert forms("The Größe of naïve 2026 as_completed") == {"the", "grosse", "naive", "completed"}


def test_an_address_is_named_by_its_last_steps() -> None:
    assert name_of("https://docs.test/3/library/os.path.html?x=1#y") == "library os.path.html"
    assert name_of("file:///a%20b/c%C3%A4.md") == "a b cä.md"
    assert name_of("http://[broken") == ""
