"""What the settings of a model on a server refuse, in words that name the key and the fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.settings import SettingsError, load_settings


def refused(tmp_path: Path, text: str) -> str:
    config = tmp_path / "lorebot.toml"
    config.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_settings(config)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[generation]\nurl = "http://localhost/v1"', "'url' and 'model' belong together"),
        ('[generation]\nurl = "localhost/v1"\nmodel = "m"', "generation.url"),
        ("[generation]\nwhole_passages = true", "name its server"),
        ('[publishing]\nmode = "folder"', "needs 'folder'"),
        ('[publishing]\nmode = "load"\nfolder = "f"', "needs 'load_url'"),
        ("[spending]\nmoney_a_day = 3", "needs 'prompt_price' and 'reply_price'"),
    ],
)
def test_what_cannot_work_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    assert reason in refused(tmp_path, text)


@pytest.mark.parametrize("table", ["generation", "rewriting"])
def test_a_password_in_a_url_is_refused_and_not_repeated(tmp_path: Path, table: str) -> None:
    message = refused(tmp_path, f'[{table}]\nurl = "https://me:hunter2@models.example/v1"\nmodel = "m"')
    assert "key_env" in message
    assert "hunter2" not in message


def test_a_folder_is_meant_relative_to_the_file(tmp_path: Path) -> None:
    config = tmp_path / "lorebot.toml"
    config.write_text('[publishing]\nmode = "folder"\nfolder = "voices"', encoding="utf-8")
    assert load_settings(config).publishing.folder == tmp_path / "voices"
