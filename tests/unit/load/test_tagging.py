"""Tags and groups that a journey puts on a user."""

from __future__ import annotations

import pytest
from tests.unit.load.wearers import Wearer

from stormproof.kernel.limits import TAG_KEYS_MAX, TAG_SETS_MAX, TAG_VALUES_MAX
from stormproof.load.binning import rows_of
from stormproof.load.tagging import Group, Tagged


def test_what_a_scenario_is_tagged_with_is_on_all_of_it() -> None:
    """Every series of a scenario carries the tags that the plan gives it."""
    user = Wearer(tags={"region": "eu"})
    user.outfit.http.get.add("/feed")
    user.actor.scope.check("served", True, 1)
    assert {one.tags["region"] for one in user.tape.series} == {"eu"}
    assert {one.metric for one in user.tape.series} >= {"http_req", "checks", "iterations"}


def test_routes_belong_to_the_tags_that_are_worn() -> None:
    """The same request is one series without tags, another one with them, and each once."""
    user = Wearer()
    plain = user.outfit.http.get.add("/feed").series
    with Tagged(user, {"plan": "free"}):
        free = user.outfit.http.get.add("/feed").series
    with Tagged(user, {"plan": "free"}):
        again = user.outfit.http.get.get("/feed")
    assert again is not None
    assert again.series == free != plain
    assert user.tape.series[free].tags == {"name": "GET /feed", "plan": "free", "scenario": "shop"}
    assert user.outfit.http.get.get("/feed") is not None


def test_exchanges_and_checks_wear_tags_too() -> None:
    """A WebSocket exchange and a check made under a tag are series with that tag."""
    user = Wearer()
    with Tagged(user, {"plan": "free"}):
        sent = user.actor.scope.add_exchange("say")
        user.actor.scope.check("heard", True, 5)
    assert user.tape.series[sent].tags["plan"] == "free"
    (check,) = [one for one in user.tape.series if one.metric == "checks"]
    assert check.tags == {"check": "heard", "plan": "free", "scenario": "shop"}


def test_iterations_and_traffic_are_the_scenarios() -> None:
    """Whatever a user wears, its iterations, drops and deliveries count on the scenario itself."""
    user = Wearer()
    root = user.actor.scope
    with Tagged(user, {"plan": "free"}), Group(user, "checkout"):
        worn = user.actor.scope
        assert worn is not root
        assert worn.root is root
        assert (worn.iteration, worn.iterations) == (root.iteration, root.iterations)
        assert (worn.dropped, worn.delivery) == (root.dropped, root.delivery)


def test_a_group_is_timed_from_when_its_user_was_able_to_begin() -> None:
    """`group_duration` runs from the user's intended instant, and a group that raised is failed."""
    user = Wearer()
    user.actor.intended_ns = 1_000
    with Group(user, "checkout"), pytest.raises(KeyError), Group(user, "payment"):
        raise KeyError("card")
    inner, outer = rows_of(bytes(user.tape.rows))
    tags = [user.tape.series[int(row["series"])].tags["group"] for row in (inner, outer)]
    assert tags == ["::checkout::payment", "::checkout"]
    assert [int(row["outcome"]) & 1 for row in (inner, outer)] == [1, 0]
    assert int(outer["intended_ns"]) == 1_000
    assert 1_000 < int(outer["start_ns"]) <= int(inner["start_ns"]) <= int(inner["end_ns"])


def test_what_a_block_puts_on_is_taken_off_whatever_happens() -> None:
    """After a block that raised, the user wears what it wore before."""
    user = Wearer()
    with pytest.raises(RuntimeError), Tagged(user, {"plan": "free"}):
        raise RuntimeError
    assert user.tags == {"scenario": "shop"}


@pytest.mark.parametrize("key", ["scenario", "group", "name", "window", "", "a-b", "1st", "x" * 65])
def test_a_key_that_is_none_is_refused(key: str) -> None:
    """What cannot be asked for in a threshold, or is stormproof's own, is no tag."""
    with pytest.raises(ValueError, match="tag"):
        Wearer().outfit.with_tag(key, "value")


@pytest.mark.parametrize("name", ["", "a::b"])
def test_a_group_needs_a_name_of_its_own(name: str) -> None:
    """An empty name, or one that looks like a group in a group, is refused."""
    with pytest.raises(ValueError, match="no name of a group"):
        Wearer().outfit.within(name)


def test_values_beyond_the_limit_are_other() -> None:
    """A tag keeps as many values as are allowed; the rest are `other`, with a warning."""
    user = Wearer()
    worn = [user.outfit.with_tag("id", str(number)) for number in range(TAG_VALUES_MAX + 9)]
    assert len({one.scope for one in worn}) == TAG_VALUES_MAX + 1
    assert worn[-1].scope.tags["id"] == "other"
    assert [one.code for one in user.tape.warnings] == ["tag-overflow"]


def test_tag_sets_beyond_the_limit_are_other() -> None:
    """Tags that multiply keep as many sets as are allowed; the rest are `other`, with a warning."""
    user = Wearer(tags={"region": "eu"})
    last = user.outfit
    for number in range(8 * (TAG_VALUES_MAX - 1)):
        last = user.outfit.with_tag("a", str(number // 8)).with_tag("b", str(number % 8))
    assert last.scope.tags == {"a": "other", "b": "other", "region": "eu", "scenario": "shop"}
    assert len(last.scope.root.tag_sets) <= TAG_SETS_MAX + 2
    assert [one.code for one in user.tape.warnings] == ["tag-overflow"]


def test_tags_of_a_user_are_few() -> None:
    """A journey that makes up keys is stopped at the limit."""
    outfit = Wearer().outfit
    for number in range(TAG_KEYS_MAX):
        outfit = outfit.with_tag(f"key{number}", "x")
    with pytest.raises(ValueError, match=f"carries {TAG_KEYS_MAX} tags already"):
        outfit.with_tag("more", "x")
