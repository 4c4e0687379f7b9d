"""`lorebot adapters train`: from examples to an installed version, past faults and interruptions."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Lorebot = Callable[..., Any]
COPY = Path(__file__).parents[2] / "examples" / "voices" / "copy" / "warm"
Disk = namedtuple("Disk", "total used free")

# Two steps of tiny matrices are as good as many where nothing is measured.
QUICK = ("--from", "base", "--rank", "2", "--epochs", "0.3", "--skip-evaluation")


def example(number: int) -> dict[str, Any]:
    price = 10 + number
    return {
        "question": f"What does item {number} cost?",
        "evidence": [f"Item {number} costs £{price}."],
        "answer": f"It's £{price} [1].",
    }


def written(path: Path, rows: list[Any]) -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def home(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a team whose base model is small, without the adapters that ship."""
    (tmp_path / "lorebot.toml").write_text(
        f'home = "home"\n[models]\ngeneration = "{tiny_model}"\n[generation]\nadapter = "base"\n',
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("adapters.registry.SHIPPED", tmp_path / "shipped")
    monkeypatch.setattr("getpass.getuser", lambda: "alice")
    return tmp_path / "home"


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    return written(tmp_path / "shop.jsonl", [example(number) for number in range(60)])


def card(home: Path, version: str) -> dict[str, Any]:
    return json.loads((home / "adapters" / "shop" / version / "manifest.json").read_text(encoding="utf-8"))


# A training that succeeds


def test_a_trained_voice_is_installed_with_its_card_and_a_picture_of_its_losses(
    lorebot: Lorebot, home: Path, examples: Path
) -> None:
    about = ("--licence", "CC0-1.0", "--attribution", "The shop", "--notes", "A try", "--seed", "7")
    done = lorebot("adapters", "train", "shop", "--examples", examples, *QUICK, *about)
    assert done.code == 0, done.err
    assert "shop@1 is trained and installed" in done.out
    known = card(home, "1")
    assert (known["data_rows"], known["seed"], known["parent"]) == (60, 7, None)
    assert (known["data_licence"], known["data_attribution"], known["notes"]) == (
        "CC0-1.0",
        "The shop",
        "A try",
    )
    assert known["created_by"] == "terminal:alice"
    assert known["hyperparameters"]["rank"] == 2
    assert [loss["step"] for loss in known["metrics"]["held_out_losses"]]
    assert (home / "adapters" / "shop" / "1" / "training.png").is_file()
    assert not list((home / "training").iterdir())


def test_progress_is_told_in_plain_lines_where_there_is_no_terminal(
    lorebot: Lorebot, home: Path, examples: Path
) -> None:
    done = lorebot("adapters", "train", "shop", "--examples", examples, *QUICK)
    told = [line for line in done.err.splitlines() if line.startswith("Training shop: step ")]
    assert told
    assert "held out" in told[-1]
    assert "left" in told[-1]


def test_a_child_of_the_newest_parent_gets_the_next_free_number(
    lorebot: Lorebot, home: Path, examples: Path
) -> None:
    assert lorebot("adapters", "train", "shop", "--examples", examples, *QUICK).code == 0
    child = ("--from", "shop", "--epochs", "0.3", "--skip-evaluation")
    done = lorebot("adapters", "train", "shop", "--examples", examples, *child)
    assert done.code == 0, done.err
    assert card(home, "2")["parent"] == "shop@1"
    assert card(home, "2")["hyperparameters"]["rank"] == 2


def test_the_journal_tells_who_trained_what(lorebot: Lorebot, home: Path, examples: Path) -> None:
    lorebot("adapters", "train", "shop", "--examples", examples, *QUICK)
    assert "terminal:alice  shop@1 trained" in lorebot("adapters", "history").out


def test_the_brands_own_writing_gives_further_rows_and_too_little_of_it_is_said(
    lorebot: Lorebot, home: Path, examples: Path
) -> None:
    done = lorebot("adapters", "train", "shop", "--examples", examples, "--copy", COPY, *QUICK)
    assert done.code == 0, done.err
    assert "fewer than 50,000 say little" in done.err
    assert card(home, "1")["data_rows"] > 60


# Faults of the examples


def test_all_faults_are_told_by_line_and_nothing_is_trained(
    lorebot: Lorebot, home: Path, tmp_path: Path
) -> None:
    rows = [example(number) for number in range(60)]
    rows[4] = {**rows[4], "answer": "It's £99 [1]."}
    faulty = written(tmp_path / "shop.jsonl", [*rows, "no json", rows[0]])
    done = lorebot("adapters", "train", "shop", "--examples", faulty, *QUICK)
    assert done.code == 2
    assert "shop.jsonl, line 5: the answer says '99 gbp'" in done.err
    assert "shop.jsonl, line 61: this is no JSON object" in done.err
    assert "shop.jsonl, line 62: the same as line 1" in done.err
    assert not (home / "adapters").exists()


def test_of_many_faults_the_first_are_told_and_the_rest_are_counted(
    lorebot: Lorebot, home: Path, tmp_path: Path
) -> None:
    done = lorebot(
        "adapters", "train", "shop", "--examples", written(tmp_path / "a.jsonl", ["{}"] * 57), *QUICK
    )
    assert "line 20: " in done.err
    assert "line 21: " not in done.err
    assert "and 37 more" in done.err


def test_faulty_rows_are_left_out_when_that_is_asked_for(
    lorebot: Lorebot, home: Path, tmp_path: Path
) -> None:
    rows = [example(number) for number in range(60)]
    faulty = written(tmp_path / "shop.jsonl", [*rows, "no json", "{}"])
    done = lorebot("adapters", "train", "shop", "--examples", faulty, "--leave-out-faulty", *QUICK)
    assert done.code == 0, done.err
    assert "2 rows have faults and are left out" in done.err
    assert card(home, "1")["data_rows"] == 60


def test_fewer_than_fifty_examples_are_refused(lorebot: Lorebot, home: Path, tmp_path: Path) -> None:
    few = written(tmp_path / "shop.jsonl", [example(number) for number in range(49)])
    done = lorebot("adapters", "train", "shop", "--examples", few, *QUICK)
    assert done.code == 2
    assert "holds 49 sound examples, and a voice needs 50" in done.err


# Orders that cannot be carried out


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("Shop", (), "'Shop' cannot name an adapter"),
        ("base", (), "'base' cannot name an adapter"),
        ("shop", ("--version", "One"), "'One' cannot name a version"),
        ("shop", ("--from", "nobody"), "There is no adapter 'nobody'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    lorebot: Lorebot, home: Path, examples: Path, name: str, options: tuple[str, ...], said: str
) -> None:
    done = lorebot("adapters", "train", name, "--examples", examples, *QUICK, *options)
    assert done.code == 1
    assert said in done.err
    assert len(done.err.splitlines()) == 1


def test_the_same_training_again_is_refused_until_its_version_is_named(
    lorebot: Lorebot, home: Path, examples: Path
) -> None:
    order = ("adapters", "train", "shop", "--examples", examples, *QUICK)
    assert lorebot(*order).code == 0
    assert "shop@1 was trained from exactly this" in lorebot(*order).err
    assert "shop@1 is installed, and versions never change" in lorebot(*order, "--version", "1").err
    assert lorebot(*order, "--version", "again").code == 0
    assert card(home, "again")["weights_sha256"] == card(home, "1")["weights_sha256"]


def test_a_rank_that_is_not_the_parents_is_refused(lorebot: Lorebot, home: Path, examples: Path) -> None:
    assert lorebot("adapters", "train", "shop", "--examples", examples, *QUICK).code == 0
    done = lorebot("adapters", "train", "child", "--examples", examples, "--from", "shop", "--rank", "4")
    assert done.code == 1
    assert "shop@1 has rank 2, which its children keep" in done.err


def test_a_disk_without_room_is_told_before_anything_is_trained(
    lorebot: Lorebot, home: Path, examples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Disk(10**9, 10**9, 1000))
    done = lorebot("adapters", "train", "shop", "--examples", examples, *QUICK)
    assert done.code == 1
    assert "Training needs" in done.err
    assert "make room" in done.err


def test_a_home_that_cannot_be_written_is_told(lorebot: Lorebot, home: Path, examples: Path) -> None:
    home.mkdir()
    (home / "training").write_text("a file stands in the way", encoding="utf-8")
    done = lorebot("adapters", "train", "shop", "--examples", examples, *QUICK)
    assert done.code == 1
    assert "cannot be written" in done.err


# Interruptions


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_training_goes_on_with_the_same_command(
    lorebot: Lorebot, home: Path, examples: Path, number: signal.Signals
) -> None:
    longer = ("--from", "base", "--rank", "2", "--epochs", "4", "--skip-evaluation")
    order = ("adapters", "train", "shop", "--examples", examples, *longer)
    ended = threading.Event()

    def interrupt() -> None:
        while not ended.is_set():
            if list(home.glob("training/*/checkpoints/checkpoint-*/trainer_state.json")):
                os.kill(os.getpid(), number)
                return
            time.sleep(0.01)

    watcher = threading.Thread(target=interrupt)
    watcher.start()
    try:
        stopped = lorebot(*order)
    finally:
        ended.set()
        watcher.join()
    assert stopped.code == 130
    assert "the same command goes on from there" in stopped.err
    assert "Traceback" not in stopped.err
    done = lorebot(*order)
    assert done.code == 0, done.err
    assert "going on after the last checkpoint" in done.err
    assert "shop@1 is trained and installed" in done.out


@pytest.mark.slow
def test_at_its_end_the_voice_is_measured_and_what_to_do_next_is_told(
    lorebot: Lorebot, home: Path, examples: Path
) -> None:
    done = lorebot("adapters", "train", "shop", "--examples", examples, *QUICK[:-1])
    # Random layers learn to say nothing in two steps.
    assert done.code == 1, done.err
    assert "must not speak yet" in done.out
    assert "More and more varied examples" in done.out
    assert (home / "adapters" / "shop" / "1" / "report.html").is_file()
    assert "failed its evaluation" in lorebot("adapters", "use", "shop").err
