import json

import pytest

from connectors.slack import names
from connectors.slack.manifest import EVENTS, SCOPES, manifest, missing_scopes, printed

# Slack's reference pages name the scope that each event and each method needs.
EVENT_SCOPES = {
    "app_mention": "app_mentions:read",
    "message.channels": "channels:history",
    "message.groups": "groups:history",
    "message.im": "im:history",
    "message.mpim": "mpim:history",
    "reaction_added": "reactions:read",
}


def test_the_manifest_asks_for_the_current_agent_surface() -> None:
    features = manifest()["features"]

    assert set(features["agent_view"]) == {"agent_description", "suggested_prompts"}
    assert "assistant_view" not in features
    assert {"app_context_changed", "app_home_opened", "message.im"} <= set(EVENTS)
    assert "assistant:write" in SCOPES


@pytest.mark.parametrize(("event", "scope"), EVENT_SCOPES.items())
def test_every_event_has_the_scope_that_it_needs(event: str, scope: str) -> None:
    made = manifest()

    assert event in made["settings"]["event_subscriptions"]["bot_events"]
    assert scope in made["oauth_config"]["scopes"]["bot"]


def test_socket_mode_needs_no_address() -> None:
    made = manifest()

    assert made["settings"]["socket_mode_enabled"] is True
    assert "http" not in printed(made)


def test_a_public_address_turns_to_http_and_oauth() -> None:
    made = manifest(public_url="https://bot.example.com/")

    events = "https://bot.example.com/slack/events"
    assert made["settings"]["socket_mode_enabled"] is False
    assert made["settings"]["event_subscriptions"]["request_url"] == events
    assert made["settings"]["interactivity"]["request_url"] == events
    assert made["features"]["slash_commands"][0]["url"] == events
    assert made["oauth_config"]["redirect_urls"] == ["https://bot.example.com/slack/oauth_redirect"]


def test_the_home_the_command_and_the_shortcut_are_there() -> None:
    features = manifest(name="Atlas", command="/atlas")["features"]

    assert features["app_home"] == {
        "home_tab_enabled": True,
        "messages_tab_enabled": True,
        "messages_tab_read_only_enabled": False,
    }
    assert features["slash_commands"][0]["command"] == "/atlas"
    assert features["shortcuts"][0]["callback_id"] == names.ANSWER_THIS
    assert features["shortcuts"][0]["type"] == "message"


def test_the_texts_keep_to_slacks_limits() -> None:
    made = manifest(name="A name that is much longer than an app may have")

    assert len(made["display_information"]["name"]) <= 35
    assert len(made["display_information"]["description"]) <= 140
    assert len(made["features"]["shortcuts"][0]["name"]) <= 24
    assert len(made["features"]["agent_view"]["agent_description"]) <= 300


def test_the_manifest_is_printed_as_json() -> None:
    assert json.loads(printed(manifest())) == manifest()


def test_a_missing_scope_is_named_with_what_it_is_for() -> None:
    granted = set(SCOPES) - {"files:read"}

    assert missing_scopes(granted) == (("files:read", "read the files that come with a question"),)
