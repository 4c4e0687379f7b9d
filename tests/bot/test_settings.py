from pathlib import Path

import pytest

from bot.settings import SettingsError, load_settings

FIVE_LINES = """
home = "data"
[[sources]]
name = "handbook"
kind = "folder"
path = "documents"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "documents").mkdir()
    return tmp_path


def written(folder: Path, text: str) -> Path:
    path = folder / "lorebot.toml"
    path.write_text(text, encoding="utf-8")
    return path


def complaint(folder: Path, text: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(written(folder, text))
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_five_lines_are_enough(folder: Path) -> None:
    settings = load_settings(written(folder, FIVE_LINES))

    assert settings.home == folder / "data"
    assert settings.sources[0].path == folder / "documents"
    assert settings.generation.adapter == "auto"


def test_the_file_in_the_working_folder_is_used_unless_another_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(folder, FIVE_LINES)
    monkeypatch.chdir(folder)

    assert load_settings(None).home == folder / "data"


def test_the_environment_wins_over_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOREBOT_HOME", str(folder / "elsewhere"))
    monkeypatch.setenv("LOREBOT_GENERATION__ADAPTER", "warm")

    settings = load_settings(written(folder, FIVE_LINES + "[generation]\nadapter = 'formal'\nthreads = 1\n"))

    assert settings.home == folder / "elsewhere"
    assert (settings.generation.adapter, settings.generation.threads) == ("warm", 1)


def test_an_index_that_is_shared_needs_a_journal_that_is_shared(folder: Path) -> None:
    catalog = FIVE_LINES + '[catalog]\nurl = "postgresql://lorebot@db/lorebot"\n'

    assert "'catalog.url' needs a 'journal.url' in Postgres too" in complaint(folder, catalog)
    shared = catalog + '[journal]\nurl = "postgresql://lorebot@db/lorebot"\n'
    assert load_settings(written(folder, shared)).catalog.url == "postgresql://lorebot@db/lorebot"


@pytest.mark.parametrize("where", ["lorebot:hunter2@db/lorebot", "db/lorebot?user=lorebot&password=hunter2"])
def test_a_password_in_the_url_of_the_index_is_refused_and_not_repeated(folder: Path, where: str) -> None:
    message = complaint(folder, FIVE_LINES + f'[catalog]\nurl = "postgres://{where}"\n')

    assert "PGPASSWORD" in message
    assert "hunter2" not in message


def test_an_unknown_table_is_named_with_the_nearest_one(folder: Path) -> None:
    message = complaint(folder, FIVE_LINES + "[generaton]\nadapter = 'x'\n")

    assert "unknown key 'generaton'" in message
    assert "did you mean 'generation'?" in message


def test_a_misspelt_key_is_reported_rather_than_the_one_it_leaves_missing(folder: Path) -> None:
    message = complaint(folder, FIVE_LINES.replace("path =", "paht ="))

    assert "unknown key 'sources.0.paht'; did you mean 'path'?" in message


def test_an_unknown_variable_is_named_with_the_nearest_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOREBOT_HOEM", "x")

    assert "LOREBOT_HOEM; did you mean 'LOREBOT_HOME'?" in complaint(folder, FIVE_LINES)


def test_a_missing_folder_is_named_with_its_source(folder: Path) -> None:
    message = complaint(folder, FIVE_LINES.replace("documents", "nowhere"))

    assert "source 'handbook'" in message
    assert "nowhere does not exist" in message


def test_a_wrong_type_names_the_key_and_what_was_given(folder: Path) -> None:
    message = complaint(folder, FIVE_LINES + "[answers]\nmax_words = 'many'\n")

    assert "'answers.max_words'" in message
    assert "'many'" in message


def test_two_sources_of_one_name_are_refused(folder: Path) -> None:
    table = FIVE_LINES.split("[[sources]]")[1]

    assert "two sources are named 'handbook'" in complaint(folder, FIVE_LINES + "[[sources]]" + table)


def test_a_file_that_is_not_toml_is_named(folder: Path) -> None:
    assert "not valid TOML" in complaint(folder, "home = = 3")


def test_a_missing_file_says_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"lorebot\.example\.toml"):
        load_settings(tmp_path / "lorebot.toml")


def test_a_misspelt_kind_is_named_with_the_nearest_one(folder: Path) -> None:
    message = complaint(folder, FIVE_LINES.replace('"folder"', '"foldr"'))

    assert "'sources.0.kind' is 'foldr'" in message
    assert "did you mean 'folder'?" in message


def test_the_index_is_no_document_of_the_folder_that_it_lies_in(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "note.md").write_text("# Ours", encoding="utf-8")
    (folder / "documents" / "data").mkdir()
    (folder / "documents" / "data" / "page.md").write_text("# Theirs", encoding="utf-8")
    text = FIVE_LINES.replace('"documents"', '"."\ninclude = ["**/*.md"]')
    settings = load_settings(written(folder, text))

    source = settings.sources[0].build(folder)

    assert [listed.uri for listed in source.list()] == ["documents/data/page.md"]


def test_hidden_files_stay_out_whatever_else_is_excluded(folder: Path) -> None:
    (folder / "documents" / ".secret.md").write_text("# Secret", encoding="utf-8")
    (folder / "documents" / "draft.md").write_text("# Draft", encoding="utf-8")
    (folder / "documents" / "page.md").write_text("# Page", encoding="utf-8")
    settings = load_settings(written(folder, FIVE_LINES + 'exclude = ["draft*"]\n'))

    source = settings.sources[0].build(folder)

    assert [listed.uri for listed in source.list()] == ["page.md"]


def test_a_rewriting_server_without_its_model_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "lorebot.toml"
    config.write_text('[rewriting]\nurl = "http://127.0.0.1:8000/v1"\n')
    with pytest.raises(SettingsError, match=r"'rewriting': 'url' and 'model' belong together"):
        load_settings(config)
