"""Require that a verdict is FAIL and names an expected breach.

    require_breach.py VERDICT.JSON PATTERN

PATTERN is a regular expression, searched in the kinds of findings and the names of failed
objectives. Exits 0 and prints the breach where one is named, else 1 and prints what is named.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import msgspec

from stormproof.model.verdict import Verdict


def named_breaches(verdict: Verdict) -> list[str]:
    """Return the kinds of the findings and the names of the objectives that failed."""
    failed = [judged.name for judged in verdict.objectives if judged.status == "fail"]
    return [finding.kind for finding in verdict.findings] + failed


def main(path: str, pattern: str) -> int:
    """Compare one verdict with what was expected of it and return the exit code."""
    verdict = msgspec.json.decode(Path(path).read_bytes(), type=Verdict)
    named = named_breaches(verdict)
    expected = [name for name in named if re.search(pattern, name)]
    if verdict.verdict == "fail" and expected:
        print("named:", "; ".join(expected))
        return 0
    print(
        f"verdict {verdict.verdict}, expected a breach like {pattern!r}, named: {named or 'none'}"
    )
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
