"""Where shipped trials and profiles are found, and where runs go."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent
_CHECKOUT = _PACKAGE.parent.parent


def trial_folders() -> list[Path]:
    """Return the folders of trials: the working directory's, then the shipped ones."""
    return _folders("trials", "trials")


def profile_folders() -> list[Path]:
    """Return the folders of profiles: the working directory's, then the shipped ones."""
    return _folders("load/profiles", "profiles")


def program_folders() -> list[Path]:
    """Return the folders of programs: the working directory's, then the shipped ones."""
    return _folders("load/programs", "programs")


def environment_folders() -> list[Path]:
    """Return the folders of environments: the working directory's, then the shipped ones."""
    return _folders("load/environments", "environments")


def _folders(in_project: str, in_wheel: str) -> list[Path]:
    candidates = [
        Path(in_project),
        _PACKAGE / "shipped" / in_wheel,
        _CHECKOUT / in_project,
    ]
    return [folder for folder in candidates if folder.is_dir()]
