"""Profiles: where they are found, and what of a file is a profile at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stormproof.kernel.errors import BadInput
from stormproof.kernel.limits import PROFILE_BYTES_MAX
from stormproof.kernel.units import SECOND_NS
from stormproof.model.plan import Network, TlsSettings
from stormproof.model.profile import Profile
from stormproof.planning.profiles import find_profile, read_profile

OPEN = {"executor": "constant-arrival-rate", "rate": 5, "preAllocatedVUs": 4}
CLOSED = {"executor": "constant-vus", "vus": 3}


def read(tmp_path: Path, **fields: Any) -> tuple[Profile, str]:
    path = tmp_path / "p.json"
    whole = {"duration": "30s", "thresholds": {"http_reqs": "count>1"}, **fields}
    path.write_text(json.dumps(whole))
    profile, problems = read_profile(path)
    return profile, "\n".join(map(str, problems))


def test_a_profile_is_found_by_name_in_the_first_folder_that_has_it(tmp_path: Path) -> None:
    """The working directory's profile wins over the shipped one; a path is taken as it is."""
    mine, shipped = tmp_path / "mine", tmp_path / "shipped"
    for folder in (mine, shipped):
        folder.mkdir()
        (folder / "p.json").write_text("{}")
    assert find_profile("p", [mine, shipped]) == mine / "p.json"
    assert find_profile(str(shipped / "p.json"), [mine]) == shipped / "p.json"


def test_a_file_that_is_missing_or_too_large_is_refused_whole(tmp_path: Path) -> None:
    """A file that cannot be read, or is over the bound, is named and not parsed."""
    with pytest.raises(BadInput, match="cannot be read"):
        read_profile(tmp_path / "nothing.json")
    (tmp_path / "large.json").write_bytes(b" " * (PROFILE_BYTES_MAX + 1))
    with pytest.raises(BadInput, match=f"over {PROFILE_BYTES_MAX} bytes"):
        read_profile(tmp_path / "large.json")


def test_what_a_profile_leaves_out_has_a_default(tmp_path: Path) -> None:
    """Users may grow no further than those prepared, a scenario lasts as long as the load."""
    profile, problems = read(tmp_path, scenarios={"feed": OPEN, "chat": CLOSED})
    assert problems == ""
    assert (profile.scenarios["feed"].vus, profile.scenarios["feed"].max_vus) == (4, 4)
    assert profile.scenarios["chat"].duration_ns is None
    assert profile.workers == 1
    assert profile.thresholds == {"http_reqs": ("count>1",)}


def test_a_scenarios_own_length_is_read(tmp_path: Path) -> None:
    """A scenario may start late and end early."""
    chat = CLOSED | {"startTime": "5s", "duration": "10s"}
    profile, _ = read(tmp_path, scenarios={"chat": chat})
    numbers = profile.scenarios["chat"]
    assert (numbers.start_ns, numbers.duration_ns) == (5 * SECOND_NS, 10 * SECOND_NS)


def test_a_port_of_zero_is_any_port(tmp_path: Path) -> None:
    """Only ports that are really wanted are in the profile."""
    profile, problems = read(tmp_path, ports={"api": 0, "cache": 6400})
    assert problems == ""
    assert profile.ports == {"cache": 6400}


def test_a_port_of_no_part_names_all_parts(tmp_path: Path) -> None:
    """The hint lists every part, not only those that the profile gives a port."""
    _, problems = read(tmp_path, ports={"api": 8000, "webserver": 80})
    known = "api, api-link, cache, cache-link, consumer, database-link, dispatcher, postgres"
    assert f"ports webserver: is unknown (known: {known})" in problems


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"scenarios": {"feed": OPEN | {"maxVUs": 2}}}, "2 is less than preAllocatedVUs (4)"),
        ({"scenarios": []}, "scenarios: must be an object"),
        ({"thresholds": {"http_reqs": []}}, "must be a list of thresholds"),
        ({"probes": {"ready": {"interval": "1ms"}}}, "'1ms' is out of range"),
        ({"description": 3}, "must be a string, not 3"),
        ({"duration": 30}, "must be a duration, not 30"),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, fields: dict[str, Any], problem: str) -> None:
    """Each kind of field says what it takes."""
    assert problem in read(tmp_path, **fields)[1]


def test_how_the_target_is_reached_is_read(tmp_path: Path) -> None:
    """Files of `tls` are found beside the profile; hosts and proxy are kept as they are."""
    for name in ("ca.pem", "us.pem", "us.key"):
        (tmp_path / name).write_text("pem")
    tls = {"ca": "ca.pem", "certificate": "us.pem", "key": "us.key", "serverName": "api.test"}
    network = {"hosts": {"api.test": "127.0.0.1"}, "proxy": "http://127.0.0.1:3128"}
    profile, problems = read(tmp_path, tls=tls, network=network)
    assert problems == ""
    assert profile.tls == TlsSettings(
        ca=str(tmp_path / "ca.pem"),
        certificate=str(tmp_path / "us.pem"),
        key=str(tmp_path / "us.key"),
        server_name="api.test",
    )
    assert profile.network == Network(
        hosts={"api.test": "127.0.0.1"}, proxy="http://127.0.0.1:3128"
    )
    assert read(tmp_path)[0].tls == TlsSettings()


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"tls": {"ca": "absent.pem"}}, "tls ca: 'absent.pem' is no file"),
        ({"tls": {"key": "p.json"}}, "tls key: is of no use without `certificate`"),
        ({"tls": {"insecure": True, "ca": "p.json"}}, "tls ca: is of no use where `insecure`"),
        ({"tls": {"insecure": "yes"}}, "tls insecure: must be true or false"),
        ({"tls": {"verify": False}}, "tls verify: is unknown"),
        ({"network": {"hosts": {"a": "b"}}}, "network hosts a: 'b' is no IP address"),
        ({"network": {"proxy": "socks://x"}}, "network proxy: 'socks://x' is no http proxy"),
        ({"network": {"proxy": "http://x:99999"}}, "network proxy: 'http://x:99999' is no"),
    ],
)
def test_what_cannot_be_reached_is_told(
    tmp_path: Path, fields: dict[str, Any], problem: str
) -> None:
    """What is wrong with TLS and network is told with its place and what would be right."""
    _, problems = read(tmp_path, **fields)
    assert problem in problems
