"""Secrets in what is kept of a body."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormproof.clients.masking import Masking, secrets_among
from stormproof.kernel.masking import MASK, mask_secrets

VALUE = 'a/b+c "d" é&=%'


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ('{"token": "abc"}', '{"token": "***"}'),
        ('{"access_token":"a\\"b","n":1}', '{"access_token":"***","n":1}'),
        ('{"Password":"p","user":"u"}', '{"Password":"***","user":"u"}'),
        ("ticket=abc&after=3", "ticket=***&after=3"),
        ("--db_password=abc my-api-key-2=x", "--db_password=*** my-api-key-2=***"),
        ("pass-" * 200, "pass-" * 200),
        ("sent Bearer abc.def-ghi to it", "sent Bearer *** to it"),
        ("A: b\r\nSet-Cookie: sid=1; Path=/\r\nC: d", "A: b\r\nSet-Cookie: ***\r\nC: d"),
        ("was eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln here", "was *** here"),
        ('{"message": "no such post"}', '{"message": "no such post"}'),
        ("", ""),
    ],
)
def test_values_of_secrets_are_masked(text: str, masked: str) -> None:
    """The value of whatever is named like a secret, or looks like a token, is masked."""
    assert mask_secrets(text) == masked


@pytest.mark.parametrize(
    "spelling",
    [
        VALUE,
        quote(VALUE),
        quote(VALUE, safe=""),
        quote(VALUE, safe="").lower(),
        quote_plus(VALUE),
        json.dumps(VALUE)[1:-1],
        json.dumps(VALUE, ensure_ascii=False)[1:-1],
        html.escape(VALUE),
    ],
)
def test_known_values_are_hidden_however_they_are_spelt(spelling: str) -> None:
    """A known secret is hidden whatever a target makes of it: quoted, escaped, or plain."""
    assert Masking([VALUE]).hide(f"say {spelling} again {spelling}") == "say *** again ***"


@given(before=st.binary(max_size=9), after=st.binary(max_size=9))
def test_known_values_are_hidden_within_base64(before: bytes, after: bytes) -> None:
    """Of a secret within a text in base 64 no more than a character is left at each end."""
    secret = b"swordfish-and-chips"
    encoded = base64.b64encode(before + secret + after).decode()
    hidden = Masking([secret.decode()]).hide(encoded)
    assert MASK in hidden
    assert len(hidden.replace(MASK, "")) <= len(encoded) - 4 * len(secret) // 3 + 2


@pytest.mark.parametrize("kept", [4, 9, 18])
def test_a_value_that_the_end_cuts_off_is_hidden(kept: int) -> None:
    """A body that was cut off within a secret keeps no part of it."""
    body = "x" * 50 + "swordfish-and-chips"[:kept]
    assert Masking(["swordfish-and-chips"]).mask_body(body) == "x" * 50 + MASK


def test_nothing_is_hidden_where_nothing_is_known() -> None:
    """Without known secrets a text stays as it is."""
    assert Masking().hide("swordfish") == "swordfish"
    assert Masking(["swordfish"]).hide("a sword, a fish") == "a sword, a fish"


def test_headers_that_are_secrets_by_their_name_are_known() -> None:
    """The value of a header that carries a secret is hidden, without the scheme before it."""
    headers = {
        "Authorization": "Bearer swordfish",
        "X-API-Key": "opensesame",
        "Accept": "text/html",
        "Cookie": "a=1",
    }
    assert secrets_among(headers) == ["swordfish", "opensesame"]
