"""Which fault carries out which kind."""

from __future__ import annotations

import pytest

from stormproof.faults import catalog
from stormproof.faults.catalog import prepare
from stormproof.kernel.errors import EnvironmentFailure, SourceSilent
from stormproof.model.plan import PlannedFault


def test_what_a_fault_needs_is_missed_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without asyncpg a plan with a fault of a database is refused with what to install, and one
    without is not."""

    def absent() -> None:
        raise SourceSilent("asyncpg is not installed: pip install it", is_absent=True)

    monkeypatch.setattr(catalog, "asyncpg_library", absent)
    cut = PlannedFault(name="cut", kind="link-partition", part="wire", at_ns=0)
    lock = PlannedFault(name="lock", kind="database-lock", part="postgres", at_ns=0)
    prepare([cut])
    with pytest.raises(EnvironmentFailure) as told:
        prepare([cut, lock])
    assert str(told.value) == "lock: asyncpg is not installed (pip install it)"


def test_certificates_need_their_library_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without cryptography a plan with a certificate to show is refused with what to install."""
    monkeypatch.setattr(catalog, "is_available", lambda: False)
    shown = PlannedFault(name="bad", kind="link-certificate", part="wire", at_ns=0)
    with pytest.raises(EnvironmentFailure) as told:
        prepare([shown])
    assert str(told.value).startswith("bad: the package cryptography is not installed (pip install")
