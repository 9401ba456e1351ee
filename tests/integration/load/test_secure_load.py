"""A load over https, from a plan to frames: who is believed, what is warned of, what is timed."""

from __future__ import annotations

import ssl
from pathlib import Path

import msgspec
import trustme
from tests.integration.load.fleets import drive, make_plan, observe, scenario, stopping
from tests.integration.load.serving import answer, serving

from stormproof.load.phases import RECEIVING, ROWS_OF_FEW, WAITING
from stormproof.model.plan import Network, Plan, TlsSettings

AUTHORITY = trustme.CA()
USERS = 4


def plan_with(tls: TlsSettings) -> Plan:
    """Plan a small load on a target whose name is in no name server."""
    plan = make_plan(scenario("read", executor="constant-vus", vus=USERS), workers=2)
    network = Network(hosts={"api.test": "127.0.0.1"})
    return msgspec.structs.replace(plan, tls=tls, network=network)


def context() -> ssl.SSLContext:
    """Return the context of a server called api.test."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("api.test").configure_cert(made)
    return made


async def test_https_is_driven_and_its_phases_are_recorded(tmp_path: Path) -> None:
    """Every request over TLS is in each phase once, with as many handshakes as connections."""
    ca = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(ca)
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    observed = observe(run_dir, plan_with(TlsSettings(ca=str(ca))))
    async with serving(lambda _: answer(), context=context()) as place:
        await stopping(observed, lambda: drive(observed, f"https://api.test:{place.port}"))
    requests = observed.total("http_req")
    assert requests == len(place.asked) > USERS
    assert observed.total("http_req", failed=True) == 0
    for phase in (*ROWS_OF_FEW, WAITING, RECEIVING):
        assert observed.total(phase) == requests
    shaken = [
        sum(
            count
            for index, count in zip(one.response_index, one.response_count, strict=True)
            if index
        )
        for frame in observed.frames
        for one in frame.counts
        if observed.series[frame.worker][one.series].metric == "http_req_tls_handshaking"
    ]
    assert sum(shaken) == place.connections == USERS
    assert observed.warnings()["tls-unverified"] == 0


async def test_an_insecure_load_is_warned_of_once(tmp_path: Path) -> None:
    """A load that believes whoever answers goes on, and the record says so once."""
    observed = observe(tmp_path, plan_with(TlsSettings(insecure=True)))
    async with serving(lambda _: answer(), context=context()) as place:
        await stopping(observed, lambda: drive(observed, f"https://api.test:{place.port}"))
    assert observed.total("http_req") > 0
    assert observed.total("http_req", failed=True) == 0
    assert observed.warnings()["tls-unverified"] == 1


async def test_an_unknown_authority_fails_every_request(tmp_path: Path) -> None:
    """Without trust no request is sent, each counts as failed, and its kind says why."""
    observed = observe(tmp_path, plan_with(TlsSettings()))
    async with serving(lambda _: answer(), context=context()) as place:
        await stopping(observed, lambda: drive(observed, f"https://api.test:{place.port}"))
    assert place.asked == []
    assert observed.total("http_req", failed=True) == observed.total("http_req") > 0
    kinds = {one.kind for worker in (0, 1) for one in observed.segment(worker).failures}
    assert kinds == {"tls unknown issuer"}
