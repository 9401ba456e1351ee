"""The words for what goes wrong with an operation: the first is its family, and stays as it is.

dns        the name of the target is unknown, or was not looked up in time
connect    no connection: refused, reset, timeout, an error's name; "connect proxy 407"
tls        no trust, or no common ground: expired, wrong host, unknown issuer, timeout, ...
write      the request could not be written: timeout, reset, closed
timeout    no answer in time; "first byte": by that limit; "body": it began and did not end
closed     the connection was closed, reset when it was torn down, before the answer was whole
protocol   what came is no HTTP; "response too large": it is more than is kept
decode     the body is not what its coding says, or far larger
redirect   to a host that was not named ("refused"), or one more than was allowed ("limit")
http 503   an answer whose status counts as a failure
interrupted  we closed it ourselves: the run or the journey went on
"""

from __future__ import annotations

import errno
import ssl

from stormproof.clients.tape import Tape
from stormproof.kernel.clock import monotonic_ns
from stormproof.model.event import WarningEvent

INTERRUPTED = "interrupted"  # it was under way when the graceful stop was over
REDIRECT_REFUSED, REDIRECT_LIMIT = "redirect refused", "redirect limit"

_LOCAL_LIMITS = (errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM)
# X509_V_ERR_*, https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/
_UNTRUSTED = {
    9: "tls not yet valid",
    10: "tls expired",
    18: "tls unknown issuer",
    19: "tls unknown issuer",
    20: "tls unknown issuer",
    21: "tls unknown issuer",
    62: "tls wrong host",
    64: "tls wrong host",
}


class DialFailure(Exception):
    """No connection; the text is the kind of failure."""


def connect_error(problem: OSError, tape: Tape) -> str:
    """Return the kind of a failure to connect; warn when it is this machine that refuses."""
    if problem.errno in _LOCAL_LIMITS:
        _warn_of_limit(f"a connection could not be opened here: {problem.strerror}", tape)
    if isinstance(problem, ConnectionRefusedError):
        return "connect refused"
    if isinstance(problem, ConnectionResetError):
        return "connect reset"
    return f"connect {errno.errorcode.get(problem.errno or 0, 'error').lower()}"


def tls_error(problem: Exception) -> str:
    """Return the kind of a failure to agree on TLS."""
    if isinstance(problem, ssl.SSLCertVerificationError):
        return _UNTRUSTED.get(problem.verify_code, "tls certificate")
    if isinstance(problem, ssl.SSLError):
        reason = (problem.reason or "").lower()
        return "tls alert" if "alert" in reason else "tls protocol"
    return "tls closed"  # in the middle of the handshake


def loss(problem: Exception | None) -> str:
    """Return the kind of a connection's end before the answer was whole."""
    if problem is None:
        return "closed"
    return tls_error(problem) if isinstance(problem, ssl.SSLError) else "reset"


def _warn_of_limit(text: str, tape: Tape) -> None:
    """Warn even when other warnings have used up the tape's share; the worker tells it once."""
    if all(one.text != text for one in tape.warnings):
        event = WarningEvent(at_ns=monotonic_ns(), code="generator-limit", text=text)
        tape.warnings.append(event)
