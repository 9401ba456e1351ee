"""Import a file: find out what it is, and write the journeys that it stands for."""

from __future__ import annotations

from pathlib import Path

from stormproof.importing.har import from_har
from stormproof.importing.openapi import from_openapi
from stormproof.importing.reading import JsonObject, bad, read_import
from stormproof.importing.source import render


def journeys_of(path: Path, host: str = "") -> str:
    """Return the source of the journey file that a HAR file or an OpenAPI document stands for.

    Args:
        path: the file.
        host: whose requests are kept of a HAR file; empty: that of its first page.

    Raises:
        BadInput: it is neither, or nothing of it can be used.
    """
    return source_of(read_import(path), str(path), host)


def source_of(document: JsonObject, where: str, host: str = "") -> str:
    """Return the source of a document that is read already."""
    if "log" in document:
        return render(from_har(document, where, host))
    if "openapi" in document or "swagger" in document:
        return render(from_openapi(document, where))
    fix = "a HAR file has `log`, an OpenAPI document `openapi` or `swagger`"
    raise bad(where, "is neither a HAR file nor an OpenAPI document", fix)
