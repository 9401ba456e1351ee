"""The HTML report: one file, well-formed, offline, and deaf to what the target sent."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from itertools import pairwise

import msgspec
import pytest
from tests.builders import healthy_record
from tests.unit.report.hostile import STEERING, make_hostile
from tests.unit.report.synthetic import at_ns, make_record, truncated
from tests.unit.report.verdicts import make_fail, make_inconclusive, make_pass

from stormproof.checks.judge import judge
from stormproof.model.event import WarningEvent
from stormproof.model.record import Record
from stormproof.model.verdict import Instant, Recovery, Verdict
from stormproof.report.html import render_html
from stormproof.report.recovery import instant_rows

SIZE_MAX = 2_000_000
VOID = {"meta", "link", "br", "hr", "img", "input", "wbr", "col"}
KINDS = [make_pass, make_fail, make_inconclusive]


@dataclass
class Parsed:
    """What an HTML file holds, flattened."""

    tags: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    texts: dict[str, list[str]] = field(default_factory=dict)
    open: list[str] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)

    def named(self, tag: str) -> list[dict[str, str]]:
        """Return the attributes of each element called `tag`."""
        return [attributes for name, attributes in self.tags if name == tag]

    def text(self, tag: str) -> str:
        """Return the text directly inside elements called `tag`."""
        return "".join(self.texts.get(tag, []))


class Strict(HTMLParser):
    """Read HTML and note every element that is closed wrongly or not at all."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found = Parsed()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element."""
        self.found.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.found.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element without content."""
        self.found.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost element, which must be this one."""
        if not self.found.open or self.found.open.pop() != tag:
            self.found.mistakes.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        """Keep text under the element that holds it."""
        inside = self.found.open[-1] if self.found.open else ""
        self.found.texts.setdefault(inside, []).append(data)


def parse(page: bytes) -> Parsed:
    """Read a page; it must be well-formed."""
    strict = Strict()
    strict.feed(page.decode())
    strict.close()
    assert strict.found.mistakes == []
    assert strict.found.open == []
    return strict.found


@pytest.fixture(scope="module")
def record() -> Record:
    """Return the made-up run."""
    return make_record(detail=6)


@pytest.mark.parametrize("make", KINDS)
def test_well_formed(make: Callable[[], Verdict], record: Record) -> None:
    """Each kind of verdict renders as well-formed HTML, ids once each, every link leading there."""
    page = parse(render_html(make(), record))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {attributes["href"] for attributes in page.named("a")}
    assert links <= {f"#{one}" for one in ids}


@pytest.mark.parametrize("make", KINDS)
def test_verdict_first(make: Callable[[], Verdict], record: Record) -> None:
    """The first heading is the verdict's word, before any other text of the report."""
    verdict = make()
    page = render_html(verdict, record).decode()
    assert f'<h1><span class="word">{verdict.verdict.upper()}</span>' in page
    assert page.index("<h1>") < page.index("<h2")
    assert verdict.headline.partition(" ")[2][:20] in page


def test_nothing_from_outside(record: Record) -> None:
    """The page names no other resource, in elements, style or script."""
    page = parse(render_html(make_fail(), record))
    for tag, attributes in page.tags:
        assert not {"src", "srcset", "action", "formaction", "data", "ping"} & attributes.keys(), (
            tag
        )
        assert attributes.get("href", "#").startswith(("#", "data:,"))
    assert not re.search(r"url\(|@import|expression", page.text("style"))
    assert not re.search(
        r"https?:|fetch\(|XMLHttp|WebSocket|import\(|eval|innerHTML", page.text("script")
    )


def test_policy_allows_our_texts_only(record: Record) -> None:
    """The policy forbids everything but the script and style whose digests it names."""
    text = render_html(make_pass(), record).decode()
    policy = parse(text.encode()).named("meta")[1]["content"]
    assert "default-src 'none'" in policy
    for tag in ("style", "script"):
        content = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert len(content) == 1
        digest = base64.b64encode(hashlib.sha256(content[0].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_hostile_text_is_only_text() -> None:
    """Markup, template syntax and control characters from a target stay harmless text."""
    raw = render_html(*make_hostile())
    page = parse(raw)
    assert page.named("img") == []
    assert len(page.named("script")) == 2
    assert len(page.named("style")) == 1
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert not (set(STEERING) & set(raw.decode())) - set("[31m")
    assert "{{7*7}}" in raw.decode()
    assert len(raw) < SIZE_MAX


def test_script_data_is_json(record: Record) -> None:
    """The data for hovering parse as JSON and hold one value a second of every line."""
    text = render_html(make_pass(), record).decode()
    found = re.search(r'id="timeline-data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    data = msgspec.json.decode(found.group(1))
    assert (data["from_s"], data["to_s"], data["step_s"]) == (-8, 156, 1)
    assert set(data["panels"]) >= {"rate", "response", "delivery", "cpu"}
    assert all(len(line["low"]) == 164 for lines in data["panels"].values() for line in lines)


def test_everything_is_there(record: Record) -> None:
    """Objectives, recovery, findings, errors, generator, settings and the recheck are all there."""
    page = render_html(make_fail(), record).decode()
    for text in (
        "95th percentile response time of GET /api/feed",
        "6 % above",
        "0:10 to 1:02, 1:10 to 1:44, 1:48 to 2:30",
        "900 ms after undo",
        "missed by users 3 and 21",
        "chat is unavailable: the cache cannot be reached",
        "It kept its schedule",
        "process-restart of cache at 1:44",
        "constant-arrival-rate: 220 starts a second",
        make_fail().plan_sha256,
        "stormproof judge 20260301-093012-4f2c",
        "24 sockets were reconnected",
        "valkey",
        "8 GiB",
        "2026-03-01 09:30:12 UTC",
    ):
        assert text in page, text


def test_inconclusive_says_why(record: Record) -> None:
    """A page that is INCONCLUSIVE says why, what to do, and what was not judged."""
    page = render_html(make_inconclusive(), record).decode()
    for text in (
        "17 of 200 samples that this objective needs",
        "run longer: about 12 times the window",
        "at scale 0.25 about 850 messages are sent",
        "worker-1: second 44 has no frame",
        "It cannot be trusted",
        "41 seconds did not count",
        "reduced, scale 0.25",
    ):
        assert text in page, text


def test_no_secret_of_the_environment(record: Record) -> None:
    """What a scenario gets from its environment is not shown."""
    assert b"never-shown" not in render_html(make_pass(), record)


def test_tables_have_captions_and_scopes(record: Record) -> None:
    """Every table has a caption and every header cell a scope, for those who listen to it."""
    page = parse(render_html(make_fail(), record))
    assert len(page.named("table")) == len(page.named("caption"))
    assert all("scope" in attributes for attributes in page.named("th"))
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))


@pytest.mark.parametrize("until_s", [-13.8, -9.0, 0.5, 5.0, 62.5, 64.0, 105.0, 151.0])
def test_truncated_records(record: Record, until_s: float) -> None:
    """A record that ends anywhere renders as well-formed HTML."""
    page = render_html(make_inconclusive(), truncated(record, until_s))
    parse(page)
    assert b"unknown, the record stops early" in page


def test_empty_record(record: Record) -> None:
    """A record that holds nothing but plan and manifest renders, and says that nothing was seen."""
    empty = replace(record, frames=(), events=(), probes=(), failures=(), series={}, sealed=False)
    page = render_html(make_inconclusive(), empty)
    parse(page)
    assert b"no samples" in page


def test_two_hours_stay_small(record: Record) -> None:
    """A run of two hours is downsampled to a file well under the limit."""
    times = 48
    middle = [one for one in record.frames if 0 <= one.second < 150]
    frames = [
        msgspec.structs.replace(one, second=one.second + 150 * lap)
        for lap in range(times)
        for one in middle
    ]
    plan = msgspec.structs.replace(record.plan, duration_ns=150 * times * 10**9)
    page = render_html(make_pass(), replace(record, plan=plan, frames=tuple(frames)))
    assert len(page) < SIZE_MAX / 2
    assert b"Lines show the median of each 20 seconds" in page


def test_many_warnings_are_cut(record: Record) -> None:
    """Warnings beyond a limit are counted instead of listed."""
    warning = WarningEvent(at_ns=at_ns(3), code="names-folded", text="too many names")
    page = render_html(make_pass(), replace(record, events=(*record.events, *[warning] * 500)))
    assert b"and 451 more" in page


def test_what_judging_saw_stands_before_what_the_run_said(record: Record) -> None:
    """Notes of the profile and of the timeline are in the verdict alone, and on the page."""
    warning = WarningEvent(at_ns=at_ns(3), code="names-folded", text="too many names")
    verdict = msgspec.structs.replace(
        make_pass(),
        warnings=["timeline: cache-cut came 3 s late", "names-folded: too many names"],
    )
    page = render_html(verdict, replace(record, events=(*record.events, warning))).decode()
    late = page.index("<code>timeline</code> cache-cut came 3 s late")
    assert late < page.index("<code>names-folded</code> too many names")
    assert page.count("too many names") == 1


def test_same_bytes_twice(record: Record) -> None:
    """Rendering is a pure function of verdict and record."""
    assert render_html(make_fail(), record) == render_html(make_fail(), record)


def test_a_judged_record() -> None:
    """A record and the verdict that is really judged over it render together."""
    built = healthy_record()
    verdict = judge(built, version="0.1.0")
    page = render_html(verdict, built)
    parse(page)
    assert b"Steady state: share of HTTP requests" in page
    assert b"after undo" in page


def test_what_a_run_had_none_of_is_not_told_as_zero(record: Record) -> None:
    """Without faults, a stack or a warm-up the page says so, and nobody is seeded."""
    plan = msgspec.structs.replace(
        record.plan, faults=(), stack="none", target="http://127.0.0.1:8000", warmup_ns=0
    )
    text = render_html(make_pass(), replace(record, plan=plan)).decode()
    assert "<dd>none planned</dd>" in text
    assert "seeded with" not in text
    assert "seeded with" in render_html(make_pass(), record).decode()
    assert "0us" not in text


def test_recovery_is_told_in_the_order_in_which_it_happened() -> None:
    """Whatever the verdict names first: earlier instants stand first, unseen ones last."""
    instants = [
        Instant(name="part up", at_s=None, sampling_s=0.0),
        Instant(name="first success", at_s=51.1, sampling_s=0.1),
        Instant(name="last failed operation", at_s=51.0, sampling_s=0.1),
        Instant(name="fault injected", at_s=45.0, sampling_s=0.0),
    ]
    rows = instant_rows(Recovery(fault="cache-cut", instants=instants))
    assert [row.name for row in rows] == [
        "fault injected",
        "last failed operation",
        "first success",
        "part up",
    ]


@pytest.mark.parametrize(
    ("sampling_s", "text"),
    [(0.1, "± 100 ms"), (0.1034, "± 104 ms"), (1.0441, "± 1.05 s"), (0.0967, "± 96.7 ms"), (0, "")],
)
def test_how_finely_a_row_was_sampled_is_rounded_up(sampling_s: float, text: str) -> None:
    """What is written holds what was measured; what was no answer has nothing to tell."""
    instant = Instant(name="ready again", at_s=51.1, sampling_s=sampling_s)
    (row,) = instant_rows(Recovery(fault="cache-cut", instants=[instant]))
    assert row.sampling == text
