"""Help is instant."""

from __future__ import annotations

import subprocess
import sys

from stormproof.cli.control_commands import ORDERS
from stormproof.model.control_order import CONTROL_KINDS


def test_help_imports_none_of_them() -> None:
    """The command line's help needs neither the journeys' interface nor the plan's data."""
    code = "import sys, stormproof.cli.main; print('msgspec' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "False"


def test_ctl_knows_every_order() -> None:
    """The orders that the command line lists without their module are those of the module."""
    assert ORDERS == CONTROL_KINDS
