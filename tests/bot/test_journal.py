"""The journal: entries are added, never changed, by many threads and processes at once."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from postgres import cleaning
from sqlalchemy import text
from sqlalchemy.engine import URL

from bot.journal import Entry, Journal, JournalError, journal_url


@pytest.fixture
def url(journal_at: URL) -> URL:
    return journal_at


@pytest.fixture
def journal(url: URL) -> Iterator[Journal]:
    opened = Journal(url)
    yield opened
    opened.close()


def subjects(entries: Sequence[Entry]) -> list[str]:
    return [entry.subject for entry in entries]


def test_an_entry_is_read_as_it_was_written(journal: Journal) -> None:
    before = datetime.now(UTC)

    added = journal.append("voice", "default", "terminal:alice", {"adapter": "warm@1", "why": ["a", 2, None]})

    (read,) = journal.recent(["voice"], 10)
    assert read == added
    assert (read.who, read.kind, read.subject) == ("terminal:alice", "voice", "default")
    assert read.details == {"adapter": "warm@1", "why": ["a", 2, None]}
    assert before <= read.at <= datetime.now(UTC)


def test_entries_outlive_the_process_that_wrote_them(journal: Journal, url: URL) -> None:
    journal.append("voice", "default", "alice", {"adapter": "warm@1"})
    journal.close()

    again = Journal(url)

    assert subjects(again.recent(["voice"], 10)) == ["default"]
    again.close()


def test_a_restart_of_postgres_is_not_noticed(journal: Journal, url: URL) -> None:
    if url.get_backend_name() == "sqlite":
        pytest.skip("a file has no connections")
    journal.append("voice", "default", "alice", {})
    with cleaning() as connection:
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        connection.execute(text(f"{others} AND pid <> pg_backend_pid()"))

    assert subjects(journal.recent(["voice"], 10)) == ["default"]


def test_the_newest_come_first_and_only_of_the_kinds_asked_for(journal: Journal) -> None:
    for kind, subject in (("voice", "a"), ("adapter", "b"), ("question", "c"), ("voice", "d")):
        journal.append(kind, subject, "alice", {})

    assert subjects(journal.recent(["voice", "adapter"], 10)) == ["d", "b", "a"]
    assert subjects(journal.recent(["voice", "adapter"], 1)) == ["d"]


def test_the_latest_is_the_last_entry_of_each_subject(journal: Journal) -> None:
    for subject, adapter in (("a", "1"), ("b", "2"), ("a", "3"), ("c", "4")):
        journal.append("voice", subject, "alice", {"adapter": adapter})
    journal.append("adapter", "a", "alice", {"adapter": "5"})

    chosen = journal.latest("voice", ["a", "b", "missing"])

    assert {subject: entry.details["adapter"] for subject, entry in chosen.items()} == {"a": "3", "b": "2"}
    assert set(journal.latest_of_all("voice")) == {"a", "b", "c"}


def test_an_entry_can_follow_from_those_before_it(journal: Journal) -> None:
    journal.append("count", "a", "alice", {"n": 1})
    journal.append("count", "b", "alice", {"n": 7})

    added = journal.append_after("count", "a", "alice", lambda earlier: {"n": earlier[-1].details["n"] + 1})

    assert added is not None
    assert added.details == {"n": 2}


def test_nothing_is_added_when_nothing_follows(journal: Journal) -> None:
    assert journal.append_after("count", "a", "alice", lambda earlier: None) is None
    assert journal.recent(["count"], 10) == ()


def test_what_is_refused_leaves_no_entry(journal: Journal) -> None:
    def refuse(earlier: Sequence[Entry]) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        journal.append_after("count", "a", "alice", refuse)

    assert journal.recent(["count"], 10) == ()
    journal.append("count", "a", "alice", {})


def test_threads_that_count_together_lose_nothing(journal: Journal) -> None:
    def count() -> None:
        for _ in range(10):
            journal.append_after("count", "a", "alice", lambda earlier: {"n": len(earlier) + 1})

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    numbers = [entry.details["n"] for entry in journal.recent_of("count", "a", 100)]
    assert numbers == list(range(40, 0, -1))


def test_processes_that_open_a_new_journal_together_lose_nothing(url: URL) -> None:
    code = (
        "import sys; from sqlalchemy.engine import make_url; from bot.journal import Journal\n"
        "journal = Journal(make_url(sys.argv[1]))\n"
        "for _ in range(5): journal.append_after('count', 'a', 'me', lambda all: {'n': len(all) + 1})\n"
    )
    shown = url.render_as_string(hide_password=False)
    started = [subprocess.Popen([sys.executable, "-c", code, shown]) for _ in range(3)]

    assert [process.wait() for process in started] == [0, 0, 0]

    journal = Journal(url)
    assert [entry.details["n"] for entry in journal.recent_of("count", "a", 100)] == list(range(15, 0, -1))
    journal.close()


def test_a_file_that_is_no_journal_is_named(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_bytes(b"not a database, " * 100)

    with pytest.raises(JournalError, match=r"journal\.sqlite cannot be used \(file is not a database\)"):
        Journal(journal_url(None, path))


def test_a_journal_that_another_process_keeps_locked_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.database.BUSY_SECONDS", 0.05)
    journal = Journal(journal_url(None, tmp_path / "journal.sqlite"))
    other = sqlite3.connect(tmp_path / "journal.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")

    with pytest.raises(JournalError, match="database is locked"):
        journal.append("voice", "default", "alice", {})

    assert journal.recent(["voice"], 1) == ()
    other.close()
    journal.close()


@pytest.mark.parametrize("url", ["postgresql://lorebot:hunter2@127.0.0.1:1/none"])
def test_a_password_is_not_shown_when_the_database_is_away(url: str, tmp_path: Path) -> None:
    with pytest.raises(JournalError) as raised:
        Journal(journal_url(url, tmp_path))

    assert "hunter2" not in str(raised.value)
    assert "\n" not in str(raised.value)
