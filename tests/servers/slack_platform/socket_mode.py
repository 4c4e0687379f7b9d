"""Socket Mode: the server's end of the WebSockets (https://docs.slack.dev/apis/events-api/using-socket-mode)."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass

from aiohttp import WSMsgType, web

from .deliveries import Deliveries, Delivery, Json

MOST_CONNECTIONS = 10


@dataclass(slots=True)
class Connection:
    """An open WebSocket; one that is `leaving` was told to go and gets nothing more."""

    number: int
    socket: web.WebSocketResponse
    request: web.Request
    leaving: bool = False

    async def send(self, body: Json) -> bool:
        """Send a frame; False when the connection is gone."""
        try:
            await self.socket.send_str(json.dumps(body))
        except (ConnectionError, RuntimeError):
            return False
        return True

    def abort(self) -> None:
        """Cut the connection without a closing frame."""
        if self.request.transport:
            self.request.transport.abort()


class SocketMode:
    """Accepts connections, hands envelopes round among them, and breaks them by order of a test."""

    def __init__(self, app_id: str, deliveries: Deliveries) -> None:
        self.deliveries = deliveries
        self.connections: dict[int, Connection] = {}
        self.opened = 0
        self.tickets: set[str] = set()
        self.deaf_to = 0
        self._app_id = app_id
        self._turn = 0
        self._leaving: set[asyncio.Task[None]] = set()

    @property
    def open(self) -> list[Connection]:
        """The connections that take envelopes."""
        return [connection for connection in self.connections.values() if not connection.leaving]

    async def link(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection until it closes."""
        ticket = request.query.get("ticket", "")
        if ticket not in self.tickets:
            return web.Response(status=401, text="invalid ticket")
        self.tickets.discard(ticket)
        socket = web.WebSocketResponse(max_msg_size=16 * 2**20)
        await socket.prepare(request)
        self.opened += 1
        connection = Connection(self.opened, socket, request)
        debug = {"host": "applink-local", "build_number": 1, "approximate_connection_time": 18060}
        info = {"connection_info": {"app_id": self._app_id}, "num_connections": len(self.connections) + 1}
        await connection.send({"type": "hello", "debug_info": debug, **info})
        if len(self.connections) >= MOST_CONNECTIONS:
            await connection.send(
                {"type": "disconnect", "reason": "too_many_websockets", "debug_info": debug}
            )
            await socket.close()
            return socket
        self.connections[connection.number] = connection
        flushing = asyncio.create_task(self.deliveries.flush())
        try:
            async for frame in socket:
                if frame.type is WSMsgType.TEXT:
                    self._acked(json.loads(frame.data), connection)
        finally:
            self.connections.pop(connection.number, None)
            await flushing
        return socket

    def _acked(self, body: Json, connection: Connection) -> None:
        if self.deaf_to:
            self.deaf_to -= 1
            return
        self.deliveries.acked(body.get("envelope_id", ""), body.get("payload"), connection.number)

    async def carry(self, delivery: Delivery) -> bool:
        """Send an envelope on the next connection."""
        for _ in range(len(self.connections)):
            taking = self.open
            if not taking:
                return False
            self._turn += 1
            envelope = {"envelope_id": delivery.id, "type": delivery.kind, "payload": delivery.body}
            accepts = {"accepts_response_payload": delivery.kind != "events_api"}
            if await taking[self._turn % len(taking)].send({**envelope, **accepts, **delivery.retry}):
                return True
        return False

    async def disconnect(self, reason: str, grace: float) -> None:
        """Tell every connection to go. All but a `warning` end after a grace, if the client stays."""
        for connection in self.open:
            connection.leaving = reason != "warning"
            await connection.send(
                {"type": "disconnect", "reason": reason, "debug_info": {"host": "applink-local"}}
            )
            if connection.leaving:
                task = asyncio.create_task(self._end(connection, grace))
                self._leaving.add(task)
                task.add_done_callback(self._leaving.discard)

    async def _end(self, connection: Connection, grace: float) -> None:
        await asyncio.sleep(grace)
        await connection.socket.close()

    def cut(self, rng: random.Random | None = None) -> int:
        """Cut every connection, or one at random, without a word; the value is how many."""
        chosen = [rng.choice(self.open)] if rng and self.open else self.open
        for connection in chosen:
            connection.leaving = True
            connection.abort()
        return len(chosen)

    async def close(self) -> None:
        """End every connection."""
        for task in self._leaving:
            task.cancel()
        for connection in list(self.connections.values()):
            await connection.socket.close()
