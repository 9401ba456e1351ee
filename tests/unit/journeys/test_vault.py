"""Where secrets come from, and that nothing prints one."""

from __future__ import annotations

from pathlib import Path

import pytest

from stormproof.journeys.secret import secret
from stormproof.journeys.vault import find_secrets, known_values, read_secrets
from stormproof.kernel.errors import BadInput

VALUE = "swordfish-42"


def test_a_secret_prints_its_name_alone() -> None:
    """However a secret is printed, its value does not show."""
    one = secret("API_TOKEN")
    one.bind(VALUE)
    assert one.value == VALUE
    assert f"{one} {one!r}" == "secret('API_TOKEN') secret('API_TOKEN')"


def test_a_secret_has_no_value_before_journeys_run() -> None:
    """Asked for while the file loads, a secret says when it is known."""
    with pytest.raises(LookupError, match="known only while journeys run"):
        _ = secret("API_TOKEN").value


@pytest.mark.parametrize("name", ["", "api_token", "1A", "A-B", "A" * 65])
def test_a_name_that_is_no_variable_is_refused(name: str) -> None:
    """The name of a secret is that of a variable of the environment."""
    with pytest.raises(ValueError, match="no name of a secret"):
        secret(name)


def test_the_first_place_that_has_it_wins(tmp_path: Path) -> None:
    """--secrets comes before the variable, the variable before the file that NAME_FILE names."""
    listed, mounted = tmp_path / "listed", tmp_path / "mounted"
    listed.write_text("# ours\n\nexport A_TOKEN='from list'\n")
    mounted.write_text("from file\n")
    environ = {
        "STORMPROOF_SECRETS": str(listed),
        "A_TOKEN": "from environment",
        "B_TOKEN": "from environment",
        "B_TOKEN_FILE": str(mounted),
        "C_TOKEN_FILE": str(mounted),
    }
    found, problems = find_secrets(["A_TOKEN", "B_TOKEN", "C_TOKEN"], environ)
    assert not problems
    assert list(found.values()) == ["from list", "from environment", "from file"]


def test_all_that_are_missing_are_named(tmp_path: Path) -> None:
    """Every secret that cannot be used is told at once: unset, too short, unreadable."""
    environ = {"B_TOKEN": "short", "C_TOKEN_FILE": str(tmp_path / "none")}
    _, problems = find_secrets(["A_TOKEN", "B_TOKEN", "C_TOKEN"], environ)
    told = [str(problem) for problem in problems]
    assert told[0].startswith("secret A_TOKEN: is set nowhere (set A_TOKEN or A_TOKEN_FILE")
    assert told[1].startswith("secret B_TOKEN: has fewer than 6 characters")
    assert "cannot be read: no such file" in told[2]
    assert "short" not in "".join(told).replace("too short", "")


def test_bad_lines_are_told_without_what_they_hold(tmp_path: Path) -> None:
    """A line that is none is named by its number: it may hold half a secret."""
    path = tmp_path / "secrets"
    path.write_text(f"A_TOKEN={VALUE}\n{VALUE}\n={VALUE}\n")
    with pytest.raises(BadInput) as caught:
        read_secrets(path)
    assert [problem.where for problem in caught.value.problems] == [
        f"secrets {path}:2",
        f"secrets {path}:3",
    ]
    assert VALUE not in str(caught.value)


def test_well_known_secrets_are_kept_out_unasked() -> None:
    """The tokens that everybody sets are hidden even where no journey asks for them."""
    environ = {"ADMIN_TOKEN": "admin-secret", "USER_TOKEN": "user-secret", "API_TOKEN": VALUE}
    assert known_values([], environ) == ["admin-secret", "user-secret"]
    assert known_values(["API_TOKEN"], environ) == [VALUE, "admin-secret", "user-secret"]
