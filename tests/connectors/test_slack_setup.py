"""`lorebot slack check`: each thing that is missing is named, with the fix."""

from __future__ import annotations

import pytest
from slack_hall import Hall, Lines
from slack_platform import SlackPlatform

from bot.connecting import missing_for_slack
from connectors.slack import running
from connectors.slack.check import Checked, check


async def checked(slack: SlackPlatform, **changes: str) -> dict[str, Checked]:
    environment = {"SLACK_BOT_TOKEN": slack.team.token, "SLACK_APP_TOKEN": slack.app_token, **changes}
    return {found.name: found for found in await check(environment, slack.api_url, Lines())}


async def test_an_app_as_the_manifest_makes_it_is_in_order(slack: SlackPlatform) -> None:
    found = await checked(slack)
    assert set(found) == {"bot token", "scopes", "socket"}
    assert not any(one.fix for one in found.values())


async def test_a_missing_scope_is_named_with_what_it_is_for(slack: SlackPlatform) -> None:
    slack.team.scopes.discard("usergroups:read")
    fix = (await checked(slack))["scope usergroups:read"].fix
    assert "open documents to the user groups" in fix
    assert "install the app again" in fix


@pytest.mark.parametrize(
    ("changes", "name", "fix"),
    [
        ({"SLACK_BOT_TOKEN": ""}, "bot token", "set SLACK_BOT_TOKEN"),
        ({"SLACK_BOT_TOKEN": "xoxb-wrong"}, "bot token", "copy it anew"),
        ({"SLACK_APP_TOKEN": ""}, "connection", "set SLACK_APP_TOKEN"),
        ({"SLACK_APP_TOKEN": "xapp-wrong"}, "socket", "App-Level Tokens"),
    ],
)
async def test_a_token_that_does_not_work_is_named(
    slack: SlackPlatform, changes: dict[str, str], name: str, fix: str
) -> None:
    assert fix in (await checked(slack, **changes))[name].fix


async def test_an_app_token_without_its_scope_is_named(slack: SlackPlatform) -> None:
    slack.app_scopes.clear()
    assert "connections:write" in (await checked(slack))["socket"].fix


async def test_a_revoked_token_says_so(slack: SlackPlatform) -> None:
    slack.team.revoked = True
    assert "was revoked" in (await checked(slack))["bot token"].fix


@pytest.mark.parametrize("which", ["bot", "app"])
async def test_a_token_that_is_taken_away_while_it_works_ends_it_with_the_way_to_mend_it(
    slack: SlackPlatform, hall: Hall, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    monkeypatch.setattr(running, "_CHECK_EVERY_SECONDS", 0.05)
    async with hall.connected(slack) as service:
        if which == "bot":
            slack.team.revoked = True
        else:
            slack.app_token = "xapp-another"
            slack.cut()
        with pytest.raises(running.SlackRefusedError, match=f"SLACK_{which.upper()}_TOKEN"):
            await service


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        ("", None),
        ("BOT_TOKEN", None),
        ("BOT_TOKEN APP_TOKEN", ()),
        ("APP_TOKEN", ("SLACK_BOT_TOKEN",)),
        ("SIGNING_SECRET BOT_TOKEN", ()),
        ("SIGNING_SECRET CLIENT_ID CLIENT_SECRET", ()),
        ("SIGNING_SECRET CLIENT_ID", ("SLACK_CLIENT_SECRET",)),
        ("CLIENT_ID CLIENT_SECRET", ("SLACK_SIGNING_SECRET",)),
        ("SIGNING_SECRET", ("SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET")),
    ],
)
def test_slack_runs_when_its_credentials_are_complete(names: str, missing: tuple[str, ...] | None) -> None:
    assert missing_for_slack({f"SLACK_{name}": "x" for name in names.split()}) == missing
