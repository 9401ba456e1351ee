"""The files of the page, read once and served from memory.

A browser asks every time whether it still has the present file (`no-cache` with an ETag) and is
mostly told so in one short answer: modules of two versions never meet in one page.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from fastapi import APIRouter, Request, Response

from sanctum.gateway.answers import Refusal

INDEX = "index.html"
_MEDIA_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
# Nothing but the page's own files, and no way from text to markup, whatever a script tries.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = {
    "cache-control": "no-cache",
    "content-security-policy": _POLICY,
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """Hold a file of the page, and the strong ETag of its content."""

    content: bytes
    media_type: str
    etag: str


def read_page() -> dict[str, File]:
    """Read every file of the page, by its name."""
    folder = files("sanctum.web").joinpath("page")
    return {
        entry.name: _file(entry.name, entry.read_bytes())
        for entry in folder.iterdir()
        if entry.name.rpartition(".")[2] in _MEDIA_TYPES
    }


def build_pages(page: Mapping[str, File]) -> APIRouter:
    """Build the routes of the files; they are no part of the interface that clients program to."""
    router = APIRouter()

    async def send_index(request: Request) -> Response:
        return _answer(request, page[INDEX])

    async def send_asset(request: Request) -> Response:
        name = request.path_params["name"]
        file = page.get(name)
        if file is None:
            raise Refusal(404, "not_found", "the page has no such file")
        return _answer(request, file)

    router.add_route("/", send_index, methods=["GET"], include_in_schema=False)
    router.add_route("/assets/{name}", send_asset, methods=["GET"], include_in_schema=False)
    return router


def _file(name: str, content: bytes) -> File:
    return File(
        content=content,
        media_type=_MEDIA_TYPES[name.rpartition(".")[2]],
        etag=f'"{hashlib.sha256(content).hexdigest()[:32]}"',
    )


def _answer(request: Request, file: File) -> Response:
    headers = {**_HEADERS, "etag": file.etag}
    if _has(request.headers.get("if-none-match", ""), file.etag):
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)


def _has(header: str, etag: str) -> bool:
    """Tell whether a browser has a version already; a proxy may have weakened its tag."""
    known = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return etag in known or known == ["*"]
