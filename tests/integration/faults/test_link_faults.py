"""Each fault on links, on a real link under traffic, without a keeper."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import msgspec
import pytest
from tests.integration.faults.small_stack import SmallStack, record_at

from stormproof.faults import link_fault
from stormproof.faults.catalog import _ON_LINKS
from stormproof.faults.chronicle import Chronicle
from stormproof.faults.journal import Journal
from stormproof.faults.links import TcpLink
from stormproof.faults.links.toxics import Applied, Latency
from stormproof.faults.parts import RunningPart
from stormproof.faults.running import RunningStack
from stormproof.kernel.errors import FaultRefused
from stormproof.model.fault import KINDS, SettingValue
from stormproof.model.plan import PlannedFault
from stormproof.seams import Fault

MS = 1_000_000


@pytest.fixture
async def link(small: SmallStack, part: RunningPart) -> AsyncIterator[TcpLink]:
    """Link to the small stack's server."""
    wire = TcpLink(small.link())
    await wire.open()
    yield wire
    await wire.close()


def fault_of(
    link: TcpLink, kind: str, settings: dict[str, SettingValue] | None = None, name: str = "it"
) -> Fault:
    """Build a fault as a compiled plan would, with the defaults of its kind."""
    shape = KINDS[kind].settings
    known = {key: one.default for key, one in shape.items() if one.default is not None}
    taken = {**known, **(settings or {})}
    assert set(shape) == set(taken)
    planned = PlannedFault(name=name, kind=kind, part="wire", at_ns=0, for_ns=1, settings=taken)
    return _ON_LINKS[kind](link, planned)


@asynccontextmanager
async def talking(link: TcpLink) -> AsyncIterator[None]:
    """Talk to the server behind the link again and again, whatever happens to the connections."""

    async def talk() -> None:
        while True:
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(0.2):
                    reader, writer = await asyncio.open_connection(link.host, link.listen_port)
                    try:
                        for _ in range(20):
                            writer.write(b"word" * 100)
                            await reader.readexactly(400)
                    except asyncio.IncompleteReadError:
                        pass
                    finally:
                        writer.transport.abort()
            await asyncio.sleep(0)

    task = asyncio.get_running_loop().create_task(talk())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


Case = tuple[str, dict[str, SettingValue], str]
CASES: dict[str, Case] = {
    "latency": (
        "link-latency",
        {"latency": 30 * MS, "jitter": 5 * MS},
        r"\d+ bytes? delayed; a byte of ours took (2[5-9]|[3-9]\d|\d{3})[\d.]*ms",
    ),
    "long latency": (
        "link-latency",
        {"latency": 60_000 * MS, "direction": "both"},
        r"\d+ bytes? delayed; a byte of ours did not arrive within 0.2s",
    ),
    "bandwidth": (
        "link-bandwidth",
        {"rate": 10_000},
        r"\d+ bytes? narrowed; 600 of 600 bytes of ours in 0\.\d+s",
    ),
    "held": (
        "link-partition",
        {},
        r"\d+ bytes and \d+ new connections held back; a connection of our own got no answer",
    ),
    "dropped": (
        "link-partition",
        {"mode": "drop"},
        r"\d+ bytes lost; a connection of our own got no answer",
    ),
    "dropped down": (
        "link-partition",
        {"mode": "drop", "direction": "down", "share": 0.9},
        r"\d+ bytes lost; a connection of our own got no answer",
    ),
    "reset": ("link-reset", {}, r"\d+ connections? reset; one of ours was too"),
    "slice": (
        "link-slice",
        {"bytes": 10, "pause": MS},
        r"\d+ bytes? sliced; 50 of 50 bytes of ours left in 5 pieces",
    ),
    "limit": (
        "link-limit",
        {"bytes": 100},
        r"\d+ bytes? counted, \d+ connections? closed; one of ours ended after 100 bytes",
    ),
    "slow close": (
        "link-slow-close",
        {"delay": 30 * MS},
        r"\d+ closes? delayed; one of ours took ([3-9]\d|\d{3})[\d.]*ms",
    ),
    "refusal": ("link-refusal", {}, r"a connection of ours was refused; \d+ connections? cut"),
    "half refused": (
        "link-refusal",
        {"share": 0.5},
        r"\d+ connections? reset; one of ours was too",
    ),
}


@pytest.mark.parametrize("case", CASES)
async def test_fault_keeps_the_contract_under_load(
    link: TcpLink, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each fault bites under load, is residue of itself while in force, and is gone after one undo
    or two."""
    if case == "long latency":
        monkeypatch.setattr("stormproof.faults.link_latency.WITNESS_S", 0.2)
    kind, settings, evidence = CASES[case]
    async with talking(link):
        fault = fault_of(link, kind, settings)
        assert "wire" in await fault.inject()
        shown = await fault.witness()
        assert re.match(evidence, re.sub(r"(?<=\d),(?=\d)", "", shown or "")), shown
        assert (await fault.residue() or "").startswith("wire still ")
        await fault.undo()
        await fault.undo()
        assert await fault.residue() is None
        assert link.toxics == ()
        bytes_before = link.counters().bytes_down
        async with asyncio.timeout(20):
            while link.counters().bytes_down == bytes_before:
                await asyncio.sleep(0.01)


async def test_every_kind_on_links_is_built_and_shown() -> None:
    """Each kind that hits links has its fault and stands in the test of the contract; the one that
    needs a server of TLS has tests of its own."""
    kinds = {kind for kind, shape in KINDS.items() if shape.hits == "link"}
    shown = {kind for kind, _, _ in CASES.values()} | {"link-certificate"}
    assert kinds == set(_ON_LINKS) == shown


@pytest.mark.parametrize("case", ["latency", "held", "dropped", "limit", "reset"])
async def test_fault_that_touches_no_traffic_is_not_witnessed(
    link: TcpLink, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault that nobody's connection has suffered gives no evidence, though ours would."""
    monkeypatch.setattr(link_fault, "WITNESS_S", 0.05)
    monkeypatch.setattr("stormproof.faults.link_partition.WITNESS_S", 0.05)
    kind, settings, _ = CASES[case]
    fault = fault_of(link, kind, settings)
    await fault.inject()
    assert await fault.witness() is None
    await fault.undo()


@pytest.mark.parametrize("case", [one for one in CASES if "share" not in CASES[one][1]])
async def test_fault_that_was_lifted_behind_its_back_is_not_witnessed(
    link: TcpLink, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link that suffers nothing any more gives no evidence, whatever was counted before."""
    monkeypatch.setattr(link_fault, "WITNESS_S", 0.05)
    monkeypatch.setattr("stormproof.faults.link_partition.WITNESS_S", 0.05)
    monkeypatch.setattr("stormproof.faults.link_refusal.PASSAGE_S", 0.05)
    kind, settings, _ = CASES[case]
    async with talking(link):
        fault = fault_of(link, kind, settings)
        await fault.inject()
        for one in link.toxics:
            link.take_off(one.name)
        await link.accept_again()
        assert await fault.witness() is None
        await fault.undo()


QUIET: dict[str, tuple[str, dict[str, SettingValue]]] = {
    "a partition of connections to come": ("link-partition", {"share": 0.001}),
    "a reset that is to come": ("link-reset", {"after": 30_000 * MS}),
    "slices that nothing is larger than": ("link-slice", {"bytes": 100_000}),
    "a limit that is far": ("link-limit", {"bytes": 1 << 40}),
    "a small limit that is far": ("link-limit", {"bytes": 16 << 20}),
    "a slow close where nobody closes": ("link-slow-close", {"delay": MS}),
}


async def test_fault_without_effect_on_busy_connections_is_not_witnessed(
    link: TcpLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Traffic that a fault lets pass is no evidence, nor is what our own connections suffer."""
    monkeypatch.setattr(link_fault, "WITNESS_S", 0.05)
    monkeypatch.setattr("stormproof.faults.link_partition.WITNESS_S", 0.05)
    async with sending(link):
        for case, (kind, settings) in QUIET.items():
            fault = fault_of(link, kind, settings)
            await fault.inject()
            assert await fault.witness() is None, case
            await fault.undo()


@asynccontextmanager
async def sending(link: TcpLink) -> AsyncIterator[None]:
    """Send to the server behind the link without a pause, on connections that stay."""
    pairs = [await asyncio.open_connection(link.host, link.listen_port) for _ in range(4)]

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"word" * 100)
            await reader.readexactly(400)

    tasks = [asyncio.ensure_future(send(*pair)) for pair in pairs]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for _, writer in pairs:
            writer.transport.abort()


async def test_reset_that_comes_late_is_witnessed_when_it_does(
    link: TcpLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reset is witnessed by connections that were reset, and not before."""
    monkeypatch.setattr("stormproof.faults.link_reset.WITNESS_S", 0.1)
    fault = fault_of(link, "link-reset", {"after": 200 * MS})
    async with sending(link):
        await fault.inject()
        assert re.fullmatch("4 connections reset", await fault.witness() or "")
        await fault.undo()


async def test_refusal_that_nobody_meets_is_not_witnessed(
    link: TcpLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody is connected nor connects, a refusal of ours shows nothing; who connects first
    is reset, which does."""
    with monkeypatch.context() as patch:
        patch.setattr(link_fault, "WITNESS_S", 0.05)
        fault = fault_of(link, "link-refusal")
        await fault.inject()
        assert await fault.witness() is None
        await fault.undo()
    injecting = asyncio.ensure_future(fault.inject())
    while not link.toxics:
        await asyncio.sleep(0)
    reader, writer = await asyncio.open_connection(link.host, link.listen_port)
    with pytest.raises(ConnectionResetError):
        await reader.readexactly(1)
    writer.close()
    await injecting
    assert await fault.witness() == "a connection of ours was refused; 1 connection cut"
    await fault.undo()
    assert await fault.residue() is None


async def test_partition_gives_back_what_waited(link: TcpLink) -> None:
    """What was sent into a held link arrives after the undo."""
    fault = fault_of(link, "link-partition")
    assert "0 connections under it" in await fault.inject()
    reader, writer = await asyncio.open_connection(link.host, link.listen_port)
    writer.write(b"word")
    assert "4 bytes and 1 new connections held back" in (await fault.witness() or "")
    assert "released 4 bytes" in await fault.undo()
    assert await reader.readexactly(4) == b"word"
    writer.close()


async def test_link_that_misses_its_upstream_is_residue(
    link: TcpLink, part: RunningPart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the undo a link that reaches no upstream which others reach is residue; one whose
    upstream is down for everybody is not."""
    fault = fault_of(link, "link-partition")
    await fault.inject()
    await fault.undo()
    with monkeypatch.context() as patch:
        real = link.upstream_of
        patch.setattr(
            link,
            "upstream_of",
            lambda pair: ("127.0.0.1", 1) if link.upstream == real(pair) else real(pair),
        )
        assert await fault.residue() == "a new connection through wire reaches no upstream"
    await part.stop()
    assert await fault.residue() is None


async def test_faults_on_one_link_compose(link: TcpLink) -> None:
    """Faults on one link are witnessed and undone each by itself, in any order, and what one
    leaves is not taken for the other's residue."""
    async with talking(link):
        faults = [
            fault_of(link, "link-latency", {"latency": 20 * MS}, "slow"),
            fault_of(link, "link-slice", {"bytes": 10, "pause": MS}, "sliced"),
            fault_of(link, "link-bandwidth", {"rate": 50_000}, "narrow"),
        ]
        for fault in faults:
            await fault.inject()
        for fault in faults:
            assert await fault.witness() is not None
        for fault in (faults[1], faults[0], faults[2]):
            await fault.undo()
            assert await fault.residue() is None
    assert link.toxics == ()


async def test_fault_is_not_put_on_twice(link: TcpLink) -> None:
    """A fault that is on the link already is refused."""
    link.put(Applied(name="it:down", toxic=Latency(latency_ns=MS), direction="down"))
    with pytest.raises(FaultRefused, match="it is on wire already"):
        await fault_of(link, "link-latency", {"latency": MS}).inject()


async def test_refusal_keeps_its_port(link: TcpLink, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a link refuses nobody else can take its port, and it listens there again."""
    monkeypatch.setattr(link_fault, "WITNESS_S", 0.05)
    fault = fault_of(link, "link-refusal")
    port = link.listen_port
    await fault.inject()
    with pytest.raises(OSError, match="in use"):
        await asyncio.start_server(lambda r, w: None, link.host, port, reuse_address=False)
    await fault.undo()
    assert await fault.residue() is None
    assert link.listen_port == port


async def test_links_of_a_stack_draw_out_of_the_seed_of_its_plan(small: SmallStack) -> None:
    """Whom a share hits hangs on the plan's seed, for the keeper gives it to each link."""
    plan = msgspec.structs.replace(small.plan, seed=7, steps=[small.link()])
    recorder = record_at(small.run_dir / "record" / "keeper.seg", "keeper")
    chronicle = Chronicle(recorder, Journal(small.run_dir / "undo.jsonl"), lambda event: None)
    stack = RunningStack(plan, logs=small.root, chronicle=chronicle)
    await stack.start()
    assert stack.link("wire").seed == 7
    await stack.stop(hurry=False)
    chronicle.close("completed")
