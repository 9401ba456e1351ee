"""The TLS contexts of clients, for whoever speaks to the target."""

from __future__ import annotations

import ssl

from stormproof.kernel.errors import EnvironmentFailure


def client_context(
    *, insecure: bool = False, ca: str = "", certificate: str = "", key: str = ""
) -> ssl.SSLContext:
    """Return a context that verifies certificate and host unless it is `insecure`.

    Args:
        insecure: believe whoever answers.
        ca: a PEM file of authorities to trust instead of the system's.
        certificate: our own chain, PEM.
        key: its private key; empty: it is in the same file.

    Raises:
        EnvironmentFailure: a file cannot be read, or is none of these.
    """
    try:
        context = ssl.create_default_context(cafile=ca or None)
    except (OSError, ssl.SSLError) as error:
        raise EnvironmentFailure(f"tls.ca {ca} cannot be used: {_why(error)}") from error
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate:
        try:
            context.load_cert_chain(certificate, key or None, password=_no_password)
        except (OSError, ssl.SSLError) as error:
            what = f"tls.certificate {certificate} cannot be used: {_why(error)}"
            raise EnvironmentFailure(what, "PEM files without a password") from error
    context.set_alpn_protocols(["http/1.1"])
    return context


def _no_password() -> str:
    """Refuse an encrypted key instead of asking on the terminal."""
    return ""


def _why(error: OSError) -> str:
    reason = getattr(error, "reason", None) or error.strerror or type(error).__name__
    return str(reason).lower().replace("_", " ")
