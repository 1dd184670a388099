"""What the server's local index holds: small pages about places that are not, so that no model knows them by heart."""

from __future__ import annotations

from typing import NamedTuple


class Page(NamedTuple):
    url: str
    title: str
    markdown: str


TOWER = Page(
    "https://towers.example/brenn",
    "The lighthouse of Brenn",
    """# The lighthouse of Brenn

The lighthouse of Brenn stands on a rock in front of the harbour.

## Height

The lighthouse of Brenn is 312 metres high. A lift takes visitors to the gallery in four minutes.

## History

The lighthouse of Brenn was built in 1874 by the engineer Otto Varnhagen. Its lamp was replaced in 1931.
""",
)
BAKERY = Page(
    "https://food.example/bread/karvel",
    "Karvel bread",
    """# Karvel bread

Karvel bread is a dark bread from the village of Karvel. It is baked for nine hours in a clay oven.

The dough of Karvel bread is made of rye flour, water, salt and fennel.
""",
)
RIVER = Page(
    "https://rivers.example/osk",
    "The river Osk",
    """# The river Osk

The river Osk is 87 kilometres long. It begins at the lake of Tarn and ends in the bay of Ulm.

Salmon come up the river Osk in October.
""",
)
LIBRARY = Page(
    "https://towers.example/library",
    "The library of Brenn",
    """# The library of Brenn

The library of Brenn has 41,000 books. It is open from Tuesday to Saturday.
""",
)
PAGES = (TOWER, BAKERY, RIVER, LIBRARY)
QUESTION = "How high is the lighthouse of Brenn?"
FACT = "312"
