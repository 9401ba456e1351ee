"""Stack files: what a sound one says, and that every problem of another is told with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.planning.stack_texts import SOUND, read

from stormproof.kernel.errors import BadInput
from stormproof.kernel.limits import STACK_FILE_BYTES_MAX
from stormproof.model.own_stack import OwnLink, OwnPart, OwnTask
from stormproof.planning.stack_files import read_stack


def test_a_sound_file_is_taken_as_it_is_written(tmp_path: Path) -> None:
    """Steps keep their order, ports their numbers, and only the names of secrets are kept."""
    own, problems = read(tmp_path)
    assert problems == ""
    assert [(type(one), one.name) for one in own.steps] == [
        (OwnPart, "cache"),
        (OwnLink, "cache-link"),
        (OwnTask, "migrate"),
        (OwnPart, "web"),
    ]
    assert own.ports == {"web": 8123, "cache": 0, "cache-link": 0}
    assert own.secrets == ("CACHE_KEY",)
    assert (own.breakable_parts(), own.breakable_links()) == (("cache",), ("cache-link",))
    cache = own.steps[0]
    assert isinstance(cache, OwnPart)
    assert (cache.stop_signal, cache.stop_deadline_ns) == (2, 3_000_000_000)
    assert cache.ready.how == "tcp"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('base_url = "http://127.0.0.1:{ports.web}"', "", "base_url: is missing: where does"),
        ("http://127.0.0.1:{ports.web}", "http://10.0.0.1:{ports.web}", "is not this machine"),
        ("http://127.0.0.1:{ports.web}", "ftp://127.0.0.1", "base_url: is no http URL"),
        ("http://127.0.0.1:{ports.web}", "http://{secrets.HOST}", "base_url: holds a secret"),
        ("http://127.0.0.1:{ports.web}", "unix:/tmp/x", "base_url: is a socket's path"),
        ("web = 8123", "web = 0", 'ports web: 0 is no port ("any", or 1 to 65535)'),
        ("web = 8123", "web = true", "ports web: True is no port"),
        ('cache = "any"', "cache = 8123", "ports: 8123 is given to 2 of them"),
        ("cache-link =", '"a b" =', "the name 'a b' is none"),
        ("[[start]]", "[[stat]]", "stat: is unknown (did you mean 'start'?)"),
        ('part = "web"', "", "start[3]: is neither part, task, link nor service"),
        ('part = "web"', 'part = "web"\ntask = "w"', "start[3]: is part and task"),
        ('part = "web"', 'part = "cache"', "start: 'cache' is there 2 times"),
        ('part = "web"', 'part = "keeper"', "the name 'keeper' is none"),
        ('part = "web"', "part = 5", "start[3] part: must be a string, not 5"),
        (
            '["./migrate", \'{"a": {"b": 1}}\', "{{ports.web}}"]',
            "[]",
            "task migrate argv: names no command",
        ),
        ('argv = ["./serve"', 'argv = "./serve', "is not TOML"),
        ("{private}", "{privat}", "part web argv: {privat} stands for nothing (did you mean"),
        ('serve", "{ports.web}"', 'serve", "{ports.wep}"', "{ports.wep} stands for nothing"),
        ("{private}", "{secrets.KEY}", "shows the secret KEY to everybody on the machine"),
        ("{private}", "\\u0000", "part web argv: holds a zero byte"),
        ("CACHE =", '"A=B" =', "part web env: 'A=B' is no name of a variable"),
        ("CACHE =", 'API_TOKEN = "t0ken-of-mine", CACHE =', "API_TOKEN is called a secret"),
        (":{secrets.CACHE_KEY}@127.0.0.1:{ports.cache}", ":pw@h", "url: holds a password"),
        ('{ port = "cache" }', "{}", "part cache ready port: is missing"),
        ('{ port = "cache" }', '{ port = "cach" }', "'cach' is no port of this file (did you mean"),
        ('{ port = "cache" }', '{ port = "cache", how = "http" }', "goes with http and with"),
        ('{ port = "cache" }', '{ port = "cache", path = "/a b" }', "path: '/a b' is none"),
        ('{ port = "cache" }', '{ port = "cache", how = "udp" }', "how: 'udp' is unknown"),
        ('signal = "INT"', 'signal = "TREM"', "signal: 'TREM' is unknown (did you mean 'TERM'?)"),
        ('deadline = "20s"', 'deadline = "0s"', "ready deadline: '0s' is out of range"),
        ("breakable = true", 'breakable = "yes"', "breakable: must be true or false, not 'yes'"),
        ("breakable = true", "breakble = true", "breakble: is unknown (did you mean 'breakable'?)"),
        ('{ port = "cache" }', '{ alive = "0s" }', "part cache ready alive: '0s' is out of range"),
        ('{ port = "cache" }', '{ alive = "1s", port = "cache" }', "ready port: is unknown"),
        (
            '[[start]]\npart = "cache"',
            '[outside]\nx = 0\n[[start]]\npart = "cache"',
            "outside x: must be a whole number from 1 to 65535",
        ),
        (
            '[[start]]\npart = "cache"',
            '[outside]\nweb = 80\n[[start]]\npart = "cache"',
            "outside web: is among `ports` as well",
        ),
        ('upstream = "cache"', 'upstream = "cache-link"', "leads from a port to itself"),
        ('listen = "cache-link"', "", "link cache-link listen: is missing"),
        ('kind = "valkey"', 'kind = "mysql"', "servers cache kind: 'mysql' is unknown"),
        ('kind = "valkey"', 'kind = "postgres"', "servers cache url: is no URL of a postgres"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    """Each breach of a sound file gives its own message, which says what would be right."""
    assert old in SOUND
    try:
        _, told = read(tmp_path, SOUND.replace(old, new))
    except BadInput as error:
        told = str(error)
    assert problem in told


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    """A file with five mistakes gives five messages."""
    text = SOUND
    for old, new in (
        ("web = 8123", "web = 70000"),
        ('{ port = "cache" }', '{ port = "cach" }'),
        ('kind = "valkey"', 'kind = "mysql"'),
        ("{private}", "{privat}"),
        ('signal = "INT"', 'signal = "X"'),
    ):
        text = text.replace(old, new)
    _, told = read(tmp_path, text)
    for word in ("70000", "'cach'", "'mysql'", "{privat}", "'X'"):
        assert word in told


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xfe",
        b"a = " + b"[" * 20_000,
        b"[[start]",
        b"a = 1\na = 2",
        b"d = 2024-99-99",
        b"n = " + b"9" * 5_000,
        b"#" * (STACK_FILE_BYTES_MAX + 1),
    ],
)
def test_what_is_no_stack_file_is_bad_input(tmp_path: Path, data: bytes) -> None:
    """Garbage, nesting without end, a file beyond bounds: one message, never a crash."""
    path = tmp_path / "stack.toml"
    path.write_bytes(data)
    with pytest.raises(BadInput, match=r"stack\.toml"):
        read_stack(path)


def test_a_folder_or_nothing_is_bad_input(tmp_path: Path) -> None:
    """A file that cannot be read is told with the reason."""
    with pytest.raises(BadInput, match="Is a directory"):
        read_stack(tmp_path)
    with pytest.raises(BadInput, match="No such file"):
        read_stack(tmp_path / "no.toml")
    with pytest.raises(BadInput, match="null byte"):
        read_stack(tmp_path / "a\0b.toml")


@pytest.mark.parametrize("text", ["", "start = 5", "start = [1]", "ports = 3", "servers = [2]"])
def test_files_of_another_shape_are_told_too(tmp_path: Path, text: str) -> None:
    """Empty files and values of the wrong type are problems of their own."""
    assert read(tmp_path, text)[1] != ""


def test_a_part_is_asked_over_http_where_it_has_a_path(tmp_path: Path) -> None:
    """The way of asking follows from the path, or is said."""
    own, _ = read(tmp_path, SOUND.replace('{ port = "cache" }', '{ port="cache", how="postgres" }'))
    ways = [one.ready.how for one in own.steps if isinstance(one, OwnPart)]
    assert ways == ["postgres", "http"]


def test_a_worker_without_a_port_is_up_when_it_has_run(tmp_path: Path) -> None:
    """`alive` stands in place of a port, and asks nobody."""
    own, problems = read(tmp_path, SOUND.replace('{ port = "cache" }', '{ alive = "2s" }'))
    assert problems == ""
    cache = own.steps[0]
    assert isinstance(cache, OwnPart)
    assert (cache.ready.how, cache.ready.alive_ns, cache.ready.port) == ("alive", 2 * 10**9, "")


def test_a_link_may_lead_to_what_runs_outside(tmp_path: Path) -> None:
    """Of what runs already the way to it can be broken, with a file of one link."""
    text = (
        'base_url = "http://127.0.0.1:{ports.users}"\n[ports]\nusers = "any"\n'
        "[outside]\nservice = 8000\n"
        '[[start]]\nlink = "api-link"\nlisten = "users"\nupstream = "service"\nbreakable = true\n'
    )
    own, problems = read(tmp_path, text)
    assert problems == ""
    assert own.outside == {"service": 8000}
    _, problems = read(tmp_path, text.replace('listen = "users"', 'listen = "service"'))
    assert "link api-link listen: 'service' is no port of this file" in problems
