"""The gateway: sessions, heartbeats, intents and resuming (https://docs.discord.com/developers/events/gateway)."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from aiohttp import WSMsgType, web

from .world import THREADS, Json, World

DISPATCH, HEARTBEAT, IDENTIFY, RESUME, RECONNECT, REQUEST_MEMBERS, INVALID = 0, 1, 2, 6, 7, 8, 9
HELLO, ACK = 10, 11
INTENTS = {"members": 1 << 1, "presences": 1 << 8, "message_content": 1 << 15}
GUILDS, MESSAGES, REACTIONS, TYPING = 1 << 0, 1 << 9, 1 << 10, 1 << 11
DIRECT = {MESSAGES: 1 << 12, REACTIONS: 1 << 13, TYPING: 1 << 14}
NEEDED = {
    **{"MESSAGE_REACTION_ADD": REACTIONS, "MESSAGE_REACTION_REMOVE": REACTIONS, "TYPING_START": TYPING},
    **{"MESSAGE_CREATE": MESSAGES, "MESSAGE_UPDATE": MESSAGES, "MESSAGE_DELETE": MESSAGES},
    **dict.fromkeys(("GUILD_MEMBER_ADD", "GUILD_MEMBER_UPDATE", "GUILD_MEMBER_REMOVE"), INTENTS["members"]),
    **{"INTERACTION_CREATE": 0},
}


@dataclass(slots=True)
class Session:
    """What a client of one shard is told; `told` are the dispatches in order, to be replayed."""

    id: str
    shard: int
    shards: int
    intents: int
    told: list[Json] = field(default_factory=list)
    connection: Connection | None = None

    def wants(self, name: str, data: Json) -> bool:
        """Whether the shard and the intents of the session call for a dispatch."""
        guild = (
            data.get("id") if name.startswith("GUILD_") and "guild_id" not in data else data.get("guild_id")
        )
        shard = (int(guild) >> 22) % self.shards if guild else 0
        if name == "INTERACTION_CREATE":
            return shard == self.shard
        needed = NEEDED.get(name, GUILDS)
        needed = needed if guild else DIRECT.get(needed, needed)
        return shard == self.shard and self.intents & needed == needed


@dataclass(slots=True)
class Connection:
    """An open WebSocket; `beats` are the monotonic times of its heartbeats."""

    socket: web.WebSocketResponse
    request: web.Request
    session: Session | None = None
    beats: list[float] = field(default_factory=list)
    opened: float = field(default_factory=time.monotonic)
    out: asyncio.Queue[Json] = field(default_factory=asyncio.Queue)
    gone: bool = False

    def send(self, op: int, data: object = None, **more: object) -> None:
        """Send a frame, in turn."""
        self.out.put_nowait({"op": op, "d": data, "s": None, "t": None, **more})

    async def write(self) -> None:
        """Write what is to be sent, until the connection is gone."""
        while True:
            frame = await self.out.get()
            try:
                await self.socket.send_str(json.dumps(frame))
            except (ConnectionError, RuntimeError):
                return

    def abort(self) -> None:
        """Cut the connection without a closing frame."""
        self.gone = True
        if self.request.transport:
            self.request.transport.abort()


class Gateway:
    """Accepts connections, tells them what happens, and breaks them by order of a test.

    It is `away` for so many attempts to connect.
    """

    def __init__(
        self, world: World, hidden: Callable[[Json, int], Json], changed: Callable[[], None]
    ) -> None:
        self.interval = 41.25
        self.deaf = False
        self.away = 0
        self.connections: list[Connection] = []
        self.past: list[Connection] = []
        self.sessions: dict[str, Session] = {}
        self.identified: list[Json] = []
        self.resumed: list[Json] = []
        self._world, self._hidden, self._changed = world, hidden, changed

    @property
    def open(self) -> list[Connection]:
        """The connections whose client has identified or resumed."""
        return [each for each in self.connections if each.session and not each.gone]

    def tell(self, name: str, data: Json) -> None:
        """Dispatch an event to every session that wants it; one without a connection is told on resuming."""
        for session in self.sessions.values():
            if session.wants(name, data):
                self._dispatch(session, name, self._hidden(data, session.intents))

    def malformed(self, name: str, data: object) -> None:
        """Dispatch what no client can understand; it is not replayed."""
        for connection in self.open:
            session = connection.session
            connection.send(DISPATCH, data, t=name, s=len(session.told) if session else 0)

    def _dispatch(self, session: Session, name: str, data: Json) -> None:
        session.told.append({"t": name, "d": data, "s": len(session.told) + 1})
        if session.connection and not session.connection.gone:
            session.connection.send(DISPATCH, **_parts(session.told[-1]))

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection until it closes."""
        if self.away:
            self.away -= 1
            self._changed()
            raise web.HTTPServiceUnavailable
        socket = web.WebSocketResponse(max_msg_size=2**20)
        await socket.prepare(request)
        connection = Connection(socket, request)
        self.connections.append(connection)
        writing = asyncio.create_task(connection.write())
        connection.send(HELLO, {"heartbeat_interval": int(self.interval * 1000)})
        try:
            async for frame in socket:
                if frame.type is WSMsgType.TEXT:
                    await self._heard(connection, json.loads(frame.data))
                    self._changed()
        finally:
            writing.cancel()
            self.connections.remove(connection)
            self.past.append(connection)
            self._left(connection, by_client=not connection.gone)
            connection.gone = True
        return socket

    def _left(self, connection: Connection, *, by_client: bool) -> None:
        session = connection.session
        if session and session.connection is connection:
            session.connection = None
            if by_client and connection.socket.close_code in (1000, 1001):
                self.sessions.pop(session.id, None)
        self._changed()

    async def _heard(self, connection: Connection, frame: Json) -> None:
        data: Any = frame.get("d")
        if frame["op"] == HEARTBEAT:
            connection.beats.append(time.monotonic())
            if not self.deaf:
                connection.send(ACK)
        elif frame["op"] == IDENTIFY:
            await self._identify(connection, data)
        elif frame["op"] == RESUME:
            await self._resume(connection, data)
        elif frame["op"] == REQUEST_MEMBERS:
            self._members(connection, data)

    async def _refuse(self, connection: Connection, code: int, why: str) -> None:
        connection.gone = True
        await connection.socket.close(code=code, message=why.encode())

    async def _identify(self, connection: Connection, data: Json) -> None:
        self.identified.append({**data, "token": ""})
        world = self._world
        world.session_starts["remaining"] -= 1
        if data["token"] != world.token or world.revoked:
            return await self._refuse(connection, 4004, "Authentication failed.")
        denied = [
            name for name, bit in INTENTS.items() if data["intents"] & bit and name not in world.privileged
        ]
        if denied:
            return await self._refuse(connection, 4014, "Disallowed intent(s).")
        shard, shards = data.get("shard") or (0, 1)
        session = Session(f"session-{world.new_id()}", shard, shards, data["intents"])
        session.connection, connection.session = connection, session
        self.sessions[session.id] = session
        ours = [guild for guild, members in world.members.items() if world.bot in members]
        ours = [guild for guild in ours if (int(guild) >> 22) % shards == shard]
        gateway = world.url.replace("http", "ws", 1) + "/gateway"
        ready = {
            **{"v": 10, "user": world.users[world.bot], "session_id": session.id, "shard": [shard, shards]},
            **{
                "guilds": [{"id": guild, "unavailable": True} for guild in ours],
                "resume_gateway_url": gateway,
            },
            **{"application": {"id": world.application_id, "flags": world.flags}, "private_channels": []},
        }
        self._dispatch(session, "READY", ready)
        for guild in ours:
            self._dispatch(session, "GUILD_CREATE", guild_create(world, guild))
        return None

    async def _resume(self, connection: Connection, data: Json) -> None:
        session = self.sessions.get(data["session_id"])
        if data["token"] != self._world.token or self._world.revoked:
            return await self._refuse(connection, 4004, "Authentication failed.")
        if session is None:
            return connection.send(INVALID, False)
        self.resumed.append({**data, "token": ""})
        if session.connection:
            session.connection.abort()
        session.connection, connection.session = connection, session
        for event in session.told[data["seq"] or 0 :]:
            connection.send(DISPATCH, **_parts(event))
        self._dispatch(session, "RESUMED", {})
        return None

    def _members(self, connection: Connection, data: Json) -> None:
        session, world = connection.session, self._world
        if session is None:
            return
        guild, wanted = str(data["guild_id"]), [str(each) for each in data.get("user_ids") or ()]
        prefix = data.get("query")
        everyone = world.members[guild].values()
        if wanted:
            found = [each for each in everyone if each["user"]["id"] in wanted]
        elif prefix or session.intents & INTENTS["members"]:
            found = [each for each in everyone if each["user"]["username"].startswith(prefix or "")]
            found = found[: data.get("limit") or None]
        else:
            found = []
        missing = [each for each in wanted if each not in world.members[guild]]
        chunk = {
            "guild_id": guild,
            "members": found,
            "chunk_index": 0,
            "chunk_count": 1,
            "not_found": missing,
        }
        self._dispatch(session, "GUILD_MEMBERS_CHUNK", chunk | {"nonce": data.get("nonce")})

    def reconnect(self) -> None:
        """Ask every client to come again (op 7)."""
        for connection in self.open:
            connection.send(RECONNECT)

    def invalidate(self, resumable: bool = False) -> None:
        """Tell every client that its session is over (op 9)."""
        for connection in self.open:
            if connection.session and not resumable:
                self.sessions.pop(connection.session.id, None)
            connection.send(INVALID, resumable)

    async def close_all(self, code: int) -> None:
        """Close every connection with a code; 4004 and its like are for good."""
        for connection in list(self.connections):
            await self._refuse(connection, code, "")

    def cut(self, rng: random.Random | None = None) -> int:
        """Cut every connection, or one at random, without a word; the value is how many."""
        chosen = [rng.choice(self.open)] if rng and self.open else self.open
        for connection in chosen:
            connection.abort()
        return len(chosen)

    def lateness(self) -> list[float]:
        """By how many seconds each heartbeat came later than the interval after the one before it.

        A connection's last entry tells of the heartbeat that is still due, if it is late already.
        """
        found = []
        for connection in [*self.past, *self.connections]:
            times = list(connection.beats)
            if connection in self.connections and times:
                times.append(max(time.monotonic(), times[-1] + self.interval))
            found += [after - before - self.interval for before, after in pairwise(times)]
        return [max(0.0, late) for late in found]


def guild_create(world: World, guild: str) -> Json:
    """A guild as the gateway tells of it: all channels, the threads the bot may view, no other member."""
    there = [channel for channel in world.channels if world.channels[channel].get("guild_id") == guild]
    threads = [channel for channel in there if world.channels[channel]["type"] in THREADS]
    active = [each for each in threads if not world.channels[each]["thread_metadata"]["archived"]]
    active = [each for each in active if world.may(world.bot, each)]
    return {
        **world.guilds[guild],
        **{"joined_at": world.members[guild][world.bot]["joined_at"], "large": False, "unavailable": False},
        **{"member_count": len(world.members[guild]), "members": [world.member(guild, world.bot)]},
        **{"roles": world.guild_roles(guild), "threads": [world.thread_json(each) for each in active]},
        **{"channels": [world.channels[each] for each in there if each not in threads]},
        **{"voice_states": [], "presences": [], "stage_instances": [], "guild_scheduled_events": []},
        **{"soundboard_sounds": []},
    }


def _parts(event: Json) -> Json:
    return {"data": event["d"], "t": event["t"], "s": event["s"]}
