"""The HTTP side: the three encodings, tokens and scopes, broken calls, response URLs and files."""

from __future__ import annotations

import asyncio
import json
import time
from base64 import b64decode
from collections.abc import Callable

from aiohttp import web

from .faults import Call, Fault, Faults
from .methods_chat import CHAT, Asked
from .methods_read import READ
from .methods_streams import STREAMS
from .responses import respond
from .rules import RefusedError, require
from .scopes import scopes_of
from .world import Json, Team, World

METHODS = {**CHAT, **STREAMS, **READ}
ENCODED = ("blocks", "view", "chunks", "files", "attachments", "prompts", "metadata", "loading_messages")


class WebApi:
    """Answers /api/{method} and the URLs that Slack gives out; `calls` is all that was asked, in order."""

    def __init__(
        self,
        world: World,
        faults: Faults,
        tickets: set[str],
        changed: Callable[[], None],
        echo: Callable[[Json], None],
    ) -> None:
        self.calls: list[Call] = []
        self._world, self._faults, self._tickets = world, faults, tickets
        self._changed, self._echo = changed, echo

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        router.add_route("*", "/api/{method}", self._method)
        router.add_post("/response/{name}", self._response)
        router.add_post("/upload/{file}", self._upload)
        router.add_get("/files-pri/{file}/{name}", self._download)
        router.add_get("/signin", _signin)

    async def _method(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        parameters, encoding = await _parameters(request)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ") or str(
            parameters.get("token") or ""
        )
        call = Call(method, parameters, token, encoding, time.monotonic())
        self.calls.append(call)
        self._changed()
        lost, broken = False, None
        for fault in self._faults.take(method):
            await asyncio.sleep(fault.seconds)
            lost = lost or fault.lost == "after"
            if fault.lost == "before":
                return self._lose(request)
            if fault.error or fault.status != 200:
                broken = _broken(call, fault)
        answer = broken or self._answer(request, call)
        call.answered = time.monotonic()
        self._changed()
        return self._lose(request) if lost else answer

    def _lose(self, request: web.Request) -> web.Response:
        if request.transport:
            request.transport.abort()
        return web.Response()

    def _answer(self, request: web.Request, call: Call) -> web.Response:
        headers = {}
        try:
            if call.method == "oauth.v2.access":
                found = self._install(request, call.parameters)
            elif call.method == "apps.connections.open":
                found = self._connect(call.token)
            else:
                team = self._team(call)
                headers["X-OAuth-Scopes"] = ",".join(sorted(team.scopes))
                found = METHODS[call.method](Asked(self._world, team, call.parameters, self._echo))
            call.reply = {"ok": True, **found}
        except RefusedError as refusal:
            call.reply = refusal.reply
        call.status = 200
        return web.json_response(call.reply, headers=headers)

    def _team(self, call: Call) -> Team:
        require(call.token, "not_authed")
        require(call.token != self._world.app_token, "not_allowed_token_type")
        team = next((team for team in self._world.teams.values() if team.token == call.token), None)
        if team is None:
            raise RefusedError("invalid_auth")
        require(not team.revoked, "token_revoked")
        require(call.method in METHODS, "unknown_method")
        p = call.parameters
        channel = self._world.channels.get(str(p.get("channel")))
        provided = ",".join(sorted(team.scopes))
        for scope in scopes_of(call.method, channel, str(p.get("types") or "")):
            require(scope in team.scopes, "missing_scope", needed=scope, provided=provided)
        return team

    def _connect(self, token: str) -> Json:
        require(token, "not_authed")
        known = {team.token for team in self._world.teams.values()}
        require(token not in known, "not_allowed_token_type")
        require(token == self._world.app_token, "invalid_auth")
        provided = ",".join(sorted(self._world.app_scopes))
        granted = "connections:write" in self._world.app_scopes
        require(granted, "missing_scope", needed="connections:write", provided=provided)
        ticket = f"t{self._world.number()}"
        self._tickets.add(ticket)
        link = f"{self._world.url.replace('http', 'ws', 1)}/link/"
        return {"url": f"{link}?ticket={ticket}&app_id={self._world.app_id}"}

    def _install(self, request: web.Request, p: Json) -> Json:
        world = self._world
        basic = request.headers.get("Authorization", "").removeprefix("Basic ")
        client = (
            b64decode(basic).decode().split(":") if basic else [p.get("client_id"), p.get("client_secret")]
        )
        require(client[0] == world.client_id, "invalid_client_id")
        require(client[1] == world.client_secret, "bad_client_secret")
        require(p.get("code") in world.codes, "invalid_code")
        require(
            p.get("redirect_uri", "") in ("", world.redirect_uri) or not world.redirect_uri,
            "bad_redirect_uri",
        )
        team = world.teams[world.codes.pop(p["code"])]
        team.revoked = False
        about = {"app_id": world.app_id, "bot_user_id": team.bot_user, "authed_user": {"id": "U0INSTALLER"}}
        where = {
            "team": {"id": team.id, "name": team.name},
            "enterprise": None,
            "is_enterprise_install": False,
        }
        scope = ",".join(sorted(team.scopes))
        return {**about, **where, "access_token": team.token, "token_type": "bot", "scope": scope}

    async def _response(self, request: web.Request) -> web.Response:
        body = await request.json()
        call = Call("response_url", body, "", "json", time.monotonic())
        self.calls.append(call)
        for fault in self._faults.take("response_url"):
            await asyncio.sleep(fault.seconds)
            if fault.error or fault.status != 200:
                return _broken(call, fault)
            if fault.lost:
                return self._lose(request)
        call.status, text = respond(self._world, request.match_info["name"], body)
        self._changed()
        return web.Response(status=call.status, text=text)

    async def _upload(self, request: web.Request) -> web.Response:
        self._world.contents[request.match_info["file"]] = await request.read()
        return web.Response(text="OK")

    async def _download(self, request: web.Request) -> web.StreamResponse:
        file = request.match_info["file"]
        call = Call(
            "files.download",
            {"file": file},
            request.headers.get("Authorization", ""),
            "query",
            time.monotonic(),
        )
        self.calls.append(call)
        for fault in self._faults.take("files.download"):
            await asyncio.sleep(fault.seconds)
            if fault.lost:
                return self._lose(request)
            if fault.error or fault.status != 200:
                return _broken(call, fault)
        readers = {
            f"Bearer {t.token}"
            for t in self._world.teams.values()
            if "files:read" in t.scopes and not t.revoked
        }
        if call.token not in readers:
            raise web.HTTPFound(f"{self._world.url}/signin")
        call.status = 200 if file in self._world.contents else 404
        return web.Response(
            status=call.status,
            body=self._world.contents.get(file, b""),
            headers={"Content-Type": str(self._world.files[file]["mimetype"])} if call.status == 200 else {},
        )


async def _signin(_request: web.Request) -> web.Response:
    return web.Response(
        text="<!DOCTYPE html><html><title>Sign in | Slack</title></html>", content_type="text/html"
    )


async def _parameters(request: web.Request) -> tuple[Json, str]:
    found: Json = dict(request.query)
    encoding = "query"
    if request.content_type == "application/json":
        body = await request.json()
        found |= body
        encoding = "json" if body else "query"
    elif form := dict(await request.post()):
        found |= form
        encoding = "form"
    for key in ENCODED:
        if isinstance(found.get(key), str) and found[key][:1] in ("[", "{"):
            found[key] = json.loads(found[key])
    return found, encoding


def _broken(call: Call, fault: Fault) -> web.Response:
    call.status = fault.status
    if not fault.error:
        return web.Response(status=fault.status, text="<html>Server Error</html>", content_type="text/html")
    call.reply = {"ok": False, "error": fault.error, **fault.fields}
    return web.json_response(call.reply, status=fault.status, headers=fault.headers)
