"""Slack's Web API, read only, with errors that say what to do."""

from __future__ import annotations

import http.client
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.http_retry.builtin_handlers import (
    ConnectionErrorRetryHandler,
    RateLimitErrorRetryHandler,
    ServerErrorRetryHandler,
)
from slack_sdk.http_retry.request import HttpRequest
from slack_sdk.http_retry.response import HttpResponse
from slack_sdk.http_retry.state import RetryState
from slack_sdk.web.client import WebClient

from knowledge.documents import KnowledgeError

_MOST_PAGES = 20_000
_MOST_WAITS = 10
_LONGEST_WAIT = 300
_LONGEST_CODE = 80

_TOKEN_ERRORS = frozenset(
    {"not_authed", "invalid_auth", "account_inactive", "token_revoked", "token_expired"}
)


class SlackAnswerError(KnowledgeError):
    """Slack refuses; `code` is its word for why."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class SlackApi:
    """Calls methods of the Web API with one token.

    Where Slack asks to wait (429, Retry-After, https://docs.slack.dev/apis/web-api/rate-limits) it waits, up
    to five minutes at a time.
    """

    def __init__(self, source: str, token: str, token_name: str, api_url: str) -> None:
        """`token_name` is the environment variable that holds the token, which errors name."""
        self._source = source
        self._token_name = token_name
        self._client = WebClient(
            token,
            base_url=api_url,
            logger=logging.Logger("slack", logging.CRITICAL),
            retry_handlers=[
                _BoundedWaits(max_retry_count=_MOST_WAITS),
                ConnectionErrorRetryHandler(max_retry_count=2),
                ServerErrorRetryHandler(max_retry_count=2),
            ],
        )

    def call(self, method: str, place: str = "", **parameters: object) -> Mapping[str, Any]:
        """Call a method; `place` is the channel that an error is about.

        Raises `SlackAnswerError` when Slack refuses, `KnowledgeError` when it does not answer.
        """
        given = {name: value for name, value in parameters.items() if value is not None}
        try:
            answer = self._client.api_call(method, params=given).data
        except SlackApiError as error:
            raise self._explained(method, place, error) from None
        except (SlackClientError, OSError, http.client.HTTPException, ValueError) as error:
            reason = str(getattr(error, "reason", None) or error) or type(error).__name__
            raise KnowledgeError(
                f"Slack cannot be reached for source '{self._source}': {reason[:200].rstrip('.')}."
            ) from None
        if not isinstance(answer, dict):
            raise KnowledgeError(f"Slack answers {method} with something else than JSON.")
        return answer

    def pages(
        self, method: str, key: str, place: str = "", **parameters: object
    ) -> Iterator[list[Mapping[str, Any]]]:
        """Yield the pages of a listing by its cursors, the objects under `key`. Raises what `call` raises."""
        seen: set[str] = set()
        cursor: str | None = None
        while len(seen) < _MOST_PAGES:
            answer = self.call(method, place, cursor=cursor, **parameters)
            items = answer.get(key)
            if not isinstance(items, list):
                raise KnowledgeError(f"Slack answers {method} without {key}.")
            yield [item for item in items if isinstance(item, dict)]
            further = answer.get("response_metadata")
            cursor = further.get("next_cursor") if isinstance(further, dict) else None
            if not cursor:
                if answer.get("has_more"):
                    raise KnowledgeError(f"Slack says that there is more of {method}, but not where.")
                return
            if not isinstance(cursor, str) or cursor in seen:
                break
            seen.add(cursor)
        raise KnowledgeError(f"Slack's pages of {method} for source '{self._source}' do not end.")

    def _explained(self, method: str, place: str, error: SlackApiError) -> SlackAnswerError:
        data = error.response.data if isinstance(error.response.data, dict) else {}
        code = " ".join(str(data.get("error", "")).split())[:_LONGEST_CODE] or "nothing"
        where = f"#{place}" if place else "the channel"
        if code in _TOKEN_ERRORS:
            text = f"Slack does not accept the token in {self._token_name} ({code}): put a valid one there."
        elif code == "missing_scope":
            needed = " ".join(str(data.get("needed", "")).split())[:_LONGEST_CODE]
            text = (
                f"Slack's {method} needs the scope {needed or '(unnamed)'}: add it to the app under OAuth & "
                f"Permissions, install the app again, and renew {self._token_name}."
            )
        elif code == "not_in_channel":
            text = f"The bot is not in {where}: write /invite with the bot's name there."
        elif code == "channel_not_found":
            text = (
                f"Slack knows no {where} that the bot may see: check the name, and if the channel is "
                "private, write /invite with the bot's name there."
            )
        elif code == "ratelimited":
            text = "Slack asks to wait for too long (429); a later sync goes on where this one ended."
        else:
            text = f"Slack answers {code!r} to {method}" + (f" for {where}." if place else ".")
        return SlackAnswerError(f"Source '{self._source}': {text}", code)


class _BoundedWaits(RateLimitErrorRetryHandler):
    """Waits as long as Slack asks, but not for hours: a run that sleeps cannot be cancelled."""

    def _can_retry(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        if response is None or response.status_code != 429:
            return False
        waits = [value for name, value in response.headers.items() if name.lower() == "retry-after"]
        asked = str(waits[0][0]) if waits and waits[0] else "1"
        return asked.isascii() and asked.isdigit() and int(asked[:9]) <= _LONGEST_WAIT
