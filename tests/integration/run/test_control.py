"""The desk where a run takes orders, and clients that do not behave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from stormproof.kernel.errors import BadInput, Problem
from stormproof.model.control_order import ControlAnswer, ControlOrder
from stormproof.model.event import Event, WarningEvent
from stormproof.run import control
from stormproof.run.control import ControlDesk


class Noting:
    """Take orders and note them; `scale` is refused."""

    def __init__(self) -> None:
        self.orders: list[ControlOrder] = []

    async def steer(self, order: ControlOrder) -> None:
        if order.kind == "scale":
            raise BadInput([Problem(where="ctl", what="no")])
        self.orders.append(order)


@pytest.fixture
def steering() -> Noting:
    return Noting()


@pytest.fixture
async def path(steering: Noting, tmp_path: Path) -> AsyncIterator[Path]:
    """Serve a desk for one test."""
    socket_path = tmp_path / "control.sock"
    serving = asyncio.ensure_future(ControlDesk(steering, socket_path, _refuse).serve())
    async with asyncio.timeout(10):
        while not socket_path.exists():
            await asyncio.sleep(0.005)
    yield socket_path
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    assert not socket_path.exists()


def _refuse(event: Event) -> None:
    raise AssertionError(event)


async def ask(path: Path, data: bytes, *, close: bool = False) -> ControlAnswer:
    """Send bytes and read the answer."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(data)
    if close:
        writer.write_eof()
    async with asyncio.timeout(10):
        line = await reader.readline()
    writer.close()
    return msgspec.json.decode(line, type=ControlAnswer)


async def test_orders_are_carried_out_and_answered(path: Path, steering: Noting) -> None:
    """An order reaches whoever steers; one that is refused is answered with why."""
    order = ControlOrder(kind="pause", scenario="chat")
    done = await ask(path, msgspec.json.encode(order) + b"\n")
    refused = await ask(path, b'{"kind": "scale", "value": 2.0}\n')
    assert done == ControlAnswer(is_done=True, text="done: pause chat")
    assert refused == ControlAnswer(text="ctl: no")
    assert steering.orders == [order]


@pytest.mark.parametrize(
    ("data", "close", "text"),
    [
        (b"pause\n", False, "that is no order: JSON is malformed"),
        (b'{"kind": "explode"}\n', False, "that is no order: Invalid enum value 'explode'"),
        (b"{" * 10_000, False, "an order is a line of at most 4096 bytes"),
        (b'{"kind": "pause"}', True, "an order is a line of at most 4096 bytes"),
    ],
)
async def test_what_is_no_order_is_answered_and_changes_nothing(
    path: Path, steering: Noting, data: bytes, close: bool, text: str
) -> None:
    """Garbage, half a line and an endless line get an answer; the desk goes on serving."""
    answer = await ask(path, data, close=close)
    assert not answer.is_done
    assert answer.text.startswith(text)
    assert (await ask(path, b'{"kind": "resume"}\n')).is_done
    assert [one.kind for one in steering.orders] == ["resume"]


async def test_a_silent_client_does_not_stay(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that says nothing is sent away, and too many at once are refused."""
    monkeypatch.setattr(control, "PATIENCE_S", 0.2)
    monkeypatch.setattr(control, "CLIENTS_MAX", 2)
    answers = await asyncio.gather(*(ask(path, b"") for _ in range(3)))
    assert sorted(one.text for one in answers) == [
        "2 others are being served",
        "no order came within 0.2 s",
        "no order came within 0.2 s",
    ]


async def test_a_folder_without_sockets_is_a_warning(tmp_path: Path, steering: Noting) -> None:
    """Where no socket can be made the run goes on and says that it cannot be steered."""
    told: list[Event] = []
    folder = tmp_path / "control.sock"
    (folder / "full").mkdir(parents=True)
    desk = ControlDesk(steering, folder, told.append)
    await desk.serve()
    (warning,) = told
    assert isinstance(warning, WarningEvent)
    assert warning.code == "no-control"
