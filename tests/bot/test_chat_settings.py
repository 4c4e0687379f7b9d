"""Slack and Discord as sources of the settings; their tokens are in the environment only."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.settings import Settings, SettingsError, load_settings
from knowledge.documents import EVERYONE, KnowledgeError

SLACK = """
[[sources]]
name = "chat"
kind = "slack"
channels = ["#help"]
"""
DISCORD = """
[[sources]]
name = "chat"
kind = "discord"
guild = "81384788765712384"
"""


def loaded(folder: Path, text: str) -> Settings:
    path = folder / "lorebot.toml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path)


@pytest.mark.parametrize(
    ("table", "variable"), [(SLACK, "SLACK_BOT_TOKEN"), (DISCORD, "DISCORD_TOKEN"), (SLACK, "TEAM_TOKEN")]
)
def test_a_source_is_built_without_a_token_and_asks_for_it_when_it_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, variable: str
) -> None:
    monkeypatch.delenv(variable, raising=False)
    (settings,) = loaded(tmp_path, f'{table}token_variable = "{variable}"').sources

    source = settings.build(tmp_path / "cache")

    assert source.audience == {EVERYONE}
    with pytest.raises(KnowledgeError, match=f"set the environment variable {variable}"):
        list(source.list())


@pytest.mark.parametrize("table", [SLACK, DISCORD])
def test_a_token_in_the_settings_is_refused_and_not_repeated(tmp_path: Path, table: str) -> None:
    with pytest.raises(SettingsError, match="token_variable") as caught:
        loaded(tmp_path, f'{table}token_variable = "xoxb-1-secret"')

    assert "secret" not in str(caught.value)


def test_a_slack_source_needs_channels(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="channels"):
        loaded(tmp_path, SLACK.replace('"#help"', ""))
