"""Games: rooms, moves by turns, how games end, and that no room stays open for ever."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

from tests.sanctum.clients import Api
from tests.sanctum.conftest import DATABASE, OpenLink, Serve
from tests.sanctum.games import (
    DRAWN,
    ENDINGS,
    GUEST,
    HOST,
    NEVER_S,
    OUTSIDER,
    WON_BY_HOST,
    act,
    create,
    events,
    follow,
    move,
    play,
    read,
    refusal,
    started,
    told,
)
from tests.sanctum.servers import DEADLINE_S, ROLE, ROLE_PASSWORD, Postgres, Valkey


async def test_every_event_is_numbered_and_tells_how_the_room_stands(api: Api) -> None:
    """A game's events count from 1 without gaps; each holds the room as it stood after it."""
    room = await started(api)
    after = await play(api, room, WON_BY_HOST)
    listed = (await events(api, room))["events"]
    assert [one["number"] for one in listed] == list(range(1, 8))
    assert [one["event"]["kind"] for one in listed] == ["created", "joined", *["moved"] * 5]
    assert [one["event"]["place"] for one in listed] == [None, None, *WON_BY_HOST]
    assert [one["event"]["by"] for one in listed[-2:]] == [GUEST, HOST]
    assert listed[0]["event"]["room"]["state"] == "waiting"
    assert listed[-1]["event"]["room"] == after


async def test_game_ends_as_its_board_says(api: Api) -> None:
    """A filled row, column or diagonal wins, a full board is a draw; nobody moves after it."""
    for places, winner, reason in ENDINGS:
        room = await started(api)
        assert (await play(api, room, places[:-1]))["state"] == "playing"
        last = await move(api, room, HOST if len(places) % 2 else GUEST, len(places), places[-1])
        body = last.body
        assert (body["state"], body["winner"], body["end_reason"]) == ("ended", winner, reason)
        assert body["turn"] is None
        for user in (HOST, GUEST):
            assert refusal(await move(api, room, user, 9, 5)) == (409, "room_ended")
    assert await api.metric('game_rooms_ended_total{reason="win"}') == 3
    assert await api.metric('game_rooms_ended_total{reason="draw"}') == 1


async def test_each_wrong_move_is_refused_for_its_own_reason(api: Api) -> None:
    """A wrong move is refused by its reason, changes nothing and tells nobody anything."""
    room = await create(api)
    assert refusal(await move(api, room, HOST, 1, 0)) == (409, "no_opponent")
    await act(api, room, "join", GUEST)
    assert refusal(await move(api, room, GUEST, 1, 0)) == (409, "not_your_turn")
    assert refusal(await move(api, room, OUTSIDER, 1, 0)) == (403, "not_a_player")
    await play(api, room, (0,))
    before = await read(api, room)
    assert refusal(await move(api, room, HOST, 1, 0)) == (409, "stale_move")
    assert refusal(await move(api, room, GUEST, 3, 1)) == (409, "stale_move")
    assert refusal(await move(api, room, GUEST, 2, 0)) == (409, "place_taken")
    assert refusal(await move(api, room + 1, GUEST, 2, 1)) == (404, "not_found")
    for number, place in ((0, 1), (10, 1), (2, 9), (2, -1)):
        assert (await move(api, room, GUEST, number, place)).status == 422, (number, place)
    assert await read(api, room) == before
    assert before["last"] == 3
    assert await api.metric('sanctum_security_denied_total{what="room"}') == 1


async def test_of_two_moves_at_once_exactly_one_counts(api: Api) -> None:
    """Twenty tries at the same move to different places and users mark one place."""
    room = await started(api)
    tries = [move(api, room, HOST, 1, place) for place in range(9)]
    tries += [move(api, room, GUEST, 1, place) for place in range(9)]
    answers = Counter(answer.status for answer in await asyncio.gather(*tries))
    assert answers == {201: 1, 409: 17}
    after = await read(api, room)
    assert (after["moves"], after["last"], after["turn"]) == (1, 3, GUEST)
    assert after["board"].count("X") == 1


async def test_of_all_who_join_at_once_exactly_one_gets_in(api: Api) -> None:
    """The others are told that the room is full; who got in may ask again and is in already."""
    room = await create(api)
    users = range(2, 12)
    for user in users:
        await api.token(user)
    answers = await asyncio.gather(*(act(api, room, "join", user) for user in users))
    (guest,) = [user for user, answer in zip(users, answers, strict=True) if answer.status == 200]
    refused = {refusal(answer) for answer in answers if answer.status != 200}
    assert refused == {(409, "room_full")}
    again = await act(api, room, "join", guest)
    assert (again.status, again.body["guest"], again.body["last"]) == (200, guest, 2)


async def test_host_does_not_join_its_own_room(api: Api) -> None:
    """It is told so, and the room still waits."""
    room = await create(api)
    assert refusal(await act(api, room, "join", HOST)) == (409, "own_room")
    assert (await read(api, room))["state"] == "waiting"


async def test_who_stays_has_won(api: Api) -> None:
    """A player who leaves ends the game, the other one wins, and leaving again changes nothing."""
    for leaver, winner in ((HOST, GUEST), (GUEST, HOST)):
        room = await started(api)
        await play(api, room, (0, 1))
        assert refusal(await act(api, room, "leave", OUTSIDER)) == (403, "not_a_player")
        body = (await act(api, room, "leave", leaver)).body
        assert (body["state"], body["end_reason"], body["winner"]) == ("ended", "leave", winner)
        for user in (HOST, GUEST):
            assert (await act(api, room, "leave", user)).body == body
        assert [one["number"] for one in (await events(api, room))["events"]] == [1, 2, 3, 4, 5]


async def test_only_the_host_closes_a_room(api: Api) -> None:
    """A closed room has no winner, lets nobody in, and may be closed again without effect."""
    room = await create(api)
    for user in (GUEST, OUTSIDER):
        assert refusal(await act(api, room, "close", user)) == (403, "not_the_host")
    body = (await act(api, room, "close", HOST)).body
    assert (body["state"], body["end_reason"], body["winner"]) == ("ended", "closed", None)
    assert (await act(api, room, "close", HOST)).body == body
    assert refusal(await act(api, room, "join", GUEST)) == (409, "room_ended")


async def test_rooms_that_wait_are_listed_newest_first(api: Api) -> None:
    """Paging lists each room that waits for a player once; those that play or ended are not."""
    rooms = [await create(api, name=f"room {i}") for i in range(7)]
    await act(api, rooms[2], "join", GUEST)
    await act(api, rooms[4], "close", HOST)
    seen: list[int] = []
    query = "?limit=2"
    while True:
        page = (await api.call("GET", f"/v1/rooms{query}", token=await api.token())).body
        seen += [room["id"] for room in page["rooms"]]
        if page["next"] is None:
            break
        query = f"?limit=2&before={page['next']}"
    assert seen == [rooms[i] for i in (6, 5, 3, 1, 0)]


async def test_events_are_read_from_any_number_on(api: Api) -> None:
    """A client that knows some events reads the later ones, page by page and none twice."""
    room = await started(api)
    await play(api, room, DRAWN)
    first = await events(api, room, "?after=3&limit=5")
    second = await events(api, room, f"?limit=5&after={first['next']}")
    numbers = [one["number"] for one in first["events"] + second["events"]]
    assert numbers == list(range(4, 12))
    assert second["next"] is None
    assert await events(api, room, "?after=11") == {"events": [], "next": None}


async def test_players_and_watchers_are_told_of_every_event(serve: Serve) -> None:
    """Each socket gets all events in order and once, as the list of them holds them."""
    api = await serve(SANCTUM_SWEEP_INTERVAL_S=NEVER_S)
    room = await create(api)
    sockets = [await follow(api, room, user) for user in (HOST, GUEST, OUTSIDER)]
    await act(api, room, "join", GUEST)
    await play(api, room, WON_BY_HOST)
    listed = (await events(api, room))["events"]
    for socket in sockets:
        frames = await told(socket, 6)
        assert [(one["type"], one["room"], one["number"]) for one in frames] == [
            ("event", room, number) for number in range(2, 8)
        ]
        assert [one["event"] for one in frames] == [one["event"] for one in listed[1:]]
        await socket.close()


async def test_socket_resumes_where_it_was(api: Api) -> None:
    """Opened after a number, a socket gets every later event once, then what happens next."""
    room = await started(api)
    await play(api, room, (0, 1, 2))
    socket = await follow(api, room, OUTSIDER, after=3)
    assert [one["number"] for one in await told(socket, 2)] == [4, 5]
    await act(api, room, "leave", GUEST)
    (last,) = await told(socket, 1)
    assert (last["number"], last["event"]["kind"]) == (6, "left")
    await socket.send(json.dumps({"type": "ping", "id": "p"}))
    assert await told(socket, 1) == [{"type": "pong", "id": "p"}]
    for bad in ('{"type":"ping","id":"x","deep":' + "[" * 5000, '{"type":"move","id":"m"}'):
        await socket.send(bad)
        assert (await told(socket, 1))[0]["error"] == "invalid_frame"
    await socket.close()


async def test_events_reach_sockets_without_the_cache(serve: Serve, valkey: Valkey) -> None:
    """While the cache is away a game goes on, and its sockets hear of it all the same."""
    api = await serve(SANCTUM_SWEEP_INTERVAL_S=NEVER_S)
    room = await started(api)
    socket = await follow(api, room, OUTSIDER)
    valkey.kill()
    await play(api, room, WON_BY_HOST)
    assert [one["number"] for one in await told(socket, 5)] == list(range(3, 8))
    await socket.close()


async def test_ticket_names_a_room_that_there_is(api: Api) -> None:
    """Without a room, or for one that is not there, none is issued."""
    for asked in ({"topic": "game"}, {"topic": "game", "key": 99}):
        answer = await api.call("POST", "/api/ws/ticket", asked, await api.token())
        assert (answer.status, answer.body["error"]) == (422, "invalid_body")


async def test_forgotten_rooms_end(serve: Serve) -> None:
    """Rooms in which nobody does anything end as idle, are counted and tell of it."""
    api = await serve(SANCTUM_GAME_IDLE_S="0.4")
    rooms = [await create(api), await started(api)]
    socket = await follow(api, rooms[1], GUEST, after=2)
    async with asyncio.timeout(DEADLINE_S):
        while await api.metric('game_rooms_ended_total{reason="idle"}') < len(rooms):
            await asyncio.sleep(0.05)
    for room in rooms:
        assert (await read(api, room))["end_reason"] == "idle"
        last = (await events(api, room))["events"][-1]["event"]
        assert (last["kind"], last["by"], last["room"]["winner"]) == ("expired", None, None)
    assert [one["event"]["kind"] for one in await told(socket, 1)] == ["expired"]
    await socket.close()


async def test_processes_share_the_reaping(serve: Serve) -> None:
    """However many processes look for idle rooms, each room ends once, and is counted once."""
    apis = [await serve(SANCTUM_GAME_IDLE_S="0.4") for _ in range(2)]
    rooms = [await create(apis[i % 2]) for i in range(12)]
    ended = 'game_rooms_ended_total{reason="idle"}'
    async with asyncio.timeout(DEADLINE_S):
        while sum([await api.metric(ended) for api in apis]) < len(rooms):
            await asyncio.sleep(0.05)
    assert [(await read(apis[0], room))["last"] for room in rooms] == [2] * len(rooms)
    assert sum([await api.metric(ended) for api in apis]) == len(rooms)


async def test_room_in_use_is_kept_and_counted(serve: Serve, postgres: Postgres) -> None:
    """Of two rooms equally old the one with a fresh move stays; the gauge follows."""
    api = await serve(SANCTUM_GAME_IDLE_S="10")
    used, forgotten = await started(api), await started(api)
    aged = "UPDATE game_rooms SET active_at = now() - interval '9 s'"
    await postgres.execute(aged, database=DATABASE)
    await play(api, used, (0,))
    aged = f"UPDATE game_rooms SET active_at = now() - interval '14 s' WHERE id = {forgotten}"  # noqa: S608
    await postgres.execute(aged, database=DATABASE)
    async with asyncio.timeout(DEADLINE_S):
        while not await api.metric('game_rooms_ended_total{reason="idle"}'):
            await asyncio.sleep(0.05)
        while await api.metric('game_rooms_open{state="playing"}') != 1:
            await asyncio.sleep(0.05)
    assert (await read(api, used))["state"] == "playing"
    assert (await read(api, forgotten))["end_reason"] == "idle"


async def test_bad_requests_are_refused(api: Api) -> None:
    """Without a token all is 401; what is no room, name, page or body is refused by the field."""
    room = await create(api)
    posts = ["", f"/{room}/join", f"/{room}/moves", f"/{room}/leave", f"/{room}/close"]
    for method, paths in (("POST", posts), ("GET", ["", f"/{room}", f"/{room}/events"])):
        for path in paths:
            assert (await api.call(method, f"/v1/rooms{path}")).status == 401, path
    token = await api.token()
    names: list[object] = [{}, {"name": ""}, {"name": "x" * 101}, {"name": 1}, {"name": "\x00"}]
    for body in names:
        answer = await api.call("POST", "/v1/rooms", body, token)
        assert answer.status == 422, body
        assert "name" in answer.body["message"]
    assert (await api.call("POST", "/v1/rooms", b"x" * 70_000, token)).status == 413
    for path in (
        "?limit=0",
        "?before=x",
        "/x",
        "/99999999999999999999",
        f"/{room}/events?after=-1",
    ):
        assert (await api.call("GET", f"/v1/rooms{path}", token=token)).status == 422, path
    assert (await api.call("GET", f"/v1/rooms/{room + 1}/events", token=token)).status == 404
    assert refusal(await act(api, room + 1, "join", HOST)) == (404, "not_found")


async def test_rooms_outlive_the_database_outage(
    serve: Serve, postgres: Postgres, database: str, open_link: OpenLink
) -> None:
    """While the database is silent an action is 503; afterwards the game goes on by itself."""
    link = await open_link(postgres.port)
    url = postgres.url(database, ROLE, ROLE_PASSWORD).replace(str(postgres.port), str(link.port))
    api = await serve(SANCTUM_DATABASE_URL=url, SANCTUM_DATABASE_COMMAND_TIMEOUT_S="0.3")
    room = await started(api)
    link.hold()
    assert refusal(await move(api, room, HOST, 1, 0)) == (503, "database_unavailable")
    link.release()
    await api.wait_ready()
    if (await read(api, room))["moves"] == 0:  # whether it was made nobody can know
        await play(api, room, (0,))
    assert (await move(api, room, GUEST, 2, 1)).status == 201
    assert await api.metric('game_action_latency_seconds_count{action="move"}') >= 2


async def test_second_player_of_a_stuck_room_never_moves(serve: Serve) -> None:
    """In every fifth room, and in no other, the second player is refused for ever."""
    api = await serve(SANCTUM_DEFECTS="room_stuck")
    answers = []
    for _ in range(5):
        room = await started(api)
        await play(api, room, (0,))
        answers.append((room % 5, (await move(api, room, GUEST, 2, 1)).status))
    assert sorted(answers) == [(0, 409), (1, 201), (2, 201), (3, 201), (4, 201)]


async def test_unchecked_turn_lets_a_player_move_twice(serve: Serve) -> None:
    """Every third move out of turn is made, as the mark of whoever made it."""
    api = await serve(SANCTUM_DEFECTS="turn_unchecked")
    room = await started(api)
    await play(api, room, (0,))
    statuses = [(await move(api, room, HOST, 2, 1)).status for _ in range(3)]
    assert statuses == [409, 409, 201]
    assert (await read(api, room))["board"] == "XX......."


async def test_kept_rooms_never_end(serve: Serve) -> None:
    """However often the reaper looks, an idle room stays open."""
    api = await serve(SANCTUM_DEFECTS="idle_rooms_kept", SANCTUM_GAME_IDLE_S="0.2")
    room = await create(api)
    looks = 'database_query_seconds_count{operation="count_rooms"}'
    target = await api.metric(looks) + 8  # of which each is a quarter of the idle time apart
    async with asyncio.timeout(DEADLINE_S):
        while await api.metric(looks) < target:
            await asyncio.sleep(0.05)
    assert (await read(api, room))["state"] == "waiting"
