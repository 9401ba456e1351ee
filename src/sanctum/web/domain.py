"""The page, and the names that it shows."""

from __future__ import annotations

from sanctum.domain import Domain, Shared
from sanctum.web.files import build_pages, read_page
from sanctum.web.people import PeopleStorage
from sanctum.web.routes import build_router


def build(shared: Shared) -> Domain:
    """Build the domain."""
    people = PeopleStorage(shared.database)
    return Domain(routers=(build_pages(read_page()), build_router(people, shared.gate)))
