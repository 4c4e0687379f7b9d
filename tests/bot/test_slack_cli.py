"""`lorebot slack`: the manifest, and the check of what is installed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))

from slack_platform import threaded_slack_platform

Lorebot = Callable[..., Any]


def test_the_manifest_is_for_socket_mode_where_no_address_is_given(lorebot: Lorebot) -> None:
    made = json.loads(lorebot("slack", "manifest").out)
    assert made["settings"]["socket_mode_enabled"] is True
    assert "agent_view" in made["features"]


def test_with_a_public_address_the_manifest_is_for_http(lorebot: Lorebot) -> None:
    made = json.loads(lorebot("slack", "manifest", "--url", "https://bot.example.com").out)
    assert made["settings"]["socket_mode_enabled"] is False
    assert made["oauth_config"]["redirect_urls"] == ["https://bot.example.com/slack/oauth_redirect"]


def test_slack_calls_https_addresses_alone(lorebot: Lorebot) -> None:
    done = lorebot("slack", "manifest", "--url", "http://bot.example.com")
    assert (done.code, "https" in done.err) == (2, True)


def test_the_check_names_what_is_missing_and_fails(lorebot: Lorebot, monkeypatch: pytest.MonkeyPatch) -> None:
    with threaded_slack_platform() as slack:
        monkeypatch.setenv("SLACK_API_URL", slack.platform.api_url)
        monkeypatch.setenv("SLACK_BOT_TOKEN", slack.platform.team.token)
        monkeypatch.setenv("SLACK_APP_TOKEN", slack.platform.app_token)
        in_order = lorebot("slack", "check")
        slack.platform.team.scopes.discard("users:read")
        lacking = lorebot("slack", "check")
    assert in_order.code == 0, in_order.out + in_order.err
    assert lacking.code == 1
    assert "scope users:read: missing" in lacking.out
    assert slack.platform.team.token not in in_order.out + lacking.out
