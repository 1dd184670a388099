"""Words of questions and what may be said instead of them, for answering.py. English; the smallest words in all four.

A word that is missing here costs little: a question's other words tell as well.
"""

from __future__ import annotations

from spatz.search.words import stem

__all__ = ["BEFORE_NOUNS", "LIGHT", "SAME", "STOPS"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SAME = """
    write wrote written writes author authors authored writer
    draw drew drawn draws drawing
    design designed designer designers
    make makes made build built builder create created creates creator develop developed developer developers
    invent invented inventor invention
    found founded founder founders establish established start started begin began begun
    maintain maintains maintained maintainer look looks care run runs manage manages managed administer administered
    buy bought purchase purchased acquire acquired
    sell sells sold vendor
    pay pays paid fund funds funded sponsor sponsors sponsored finance financed
    propose proposed proposal suggest suggested
    live lives lived living reside resides resident residents inhabitant inhabitants population people
    employee employees staff worker workers employ employs employed workforce
    school university college academy study studied studies educated education graduated degree attended
    wife husband spouse married marry
    child children son sons daughter daughters
    birthday born birth birthdate
    die died death dead
    licence license licensed licenses
    megabyte megabytes mb mib
    gigabyte gigabytes gb gib
    kilobyte kilobytes kb kib
    command option options switch flag parameter argument setting variable
    error exception fail fails failure raise raises
    bug bugs issue issues problem defect
    delete deletes deleted remove removes removed erase clear
    nickname nicknamed known alias
    algorithm method technique
    food eat eats dish meal
    song music sung tune melody
    paint painted repainted painter
    keep keeps kept store stores stored
    need needs require requires required requirement
    use uses used
"""


def _alike() -> dict[str, frozenset[str]]:
    alike: dict[str, frozenset[str]] = {}
    for line in _SAME.strip().splitlines():
        stems = frozenset(map(stem, line.split()))
        for form in stems:
            alike[form] = alike.get(form, frozenset()) | stems
    return alike


SAME = _alike()
"""By the stem of a word, the stems of what may be said instead."""

STOPS = _words(
    """
    do does did is are was were be been has have had can could will would should must may might shall the a an of in
    on at for to from with by that which who whose when where if under over after before into as and or than it this
    these those he she they we you i my your its their not how many much per
    hat haben ist sind war waren wird werden wurde wurden kann muss der die das den dem des ein eine von vom im in am
    auf zu zum zur für mit bei a ont est sont était le la les un une du de des dans sur pour par avec se es son fue el
    los las una en con
    """
)
"""Where a noun phrase ends."""

BEFORE_NOUNS = _words("the a an this that these those my your its their our it der die das den dem le la les el los")
"""Behind a verb, where one stands behind the noun: "which insurance covers *the*"."""

LIGHT = _words(
    """
    happen happens happened name kind type sort maximum minimum largest smallest default first last current exact main
    favourite favorite best full real official total average other same different new old good right following usual
    number value people thing things meaning purpose difference point use way effect result reason
    """
)
"""Of a noun phrase, what does not tell what is asked for."""
