"""Pages are read on, fast and right, while their cache restarts and while it cannot be reached."""

from __future__ import annotations

from stormproof import Floors, Trial, TrialFault, TrialProbe, User, check, journey

PAGES = 200

TRIAL = Trial(
    name="pages",
    title="Pages are served without their cache",
    stack="stack.toml",
    scenarios={"readers": "read"},
    faults={
        "cache-restart": TrialFault(kind="process-restart", part="cache"),
        "cache-cut": TrialFault(kind="link-partition", part="cache-link"),
    },
    probes={"ready": TrialProbe(path="/ready")},
    objectives={
        "fault_effective": ("rate==1",),
        "fault_undone": ("rate==1",),
        "fault_residue": ("count==0",),
    },
    floors=Floors(duration="10s"),
)


@journey
async def read(user: User) -> None:
    """Read one page of many."""
    number = user.random.randrange(PAGES)
    page = await user.http.get("/pages/{number}", number=number)
    check(page, "the right page", page.body.startswith(b"page %d " % number))
