from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from postgres import BOTH, drop_journal, own_database
from sqlalchemy.engine import URL

from adapters.base_model import ModelLocation, base_digest
from adapters.files import sha256_file
from adapters.manifest import CONFIG_FILE, WEIGHTS_FILE, AdapterManifest, write_manifest
from adapters.verdict import Verdict, write_verdict
from bot.cli import main
from bot.journal import journal_url
from bot.models import locate_model
from bot.settings import ModelSettings

sys.path.insert(0, str(Path(__file__).parent))

EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture(params=BOTH)
def journal_at(request: pytest.FixtureRequest, tmp_path: Path) -> URL:
    """Where a new journal is to be made."""
    if request.param == "sqlite":
        return journal_url(None, tmp_path / "journal.sqlite")
    drop_journal()
    return own_database()


Lorebot = Callable[..., Finished]
MakeVoice = Callable[..., Path]


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


@pytest.fixture(scope="session")
def base_sha256(models: Path) -> str:
    """What adapters of the default base model name it by."""
    model = locate_model("models.generation", ModelSettings().generation)
    return base_digest(ModelLocation(model.path.parent, model.path.name, model.name), models)


@pytest.fixture
def make_voice(base_sha256: str) -> MakeVoice:
    """Put a version of an adapter where a registry looks: right in all that is checked before it is loaded.

    `passed` gives it a verdict; without one it was never measured.
    """

    def make(
        registry: Path,
        reference: str,
        passed: bool | None = True,
        reasons: tuple[str, ...] = (),
        **fields: Any,
    ) -> Path:
        name, _, version = reference.partition("@")
        folder = registry / name / version
        folder.mkdir(parents=True)
        (folder / WEIGHTS_FILE).write_bytes(reference.encode())
        (folder / CONFIG_FILE).write_text("{}", encoding="utf-8")
        described = {
            "name": name,
            "version": version,
            "weights_sha256": sha256_file(folder / WEIGHTS_FILE),
            "config_sha256": sha256_file(folder / CONFIG_FILE),
            "base_model": "SmolLM2",
            "base_sha256": base_sha256,
            "chat_template_sha256": "0" * 64,
            "created_at": datetime(2026, 1, 1, tzinfo=UTC),
            "created_by": "test",
        }
        manifest = AdapterManifest(**{**described, **fields})
        write_manifest(folder, manifest)
        if passed is not None:
            moment = datetime(2026, 1, 2, tzinfo=UTC)
            verdict = Verdict(
                adapter_hash=manifest.hash, passed=passed, reasons=reasons, figures={}, measured_at=moment
            )
            write_verdict(folder, verdict)
        return folder

    return make
