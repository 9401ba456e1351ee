"""The directory of a program: what was asked, the runs of its trials, and its certificate.

runs/<id>/
  program.json                        saved before the first trial
  coverage.xml                        a copy of the report, where coverage is asked
  trials/<trial id>/<run id>/         a run directory each, and output.txt of its command; why.txt
                                      says of one that has no verdict what came in its way
  certificate.json certificate.html   saved after the last trial
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from stormproof.kernel.canonical import readable_json
from stormproof.kernel.errors import BadInput, EnvironmentFailure, Problem
from stormproof.kernel.paths import is_file
from stormproof.model.program import ProgramOrder
from stormproof.store.directory import RunDirectory, read_json, replace_whole


class ProgramDirectory:
    """One program's directory and the paths in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.order_file = path / "program.json"
        self.coverage = path / "coverage.xml"
        self.trials = path / "trials"
        self.certificate = path / "certificate.json"
        self.page = path / "certificate.html"

    @classmethod
    def create(cls, path: Path, order: ProgramOrder) -> ProgramDirectory:
        """Make the directory and save what was asked.

        Raises:
            EnvironmentFailure: it cannot be made, or the disk is full.
        """
        made = cls(path)
        try:
            made.trials.mkdir(parents=True, mode=0o700)
            made.order_file.write_bytes(readable_json(order))
        except OSError as error:
            raise EnvironmentFailure(
                f"{path} cannot be made: {error.strerror}", "free space, or choose another --out"
            ) from error
        return made

    @classmethod
    def is_at(cls, path: Path) -> bool:
        """Tell whether a program's directory lies at `path`."""
        return is_file(path / "program.json")

    @classmethod
    def open(cls, path: Path) -> ProgramDirectory:
        """Open the directory of a program that exists.

        Raises:
            BadInput: there is none at `path`.
        """
        if not cls.is_at(path):
            fix = "name one that holds a program.json"
            raise BadInput([Problem(where=str(path), what="is no program's directory", fix=fix)])
        return cls(path)

    def order(self) -> ProgramOrder:
        """Return what was asked.

        Raises:
            BadInput: the file is not what it should be.
        """
        return read_json(self.order_file, ProgramOrder)

    def last_run(self, trial_id: str) -> RunDirectory | None:
        """Return the newest run of a trial, None where it never began."""
        folder = self.trials / trial_id
        runs = sorted(one for one in folder.glob("*") if is_file(one / "plan.json"))
        return RunDirectory(runs[-1]) if runs else None

    def say_why(self, trial_id: str, why: str) -> None:
        """Keep why a trial was not judged, so that its certificate can be made again."""
        (self.trials / trial_id).mkdir(mode=0o700, exist_ok=True)
        replace_whole(self.trials / trial_id / "why.txt", why.encode())

    def why(self, trial_id: str) -> str:
        """Return why a trial was not judged; empty where nothing is known."""
        file = self.trials / trial_id / "why.txt"
        return file.read_text("utf-8", "replace") if is_file(file) else ""

    def save_certificate(self, certificate: msgspec.Struct, page: bytes) -> None:
        """Save the certificate as JSON and as a page."""
        replace_whole(self.certificate, readable_json(certificate))
        replace_whole(self.page, page)
