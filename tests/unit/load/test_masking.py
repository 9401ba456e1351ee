"""Secrets in what is kept of a body."""

from __future__ import annotations

import pytest

from stormproof.clients.masking import mask_secrets


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ('{"token": "abc"}', '{"token": "***"}'),
        ('{"access_token":"a\\"b","n":1}', '{"access_token":"***","n":1}'),
        ('{"Password":"p","user":"u"}', '{"Password":"***","user":"u"}'),
        ("ticket=abc&after=3", "ticket=***&after=3"),
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
