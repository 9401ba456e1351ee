"""Made-up verdicts over the made-up run, one of each kind."""

from __future__ import annotations

import msgspec
from tests.unit.report.synthetic import CUT_S, RESTART_S, at_ns, make_manifest

from stormproof.model.finding import Finding, Witness
from stormproof.model.objective import Status
from stormproof.model.plan import NotJudged
from stormproof.model.verdict import (
    Evidence,
    Generator,
    Instant,
    Judged,
    Recovery,
    TrialVerdict,
    Verdict,
)

CALM = [[10, 62], [70, 104], [108, 150]]
FAULT = [[62, 69], [104, 106]]
RUN = [[-8, 156]]


def judged(
    name: str,
    value: float | None,
    *,
    status: Status = Status.PASS,
    unit: str = "",
    bar: float = 0.0,
    operator: str = "==",
    window: str = "run",
    spans: list[list[int]] | None = None,
    samples: int = 3_412,
    interval: tuple[float, float] | None = None,
    why: str = "",
    remedy: str = "",
    beyond: str = "",
    exact: bool = False,
    blocking: bool = True,
) -> Judged:
    """Return one judged objective."""
    at_s = RUN if spans is None else spans
    return Judged(
        name=name,
        status=status,
        value=value,
        beyond=beyond,
        bar=bar,
        operator=operator,
        unit=unit,
        interval=interval,
        evidence=Evidence(
            samples=samples,
            samples_min=200 if unit == "ms" else 1,
            seconds=sum(span[1] - span[0] for span in at_s),
            window=window,
            at_s=at_s,
        ),
        blocking=blocking,
        exact=exact,
        why=why,
        remedy=remedy,
    )


FEED = "name:GET /api/feed"
FEED_P95 = judged(
    f"http_req_duration{{{FEED},window:calm}}: p(95)<300",
    11.83,
    unit="ms",
    bar=300.0,
    operator="<",
    window="calm",
    spans=CALM,
    samples=22_310,
    interval=(11.2, 12.6),
)
DELIVERY_P95 = judged(
    "message_delivery{window:steady}: p(95)<500",
    22.4,
    unit="ms",
    bar=500.0,
    operator="<",
    window="steady",
    spans=[[10, 62]],
    samples=9_288,
    interval=(20.9, 24.0),
)
PASSED = [
    FEED_P95,
    judged(
        f"http_req_failed{{{FEED},window:calm}}: rate<0.005",
        0.00009,
        bar=0.005,
        operator="<",
        window="calm",
        spans=CALM,
        samples=22_310,
        interval=(0.00002, 0.0003),
    ),
    judged(
        f"http_req_failed{{{FEED},window:fault}}: rate<0.01",
        0.0061,
        bar=0.01,
        operator="<",
        window="fault",
        spans=FAULT,
        samples=1_480,
        interval=(0.0032, 0.0115),
    ),
    judged("delivery_lost: count==0", 0.0, exact=True),
    judged("delivery_duplicated: count==0", 0.0, exact=True),
    judged("delivery_foreign: count==0", 0.0, exact=True),
    judged("delivery_corrupted: count==0", 0.0, exact=True),
    judged("messages_acknowledged: count>=3000", 3_412.0, bar=3000.0, operator=">="),
    DELIVERY_P95,
    judged("fault_effective: rate==1", 1.0, bar=1.0, samples=2, exact=True),
    judged("fault_residue: count==0", 0.0, samples=2, exact=True),
    judged(
        "recovery_ready_s: max<10", 1.6, unit="s", bar=10.0, operator="<", samples=2, exact=True
    ),
    judged(
        "health_unready_lag_s: max<=2",
        0.52,
        unit="s",
        bar=2.0,
        operator="<=",
        samples=2,
        exact=True,
    ),
    judged("health_false_ready: count==0", 0.0, samples=1_540, exact=True),
]
GENERATOR = Generator(
    valid=True,
    why="",
    workers=2,
    operations=38_212,
    dropped=3,
    schedule_lag_p99_ms=0.84,
    cpu_share=0.321,
    wait_share=0.012,
    loop_lag_ms_max=4.1,
    gc_pause_ms=3.3,
    core_idle_share_min=0.352,
    core_steal_share_max=0.0,
)


def _instants(injected_s: float, undone_s: float, back_s: float | None) -> list[Instant]:
    return [
        Instant(name="fault injected", at_s=injected_s, sampling_s=0.0),
        Instant(name="first failed operation", at_s=injected_s + 0.08, sampling_s=0.0),
        Instant(name="first not-ready answer", at_s=injected_s + 0.5, sampling_s=0.2),
        Instant(name="fault undone", at_s=undone_s, sampling_s=0.0),
        Instant(name="part up", at_s=None, sampling_s=0.1),
        Instant(name="ready again", at_s=back_s, sampling_s=0.2),
        Instant(name="first success after", at_s=back_s, sampling_s=0.0),
        Instant(name="last failed operation", at_s=undone_s + 0.61, sampling_s=0.0),
    ]


RECOVERY = [
    Recovery(fault="cache link cut", instants=_instants(CUT_S, 68.5, 69.4)),
    Recovery(fault="cache restarted", instants=_instants(RESTART_S, 105.6, 107.2)),
]
LOST = Finding(
    kind="lost",
    title="3 acknowledged messages never reached a member of their channel",
    count=3,
    witnesses=[
        Witness(
            what=f"channel 4, message {number}, sent by user 17, missed by users 3 and 21",
            at_ns=at_ns(number - 100),
            key=f"00100011000000{number:02x}",
        )
        for number in (171, 188, 204)
    ],
    advice="Compare the fan-out of these numbers with the service's log at the same instant.",
)


def make_pass() -> Verdict:
    """Return a verdict where everything holds."""
    return Verdict(
        stormproof="0.1.0",
        verdict=Status.PASS,
        scope="full",
        headline="PASS: 14 objectives met, 2 faults survived",
        run=make_manifest().run_id,
        plan_sha256=make_manifest().plan_sha256,
        profile="demonstration",
        seed=7,
        scale=1.0,
        objectives=list(PASSED),
        findings=[],
        trials=[TrialVerdict(name="demonstration", title="Demonstration", status=Status.PASS)],
        recovery=RECOVERY,
        generator=GENERATOR,
        not_judged=[],
        problems=[],
    )


def make_fail() -> Verdict:
    """Return a verdict with a lost message, a slow feed and an objective without a value."""
    objectives = list(PASSED)
    objectives[0] = msgspec.structs.replace(
        FEED_P95,
        status=Status.FAIL,
        value=318.2,
        interval=(311.0, 326.5),
        why="318 ms is 6 % above the bar of 300 ms",
    )
    objectives[3] = msgspec.structs.replace(
        objectives[3], status=Status.FAIL, value=3.0, why="3 messages were lost; see finding lost"
    )
    objectives[8] = msgspec.structs.replace(
        DELIVERY_P95,
        status=Status.FAIL,
        value=None,
        beyond="dropped",
        interval=None,
        why="more than 5 % of the messages were dropped",
    )
    return msgspec.structs.replace(
        make_pass(),
        verdict=Status.FAIL,
        headline="FAIL: 3 messages lost (delivery_lost), 2 more objectives breached",
        objectives=objectives,
        findings=[LOST],
        trials=[TrialVerdict(name="demonstration", title="Demonstration", status=Status.FAIL)],
    )


def make_inconclusive() -> Verdict:
    """Return a verdict over a busy machine at a reduced scale."""
    objectives = list(PASSED)
    objectives[0] = msgspec.structs.replace(
        FEED_P95,
        status=Status.INCONCLUSIVE,
        why="in 41 of 128 s the load generator could not keep its schedule: another process used "
        "its core",
        remedy="stop what else runs on this machine, or give the workers a core of their own",
    )
    objectives[8] = msgspec.structs.replace(
        DELIVERY_P95,
        status=Status.INCONCLUSIVE,
        value=None,
        interval=None,
        why="17 of 200 samples that this objective needs",
        remedy="run longer: about 12 times the window",
    )
    generator = msgspec.structs.replace(
        GENERATOR,
        valid=False,
        why="workers waited 44 % of the time for a CPU in 41 of 150 s",
        schedule_lag_p99_ms=612.0,
        wait_share=0.44,
        core_idle_share_min=0.0,
        invalid_seconds=list(range(20, 61)),
    )
    return msgspec.structs.replace(
        make_pass(),
        verdict=Status.INCONCLUSIVE,
        scope="reduced",
        scale=0.25,
        headline="INCONCLUSIVE (reduced: 2 objectives not judged at this scale): the load "
        "generator was starved",
        objectives=objectives,
        generator=generator,
        trials=[
            TrialVerdict(name="demonstration", title="Demonstration", status=Status.INCONCLUSIVE)
        ],
        not_judged=[
            NotJudged(
                objective="messages_acknowledged: count>=3000",
                why="at scale 0.25 about 850 messages are sent",
            ),
            NotJudged(
                objective="http_req_failed{window:fault}: rate<0.001",
                why="needs 3,000 samples; the fault windows hold about 900 at this scale",
            ),
        ],
        problems=["worker-1: second 44 has no frame"],
    )
