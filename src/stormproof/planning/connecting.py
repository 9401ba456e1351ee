"""Read how a profile has the target reached: TLS, names, a proxy."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from stormproof.kernel.paths import is_file
from stormproof.model.plan import Network, TlsSettings
from stormproof.planning.fields import Fields


def tls_of(fields: Fields, folder: Path) -> TlsSettings:
    """Read `tls`: `insecure`, `ca`, `certificate`, `key`, `serverName`.

    Args:
        fields: the object.
        folder: what the paths of files are relative to.
    """
    settings = TlsSettings(
        insecure=fields.flag("insecure", default=False),
        ca=_file(fields, "ca", folder),
        certificate=_file(fields, "certificate", folder),
        key=_file(fields, "key", folder),
        server_name=fields.text("serverName", ""),
    )
    if settings.key and not settings.certificate:
        fields.problem("key", "is of no use without `certificate`", "name both, as PEM files")
    if settings.insecure and settings.ca:
        fields.problem("ca", "is of no use where `insecure` trusts everybody", "leave one out")
    fields.done()
    return settings


def network_of(fields: Fields) -> Network:
    """Read `network`: `hosts` (name -> address) and `proxy`."""
    hosts = fields.inner("hosts")
    named = hosts.texts()
    for name, address in named.items():
        if not _is_address(address):
            hosts.problem(name, f"{address!r} is no IP address", "such as 127.0.0.1 or ::1")
    proxy = fields.text("proxy", "")
    if proxy and not _is_proxy(proxy):
        fields.problem("proxy", f"{proxy!r} is no http proxy", "such as http://127.0.0.1:3128")
    fields.done()
    return Network(hosts=named, proxy=proxy)


def _file(fields: Fields, key: str, folder: Path) -> str:
    name = fields.text(key, "")
    if not name:
        return ""
    path = (folder / name).absolute()
    if not is_file(path):
        fields.problem(key, f"{name!r} is no file", f"a PEM file, by its path from {folder}")
    return str(path)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_proxy(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "http" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
