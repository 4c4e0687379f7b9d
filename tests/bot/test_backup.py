"""A home is saved into one file while it is used; another becomes what it holds, or stays as it was."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import sqlite3
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from journalled import deliver
from slack_sdk.oauth.installation_store.models.installation import Installation
from slack_sdk.oauth.installation_store.sqlalchemy import SQLAlchemyInstallationStore
from sqlalchemy import create_engine
from sqlalchemy.engine import URL

from adapters.files import sha256_file
from bot.database import Database
from bot.inbox import Inbox
from bot.journal import Journal
from bot.migrations import VERSION_TABLE

Lorebot = Callable[..., Any]
MakeVoice = Callable[..., Path]
QUESTION = "Where do visitors park?"


@pytest.fixture
def indexed(lorebot: Lorebot, office: Path) -> Path:
    """The team's folder after its first sync."""
    assert lorebot("sync").code == 0
    return office


@pytest.fixture
def kept(lorebot: Lorebot, office: Path, journal: Journal) -> Path:
    """The team's folder, of which nothing was indexed yet; who administered what is journalled."""
    journal.append("voice", "default", "slack:U1", {"adapter": "", "before": ""})
    assert lorebot("sources", "list").code == 0
    return office


@pytest.fixture
def fresh(office: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    """Go on in a home that holds nothing but prepared models."""

    def begin() -> Path:
        home = office / "fresh"
        home.mkdir()
        (home / "models").symlink_to(models)
        monkeypatch.setenv("LOREBOT_HOME", str(home))
        return home

    return begin


@pytest.fixture
def journal(office: Path) -> Iterator[Journal]:
    opened = Journal(URL.create("sqlite", database=str(office / "home" / "journal.sqlite")))
    yield opened
    opened.close()


def in_json(lorebot: Lorebot, *arguments: str) -> dict[str, Any]:
    done = lorebot(*arguments, "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


def members(file: Path) -> dict[str, bytes]:
    with tarfile.open(file) as archive:
        return {entry.name: archive.extractfile(entry).read() for entry in archive}  # type: ignore[union-attr]


def write(file: Path, content: dict[str, bytes]) -> None:
    with tarfile.open(file, "w:gz") as archive:
        for name, data in content.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))


def parts(home: Path) -> set[str]:
    """What a home holds besides prepared models and locks."""
    return {path.name for path in home.iterdir() if path.name != "models" and path.suffix != ".lock"}


def told(answer: dict[str, Any]) -> dict[str, Any]:
    """What of an answer does not depend on when it was asked."""
    parts = ("answer", "route", "confidence", "nearest", "sentences", "adapter", "index_generation")
    cited = [{key: one[key] for key in one if key != "freshness"} for one in answer["citations"]]
    return {"citations": cited, **{part: answer[part] for part in parts}}


def test_a_fresh_home_gives_the_same_answer_with_the_same_citations(
    lorebot: Lorebot, indexed: Path, fresh: Callable[[], Path]
) -> None:
    before = in_json(lorebot, "ask", QUESTION)
    assert lorebot("backup", "lorebot.tar.gz").code == 0
    fresh()

    done = lorebot("restore", "lorebot.tar.gz")

    assert done.code == 0, done.err
    after = in_json(lorebot, "ask", QUESTION)
    assert before["citations"]
    assert told(after) == told(before)


def test_what_was_decided_is_restored_and_nothing_is_embedded_again(
    lorebot: Lorebot, indexed: Path, fresh: Callable[[], Path], make_voice: MakeVoice
) -> None:
    make_voice(indexed / "home" / "adapters", "warm@1")
    lorebot("adapters", "use", "warm")
    lorebot("documents", "forget", "coffee.md")
    lorebot("sources", "pause", "office")
    lorebot("backup", "lorebot.tar.gz")
    fresh()

    lorebot("restore", "lorebot.tar.gz")

    assert in_json(lorebot, "status")["adapter"]["name"] == "warm"
    assert [one["uri"] for one in in_json(lorebot, "documents", "list")["forgotten"]] == ["coffee.md"]
    (source,) = in_json(lorebot, "sources", "list")["sources"]
    assert source["paused_since"] is not None
    synced = in_json(lorebot, "sync", "office")
    assert (synced["unchanged"], synced["added"], synced["passages_embedded"]) == (1, 0, 0)


def test_a_backup_is_of_one_moment_while_others_write(lorebot: Lorebot, kept: Path, journal: Journal) -> None:
    done = threading.Event()

    def count() -> None:
        for number in itertools.count(1):
            journal.append("count", "a", "me", {"n": number})
            if done.is_set():
                return

    writer = threading.Thread(target=count)
    writer.start()
    try:
        backed_up = lorebot("backup", "lorebot.tar.gz")
    finally:
        done.set()
        writer.join()

    assert backed_up.code == 0, backed_up.err
    copy = kept / "copy.sqlite"
    copy.write_bytes(members(kept / "lorebot.tar.gz")["journal.sqlite"])
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        counted = [
            json.loads(row[0])["n"]
            for row in connection.execute("SELECT details FROM journal WHERE kind = 'count' ORDER BY id")
        ]
    assert counted == list(range(1, len(counted) + 1))


def test_a_backup_holds_no_tokens_no_vectors_and_no_models(
    lorebot: Lorebot, kept: Path, journal: Journal
) -> None:
    engine = create_engine(f"sqlite:///{kept / 'home' / 'journal.sqlite'}")
    store = SQLAlchemyInstallationStore("client", engine)
    store.create_tables()  # type: ignore[no-untyped-call]
    store.save(Installation(app_id="A", team_id="T1", user_id="U1", bot_token="xoxb-secret"))
    engine.dispose()

    lorebot("backup", "lorebot.tar.gz")

    kept = members(kept / "lorebot.tar.gz")
    assert set(kept) == {
        "manifest.json",
        "journal.sqlite",
        "schedule.sqlite",
        "index/edition.json",
        "index/catalog.sqlite",
    }
    assert not any(b"xoxb-secret" in content for content in kept.values())


def test_a_backup_is_for_its_owner_alone(lorebot: Lorebot, kept: Path) -> None:
    lorebot("backup", "lorebot.tar.gz")

    assert (kept / "lorebot.tar.gz").stat().st_mode & 0o777 == 0o600


def test_what_was_in_flight_is_not_answered_once_more_after_a_restore(
    lorebot: Lorebot, kept: Path, fresh: Callable[[], Path], journal: Journal
) -> None:
    deliver(journal.database, "slack:T1/C1/1.1", '{"text": "Where?"}', done_at=None)
    lorebot("backup", "lorebot.tar.gz")
    home = fresh()
    lorebot("restore", "lorebot.tar.gz")

    database = Database(URL.create("sqlite", database=str(home / "journal.sqlite")))
    inbox = Inbox(database, print)
    assert asyncio.run(inbox.abandoned("slack")) == ()
    inbox.close()
    database.close()


def test_a_backup_takes_the_place_of_an_earlier_one_and_of_nothing_else(lorebot: Lorebot, kept: Path) -> None:
    assert lorebot("backup", "lorebot.tar.gz").code == 0
    assert lorebot("backup", "lorebot.tar.gz").code == 0
    (kept / "letter.txt").write_text("Dear all", encoding="utf-8")

    refused = lorebot("backup", "letter.txt")

    assert (refused.code, "is no backup: it is left alone" in refused.err) == (1, True)
    assert (kept / "letter.txt").read_text(encoding="utf-8") == "Dear all"
    assert {path.name for path in kept.glob(".*")} == set()


def test_a_journal_in_postgres_is_left_to_pg_dump(
    lorebot: Lorebot, kept: Path, fresh: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOREBOT_JOURNAL__URL", "postgresql://lorebot:hunter2@127.0.0.1:1/team")

    done = lorebot("backup", "lorebot.tar.gz")

    assert "pg_dump --format=custom --file=journal.dump postgresql://lorebot@127.0.0.1:1/team" in done.out
    assert "hunter2" not in done.out
    assert "journal.sqlite" not in members(kept / "lorebot.tar.gz")
    fresh()
    assert "with pg_restore" in lorebot("restore", "lorebot.tar.gz").out


def test_a_journal_in_a_backup_is_not_put_beside_one_in_postgres(
    lorebot: Lorebot, kept: Path, fresh: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    lorebot("backup", "lorebot.tar.gz")
    home = fresh()
    monkeypatch.setenv("LOREBOT_JOURNAL__URL", "postgresql://lorebot@127.0.0.1:1/team")

    refused = lorebot("restore", "lorebot.tar.gz")

    assert (refused.code, "journal.url names a Postgres" in refused.err) == (1, True)
    assert parts(home) == set()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("backup", "pg_dump --format=custom --file=lorebot.dump postgresql://lorebot@127.0.0.1:1/team"),
        ("restore", "pg_restore"),
    ],
)
def test_an_index_in_postgres_is_left_to_its_own_programs(
    lorebot: Lorebot,
    kept: Path,
    fresh: Callable[[], Path],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    said: str,
) -> None:
    lorebot("backup", "lorebot.tar.gz")
    home = fresh()
    for table in ("CATALOG", "JOURNAL"):
        monkeypatch.setenv(f"LOREBOT_{table}__URL", "postgresql://lorebot@127.0.0.1:1/team")

    refused = lorebot(command, "lorebot.tar.gz")

    assert (refused.code, said in refused.err) == (1, True)
    assert parts(home) == set()


def test_a_home_that_holds_something_is_replaced_only_when_that_is_said(
    lorebot: Lorebot, kept: Path, journal: Journal
) -> None:
    lorebot("backup", "lorebot.tar.gz")
    journal.append("voice", "default", "slack:U2", {"adapter": "", "before": ""})
    journal.close()

    refused = lorebot("restore", "lorebot.tar.gz")

    assert (refused.code, "is not empty (it holds index" in refused.err) == (1, True)
    assert journal.latest("voice", ["default"])["default"].who == "slack:U2"
    journal.close()
    assert lorebot("restore", "lorebot.tar.gz", "--force").code == 0
    assert journal.latest("voice", ["default"])["default"].who == "slack:U1"


def test_a_home_in_use_is_not_replaced(lorebot: Lorebot, kept: Path) -> None:
    lorebot("backup", "lorebot.tar.gz")
    code = (
        "import sys; from pathlib import Path; from bot.assembly import Assembly\n"
        "from bot.settings import load_settings\n"
        "assembly = Assembly(load_settings(Path('lorebot.toml')), print); assembly.catalog\n"
        "print('open', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"

        refused = lorebot("restore", "lorebot.tar.gz", "--force")

        other.communicate("")
    assert (refused.code, "is in use: stop `lorebot serve`" in refused.err) == (1, True)


Damage = Callable[[dict[str, bytes]], None]


def _changed(content: dict[str, bytes]) -> None:
    content["index/catalog.sqlite"] = content["index/catalog.sqlite"][:-1] + b"?"


def _lost(content: dict[str, bytes]) -> None:
    del content["schedule.sqlite"]


def _added(content: dict[str, bytes]) -> None:
    content["adapters/warm/1/more.py"] = b"print()"


def _leading_out(content: dict[str, bytes]) -> None:
    manifest = json.loads(content["manifest.json"])
    name = "adapters/../../../evil"
    manifest["members"][name] = {"sha256": "0" * 64, "size": 4}
    content["manifest.json"] = json.dumps(manifest).encode()
    content[name] = b"evil"


def _newer(content: dict[str, bytes]) -> None:
    content["manifest.json"] = content["manifest.json"].replace(
        b'"format_version": 1', b'"format_version": 2'
    )


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_changed, "index/catalog.sqlite is not what it was"),
        (_lost, "schedule.sqlite is missing"),
        (_added, "'adapters/warm/1/more.py' has no place in it"),
        (_leading_out, "'adapters/../../../evil' has no place in it"),
        (_newer, "or a newer Lorebot made it"),
    ],
)
def test_a_backup_that_is_not_as_it_was_made_changes_nothing(
    lorebot: Lorebot, kept: Path, fresh: Callable[[], Path], damage: Damage, reason: str
) -> None:
    lorebot("backup", "lorebot.tar.gz")
    content = members(kept / "lorebot.tar.gz")
    damage(content)
    write(kept / "damaged.tar.gz", content)
    home = fresh()

    refused = lorebot("restore", "damaged.tar.gz")

    assert (refused.code, reason in refused.err) == (1, True), refused.err
    assert parts(home) == set()


def test_a_file_that_was_cut_short_is_refused(
    lorebot: Lorebot, kept: Path, fresh: Callable[[], Path]
) -> None:
    lorebot("backup", "lorebot.tar.gz")
    whole = (kept / "lorebot.tar.gz").read_bytes()
    (kept / "short.tar.gz").write_bytes(whole[: len(whole) // 2])
    home = fresh()

    refused = lorebot("restore", "short.tar.gz")

    assert (refused.code, "is damaged" in refused.err) == (1, True), refused.err
    assert parts(home) == set()


def test_a_link_in_a_backup_is_refused(lorebot: Lorebot, kept: Path, fresh: Callable[[], Path]) -> None:
    lorebot("backup", "lorebot.tar.gz")
    content = members(kept / "lorebot.tar.gz")
    with tarfile.open(kept / "link.tar.gz", "w:gz") as archive:
        about = tarfile.TarInfo("manifest.json")
        about.size = len(content["manifest.json"])
        archive.addfile(about, io.BytesIO(content["manifest.json"]))
        link = tarfile.TarInfo("journal.sqlite")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    home = fresh()

    refused = lorebot("restore", "link.tar.gz")

    assert (refused.code, "'journal.sqlite' has no place in it" in refused.err) == (1, True)
    assert parts(home) == set()


def test_a_backup_of_a_newer_lorebot_is_refused(
    lorebot: Lorebot,
    kept: Path,
    fresh: Callable[[], Path],
    journal: Journal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lorebot("backup", "lorebot.tar.gz")
    content = members(kept / "lorebot.tar.gz")
    newer = kept / "newer.sqlite"
    newer.write_bytes(content["journal.sqlite"])
    with closing(sqlite3.connect(newer)) as connection, connection:
        connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    content["journal.sqlite"] = newer.read_bytes()
    manifest = json.loads(content["manifest.json"])
    manifest["members"]["journal.sqlite"] = {"sha256": sha256_file(newer), "size": newer.stat().st_size}
    content["manifest.json"] = json.dumps(manifest).encode()
    write(kept / "newer.tar.gz", content)
    home = fresh()

    refused = lorebot("restore", "newer.tar.gz")

    assert (refused.code, "was made by a newer Lorebot" in refused.err) == (1, True), refused.err
    assert parts(home) == set()


@pytest.mark.slow
def test_a_restore_that_is_killed_leaves_the_old_home_or_the_new_one(tmp_path: Path) -> None:
    program = Path(__file__).with_name("killed_restores.py")
    done = subprocess.run([sys.executable, program, tmp_path], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    ends = json.loads(done.stdout.splitlines()[-1])
    olds = ends.count("old")
    assert 0 < olds < len(ends)
    assert ends == ["old"] * olds + ["new"] * (len(ends) - olds)
