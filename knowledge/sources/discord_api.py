"""Discord's REST API, read only, with errors that say what to do."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from knowledge.documents import KnowledgeError
from knowledge.sources.http import FetchError, Request, Response, WebClient, any_address, follow_none

_MOST_BYTES = 50_000_000
_MOST_WAITS = 20
_MOST_FAILURES = 3
_LONGEST_WAIT = 300.0
# https://docs.discord.com/developers/reference#user-agent
_USER_AGENT = "DiscordBot (lorebot, 0.1)"

# https://docs.discord.com/developers/topics/opcodes-and-status-codes#json
UNKNOWN_CHANNEL = 10003
UNKNOWN_GUILD = 10004
MISSING_ACCESS = 50001
_MISSING_PERMISSIONS = 50013


class DiscordAnswerError(KnowledgeError):
    """Discord refuses; `status` is the HTTP status and `code` its own number for why (0 for none)."""

    def __init__(self, message: str, status: int, code: int) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class DiscordApi:
    """Gets resources with a bot token.

    Plain REST rather than discord.py, whose client belongs to an event loop and takes its address from a
    class: sources are read in a thread, by a handful of GET requests. It keeps to the limits that the
    answers tell (https://docs.discord.com/developers/topics/rate-limits): it waits where a bucket is empty,
    and after a 429 for as long as that says, up to five minutes at a time. Redirects are not followed, so
    that the token goes nowhere else.
    """

    def __init__(
        self, source: str, token: str, token_name: str, api_url: str, retry_seconds: float = 1.0
    ) -> None:
        """`token_name` is the environment variable that holds the token, which errors name."""
        self._source = source
        self._token_name = token_name
        self._api_url = api_url.rstrip("/")
        self._headers = {"Authorization": f"Bot {token.strip()}"}
        self._retry_seconds = retry_seconds
        self._web = WebClient(_USER_AGENT, any_address)
        self._free_at: dict[str, float] = {}

    def get(self, path: str, place: str = "", **query: object) -> Any:
        """Get a resource as JSON; `place` is the channel that an error is about.

        Raises `DiscordAnswerError` when Discord refuses, `KnowledgeError` when it does not answer.
        """
        asked = urlencode({name: value for name, value in query.items() if value is not None})
        url = f"{self._api_url}{path}" + (f"?{asked}" if asked else "")
        request = Request(url, _MOST_BYTES, self._headers, follow_none)
        failures = 0
        for _wait in range(_MOST_WAITS):
            self._await_turn(path)
            try:
                response = self._web.get(request)
            except FetchError as error:
                failures += 1
                if failures >= _MOST_FAILURES:
                    raise KnowledgeError(f"Source '{self._source}': {error}") from None
                time.sleep(self._retry_seconds * failures)
                continue
            self._note_limits(path, response.headers)
            if response.status == 429:
                time.sleep(self._asked_to_wait(response))
            elif response.status >= 500 and failures + 1 < _MOST_FAILURES:
                failures += 1
                time.sleep(self._retry_seconds * failures)
            elif response.status != 200:
                raise self._explained(path, place, response)
            else:
                return self._decoded(path, response)
        raise KnowledgeError(f"Source '{self._source}': Discord asks to wait again and again (429).")

    def _await_turn(self, path: str) -> None:
        wait = self._free_at.pop(path, 0.0) - time.monotonic()
        if wait > 0:
            time.sleep(min(wait, _LONGEST_WAIT))

    def _note_limits(self, path: str, headers: Mapping[str, str]) -> None:
        if headers.get("x-ratelimit-remaining") == "0":
            self._free_at[path] = time.monotonic() + _seconds(headers.get("x-ratelimit-reset-after"))

    def _asked_to_wait(self, response: Response) -> float:
        said = _object(response).get("retry_after", response.headers.get("retry-after"))
        seconds = _seconds(said)
        if seconds > _LONGEST_WAIT:
            raise KnowledgeError(
                f"Source '{self._source}': Discord asks to wait for {seconds:.0f} seconds (429); a later "
                "sync goes on where this one ended."
            )
        return seconds

    def _decoded(self, path: str, response: Response) -> Any:
        try:
            return json.loads(response.content)
        except (ValueError, RecursionError):
            text = f"Source '{self._source}': Discord answers {path} with something else than JSON."
            raise KnowledgeError(text) from None

    def _explained(self, path: str, place: str, response: Response) -> DiscordAnswerError:
        said = _object(response).get("code")
        code = said if isinstance(said, int) else 0
        where = f"#{place}" if place else "the server"
        if response.status == 401:
            text = f"Discord does not accept the token in {self._token_name}: put a valid bot token there."
        elif code in (MISSING_ACCESS, _MISSING_PERMISSIONS) or response.status == 403:
            text = (
                f"The bot may not read {where} ({code or 403}): give its role the permissions View Channel "
                "and Read Message History there."
            )
        elif code == UNKNOWN_GUILD:
            text = "Discord knows no such server that the bot is in: check the guild's id, or invite the bot."
        else:
            text = f"Discord answers {path} with status {response.status}" + (
                f" (code {code})." if code else "."
            )
        return DiscordAnswerError(f"Source '{self._source}': {text}", response.status, code)


def _object(response: Response) -> Mapping[str, Any]:
    try:
        found = json.loads(response.content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _seconds(value: object) -> float:
    try:
        found = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return 1.0
    return found if found >= 0 else 1.0
