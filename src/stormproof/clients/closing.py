"""How WebSockets end: codes, reasons, and whose fault it was."""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol, cast

import picows

NO_CODE: Final = 1005  # a close without a code
ABNORMAL: Final = 1006  # an end without a close
TOO_BIG: Final = 1009
REASON_BYTES_MAX: Final = 123
CLOSE_PATIENCE_S: Final = 2.0  # for a peer to close too, or to take our last bytes

_SENDABLE: Final = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)})


class CloseInfo(NamedTuple):
    """A close's code and reason."""

    code: int
    reason: str


def is_valid(payload: bytes) -> bool:
    """Return whether a close frame may carry this: nothing, or a code that may be sent.

    Source: RFC 6455, 7.4.1 and 7.4.2; the registry of close codes for 1012 to 1014.
    """
    return not payload or int.from_bytes(payload[:2], "big") in _SENDABLE


def code_of(code: int) -> picows.WSCloseCode:
    """Return a code as picows takes it: any number will do."""
    return cast("picows.WSCloseCode", code)


def require_sendable(code: int, reason: str) -> None:
    """Refuse a close that must not be sent.

    Raises:
        ValueError: the code is reserved, or the reason is too long.
    """
    if code not in _SENDABLE:
        raise ValueError(f"{code} is no close code to send: use 1000, or one from 3000 to 4999")
    if len(reason.encode()) > REASON_BYTES_MAX:
        raise ValueError(f"a close's reason has at most {REASON_BYTES_MAX} bytes")


def close_info(transport: picows.WSTransport) -> CloseInfo:
    """Return how a socket was closed: as the peer said, else as we did, else abnormally."""
    received, sent, _ = _read(transport.close_handshake)
    return received or sent or CloseInfo(ABNORMAL, "")


def breach_of(transport: picows.WSTransport) -> str:
    """Return the kind of failure when it was we who had to close; empty when the peer did."""
    _, sent, was_asked = _read(transport.close_handshake)
    if sent is None or was_asked:
        return ""
    return "message too large" if sent.code == TOO_BIG else "protocol"


class _Said(Protocol):
    """The content of a close, which may lack a reason."""

    @property
    def code(self) -> picows.WSCloseCode: ...
    @property
    def reason(self) -> str | None: ...


class _Shake(Protocol):
    """What picows' class says, where its stub leaves out that much of it may be missing."""

    @property
    def recv(self) -> _Said | None: ...
    @property
    def sent(self) -> _Said | None: ...
    @property
    def recv_then_sent(self) -> bool: ...


def _read(shake: _Shake | None) -> tuple[CloseInfo | None, CloseInfo | None, bool]:
    """Return what the peer's close said, what ours did, and whether the peer's came first."""
    if shake is None:
        return None, None, False
    return _info(shake.recv), _info(shake.sent), shake.recv_then_sent


def _info(said: _Said | None) -> CloseInfo | None:
    if said is None:
        return None
    return CloseInfo(int(cast("int", said.code)) or NO_CODE, said.reason or "")
