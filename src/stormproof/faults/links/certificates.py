"""Certificates with one flaw each, made for as long as a fault lasts; no file ever holds their key.

The package cryptography makes them; it comes with an extra.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from stormproof.kernel.errors import FaultRefused

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

Flaw = Literal["expired", "wrong-name", "unknown-issuer"]
MISSING: Final = "the package cryptography is not installed: pip install 'stormproof[tls]'"
WRONG_NAME: Final = "wrong-name.invalid"
AUTHORITY_BYTES_MAX: Final = 1 << 20
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """What a server of TLS shows: its certificate, DER."""

    der: bytes

    @property
    def name(self) -> str:
        """Return a name that it is for; empty where it names none."""
        names = _names_of(_parse(self.der))
        return str(names[0].value).replace("*", "any") if names else ""


async def presented_by(host: str, port: int, *, within_s: float) -> Presented:
    """Ask a server for its certificate, believing whatever it shows.

    Raises:
        FaultRefused: nobody speaks TLS there.
    """
    context = trusting_all()
    try:
        async with asyncio.timeout(within_s):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except (OSError, TimeoutError) as error:
        why = str(error) or type(error).__name__
        raise FaultRefused(f"nobody speaks TLS at {host}:{port}: {why}") from error
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    return Presented(der=der or b"")


def trusting_all() -> ssl.SSLContext:
    """Return a client's context that believes whoever answers."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def is_available() -> bool:
    """Say whether certificates can be made here."""
    try:
        import cryptography  # noqa: F401 - whether it is there is all that is asked
    except ImportError:
        return False
    return True


def flawed(flaw: Flaw, like: Presented, authority: str) -> ssl.SSLContext:
    """Return a server's context with a certificate that is like another one but for its flaw.

    Args:
        flaw: what is wrong with it.
        like: whose names it has.
        authority: a PEM file with certificate and key of who signs it; empty: nobody known does.

    Raises:
        FaultRefused: the file cannot be read, or is none of these.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    signer = _authority(authority) if authority and flaw != "unknown-issuer" else _nobody()
    names = _names_of(_parse(like.der))
    if flaw == "wrong-name":
        names = [x509.DNSName(WRONG_NAME)]
    ends = datetime.now(UTC) + (-_DAY if flaw == "expired" else 30 * _DAY)
    certificate = _signed(key, names, ends, signer)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load(context, [certificate, signer[0]], key)
    return context


_Signer = tuple["x509.Certificate", "CertificateIssuerPrivateKeyTypes"]


def _signed(
    key: EllipticCurvePrivateKey,
    names: list[x509.GeneralName],
    ends: datetime,
    signer: _Signer,
) -> x509.Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256

    authority, authority_key = signer
    builder = (
        x509.CertificateBuilder()
        .subject_name(_named("stormproof"))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends - 90 * _DAY)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(authority_key, SHA256())


def _nobody() -> _Signer:
    """Make an authority that nobody knows."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256

    key, name = ec.generate_private_key(ec.SECP256R1()), _named("an authority that nobody knows")
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - 90 * _DAY)
        .not_valid_after(datetime.now(UTC) + 30 * _DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
    return certificate, key


def _authority(path: str) -> _Signer:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        with Path(path).open("rb") as stream:
            pem = stream.read(AUTHORITY_BYTES_MAX)
        key = load_pem_private_key(pem, password=None)
        # Of its own type the library asks for what can sign; signing says what cannot.
        return x509.load_pem_x509_certificate(pem), key  # type: ignore[return-value]
    except OSError as error:
        raise FaultRefused(f"the authority {path} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        what = f"the authority {path} holds no certificate with its key, PEM without a password"
        raise FaultRefused(what) from error


def _named(name: str) -> x509.Name:
    from cryptography import x509

    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def _parse(der: bytes) -> x509.Certificate:
    from cryptography import x509

    return x509.load_der_x509_certificate(der)


def _names_of(certificate: x509.Certificate) -> list[x509.GeneralName]:
    from cryptography import x509

    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return list(found.value)


def _load(
    context: ssl.SSLContext, chain: list[x509.Certificate], key: EllipticCurvePrivateKey
) -> None:
    """Give a context a certificate and its key, which it takes from files only: from memory."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    pem = b"".join(one.public_bytes(Encoding.PEM) for one in chain)
    pem += key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with os.fdopen(os.memfd_create("certificate"), "wb") as stream:
        stream.write(pem)
        stream.flush()
        context.load_cert_chain(f"/proc/self/fd/{stream.fileno()}")
