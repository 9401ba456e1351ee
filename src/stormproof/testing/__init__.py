"""Stand-ins for the seams, and kits that hold any implementation of one to its promises.

Shipped, so that whoever writes a clock, a schedule, a recorder or a checker can test it as we test
ours.
"""

from stormproof.testing.clock import ManualClock
from stormproof.testing.histories import WrittenHistory, ask_checker, history
from stormproof.testing.kits import check_clock, check_recorder, check_schedule, check_source
from stormproof.testing.recorder import Recorded, ScriptedRecorder

__all__ = [
    "ManualClock",
    "Recorded",
    "ScriptedRecorder",
    "WrittenHistory",
    "ask_checker",
    "check_clock",
    "check_recorder",
    "check_schedule",
    "check_source",
    "history",
]
