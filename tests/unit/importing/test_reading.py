"""Files to import are read within bounds, and every refusal says where and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from stormproof.importing import reading
from stormproof.importing.reading import parse_import, read_import
from stormproof.kernel.errors import BadInput

BOMB = b"a: &a [x, x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (at, at, b", ".join([b"*%c" % (at - 1)] * 10)) for at in b"bcdefghi"
)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "is no object"),
        (b"[1]", "is no object"),
        (b"\xff\xfe", "is not UTF-8 at byte 0"),
        (b'{"a": }', "f:1:7: is not JSON"),
        (b'{"a": NaN}', "NaN is no number"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "cannot be read"),
        (b"a: [1\nb: 2", "f:2:2: is neither JSON nor YAML"),
        (b"a: &a [*a]", "holds itself"),
        (b"a: !!python/object/apply:os.system [ls]", "is neither JSON nor YAML"),
        (BOMB, "it holds more than"),
    ],
)
def test_garbage_is_refused_with_its_place(data: bytes, problem: str) -> None:
    """What is neither JSON nor YAML, too deep, too much or dangerous never gets through."""
    with pytest.raises(BadInput, match=problem):
        parse_import(data, "f")


def test_keys_are_texts_whatever_yaml_makes_of_them() -> None:
    """Numbers and truth values as keys become the texts that their author wrote."""
    found = parse_import(b"200: {yes: 1}\n2025-01-31: 2\n", "f")
    assert found == {"200": {"true": 1}, "2025-01-31": 2}


def test_a_file_over_the_bound_is_not_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its size is told with what to leave out."""
    monkeypatch.setattr(reading, "IMPORT_BYTES_MAX", 10)
    (tmp_path / "big.har").write_bytes(b" " * 11)
    with pytest.raises(BadInput, match="is too large"):
        read_import(tmp_path / "big.har")
    with pytest.raises(BadInput, match="cannot be read: No such file"):
        read_import(tmp_path / "none.har")
