"""Synthetic people, texts and numbers from a seeded stream; nothing here was ever anybody's.

Addresses of e-mail lie in `example.org`, telephone numbers in a range that is never given out, and
postal addresses in streets and towns that do not exist, so that nothing reaches anybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import TypeVar
from uuid import UUID

_GIVEN = (
    "Ada Bela Cleo Dario Edda Falk Greta Hugo Ines Jona Kaja Levi Mira Nils Orla Pia Quinn Runa "
    "Sami Tilda Uma Vito Wanda Xenia Yuri Zora"
).split()
_FAMILY = (
    "Aspen Birch Cedar Dune Ember Fjord Grove Heath Isle Juniper Knoll Lark Moor Nettle Oakley "
    "Pebble Quarry Ridge Sorrel Thistle Umber Vale Willow Yarrow"
).split()
_WHO = "the night train|our old map|a patient gardener|this quiet harbour|the third draft".split(
    "|"
)
_DOES = "keeps|carries|follows|remembers|repairs|answers|outlasts|measures|finds|borrows".split("|")
_WHAT = "the long way home|a small promise|every second lamp|the colder sea|an honest clock".split(
    "|"
)
_WHEN = "before the rain|after midnight|once a week|without a word|on the last day".split("|")
_WORDS = (
    "amber anchor basket bridge candle copper corner drawer engine feather garden hammer island "
    "jacket kettle ladder lantern marble meadow mirror needle orchard paper pencil pocket quarter "
    "ribbon saddle shelter signal silver summer table thread timber tunnel valley velvet window "
    "winter wagon yellow zephyr"
).split()
_STREETS = "Lantern Lane|Paper Mill Road|Zephyr Steps|Old Kettle Street|Third Draft Square".split(
    "|"
)
_TOWNS = "Nowhere-on-Sea|Upper Example|Testingham|Little Fixture|Mockford".split("|")
_FIRST_DAY = date(2020, 1, 1)
_LAST_DAY = date(2029, 12, 31)
_Choice = TypeVar("_Choice")


class Fake:
    """Make up people, texts and numbers for one virtual user; the same seed makes up the same."""

    __slots__ = ("_random",)

    def __init__(self, random: Random) -> None:
        self._random = random

    def name(self) -> str:
        """Return a person's name, such as `Mira Cedar`."""
        return f"{self._random.choice(_GIVEN)} {self._random.choice(_FAMILY)}"

    def username(self) -> str:
        """Return a user name of lower-case letters and digits, such as `mira.cedar.48213`."""
        given, family = self.name().lower().split()
        return f"{given}.{family}.{self._random.randrange(100_000):05d}"

    def email(self) -> str:
        """Return an address that nobody has, such as `mira.cedar.48213@example.org`."""
        return f"{self.username()}@example.org"

    def phone(self) -> str:
        """Return a number that is kept free for stories, such as `+1-202-555-0143`."""
        return f"+1-202-555-01{self._random.randrange(100):02d}"

    def address(self) -> str:
        """Return an address in a town that does not exist, such as `12 Zephyr Steps, Mockford`."""
        number = self._random.randint(1, 199)
        return f"{number} {self._random.choice(_STREETS)}, {self._random.choice(_TOWNS)}"

    def word(self) -> str:
        """Return one word of lower-case letters."""
        return self._random.choice(_WORDS)

    def words(self, count: int = 3) -> str:
        """Return `count` words, with a blank between them."""
        return " ".join(self._random.choices(_WORDS, k=count))

    def sentence(self) -> str:
        """Return one sentence of 5 to 12 words."""
        choice = self._random.choice
        text = f"{choice(_WHO)} {choice(_DOES)} {choice(_WHAT)} {choice(_WHEN)}."
        return text[0].upper() + text[1:]

    def paragraph(self, sentences: int = 4) -> str:
        """Return so many sentences, with a blank between them."""
        return " ".join(self.sentence() for _ in range(sentences))

    def text(self, characters: int) -> str:
        """Return exactly so many characters of sentences: for bodies of a given size."""
        pieces: list[str] = []
        length = 0
        while length < characters:
            pieces.append(self.sentence())
            length += len(pieces[-1]) + 1
        return " ".join(pieces)[:characters]

    def integer(self, low: int = 0, high: int = 1_000_000) -> int:
        """Return a whole number from `low` to `high`, both included."""
        return self._random.randint(low, high)

    def boolean(self, share: float = 0.5) -> bool:
        """Return True in about `share` of all cases (0 to 1)."""
        return self._random.random() < share

    def choice(self, options: Sequence[_Choice]) -> _Choice:
        """Return one of the options."""
        return self._random.choice(options)

    def uuid4(self) -> str:
        """Return a random UUID of version 4, in its usual form."""
        return str(UUID(int=self._random.getrandbits(128), version=4))

    def day(self, low: date = _FIRST_DAY, high: date = _LAST_DAY) -> date:
        """Return a day from `low` to `high`, both included; it knows nothing of today."""
        return low + timedelta(days=self._random.randint(0, (high - low).days))

    def instant(self, low: date = _FIRST_DAY, high: date = _LAST_DAY) -> datetime:
        """Return an instant (UTC, whole seconds) on a day from `low` to `high`."""
        day = self.day(low, high)
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
        return midnight + timedelta(seconds=self._random.randrange(86_400))
