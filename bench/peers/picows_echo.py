"""picows as it comes: a server that echoes, and a client that exchanges without any of our parts.

python -m bench.peers.picows_echo serve PORT      prints `listening`, serves until SIGTERM
python -m bench.peers.picows_echo measure PORT SECONDS      prints messages a CPU-second
"""

from __future__ import annotations

import asyncio
import resource
import signal
import sys
import time

import picows
import uvloop

from bench.journeys import MESSAGE

CONNECTIONS = 50
WARMUP_SECONDS = 1.0
HANDSHAKE_SECONDS = 60.0  # a crowd that connects at once waits for its turn


class _Echo(picows.WSListener):
    """Send back what comes."""

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type is picows.WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        else:
            transport.send(frame.msg_type, frame.get_payload_as_bytes())


class _Exchange(picows.WSListener):
    """Read an answer as text, count it, say the next thing."""

    counted = 0

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        frame.get_payload_as_utf8_text()
        _Exchange.counted += 1
        transport.send(picows.WSMsgType.TEXT, MESSAGE)


async def _serve(port: int) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    server = await picows.ws_create_server(
        lambda _: _Echo(),
        "127.0.0.1",
        port,
        backlog=4_096,
        websocket_handshake_timeout=HANDSHAKE_SECONDS,
        read_buffer_init_size=2_048,
    )
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    await ended.wait()
    server.close()


async def _measure(port: int, seconds: float) -> float:
    url = f"ws://127.0.0.1:{port}/"
    lines = [await picows.ws_connect(_Exchange, url) for _ in range(CONNECTIONS)]
    for transport, _ in lines:
        transport.send(picows.WSMsgType.TEXT, MESSAGE)
    await asyncio.sleep(WARMUP_SECONDS)
    before, began_s = _Exchange.counted, time.process_time()
    await asyncio.sleep(seconds)
    rate = (_Exchange.counted - before) / (time.process_time() - began_s)
    for transport, _ in lines:
        transport.disconnect(False)
    return rate


def _main(what: str, port: str, *rest: str) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if what == "serve":
        uvloop.run(_serve(int(port)))
    else:
        sys.stdout.write(f"{uvloop.run(_measure(int(port), float(rest[0]))):.1f}\n")


if __name__ == "__main__":
    _main(*sys.argv[1:])
