"""Follow the references of a document to other places in it."""

from __future__ import annotations

from stormproof.importing.reading import JsonObject, a_text, an_object

REFERENCES_MAX = 20  # one after the other


def followed(document: JsonObject, value: object) -> JsonObject:
    """Return an object, with a local reference followed; empty where it leads nowhere."""
    found = an_object(value)
    for _ in range(REFERENCES_MAX):
        reference = a_text(found.get("$ref"))
        if not reference:
            return found
        found = _at(document, reference)
    return {}


def _at(document: JsonObject, reference: str) -> JsonObject:
    if not reference.startswith("#/"):
        return {}
    place: object = document
    for part in reference[2:].split("/"):
        place = an_object(place).get(part.replace("~1", "/").replace("~0", "~"))
    return an_object(place)
