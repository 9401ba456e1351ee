"""Strings as a hostile target would send them, and a record and verdict full of them."""

from __future__ import annotations

from dataclasses import replace

import msgspec
from tests.unit.report.synthetic import ORIGIN_NS, at_ns, make_record
from tests.unit.report.verdicts import make_fail

from stormproof.model.event import WarningEvent
from stormproof.model.finding import Finding, Witness
from stormproof.model.plan import NotJudged
from stormproof.model.record import Record
from stormproof.model.verdict import Verdict

STEERING = "\x1b[31m\x07\x00\r\u202e\u2066\ud800\ufffe"
HOSTILE = f"</script></style><img src=x onerror=alert(1)>\"'&{{{{7*7}}}}]]><!--{STEERING}"
LONG = "x" * 5_000


def make_hostile() -> tuple[Verdict, Record]:
    """Return a verdict and its record in which everything that can be text is hostile."""
    record = make_record(30, detail=4)
    series = {
        worker: {
            number: msgspec.structs.replace(one, tags={**one.tags, "name": HOSTILE})
            for number, one in known.items()
        }
        for worker, known in record.series.items()
    }
    failures = [
        msgspec.structs.replace(one, kind=HOSTILE + LONG, body=HOSTILE + LONG)
        for one in record.failures
    ]
    probes = [msgspec.structs.replace(one, probe=HOSTILE, body=HOSTILE) for one in record.probes]
    plan = msgspec.structs.replace(record.plan, title=HOSTILE, trial=HOSTILE, target=HOSTILE)
    manifest = msgspec.structs.replace(record.manifest, versions={HOSTILE: HOSTILE}, run_id=HOSTILE)
    warning = WarningEvent(at_ns=at_ns(1), code=HOSTILE, text=HOSTILE)
    return _hostile_verdict(), replace(
        record,
        plan=plan,
        manifest=manifest,
        series=series,
        failures=tuple(failures),
        probes=tuple(probes),
        events=(*record.events, warning),
    )


def _hostile_verdict() -> Verdict:
    verdict = make_fail()
    objectives = [
        msgspec.structs.replace(
            one, name=f"{HOSTILE} {one.name}", why=HOSTILE, remedy=HOSTILE, unit=HOSTILE
        )
        for one in verdict.objectives
    ]
    witness = Witness(what=HOSTILE + LONG, at_ns=ORIGIN_NS, key=HOSTILE)
    finding = Finding(
        kind=HOSTILE, title=HOSTILE, count=9_000, witnesses=[witness] * 100, advice=HOSTILE
    )
    recovery = [msgspec.structs.replace(one, fault=HOSTILE) for one in verdict.recovery]
    return msgspec.structs.replace(
        verdict,
        headline=HOSTILE,
        run=HOSTILE,
        profile=HOSTILE,
        objectives=objectives,
        findings=[finding],
        recovery=recovery,
        generator=msgspec.structs.replace(verdict.generator, why=HOSTILE),
        not_judged=[NotJudged(objective=HOSTILE, why=HOSTILE)],
        problems=[HOSTILE] * 300,
    )
