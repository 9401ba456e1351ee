"""`stormproof import`: write the journeys that a recording or a description stands for."""

from __future__ import annotations

from pathlib import Path

import click

from stormproof.importing.files import journeys_of
from stormproof.importing.reading import bad
from stormproof.kernel.errors import EnvironmentFailure


def import_journeys(file: Path, host: str, out: Path | None) -> int:
    """Write the journey file of `file`, to `out` or to standard output.

    Raises:
        BadInput: the file is none to import, or `out` is there already.
        EnvironmentFailure: `out` cannot be written.
    """
    source = journeys_of(file, host)
    if out is None:
        click.echo(source, nl=False)
        return 0
    try:
        with out.open("x", encoding="utf-8") as stream:
            stream.write(source)
    except FileExistsError:
        raise bad(str(out), "is there already", "choose another --out, or remove it") from None
    except OSError as error:
        raise EnvironmentFailure(f"{out} cannot be written: {error.strerror}") from error
    click.echo(f"{out}: {source.count('@journey')} journeys", err=True)
    return 0
