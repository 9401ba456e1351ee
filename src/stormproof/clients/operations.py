"""The history as one user writes it: operations on any data (see `journeys.operations`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from stormproof.clients.tape import Actor
from stormproof.kernel.clock import monotonic_ns
from stormproof.kernel.limits import (
    KEYS_NAMED_MAX,
    NAMED_BYTES_MAX,
    SET_ELEMENTS_MAX,
    VALUES_NAMED_MAX,
)
from stormproof.model.history import (
    ELEMENTS_PER_ENTRY,
    FLAG_ABSENT,
    FLAG_EXPECTS_ABSENT,
    INT_MAX,
    INT_MIN,
    NAME_BYTES_PER_ENTRY,
    OF_SETS,
    OPERATION,
    Function,
    Step,
    digest_word,
    element_of,
    word_of,
)

_NEVER_SENT: Final = ("connect", "dns")  # `tls` may be a failure in the middle of an answer
_REQUEST_TIMEOUT: Final = 408
LISTS: Final = (list, tuple, set, frozenset)


class Answer(Protocol):
    """What an answer tells about the operation that it answers."""

    @property
    def status(self) -> int:
        """The status code; 0 without an answer."""
        ...

    @property
    def error(self) -> str:
        """Empty, or the kind of failure."""
        ...

    @property
    def redirected(self) -> bool:
        """Whether it answers a GET that a redirect made of another request."""
        ...


class Change:
    """A change that was announced; say what became of it, or it stays unknown."""

    __slots__ = ("_book", "_is_open", "_number")

    def __init__(self, book: OperationBook, number: int) -> None:
        self._book = book
        self._number = number
        self._is_open = True

    def ok(self) -> None:
        """Write down that it was made."""
        self._end(Step.OK)

    def refused(self) -> None:
        """Write down that it certainly was not made."""
        self._end(Step.REFUSED)

    def unknown(self) -> None:
        """Write down that it may have been made."""
        self._end(Step.UNKNOWN)

    def answered(self, answer: Answer) -> bool:
        """Write down what an answer says, and return whether the change was made."""
        step = outcome_of(answer)
        self._end(step)
        return step is Step.OK

    def _end(self, step: Step) -> None:
        if not self._is_open:
            raise RuntimeError("the ledger was told twice what became of an operation")
        self._is_open = False
        self._book.append(step, number=self._number)


def outcome_of(answer: Answer) -> Step:
    """Return what an answer says of the change that was asked for.

    2xx: made. 4xx but 408, and what never left this machine: certainly not made. Else, and where
    a redirect led to another request: unknown.
    """
    if answer.redirected:
        return Step.UNKNOWN
    if 200 <= answer.status < 300 and not answer.error:
        return Step.OK
    if 400 <= answer.status < 500 and answer.status != _REQUEST_TIMEOUT:
        return Step.REFUSED
    never_sent = answer.status == 0 and answer.error.partition(" ")[0] in _NEVER_SENT
    return Step.REFUSED if never_sent else Step.UNKNOWN


class Reading:
    """A read that is under way; one without an answer says nothing."""

    __slots__ = ("_began_ns", "_book", "_function", "_key")

    def __init__(self, book: OperationBook, function: Function, key: int, began_ns: int) -> None:
        self._function = function
        self._book = book
        self._key = key
        self._began_ns = began_ns

    def ok(self, value: object) -> None:
        """Write down what was read: a list of elements, or one value."""
        if self._function is Function.READ and isinstance(value, LISTS):
            self._book.write_elements(self._key, value, self._began_ns)
        else:
            self._book.write_value(self._function, self._key, value, self._began_ns)


def _check_single(value: object) -> None:
    """Refuse what would be read as the elements of a set, and so be judged by nothing."""
    if isinstance(value, LISTS):
        raise TypeError(f"a key is set to one value, not to a {type(value).__name__}: add elements")


class OperationBook:
    """The history as one user writes it (see `journeys.operations.Operations`)."""

    __slots__ = ("_actor",)

    def __init__(self, actor: Actor) -> None:
        self._actor = actor

    def add(self, key: str, element: object) -> Change:
        """Announce that an element is added to a set, before it is sent."""
        return self._begin(Function.ADD, key, element)

    def remove(self, key: str, element: object) -> Change:
        """Announce that an element is removed from a set."""
        return self._begin(Function.REMOVE, key, element)

    def increment(self, key: str, by: int = 1) -> Change:
        """Announce that a counter is raised; by less than nothing, that it is lowered.

        Raises:
            TypeError: `by` is no whole number.
            ValueError: it takes more than 64 bits.
        """
        if type(by) is not int:
            raise TypeError(f"a counter is raised by whole numbers, not by {by!r}")
        if not INT_MIN <= by <= INT_MAX:
            raise ValueError(f"a counter is raised by whole numbers of 64 bits, not by {by}")
        return self._begin(Function.INCREMENT, key, by)

    def write(self, key: str, value: object) -> Change:
        """Announce that a key is set to a value; raises TypeError for a list."""
        _check_single(value)
        return self._begin(Function.WRITE, key, value)

    def compare_and_set(self, key: str, expected: object, value: object) -> Change:
        """Announce that a key is set to a value if it is what is expected; raises as `write`."""
        _check_single(expected)
        _check_single(value)
        word, flags = self._value(expected)
        absent = FLAG_EXPECTS_ABSENT if flags & FLAG_ABSENT else 0
        return self._begin(Function.CAS, key, value, other=word, flags=absent)

    def read(self, key: str) -> Reading:
        """Begin to read; say what was read with `ok`."""
        return Reading(self, Function.READ, self._key(key), monotonic_ns())

    def total(self, key: str) -> Reading:
        """Begin to ask how many elements a set has."""
        return Reading(self, Function.TOTAL, self._key(key), monotonic_ns())

    def issued(self, kind: str, id_: object) -> None:
        """Write down an id that the service gave to something new."""
        self.write_value(Function.ISSUED, self._key(kind), id_, 0)

    def seen(self, what: str) -> None:
        """Write down that something came about which a run must have seen."""
        self.write_value(Function.SEEN, self._key(what), None, 0)

    def effect(self, kind: str, idempotency_key: object, id_: object) -> None:
        """Write down an effect that was seen, and the key that asked for it."""
        word, flags = self._value(id_)
        absent = FLAG_EXPECTS_ABSENT if flags & FLAG_ABSENT else 0
        self.write_value(Function.EFFECT, self._key(kind), idempotency_key, word, flags=absent)

    def owns(self, owner: str, value: object) -> None:
        """Write down whose a value is."""
        self.write_value(Function.OWNS, self._key(owner), value, 0)

    def may_see(self, owner: str) -> None:
        """Write down that this user may see what is an owner's."""
        self.write_value(Function.MAY_SEE, self._key(owner), None, 0)

    def saw(self, value: object) -> None:
        """Write down that this user saw a value, or each of a list."""
        for one in value if isinstance(value, LISTS) else (value,):
            self.write_value(Function.SAW, 0, one, 0)

    def append(
        self,
        step: Step,
        *,
        flags: int = 0,
        more: int = 0,
        number: int = 0,
        key: int = 0,
        value: int = 0,
        other: int = 0,
    ) -> None:
        """Append one entry."""
        tape, user = self._actor.scope.tape, self._actor.id
        tape.ledger += OPERATION.pack(
            step, flags, tape.worker, user, more, number, key, value, monotonic_ns(), other
        )

    def write_value(
        self, function: Function, key: int, value: object, other: int, *, flags: int = 0
    ) -> None:
        """Append an operation that is over, with its value, and what else it holds or when it
        began."""
        word, own_flags = self._value(value)
        self.append(Step.OK, flags=function | own_flags | flags, key=key, value=word, other=other)

    def write_elements(self, key: int, elements: Iterable[object], began_ns: int) -> None:
        """Append a read of a set, its elements first."""
        words = [self._value(element, element_of)[0] for element in elements]
        if len(words) > SET_ELEMENTS_MAX:
            text = f"a read of {len(words)} elements is over {SET_ELEMENTS_MAX}, and not kept"
            self._actor.scope.tape.warn("read-too-large", text)
            return
        self._pack(Step.ELEMENTS, words)
        self.append(Step.OK, flags=Function.READ_SET, more=len(words), key=key, other=began_ns)

    def _pack(self, step: Step, words: Sequence[int]) -> None:
        for start in range(0, len(words), ELEMENTS_PER_ENTRY):
            few = words[start : start + ELEMENTS_PER_ENTRY]
            first, second, third = (*few, 0, 0)[:ELEMENTS_PER_ENTRY]
            self.append(step, more=len(few), key=first, value=second, other=third)

    def _begin(
        self, function: Function, key: str, value: object, *, other: int = 0, flags: int = 0
    ) -> Change:
        word, own_flags = self._value(value, element_of if function in OF_SETS else word_of)
        key_word = self._key(key)
        spellings = self._actor.scope.tape.spellings
        spellings.changes += 1
        number = spellings.changes
        self.append(
            Step.BEGAN,
            flags=function | own_flags | flags,
            number=number,
            key=key_word,
            value=word,
            other=other,
        )
        return Change(self, number)

    def _key(self, text: str) -> int:
        keys = self._actor.scope.tape.spellings.keys
        known = keys.get(text)
        if known is not None:
            return known
        word = digest_word(text)
        if len(keys) < KEYS_NAMED_MAX:
            keys[text] = word
            self._spell(word, text)
        return word

    def _value(
        self, value: object, read: Callable[[object], tuple[int, int, str]] = word_of
    ) -> tuple[int, int]:
        word, flags, text = read(value)
        values = self._actor.scope.tape.spellings.values
        if text and word not in values and len(values) < VALUES_NAMED_MAX:
            values.add(word)
            self._spell(word, text)
        return word, flags

    def _spell(self, word: int, text: str) -> None:
        """Append how a word is spelt, secrets hidden before anything is cut off."""
        hidden = self._actor.scope.tape.masking.hide(text)
        data = hidden.encode("utf-8", "replace")[:NAMED_BYTES_MAX]
        for start in range(0, len(data), NAME_BYTES_PER_ENTRY):
            piece = data[start : start + NAME_BYTES_PER_ENTRY]
            padded = piece.ljust(NAME_BYTES_PER_ENTRY, b"\0")
            self.append(
                Step.NAME,
                number=start // NAME_BYTES_PER_ENTRY,
                more=len(piece),
                key=word,
                value=int.from_bytes(padded[:8], "little"),
                other=int.from_bytes(padded[8:], "little"),
            )
