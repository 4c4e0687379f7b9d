from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.cli import main

EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    code: int
    out: str
    err: str


Lorebot = Callable[..., Finished]


@pytest.fixture
def lorebot(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lorebot:
    """Run a `lorebot` command line in this process."""

    def run(*arguments: str | Path) -> Finished:
        monkeypatch.setattr(sys, "argv", ["lorebot", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return Finished(int(ended.value.code or 0), printed.out, printed.err)

    return run


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models made ready once for all tests of a run."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def example_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Settings over the example company's documents, with a home of their own."""
    folder = tmp_path_factory.mktemp("example")
    config = folder / "lorebot.toml"
    config.write_text(
        'home = "home"\n[[sources]]\nname = "handbook"\nkind = "folder"\n'
        f'path = "{EXAMPLES / "documents"}"\n',
        encoding="utf-8",
    )
    return config


@pytest.fixture
def own_documents(tmp_path: Path) -> Path:
    """A working folder with two documents and a `lorebot.toml` of five lines."""
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "parking.md").write_text(
        "# Parking\n\n## Visitors\n\nVisitors park in bay 14. The barrier code is 4711.\n", encoding="utf-8"
    )
    (documents / "coffee.md").write_text(
        "# Coffee\n\n## Beans\n\nThe beans come from Huila and cost 18 euros a kilo.\n", encoding="utf-8"
    )
    (tmp_path / "lorebot.toml").write_text(
        'home = "home"\n[[sources]]\nname = "office"\nkind = "folder"\npath = "documents"\n', encoding="utf-8"
    )
    return tmp_path


@pytest.fixture
def office(own_documents: Path, monkeypatch: pytest.MonkeyPatch, models: Path) -> Path:
    """The working folder of a team with two documents, its models made ready before."""
    (own_documents / "home").mkdir()
    (own_documents / "home" / "models").symlink_to(models)
    monkeypatch.chdir(own_documents)
    return own_documents
