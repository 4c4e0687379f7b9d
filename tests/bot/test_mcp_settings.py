"""A Model Context Protocol server in the settings: one server, and secrets by name only."""

from pathlib import Path

import pytest

from bot.settings import SettingsError, load_settings
from knowledge.documents import KnowledgeError

TABLE = '[[sources]]\nname = "wiki"\nkind = "mcp"\n'


def loaded(folder: Path, keys: str):  # type: ignore[no-untyped-def]
    file = folder / "lorebot.toml"
    file.write_text(f'home = "home"\n{TABLE}{keys}', encoding="utf-8")
    return load_settings(file).sources[0]


@pytest.mark.parametrize("keys", ["", 'command = ["wiki-server"]\nurl = "https://wiki.example/mcp"'])
def test_a_server_is_either_a_program_or_a_url(tmp_path: Path, keys: str) -> None:
    with pytest.raises(SettingsError, match=r"give either 'command' .* or 'url'"):
        loaded(tmp_path, keys)


@pytest.mark.parametrize(
    "keys",
    [
        'command = ["wiki-server"]\nvariables = ["WIKI_TOKEN=s3cr3t"]',
        'url = "https://wiki.example/mcp"\ntoken_variable = "xs3cr3t"',
    ],
)
def test_a_secret_in_place_of_a_name_is_refused_and_not_repeated(tmp_path: Path, keys: str) -> None:
    with pytest.raises(SettingsError, match="name environment variables") as caught:
        loaded(tmp_path, keys)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    "keys",
    [
        'command = ["wiki-server"]\nvariables = ["WIKI_TOKEN"]',
        'url = "https://wiki.example/mcp"\ntoken_variable = "WIKI_TOKEN"',
    ],
)
def test_a_variable_that_is_not_set_is_named_when_the_source_is_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: str
) -> None:
    monkeypatch.delenv("WIKI_TOKEN", raising=False)
    source = loaded(tmp_path, keys).build(tmp_path / "cache")
    with pytest.raises(KnowledgeError, match="'wiki' needs the environment variable WIKI_TOKEN"):
        list(source.list())
