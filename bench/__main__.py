"""Measure what the budgets name and write RESULTS.md: `python -m bench [--only NAME ...]`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.checking import measure_checking
from bench.judging import measure_judging
from bench.link import measure_link
from bench.machine import describe, version_of
from bench.memory import measure_memory
from bench.open_model import measure_open_model
from bench.pairs import PAIRS
from bench.processes import BenchFailure
from bench.requests import measure_peers, measure_requests, measure_workers
from bench.results import Section, page
from bench.sanctum import measure_sanctum
from bench.scraping import measure_scraping
from bench.soak import measure_soak
from bench.startup import measure_help
from bench.truth import measure_stalls, measure_stamps
from bench.websocket_echo import measure_held, measure_websockets
from stormproof import __version__

RESULTS = Path(__file__).with_name("RESULTS.md")
MEASUREMENTS: dict[str, Callable[[int], Section]] = {
    "help": measure_help,
    "requests": measure_requests,
    "peers": measure_peers,
    "workers": measure_workers,
    "open-model": measure_open_model,
    "memory": measure_memory,
    "websockets": measure_websockets,
    "held": measure_held,
    "stalls": measure_stalls,
    "stamps": measure_stamps,
    "link": measure_link,
    "checking": measure_checking,
    "judging": measure_judging,
    "scraping": measure_scraping,
    "sanctum": measure_sanctum,
}
LONG: dict[str, Callable[[int], Section]] = {"soak": measure_soak}  # only when named


def main() -> int:
    """Measure; return 0, or 1 when a bar was missed or something could not be measured."""
    options = _options()
    sections = [_measured(name, options.pairs) for name in options.only or MEASUREMENTS]
    text = page(_head(options.pairs), sections)
    if options.only:
        sys.stdout.write(text)
    else:
        RESULTS.write_text(text, encoding="utf-8")
        sys.stderr.write(f"bench: wrote {RESULTS}\n")
    failed = any(one.failure or any(row.met is False for row in one.rows) for one in sections)
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", choices=[*MEASUREMENTS, *LONG], help="print only these"
    )
    parser.add_argument("--pairs", type=int, default=PAIRS, help="runs of each (default 7)")
    return parser.parse_args()


def _measured(name: str, pairs: int) -> Section:
    sys.stderr.write(f"bench: {name}\n")
    try:
        return (MEASUREMENTS | LONG)[name](pairs)
    except BenchFailure as failure:
        return Section(title=name, failure=str(failure))


def _head(pairs: int) -> list[str]:
    return [
        f"stormproof {__version__}, {time.strftime('%Y-%m-%d', time.gmtime())}",
        describe(),
        f"{version_of(['wrk', '-v'])}; {version_of(['nginx', '-v'])}",
        f"{pairs} interleaved runs of each, the median counts; a ratio is taken pair by pair",
    ]


if __name__ == "__main__":
    sys.exit(main())
