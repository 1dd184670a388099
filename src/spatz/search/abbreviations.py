"""Whether a full stop ends a sentence: abbreviations, initials and ordinals, in English and German, some French."""

from __future__ import annotations

import re

__all__ = ["stop_ends"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Titles and the like: a sentence goes on behind them whatever follows.
_NEVER = _words(
    "e.g i.e cf vs dr mr mrs ms prof st ca viz z.b d.h u.a s.o s.u i.d.r vgl bzw sog p.ex c.-à-d mme mlle rev hon gen "
    "messrs z.t"
)
# Words that are cut short, where what follows does not look like a beginning.
_INSIDE = _words(
    "approx incl excl min max avg std resp temp env ggf evtl bspw inkl exkl mind max spec vers orig al et.al"
)
_BEFORE_NUMBER = _words("no nr nos fig figs tab vol p pp sec ch art ver v abb kap bd s eq ref abs par")
_PERHAPS_LAST = _words("etc inc ltd co corp jr sr usw usf dept est")
_DOTTED = re.compile(r"(?:\w\.)+\w")
_STARTERS = _words(
    "the a an it its this that these those there in on at for from with when if while as by to of he she they we you i "
    "his her their our your however but and or so after before since because although both each all some no not use "
    "der die das ein eine es er sie wir im am auf mit wenn dies diese dieser le la les un une il elle"
)
_AFTER_ORDINAL = _words(
    "januar februar märz april mai juni juli august september oktober november dezember jahrhundert auflage kapitel "
    "stock platz klasse jh"
)
_SHORT = 3  # letters below which a word before a small letter is an abbreviation that nobody listed


def stop_ends(before: str, after: str) -> bool:
    """before: the word that the full stop ends; after: the next one, or "" where none follows but other characters."""
    word, following = before.casefold(), after.casefold()
    if word in _NEVER:
        return False
    small, number = after[:1].islower(), after[:1].isdigit()
    if word in _INSIDE:
        return bool(after) and not small and not number
    if word in _BEFORE_NUMBER:
        return not number and not small
    starts = following in _STARTERS and not small
    if word in _PERHAPS_LAST or _DOTTED.fullmatch(word):
        return starts
    if len(before) == 1 and before.isupper():  # an initial
        return starts or not after[:1].isupper()
    if len(before) <= 2 and before.isdigit() and following in _AFTER_ORDINAL:
        return False
    return not small or len(before) >= _SHORT or before[-1:].isdigit()
