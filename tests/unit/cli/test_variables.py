"""Settings from the environment."""

from __future__ import annotations

from stormproof.cli.variables import read_variables

FLAGS = {"BASE_URL": "", "REGION": "", "TEST_PROFILE": ""}


def test_a_flag_wins_over_a_variable() -> None:
    """What was given on the command line is not read from the environment."""
    environ = {"BASE_URL": "http://a", "REGION": "eu"}
    found = read_variables(environ, flags={**FLAGS, "BASE_URL": "http://b"})
    assert (found.base_url, found.region) == ("", "eu")
    assert found.told == {"REGION": "eu"}


def test_a_secret_is_told_by_name_only() -> None:
    """The line that people and the record see holds no token."""
    found = read_variables({"ADMIN_TOKEN": "s3cret", "USER_TOKEN": ""}, flags=FLAGS)
    assert found.told == {"ADMIN_TOKEN": "***"}
    assert "s3cret" not in found.line()


def test_variables_that_mean_nothing_here_are_not_read() -> None:
    """A command that has no use for a variable does not claim to have used it."""
    assert read_variables({"WS_URL": "ws://a", "HOME": "x"}, flags=FLAGS).told == {}
