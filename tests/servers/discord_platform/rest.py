"""The HTTP side: tokens, bodies, bucket headers, broken calls and files."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import BodyPartReader, web
from faults import Fault, Faults

from .asked import Asked, Routes
from .calls import Call
from .interactions import Interactions
from .routes_channels import CHANNELS
from .routes_guilds import GUILDS
from .routes_interactions import INTERACTIONS
from .rules import RefusedError, require
from .world import Json

TABLES: tuple[Routes, ...] = (INTERACTIONS, CHANNELS, GUILDS)
WITHOUT_TOKEN = re.compile(r"/(interactions/.+|webhooks/[^/]+/[^/]+.*)")
PER_SECOND = 10_000


class Rest:
    """Answers /api/v10; `calls` is all that was asked, in order."""

    def __init__(self, world: Interactions, faults: Faults, changed: Callable[[], None]) -> None:
        self.calls: list[Call] = []
        self._world, self._faults, self._changed = world, faults, changed

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        router.add_route("*", "/api/v10{path:/.*}", self._serve)
        router.add_get("/attachments/{file}/{name}", self._download)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        body, files = await _body(request)
        names = tuple(name for name, _, _ in files)
        call = Call(f"{request.method} {path}", dict(request.query), body, names)
        self.calls.append(call)
        self._changed()
        broken, lost = await self._broken(call)
        if lost == "before":
            return _lose(request)
        answer = broken or self._answer(request, call, path, files)
        call.answered = time.monotonic()
        self._changed()
        return _lose(request) if lost else answer

    async def _broken(self, call: Call) -> tuple[web.Response | None, str]:
        broken, lost = None, ""
        for fault in self._faults.take(call.method):
            await asyncio.sleep(fault.seconds)
            lost = lost or fault.lost
            if fault.error or fault.status != 200:
                broken = self._fault(call, fault)
        return broken, lost

    def _fault(self, call: Call, fault: Fault) -> web.Response:
        call.status = fault.status
        if not fault.error:
            return web.Response(status=fault.status, text="<html>error</html>", content_type="text/html")
        call.reply = {"message": fault.error, **fault.fields}
        limits = self._limits(call.method)
        if fault.status == 429:
            seconds = fault.fields["retry_after"]
            limits |= {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": f"{seconds:.3f}"}
            limits["X-RateLimit-Reset"] = f"{time.time() + seconds:.3f}"
        return _json(call.reply, fault.status, {**limits, **fault.headers})

    def _limits(self, method: str) -> dict[str, str]:
        verb, _, path = method.partition(" ")
        known = next((found for table in TABLES if (found := table.find(verb, path))), None)
        bucket = hashlib.sha256(f"{verb} {known[0] if known else path}".encode()).hexdigest()[:32]
        limit, left, after = PER_SECOND, PER_SECOND - 1, 1.0
        if ration := self._faults.ration_of(method):
            now = time.monotonic()
            limit, left = ration.calls, ration.left(now)
            after = ration.seconds - (now - ration.times[0]) if ration.times else ration.seconds
        return {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(left),
            "X-RateLimit-Reset": f"{time.time() + after:.3f}",
            "X-RateLimit-Reset-After": f"{after:.3f}",
            "X-RateLimit-Bucket": bucket,
        }

    def _answer(
        self, request: web.Request, call: Call, path: str, files: tuple[tuple[str, bytes, str], ...]
    ) -> web.Response:
        try:
            call.reply = self._found(request, call, path, files)
            call.status = 204 if call.reply is None else 200
        except RefusedError as refusal:
            call.reply, call.status = refusal.body, refusal.status
        headers = self._limits(call.method)
        return (
            web.Response(status=204, headers=headers)
            if call.status == 204
            else _json(call.reply, call.status, headers)
        )

    def _found(
        self, request: web.Request, call: Call, path: str, files: tuple[tuple[str, bytes, str], ...]
    ) -> Any:
        authorized = request.headers.get("Authorization") == f"Bot {self._world.token}"
        if not WITHOUT_TOKEN.fullmatch(path):
            require(authorized and not self._world.revoked, 0)
        for table in TABLES:
            if found := table.find(request.method, path):
                _, names, function = found
                return function(Asked(self._world, names, request.query, call.body, files))
        raise RefusedError(0, status=404)

    async def _download(self, request: web.Request) -> web.StreamResponse:
        file = request.match_info["file"]
        call = Call(f"GET /attachments/{file}", dict(request.query), {})
        self.calls.append(call)
        broken, lost = await self._broken(call)
        if lost:
            return _lose(request)
        if broken:
            return broken
        call.status = 200 if file in self._world.contents else 404
        kind = self._world.files.get(file, {}).get("content_type") or "application/octet-stream"
        return web.Response(
            status=call.status, body=self._world.contents.get(file, b""), headers={"Content-Type": kind}
        )


async def _body(request: web.Request) -> tuple[Any, tuple[tuple[str, bytes, str], ...]]:
    if request.content_type != "multipart/form-data":
        raw = await request.read()
        return (json.loads(raw) if raw else {}), ()
    body: Json = {}
    files = []
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        content = await part.read()
        if part.name == "payload_json":
            body = json.loads(content)
        else:
            files.append((part.filename or "", bytes(content), part.headers.get("Content-Type", "")))
    data = body.get("data", body)
    listed = {str(each.get("id")): each for each in data.get("attachments") or ()}
    named = [
        (listed.get(str(i), {}).get("filename", name), raw, kind) for i, (name, raw, kind) in enumerate(files)
    ]
    return body, tuple(named)


def _json(body: Any, status: int, headers: Mapping[str, str]) -> web.Response:
    """A reply whose type is bare: discord.py takes JSON with a charset for text."""
    return web.Response(
        body=json.dumps(body).encode(), status=status, headers={"Content-Type": "application/json", **headers}
    )


def _lose(request: web.Request) -> web.Response:
    if request.transport:
        request.transport.abort()
    return web.Response()
