"""HTTP mode: signed requests to the app (https://docs.slack.dev/authentication/verifying-requests-from-slack)."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from typing import Literal
from urllib.parse import urlencode

import aiohttp

from .deliveries import Deliveries, Delivery, Json

Flaw = Literal["", "forged", "stale", "unsigned"]


def encoded(kind: str, body: Json) -> tuple[bytes, str]:
    """A delivery's body and content type: events are JSON, commands a form, interactions JSON in a form."""
    if kind == "events_api":
        return json.dumps(body).encode(), "application/json"
    fields = body if kind == "slash_commands" else {"payload": json.dumps(body)}
    return urlencode(fields).encode(), "application/x-www-form-urlencoded"


def signature(secret: str, body: bytes, flaw: Flaw = "") -> dict[str, str]:
    """The two headers of a request; `forged` is signed with another secret, `stale` is ten minutes old."""
    if flaw == "unsigned":
        return {}
    stamp = str(int(time.time()) - (600 if flaw == "stale" else 0))
    key = "forged" if flaw == "forged" else secret
    digest = hmac.new(key.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}"}


class HttpMode:
    """Posts deliveries to the app's URL; an answer of 200 in time is the ack."""

    def __init__(self, url: str, secret: str, deliveries: Deliveries) -> None:
        self.url = url
        self.flaw: Flaw = ""
        self.statuses: list[int] = []
        self._secret = secret
        self._deliveries = deliveries
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def post(
        self, kind: str, body: Json, flaw: Flaw = "", retry: Json | None = None
    ) -> tuple[int, str]:
        """Send one request; the value is the answer's status and text."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30))
        raw, content_type = encoded(kind, body)
        headers = {"Content-Type": content_type, **signature(self._secret, raw, flaw)}
        if retry and retry["retry_attempt"]:
            again = {"X-Slack-Retry-Num": str(retry["retry_attempt"]), "X-Slack-Retry-Reason": "http_timeout"}
            headers |= again
        async with self._session.post(self.url, data=raw, headers=headers) as answer:
            return answer.status, await answer.text()

    async def carry(self, delivery: Delivery) -> bool:
        """Send a delivery without waiting for the answer."""
        task = asyncio.create_task(self._send(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _send(self, delivery: Delivery) -> None:
        try:
            status, text = await self.post(delivery.kind, delivery.body, self.flaw, delivery.retry)
        except (aiohttp.ClientError, TimeoutError):
            return
        self.statuses.append(status)
        if status == 200:
            self._deliveries.acked(delivery.id, _payload(text))

    async def close(self) -> None:
        """End the session."""
        for task in self._tasks:
            task.cancel()
        if self._session is not None:
            await self._session.close()


def _payload(text: str) -> Json | None:
    if not text:
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return {"text": text}
    return found if isinstance(found, dict) else {"text": text}
