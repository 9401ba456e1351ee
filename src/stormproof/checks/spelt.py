"""What a finding says of words that the record does not spell out."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from stormproof.checks.outcome import Outcome
from stormproof.kernel.limits import FINAL_READ_NAMES_MAX, KEYS_NAMED_MAX, VALUES_NAMED_MAX
from stormproof.model.finding import Finding

_DIGEST: Final = re.compile(r"#[0-9a-f]{16}\b")
UNSPELT: Final = (
    f"what is told as # and a digest is a text that was not spelt out (a worker spells out"
    f" {KEYS_NAMED_MAX:,} keys and {VALUES_NAMED_MAX:,} texts, a final read"
    f" {FINAL_READ_NAMES_MAX:,}), or a number over 2^53: `printf %s TEXT | b2sum -l 64` gives that"
    " of a text"
)


def with_unspelt(outcome: Outcome) -> Outcome:
    """Return an outcome whose findings say why their witnesses name digests, where they do."""
    return Outcome(
        findings=[_told(one) for one in outcome.findings], measured=dict(outcome.measured)
    )


def _told(finding: Finding) -> Finding:
    texts = (finding.title, *(one.what for one in finding.witnesses))
    if not any(_DIGEST.search(text) for text in texts):
        return finding
    advice = f"{finding.advice}; {UNSPELT}" if finding.advice else UNSPELT
    return msgspec.structs.replace(finding, advice=advice)
