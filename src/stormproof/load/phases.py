"""The phases of HTTP requests as trends of their scenario, by k6's names.

The rows of a new connection say how long it took; a request on one that was open already took no
time for that, and none to be written where the kernel took it at once. Such zeros cost nothing
while the load runs: as many as there are requests without a row are added when a second is written.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from stormproof.clients.tape import Scope
from stormproof.load.binning import Columns, SecondBins
from stormproof.model.series import HTTP_OPERATION, Counts, Series

WAITING, RECEIVING = "http_req_waiting", "http_req_receiving"
ROWS_OF_FEW = (
    "http_req_blocked",
    "http_req_connecting",
    "http_req_tls_handshaking",
    "http_req_sending",
)


class PhaseTrends:
    """Complete the counts of a second by the phases of its HTTP requests."""

    def __init__(self, scopes: Sequence[Scope], columns: Columns) -> None:
        self._scopes = {scope.scenario: scope for scope in scopes}
        self._columns = columns
        self._operations: dict[str, list[int]] = {}  # of HTTP, by scenario

    def learn(self, series: Series) -> None:
        """Take note of an operation's series; those of HTTP have phases."""
        scenario = series.tags.get("scenario", "")
        scope = self._scopes.get(scenario)
        if series.metric != HTTP_OPERATION or scope is None:
            return
        self._operations.setdefault(scenario, []).append(series.id)
        self._columns.waiting[series.id] = scope.trend(WAITING)
        self._columns.receiving[series.id] = scope.trend(RECEIVING)

    def completed(self, counts: list[Counts], bins: SecondBins) -> list[Counts]:
        """Return the counts of a second with those of all phases."""
        requests = {
            scenario: total
            for scenario, ids in self._operations.items()
            if (total := int(bins.count[ids].sum()))
        }
        if not requests:
            return counts
        by_series = {one.series: one for one in counts}
        phases: dict[int, Counts] = {}
        histograms, sums = bins.waits(self._columns.waiting)
        found = histograms.by_series()
        for scenario, total in requests.items():
            scope = self._scopes[scenario]
            for metric in (WAITING, RECEIVING, *ROWS_OF_FEW):
                series = scope.trend(metric)
                index, count = found.get(series, ([], []))
                timed = Counts(
                    series=series,
                    count=sum(count),
                    response_index=index,
                    response_count=count,
                    response_sum_us=int(sums[series]),
                )
                known = timed if metric in (WAITING, RECEIVING) else by_series.get(series, timed)
                phases[series] = with_zeros(known, total - known.count)
        return [*(one for one in counts if one.series not in phases), *phases.values()]


def with_zeros(counts: Counts, zeros: int) -> Counts:
    """Return counts with so many samples of no length at all added."""
    if zeros <= 0:
        return counts
    has_zero = counts.response_index[:1] == [0]
    first = zeros + (counts.response_count[0] if has_zero else 0)
    rest = slice(1 if has_zero else 0, None)
    return msgspec.structs.replace(
        counts,
        count=counts.count + zeros,
        response_index=[0, *counts.response_index[rest]],
        response_count=[first, *counts.response_count[rest]],
    )
