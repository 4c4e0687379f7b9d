"""What an answer in Slack may be made of: what all who read the place may read; else what is public."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession
from slack_hall import Hall, Lines
from slack_platform import SlackPlatform

from connectors.conversation import EVERYONE, PUBLIC, Asker, Place
from connectors.slack.audience import Audience
from connectors.slack.people import People
from connectors.slack.workspace import OneWorkspace, Workspace, open_session, web_client

MEMBERS = {EVERYONE, PUBLIC}


class Readers:
    """Asks the audience as the connector does."""

    def __init__(self, slack: SlackPlatform, session: ClientSession) -> None:
        self.slack = slack
        self.overrides: dict[str, list[str]] = {}
        self.own: list[str] = [slack.team.id]
        self.audience = Audience(People(), self.overrides, Lines(), self.own, within=1.0)
        self.workspace = OneWorkspace(web_client(slack.team.token, slack.api_url, session, Lines()))

    async def asker(self, user: str, home_team: str | None = None) -> Asker:
        return await self.audience.asker(await self._found(), user, home_team)

    async def _found(self) -> Workspace:
        return await self.workspace.find("", None)

    async def place(self, channel: str, is_external: bool = False) -> Place:
        return await self.audience.place(await self._found(), channel, is_external)


@pytest.fixture
async def readers(slack: SlackPlatform) -> AsyncIterator[Readers]:
    async with open_session() as session:
        yield Readers(slack, session)


async def test_a_member_holds_everyone_and_the_user_groups(readers: Readers) -> None:
    ada = readers.slack.user("Ada")
    group = readers.slack.group("support", [ada])
    assert (await readers.asker(ada)).principals == {
        EVERYONE,
        PUBLIC,
        f"user:{ada}",
        f"group:{group}",
        "group:support",
    }


@pytest.mark.parametrize("kind", ["admin", "owner"])
async def test_an_admin_of_the_workspace_holds_that_too(readers: Readers, kind: Any) -> None:
    assert "workspace-admins" in (await readers.asker(readers.slack.user("Root", kind=kind))).principals


@pytest.mark.parametrize("kind", ["guest", "single_channel_guest", "stranger", "bot", "deleted"])
async def test_whoever_is_no_full_member_holds_public_alone(readers: Readers, kind: Any) -> None:
    assert (await readers.asker(readers.slack.user("X", kind=kind))).principals == {PUBLIC}


async def test_a_person_of_another_workspace_holds_public_alone(readers: Readers) -> None:
    assert (await readers.asker(readers.slack.user("Ada"), "T0OTHER")).principals == {PUBLIC}


@pytest.mark.parametrize("kind", ["member", "admin", "owner"])
async def test_nobody_of_a_workspace_that_is_not_the_teams_own_holds_more_than_public(
    readers: Readers, kind: Any
) -> None:
    readers.own.clear()
    eve = readers.slack.user("Eve", kind=kind)
    readers.slack.group("support", [eve])
    room = readers.slack.channel("room", [eve], private=True)
    readers.overrides[room] = ["group:support"]
    assert (await readers.asker(eve)).principals == {PUBLIC}
    assert (await readers.place(room)).principals == {PUBLIC}


async def test_an_unknown_person_holds_public_alone(readers: Readers) -> None:
    assert (await readers.asker("U0NOBODY")).principals == {PUBLIC}


async def test_in_a_public_channel_any_member_may_look(readers: Readers) -> None:
    ada = readers.slack.user("Ada")
    readers.slack.group("support", [ada])
    assert (await readers.place(readers.slack.channel("help", [ada]))).principals == MEMBERS


async def test_in_a_private_channel_its_members_groups_count(readers: Readers) -> None:
    ada, bo = readers.slack.user("Ada"), readers.slack.user("Bo")
    group = readers.slack.group("support", [ada, bo])
    readers.slack.group("finance", [ada])
    room = readers.slack.channel("room", [ada, bo], private=True)
    assert (await readers.place(room)).principals == MEMBERS | {f"group:{group}", "group:support"}


@pytest.mark.parametrize("private", [True, False])
@pytest.mark.parametrize("kind", ["guest", "single_channel_guest", "stranger", "deleted"])
async def test_one_outsider_makes_a_channel_external(readers: Readers, kind: Any, private: bool) -> None:
    people = [readers.slack.user("Ada"), readers.slack.user("X", kind=kind)]
    assert (await readers.place(readers.slack.channel("room", people, private=private))).principals == {
        PUBLIC
    }


async def test_the_workspaces_own_apps_are_no_readers(readers: Readers) -> None:
    people = [readers.slack.user("Ada"), readers.slack.user("Robot", kind="bot")]
    assert (await readers.place(readers.slack.channel("help", people))).principals == MEMBERS


@pytest.mark.parametrize("flag", ["is_ext_shared", "is_pending_ext_shared", "is_org_shared"])
async def test_a_shared_channel_is_external(readers: Readers, flag: str) -> None:
    channel = readers.slack.channel("partners", [readers.slack.user("Ada")], **{flag: True})
    assert (await readers.place(channel)).principals == {PUBLIC}


async def test_an_event_that_says_it_is_shared_is_believed(readers: Readers) -> None:
    channel = readers.slack.channel("partners", [readers.slack.user("Ada")])
    assert (await readers.place(channel, is_external=True)).principals == {PUBLIC}


@pytest.mark.parametrize(
    "method", ["conversations.info", "conversations.members", "users.list", "usergroups.list"]
)
@pytest.mark.parametrize("late", [True, False])
async def test_when_slacks_answer_is_missing_or_late_a_channel_is_external(
    readers: Readers, method: str, late: bool
) -> None:
    if late:
        readers.slack.delay(method, 30.0)
    else:
        readers.slack.fail(method, "internal_error", times=None)
    channel = readers.slack.channel("room", [readers.slack.user("Ada")], private=True)
    assert (await readers.place(channel)).principals == {PUBLIC}


@pytest.mark.parametrize("method", ["users.info", "usergroups.list"])
async def test_when_slacks_answer_is_missing_a_person_is_external(readers: Readers, method: str) -> None:
    readers.slack.fail(method, "internal_error", times=None)
    assert (await readers.asker(readers.slack.user("Ada"))).principals == {PUBLIC}


async def test_a_failure_is_not_remembered(readers: Readers) -> None:
    readers.slack.fail("conversations.info", "internal_error", times=1)
    channel = readers.slack.channel("help", [readers.slack.user("Ada")])
    assert (await readers.place(channel)).principals == {PUBLIC}
    assert (await readers.place(channel)).principals == MEMBERS


async def test_slack_is_asked_once_for_what_is_needed_often(readers: Readers) -> None:
    ada = readers.slack.user("Ada")
    channel = readers.slack.channel("help", [ada])
    for _ in range(5):
        await readers.asker(ada)
        await readers.place(channel)
    asked = [call.method for call in readers.slack.calls if call.method != "auth.test"]
    assert sorted(asked) == sorted(set(asked))


async def test_the_settings_tell_what_the_readers_of_a_channel_hold(readers: Readers) -> None:
    channel = readers.slack.channel("sales", [readers.slack.user("Ada")], private=True)
    readers.overrides[channel] = ["group:sales"]
    assert (await readers.place(channel)).principals == {"group:sales", PUBLIC}


async def test_a_question_in_a_channel_of_two_companies_is_answered_for_the_public(
    slack: SlackPlatform, hall: Hall
) -> None:
    async with hall.connected(slack):
        ada = slack.user("Ada")
        partners = slack.channel("partners", [ada], is_ext_shared=True)
        said = await slack.mention(ada, partners, "Where do visitors park?")
        await slack.until(lambda: slack.answers(partners, said.ts))
    assert hall.engine.asked[0].place.principals == {PUBLIC}
