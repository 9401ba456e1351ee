"""Take secrets out of what is kept: known ones by their value, others by what gives them away."""

from __future__ import annotations

import html
import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote, quote_plus

from stormproof.kernel.limits import SECRET_CHARACTERS_MIN
from stormproof.kernel.masking import MASK, TELLING_NAMES, mask_secrets

PREFIX_CHARACTERS_MIN = 4  # of a secret that was cut off; less tells nothing
_BASE64_CHARACTERS_MIN = 6
_SECRET_HEADER = re.compile(rf"^(?:{TELLING_NAMES}|(?:proxy-)?authorization)$", re.IGNORECASE)


def secrets_among(headers: Mapping[str, str]) -> list[str]:
    """Return the values of headers that are secrets by their name, without a scheme before them."""
    secret = [value for name, value in headers.items() if _SECRET_HEADER.search(name)]
    bare = [value.rpartition(" ")[2] for value in secret]
    return [value for value in bare if len(value) >= SECRET_CHARACTERS_MIN]


class Masking:
    """Hide known secrets by their values, in every spelling that a target may echo them in."""

    __slots__ = ("_forms", "_known")

    def __init__(self, values: Iterable[str] = ()) -> None:
        forms = {form for value in values for form in _spellings(value)}
        self._forms = sorted(forms, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, self._forms))) if forms else None

    def hide(self, text: str) -> str:
        """Replace the values of known secrets."""
        return text if self._known is None else self._known.sub(MASK, text)

    def mask(self, text: str) -> str:
        """Replace the values of known secrets, and of whatever is called one."""
        return mask_secrets(self.hide(text))

    def mask_body(self, text: str) -> str:
        """Mask a text that may have been cut off anywhere: within a secret, too."""
        return mask_secrets(self._without_cut_off(self.hide(text)))

    def _without_cut_off(self, text: str) -> str:
        kept = len(text) - max((_cut_off(form, text) for form in self._forms), default=0)
        return text[:kept] + MASK if kept < len(text) else text


def _cut_off(form: str, text: str) -> int:
    """Return how many characters of a secret's beginning a text ends with; 0 when too few."""
    tail = text[-(len(form) - 1) :]
    beginning = form[:PREFIX_CHARACTERS_MIN]
    at = tail.find(beginning)
    while at >= 0:
        if form.startswith(tail[at:]):
            return len(tail) - at
        at = tail.find(beginning, at + 1)
    return 0


def _spellings(value: str) -> Iterator[str]:
    """Yield a secret as it may be echoed: plain, quoted for URLs, JSON and HTML, in base 64."""
    yield value
    for quoted in (quote(value, safe=""), quote(value), quote_plus(value)):
        yield quoted
        yield re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), quoted)
    yield html.escape(value)
    yield json.dumps(value)[1:-1]
    in_json = json.dumps(value, ensure_ascii=False)[1:-1]
    yield in_json
    for text in {value, in_json}:
        yield from _in_base64(text.encode())


def _in_base64(data: bytes) -> Iterator[str]:
    """Yield what base 64 makes of a secret wherever it stands in a longer text.

    Three bytes become four characters, so there are three ways to begin; the characters at both
    ends, which hold bits of the neighbours, are left out.
    """
    for ahead in range(3):
        for encode in (b64encode, urlsafe_b64encode):
            encoded = encode(bytes(ahead) + data).decode().rstrip("=")
            first = -(-ahead * 8 // 6)
            last = (ahead + len(data)) * 8 // 6
            if last - first >= _BASE64_CHARACTERS_MIN:
                yield encoded[first:last]
