"""Synthetic names and sentences from a seeded stream; nothing here was ever anybody's."""

from __future__ import annotations

from random import Random

_GIVEN = "Ada Bela Cleo Dario Edda Falk Greta Hugo Ines Jona Kaja Levi Mira Nils Orla Pia".split()
_FAMILY = "Aspen Birch Cedar Dune Ember Fjord Grove Heath Isle Juniper Knoll Lark Moor".split()
_WHO = "the night train|our old map|a patient gardener|this quiet harbour|the third draft".split(
    "|"
)
_DOES = "keeps|carries|follows|remembers|repairs|answers|outlasts|measures|finds|borrows".split("|")
_WHAT = "the long way home|a small promise|every second lamp|the colder sea|an honest clock".split(
    "|"
)
_WHEN = "before the rain|after midnight|once a week|without a word|on the last day".split("|")


class Fake:
    """Make up text for one virtual user; the same seed makes up the same text."""

    __slots__ = ("_random",)

    def __init__(self, random: Random) -> None:
        self._random = random

    def name(self) -> str:
        """Return a person's name, such as `Mira Cedar`."""
        return f"{self._random.choice(_GIVEN)} {self._random.choice(_FAMILY)}"

    def sentence(self) -> str:
        """Return one sentence of 5 to 12 words."""
        choice = self._random.choice
        text = f"{choice(_WHO)} {choice(_DOES)} {choice(_WHAT)} {choice(_WHEN)}."
        return text[0].upper() + text[1:]
