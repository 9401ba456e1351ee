"""What a person sees of a WebSocket with --verbose."""

from __future__ import annotations

from tests.integration.load.conftest import Bench

from stormproof.clients.masking import Masking
from stormproof.clients.tracing import Tracer


async def test_messages_are_told_both_ways_without_their_secrets(bench: Bench) -> None:
    """Opening, what is sent and what comes back are told in order; a plain socket tells nothing."""
    told: list[str] = []
    bench.tape.tracer = Tracer(told.append, Masking(["s3cret-value"]))

    def on_message(text: str) -> None:
        opened.resolve(text, text)

    opened = await bench.ws.connect(
        "/ws/{name}", name="echo", query={"ticket": "t-1"}, on_message=on_message
    )
    text = '{"token": "t-2", "say": "s3cret-value"}'
    reply = await opened.exchange("say", text, text)
    assert reply.ok
    bench.tape.tracer = None
    assert (await opened.exchange("say", "quiet", "quiet")).ok
    assert told == [
        "> 1 user 1 opens a WebSocket\n  /ws/echo?ticket=***",
        '> 2 user 1 say\n  {"token": "***", "say": "***"}',
        '< 3 user 1 text frame\n  {"token": "***", "say": "***"}',
    ]
