"""What listeners read from the body of a request, whatever its kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connectors.slack.desk import Ticket
from connectors.slack.heard import Heard, How

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Act:
    """Something that a person did with a command, a button or a form.

    `channel` is empty where there is none (App Home). `message_ts` and `thread` are those of the message
    whose button it was. `trigger` opens a form for three seconds; `response_url` may be empty.
    """

    team: str
    enterprise: str | None
    user: str
    home_team: str | None
    channel: str
    message_ts: str
    thread: str
    trigger: str
    response_url: str
    is_external: bool

    @property
    def ticket(self) -> Ticket:
        """The person, in the channel where it was done."""
        return Ticket(self.team, self.enterprise, self.channel, self.user, self.thread or None)

    def question(self, how: How, text: str, ts: str, channel: str | None = None) -> Heard:
        """A question that this person asks here, or in another channel, under the message `ts`."""
        where = channel or self.channel
        return Heard(
            how=how,
            team=self.team,
            enterprise=self.enterprise,
            channel=where,
            ts=ts,
            thread=ts,
            is_in_thread=False,
            user=self.user,
            home_team=self.home_team,
            text=text,
            is_direct=where.startswith("D"),
            is_external=self.is_external,
        )


def read_act(body: Json) -> Act:
    """Read a slash command, a block action, a shortcut or a form that was sent."""
    user = body.get("user") or {}
    view = body.get("view") or {}
    message = body.get("message") or {}
    container = body.get("container") or {}
    channel = (body.get("channel") or {}).get("id") or container.get("channel_id") or body.get("channel_id")
    team = view.get("app_installed_team_id") or _id(body.get("team")) or body.get("team_id")
    message_ts = str(message.get("ts") or container.get("message_ts") or "")
    return Act(
        team=str(team or user.get("team_id") or ""),
        enterprise=_id(body.get("enterprise")) or body.get("enterprise_id"),
        user=str(user.get("id") or body.get("user_id") or ""),
        home_team=user.get("team_id"),
        channel=str(channel or ""),
        message_ts=message_ts,
        thread=str(message.get("thread_ts") or container.get("thread_ts") or ""),
        trigger=str(body.get("trigger_id") or ""),
        response_url=str(body.get("response_url") or ""),
        is_external=bool(body.get("is_ext_shared_channel")),
    )


def _id(named: Any) -> str | None:
    return str(named["id"]) if isinstance(named, Mapping) and named.get("id") else None
