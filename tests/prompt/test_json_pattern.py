from __future__ import annotations

import pytest

from spatz.prompt.json_pattern import translate


@pytest.mark.parametrize(
    ("pattern", "translated"),
    [
        ("", ""),
        ("^a+$", "^a+$"),
        (r"^\d{2,3}?$", "^[0-9]{2,3}?$"),
        (r"\w", "[A-Za-z0-9_]"),
        (r"[^\d]", r"[^\p{Nd}]"),
        (r"[\D]", r"[\P{Nd}]"),
        ("a.b", r"a[^\n\r\x{85}\x{2028}\x{2029}]b"),
        (r"\<a\>", r"\x{3c}a\x{3e}"),
        (r"\/\.", r"\x{2f}\x{2e}"),
        (r"\t\x41\u0041\u{1F600}\cA\0", r"\x{9}\x{41}\x{41}\x{1f600}\x{1}\x{0}"),
        (r"\ud83d\ude00", r"\x{1f600}"),
        ("[[:a]", r"[\x{5b}\x{3a}\x{61}]"),
        ("[a&&b~~]", r"[\x{61}\x{26}\x{26}\x{62}\x{7e}\x{7e}]"),
        ("[a-z-]", r"[\x{61}-\x{7a}\x{2d}]"),
        (r"[\b^]", r"[\x{8}\x{5e}]"),
        ("(a|(?:b)|(?<n>c)|(?P<m>d))", "(?:a|(?:b)|(?:c)|(?:d))"),
        ("(?i)a(?i:b)", "(?i)a(?i:b)"),
        ("a{b}", r"a\x{7b}b\x{7d}"),
        (r"\p{L}\P{Lu}[\p{Script=Greek}]", r"[\p{L}][\P{Lu}][\p{Script=Greek}]"),
        ("é #", r"é\x{20}\x{23}"),
    ],
)
def test_translated(pattern: str, translated: str) -> None:
    assert translate(pattern) == translated


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(?=a)", "look-around"),
        ("(?!a)", "look-around"),
        ("(?<=a)", "look-around"),
        ("(?<!a)", "look-around"),
        (r"\bword", "word boundaries"),
        (r"(a)\1", "back-references"),
        (r"(?<n>a)\k<n>", "back-references"),
        (r"\012", "back-references"),
        (r"a\Z", r"the escape '\Z'"),
        (r"\A", r"the escape '\A'"),
        (r"\x{41}", r"the escape '\x'"),
        (r"\ud83d", "U+D83D is not a character"),
        (r"\u{110000}", "U+110000 is not a character"),
        ("a**", "has nothing to repeat"),
        ("a++", "has nothing to repeat"),
        ("a{2}{3}", "has nothing to repeat"),
        ("+a", "has nothing to repeat"),
        ("^*", "has nothing to repeat"),
        ("a{,3}", "means different things"),
        ("a{1,1000000}", "repetitions"),
        ("(?x)a", "a group that starts with"),
        ("(?>a)", "a group that starts with"),
        ("(?#a)", "a group that starts with"),
        ("[]a]", "an empty class"),
        ("[^]", "an empty class"),
        ("[a", "a class is not closed"),
        ("[a-", "a class is not closed"),
        ("[z-a]", "no order"),
        (r"[a-\d]", "no order"),
        ("a\\", "ends with a backslash"),
    ],
)
def test_refused(pattern: str, reason: str) -> None:
    with pytest.raises(ValueError, match="is not supported") as caught:
        translate(pattern)
    assert reason in str(caught.value)


def test_long_patterns_are_quick_and_not_repeated() -> None:
    assert len(translate("(a" * 50_000)) == 200_000
    with pytest.raises(ValueError, match="is not supported") as caught:
        translate("a" * 100_000 + "(?=")
    assert len(str(caught.value)) < 300
