"""Words of a record for checkers of one's own: texts where they are spelt out, else never guessed.

Keys and values are 64-bit words in a record, and the first ones are spelt out. One that is not, or
not wholly (cut off, or with a secret hidden), raises `Unspelt` when it is read: a checker must not
take "#1f..." for the text, nor a text's digest for a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from stormproof.checks.ledger import Words
from stormproof.kernel.limits import KEYS_NAMED_MAX, VALUES_NAMED_MAX
from stormproof.model.history import NOTHING, digest_word, number_of

Value = int | str | None
_PLAIN_NUMBER_MAX: Final = 2**53
# Of an element nobody wrote down whether it is a number: the digest of one text in eight million
# is as small as this, of one in a thousand as small as what JSON takes for a whole number.
_SURE_NUMBER_MAX: Final = 2**40


class Unspelt(LookupError):
    """A key or value was read that the record does not spell out."""


@dataclass(frozen=True, slots=True)
class Spelling:
    """How the words of a record are spelt.

    `numbers`: the words that some operation of the record says are numbers, sorted.
    """

    names: Mapping[int, str]
    numbers: Words

    def spelt(self, word: int) -> str:
        """Return the text of a word.

        Raises:
            Unspelt: the record does not have it, or not wholly.
        """
        text = self.names.get(word)
        if text is not None and digest_word(text) == word:
            return text
        why = (
            f"spells out {KEYS_NAMED_MAX:,} keys and {VALUES_NAMED_MAX:,} texts a worker, and"
            f" #{word:016x} is none of them"
        )
        if text is not None:
            why = f"has only a part of {text!r}: it is long, or holds a secret"
        raise Unspelt(f"the record {why}: compare key_id, value_id or element_ids with id_of(...)")

    def value(self, word: int) -> Value:
        """Return what a word is of which nobody says whether it is a number.

        Raises:
            Unspelt: it is a text, or may be one, and is not spelt out.
        """
        if word == NOTHING:
            return None
        if word in self.names or not self._is_number(word):
            return self.spelt(word)
        return number_of(word)

    def _is_number(self, word: int) -> bool:
        if abs(number_of(word)) < _SURE_NUMBER_MAX:
            return True
        place = int(np.searchsorted(self.numbers, np.uint64(word)))
        return place < len(self.numbers) and int(self.numbers[place]) == word

    def told(self, word: int) -> str:
        """Return how a value is told to people, spelt out or not."""
        number = number_of(word)
        plain = str(number) if abs(number) < _PLAIN_NUMBER_MAX else f"#{word:016x}"
        return self.names.get(word, plain)
