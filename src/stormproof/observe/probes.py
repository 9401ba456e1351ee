"""Ask the target again and again how it is, and write down every answer with its instants."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from stormproof.kernel.canonical import UNREADABLE
from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import ProbeSample
from stormproof.model.plan import Network, PlannedProbe, TlsSettings
from stormproof.observe.door import Door, door_of
from stormproof.observe.request import Answer, ask
from stormproof.seams import Clock, Recorder

BODY_KEPT_BYTES = 1024


class Probes:
    """Run the plan's probes side by side, each on its own fixed grid of instants.

    A slow answer makes its own probe skip grid points and never delays another probe.
    """

    def __init__(
        self,
        planned: Sequence[PlannedProbe],
        recorder: Recorder,
        clock: Clock,
        on_sample: Callable[[ProbeSample], None],
        *,
        tls: TlsSettings | None = None,
        network: Network | None = None,
    ) -> None:
        self._planned = planned
        self._recorder = recorder
        self._clock = clock
        self._on_sample = on_sample
        self._tls = tls
        self._network = network

    async def watch(self, base_url: str) -> None:
        """Ask until cancelled.

        Raises:
            EnvironmentFailure: the record cannot be written, or a file of TLS not be used.
        """
        door = door_of(base_url, self._tls, self._network)
        asking = [asyncio.ensure_future(self._repeat(one, door)) for one in self._planned]
        try:
            await asyncio.gather(*asking)
        finally:
            for one in asking:
                one.cancel()

    async def _repeat(self, probe: PlannedProbe, door: Door) -> None:
        token, last_body = "", b""
        due_ns = self._clock.now_ns()
        while True:
            if probe.sign_in is not None and not token:
                token = await _sign_in(probe, door)
            start_ns = self._clock.now_ns()
            answer = await ask(
                door,
                method=probe.method,
                path=probe.path,
                body=probe.body,
                token=token,
                timeout_s=probe.timeout_ns / SECOND_NS,
            )
            if answer.status == 401:
                token = ""
            self._note(probe, start_ns, answer, changed=answer.body != last_body)
            last_body = answer.body
            now_ns = self._clock.now_ns()
            steps = max(1, -(-(now_ns - due_ns) // probe.interval_ns))
            due_ns += steps * probe.interval_ns
            await asyncio.sleep(max(0, due_ns - now_ns) / SECOND_NS)

    def _note(self, probe: PlannedProbe, start_ns: int, answer: Answer, *, changed: bool) -> None:
        kept = answer.body[:BODY_KEPT_BYTES] if changed and not probe.sign_in else b""
        sample = ProbeSample(
            probe=probe.name,
            start_ns=start_ns,
            end_ns=self._clock.now_ns(),
            status=answer.status,
            ok=200 <= answer.status < 300,
            error=answer.error,
            body=kept.decode(errors="replace"),
        )
        self._recorder.probes([sample])
        self._on_sample(sample)


async def _sign_in(probe: PlannedProbe, door: Door) -> str:
    """Return a bearer token, or nothing when the target gives none."""
    sign_in = probe.sign_in
    assert sign_in is not None
    answer = await ask(
        door,
        method="POST",
        path=sign_in.path,
        body=sign_in.body,
        timeout_s=probe.timeout_ns / SECOND_NS,
    )
    try:
        token = msgspec.json.decode(answer.body, type=dict[str, object]).get(sign_in.token, "")
    except UNREADABLE:
        return ""
    return token if isinstance(token, str) else ""
