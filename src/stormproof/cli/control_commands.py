"""`stormproof ctl`: change the load of a run while it goes on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from stormproof.kernel.errors import BadInput, EnvironmentFailure, Problem

if TYPE_CHECKING:
    from stormproof.model.control_order import ControlAnswer, ControlKind, ControlOrder

PATIENCE_S = 15.0
ORDERS = ("pause", "resume", "scale", "stop")  # `CONTROL_KINDS`, without which help is instant


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("order", type=click.Choice(ORDERS))
@click.argument("factor", type=float, required=False)
@click.option("--scenario", default="", help="Only this one; default: all.")
def ctl(run: Path, order: str, factor: float | None, scenario: str) -> int:
    """Steer a run while it goes on: pause, resume, scale FACTOR, stop.

    FACTOR multiplies what the plan says: the rate where a schedule starts iterations, the users
    elsewhere (up to those prepared, or `maxVUs`). Every change is in the record, and a run that
    was steered never certifies.
    """
    from stormproof.model.control_order import ControlOrder

    if (order == "scale") != (factor is not None):
        what = "needs a factor" if order == "scale" else "takes no factor"
        fix = f"stormproof ctl {run} scale 0.5"
        raise BadInput([Problem(where=f"ctl {order}", what=what, fix=fix)])
    kind = cast("ControlKind", order)
    answer = _ask(run, ControlOrder(kind=kind, scenario=scenario, value=factor or 0.0))
    if not answer.is_done:
        raise BadInput([Problem(where=str(run), what=answer.text)])
    click.echo(answer.text)
    return 0


def _ask(path: Path, order: ControlOrder) -> ControlAnswer:
    """Give an order to a run and return its answer.

    Raises:
        BadInput: there is no such run, or it is over.
        EnvironmentFailure: it does not answer.
    """
    import os
    import socket

    import msgspec

    from stormproof.model.control_order import ControlAnswer
    from stormproof.run.control import LINE_BYTES_MAX, short_path
    from stormproof.store.directory import RunDirectory

    directory = RunDirectory.open(path)
    if directory.seal_file.exists():
        raise BadInput([Problem(where=str(path), what="is over: its record is sealed")])
    folder = os.open(directory.path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(PATIENCE_S)
            line.connect(short_path(folder, directory.control.name))
            line.sendall(msgspec.json.encode(order) + b"\n")
            data = line.makefile("rb").readline(LINE_BYTES_MAX)
        return msgspec.json.decode(data, type=ControlAnswer)
    except FileNotFoundError:
        what, fix = "is not running", "orders are taken from its start to its seal"
        raise BadInput([Problem(where=str(path), what=what, fix=fix)]) from None
    except ConnectionRefusedError:
        what, fix = "is not running any more: nobody listens", f"stormproof heal {path}"
        raise BadInput([Problem(where=str(path), what=what, fix=fix)]) from None
    except (OSError, msgspec.DecodeError) as error:
        what = f"{path} does not answer: {error}"
        raise EnvironmentFailure(what, "look whether its controller is alive") from error
    finally:
        os.close(folder)
