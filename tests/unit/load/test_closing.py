"""How WebSockets may end."""

from __future__ import annotations

import pytest

from stormproof.clients.closing import is_valid, require_sendable


@pytest.mark.parametrize("code", [1000, 1003, 1007, 1011, 1014, 3000, 4999])
def test_registered_and_private_codes_are_valid(code: int) -> None:
    """Codes that are registered or private may be sent, and received."""
    require_sendable(code, "done")
    assert is_valid(code.to_bytes(2, "big") + b"done")


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535])
def test_reserved_codes_are_refused(code: int) -> None:
    """Codes that stand for what no close frame says are refused both ways."""
    with pytest.raises(ValueError, match=f"{code} is no close code to send"):
        require_sendable(code, "")
    assert not is_valid(code.to_bytes(2, "big"))


def test_limits_of_a_close() -> None:
    """A close without a code is valid; a reason that fits no control frame is refused."""
    assert is_valid(b"")
    with pytest.raises(ValueError, match="at most 123 bytes"):
        require_sendable(1000, "\N{SNOWMAN}" * 42)
