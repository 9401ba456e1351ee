"""Ask the target for its own figures, where it serves them (`stormproof.seams.Source`)."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping

from stormproof.kernel.errors import SourceSilent
from stormproof.kernel.limits import (
    EXPOSITION_BYTES_MAX,
    EXPOSITION_SAMPLES_MAX,
)
from stormproof.kernel.units import SECOND_NS
from stormproof.model.observed import UNREAD, Observed, ObservedKind
from stormproof.model.plan import Network, PlannedSource, TlsSettings
from stormproof.observe.collected import Exposition
from stormproof.observe.door import Door, door_of
from stormproof.observe.exposition import read_exposition
from stormproof.observe.families import read_families
from stormproof.observe.request import Answer, ask

TEXT = "text/plain;version=0.0.4;q=0.9,application/openmetrics-text;version=1.0.0;q=0.5"
PROTOBUF = "application/vnd.google.protobuf"
# Protobuf is liked best, because native histograms come in it alone; it stands last, for those who
# look at the beginning only and would not know it.
ACCEPT = f"{TEXT},{PROTOBUF};proto=io.prometheus.client.MetricFamily;encoding=delimited;q=1"
OPEN_METRICS = "application/openmetrics-text"
NOT_SERVED = (301, 302, 307, 308, 401, 403, 404, 405, 406, 410, 501)


class Scrape:
    """Scrape `/metrics` of a target.

    A target that answers in protobuf what cannot be read, or does not mark its end, is asked for
    text from then on, unless its text is no better: then the fault is no fault of the format.

    Args:
        planned: the path, and how long the target may take.
        base_url: of the target.
        headers: that every request carries, such as a key.
        tls: how an https target is trusted.
        network: how its name is looked up.

    Raises:
        EnvironmentFailure: a file of the TLS settings cannot be used.
    """

    def __init__(
        self,
        planned: PlannedSource,
        base_url: str,
        *,
        headers: Mapping[str, str] | None = None,
        tls: TlsSettings | None = None,
        network: Network | None = None,
    ) -> None:
        self._planned = planned
        self._door: Door = door_of(base_url, tls, network)
        self._headers = headers or {}
        self._accept = ACCEPT
        self._unread = 0.0  # of the answer in protobuf for which text is tried
        self._is_settled = False
        self._parsing: asyncio.Future[Exposition] | None = None

    @property
    def name(self) -> str:
        """What its figures are called by in objectives."""
        return self._planned.name

    async def read(self) -> list[Observed]:
        """Return how many of the target's lines are no figures, and all figures that it serves.

        The number comes first, so that no multitude of series takes its place; a figure of the
        target's own by that name is a line that was not read.

        Raises:
            SourceSilent: no answer in time, or one that is no exposition.
        """
        answer = await self._ask()
        # Megabytes must not hold up the loop. A reading that is given up is parsed on, and ends
        # soon, because its lines are bounded.
        loop = asyncio.get_running_loop()
        self._parsing = loop.run_in_executor(None, _read, answer)
        read = await asyncio.shield(self._parsing)
        self._choose_format(read, is_binary=_is_binary(answer))
        self._hold_to_bounds(read, "fields" if _is_binary(answer) else "lines")
        figures = [one for one in read.figures if one.name != UNREAD]
        unread = read.unread + len(read.figures) - len(figures)
        told = Observed(name=UNREAD, tags={}, kind=ObservedKind.GAUGE, value=float(unread))
        return [told, *figures]

    async def _ask(self) -> Answer:
        """Return a whole answer.

        Raises:
            SourceSilent: there is none.
        """
        path = self._planned.path
        if self._parsing is not None and not self._parsing.done():
            raise SourceSilent(f"{path}: the answer before is still being read")
        answer = await ask(
            self._door,
            path=path,
            accept=self._accept,
            headers=self._headers,
            bytes_max=EXPOSITION_BYTES_MAX,
            timeout_s=self._planned.timeout_ns / SECOND_NS,
        )
        if answer.error:
            raise SourceSilent(f"{path}: {answer.error}")
        if answer.status != 200:
            is_absent = answer.status in NOT_SERVED
            raise SourceSilent(f"{path} answers {answer.status}", is_absent=is_absent)
        if not answer.is_marked and _is_binary(answer):
            self._accept = TEXT
            raise SourceSilent(f"{path}: the answer is in protobuf, and its end is not marked")
        if not (answer.is_whole if answer.is_marked else answer.body.endswith(b"\n")):
            raise SourceSilent(f"{path}: the answer was cut off")
        return answer

    def _choose_format(self, read: Exposition, *, is_binary: bool) -> None:
        """Try text where protobuf is not read whole; go back for good where text is no better."""
        if is_binary and (read.unread or read.beyond) and not self._is_settled:
            self._accept = TEXT
            self._unread = read.unread if read.figures and not read.beyond else math.inf
        elif not is_binary and self._unread:
            self._is_settled = read.unread >= self._unread or bool(read.beyond)
            self._accept = ACCEPT if self._is_settled else TEXT
            self._unread = 0.0

    def _hold_to_bounds(self, read: Exposition, parts: str) -> None:
        path = self._planned.path
        if read.beyond:
            raise SourceSilent(f"{path} serves over {read.beyond}")
        if read.unread and not read.figures:
            why = f"{path} is no exposition: none of its {parts} can be read"
            raise SourceSilent(why, is_absent=parts == "lines")
        if read.left_out:
            raise SourceSilent(f"{path} serves over {EXPOSITION_SAMPLES_MAX} series")


def _is_binary(answer: Answer) -> bool:
    return answer.content_type.startswith(PROTOBUF)


def _read(answer: Answer) -> Exposition:
    if _is_binary(answer):
        return read_families(answer.body)
    is_open_metrics = OPEN_METRICS in answer.content_type
    return read_exposition(answer.body.decode("utf-8", "replace"), is_open_metrics=is_open_metrics)
