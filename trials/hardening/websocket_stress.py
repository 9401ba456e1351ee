"""WebSocket stress: many sockets held, many more opened and closed, each with its own ticket (A5).

What it proves: tickets are issued at the rate at which people come, each opens one socket, held
sockets answer their pings and stay open while their number grows.
Why it matters: a socket is held for hours; one that is dropped brings its user back at the worst
moment, together with everybody else's.
Journeys: people who take a seat in a channel and ping it; people who come, ask once and go.
Everybody has logged in before.
Limits: no messages are sent here; their delivery is judged by the demonstration and the soak.
"""

from __future__ import annotations

from sanctum_journeys import (
    CHANNELS,
    PACE_S,
    READY,
    Frame,
    Seat,
    channel_of,
    pause,
    sign_in,
)
from stormproof import Floors, Trial, User, journey

TRIAL = Trial(
    name="websocket_stress",
    title="Sockets open with their tickets, answer pings and stay open",
    stack="embedded",
    scenarios={"hold": "hold", "come_and_go": "come_and_go"},
    probes={"ready": READY},
    floors=Floors(duration="60s", rates={"come_and_go": 8}, vus={"hold": 50, "come_and_go": 20}),
)


def ignore(frame: Frame) -> None:
    """Take a frame that nobody here waits for."""


@journey(prepare=sign_in, settings=(CHANNELS, PACE_S))
async def hold(user: User) -> None:
    """Keep a seat, taking it at first and again where it was lost, and ping it now and then."""
    if not hasattr(user.state, "seat"):
        user.state.seat = Seat(user, channel_of(user), ignore)
    await user.state.seat.take()
    await user.state.seat.ping()
    await pause(user)


@journey(prepare=sign_in, settings=(CHANNELS,))
async def come_and_go(user: User) -> None:
    """Take a ticket, connect, ask once whether anybody is there, and leave in order."""
    seat = Seat(user, channel_of(user), ignore)
    await seat.take()
    await seat.ask()
    await seat.leave()
