"""Training on a small random model: what is learned, where it begins, how it stops and goes on."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.base_model import ModelLocation, PreparedBase, load_weights, prepare_base
from adapters.chat import ChatTokenizer
from adapters.checks import CheckedAdapter, check_adapter, read_settings
from adapters.files import sha256_file
from adapters.generation import Message
from adapters.lesson import Hyperparameters, Lesson, TrainingProgress, encode_lesson
from adapters.manifest import CONFIG_FILE, WEIGHTS_FILE, AdapterError, AdapterManifest, write_manifest
from adapters.training import Trained, TrainingCancelledError, train

# Four steps an epoch, three epochs, a checkpoint after each.
QUICK = Hyperparameters(rank=2, alpha=4, learning_rate=1e-2, epochs=3, batch=4, warmup=0.0, evaluations=1)
STEPS, FIRST_CHECKPOINT = 12, 4


def lessons(replies: Sequence[str]) -> list[Lesson]:
    return [Lesson((Message("user", f"Say number {n}."),), reply) for n, reply in enumerate(replies)]


LESSONS = lessons([f"The lamp is {colour} [1]." for colour in ("red", "blue", "green", "white")] * 4)
HELD_OUT = lessons(["The lamp is red [1].", "The lamp is green [1]."])
OPPOSITE = lessons(["Quite unlike zebras, quaver!", "Umbrellas vex Ljubljana?"])


@dataclass(frozen=True)
class Trial:
    """Trains on the small base in a folder; whatever is not said is as in `QUICK`."""

    base: PreparedBase

    def __call__(
        self,
        folder: Path,
        hyperparameters: Hyperparameters = QUICK,
        held_out: Sequence[Lesson] = HELD_OUT,
        parent: CheckedAdapter | None = None,
        report: Callable[[TrainingProgress], None] = lambda progress: None,
        cancelled: threading.Event | None = None,
    ) -> Trained:
        cancelled = cancelled or threading.Event()
        folder.mkdir(parents=True, exist_ok=True)
        return train(self.base, LESSONS, held_out, parent, hyperparameters, folder, 1, report, cancelled)

    def taken(self, folder: Path, name: str) -> CheckedAdapter:
        """The trained adapter after the checks that every adapter goes through."""
        manifest = AdapterManifest(
            name=name,
            version="1",
            weights_sha256=sha256_file(folder / WEIGHTS_FILE),
            config_sha256=sha256_file(folder / CONFIG_FILE),
            base_model=self.base.name,
            base_sha256=self.base.weights_sha256,
            chat_template_sha256=self.base.chat_template_sha256,
            created_at=datetime(2025, 1, 1, tzinfo=UTC),
            created_by="test",
        )
        for file in (WEIGHTS_FILE, CONFIG_FILE):
            (folder / "adapter").mkdir(exist_ok=True)
            (folder / "adapter" / file).write_bytes((folder / file).read_bytes())
        write_manifest(folder / "adapter", manifest)
        return check_adapter(folder / "adapter", self.base)


@pytest.fixture(scope="module")
def trial(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    location = ModelLocation(tiny_model, None, "tiny")
    return Trial(prepare_base(location, tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def finished(
    trial: Trial, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Trained, list[TrainingProgress]]:
    """A training that nothing disturbed, and what it told on its way."""
    told: list[TrainingProgress] = []
    return trial(tmp_path_factory.mktemp("finished"), report=told.append), told


def weights(folder: Path) -> bytes:
    return (folder / WEIGHTS_FILE).read_bytes()


# What is learned


def test_training_lowers_the_loss_and_leaves_an_adapter_that_the_checks_take(
    trial: Trial, finished: tuple[Trained, list[TrainingProgress]]
) -> None:
    trained, _ = finished
    losses = [loss.value for loss in trained.held_out_losses]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]
    assert trial.taken(trained.folder, "lamp").settings.r == QUICK.rank


def test_the_loss_is_that_of_the_replys_tokens_alone(trial: Trial, tmp_path: Path) -> None:
    import torch

    tokenizer = ChatTokenizer.from_folder(trial.base.folder)
    model = load_weights(trial.base, torch.float32)
    total, count = 0.0, 0
    for lesson in OPPOSITE:
        encoded = encode_lesson(lesson, tokenizer)
        with torch.no_grad():
            logits = model(torch.tensor([encoded.tokens])).logits[0]
        probabilities = logits.log_softmax(-1)
        reply = range(len(encoded.tokens) - encoded.reply_length, len(encoded.tokens))
        total -= sum(float(probabilities[place - 1, encoded.tokens[place]]) for place in reply)
        count += encoded.reply_length
    # A fresh adapter changes nothing, and hardly more after a step that is this small.
    barely = replace(QUICK, learning_rate=1e-9, epochs=0.25)
    trained = trial(tmp_path, barely, held_out=OPPOSITE)
    assert trained.held_out_losses[0].value == pytest.approx(total / count, rel=1e-4)


def test_a_lesson_ends_with_the_reply_and_the_mark_that_ends_it(trial: Trial) -> None:
    tokenizer = ChatTokenizer.from_folder(trial.base.folder)
    encoded = encode_lesson(LESSONS[0], tokenizer)
    prompt = tuple(tokenizer.encode(LESSONS[0].messages))
    assert encoded.tokens[: len(prompt)] == prompt
    assert encoded.tokens[len(prompt) :] == tuple(tokenizer.encode_reply(LESSONS[0].reply))
    assert encoded.reply_length == len(encoded.tokens) - len(prompt)
    assert encoded.tokens[-1] == tokenizer.turn_end


def test_every_step_is_told_with_the_losses_known_so_far(
    finished: tuple[Trained, list[TrainingProgress]],
) -> None:
    trained, told = finished
    assert {progress.step for progress in told} >= set(range(1, STEPS + 1))
    assert {progress.steps for progress in told} == {STEPS}
    assert told[-1].held_out_loss == pytest.approx(trained.held_out_losses[-1].value)
    assert told[-1].seconds_left == 0


# The same again


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    trial: Trial, finished: tuple[Trained, list[TrainingProgress]], tmp_path: Path
) -> None:
    first = weights(finished[0].folder)
    assert weights(trial(tmp_path / "again").folder) == first
    assert weights(trial(tmp_path / "other", replace(QUICK, seed=2)).folder) != first


# Parents


def test_a_child_begins_with_the_weights_of_its_parent(
    trial: Trial, finished: tuple[Trained, list[TrainingProgress]], tmp_path: Path
) -> None:
    parent = trial.taken(finished[0].folder, "parent")
    still = replace(QUICK, learning_rate=1e-12, epochs=0.25)
    assert weights(trial(tmp_path, still, parent=parent).folder) == weights(parent.folder)


def test_a_child_keeps_the_scaling_of_its_parent(
    trial: Trial, finished: tuple[Trained, list[TrainingProgress]], tmp_path: Path
) -> None:
    parent = trial.taken(finished[0].folder, "parent")
    trained = trial(tmp_path, replace(QUICK, alpha=64, epochs=0.25), parent=parent)
    assert read_settings(trained.folder / CONFIG_FILE) == parent.settings


def test_a_child_of_another_rank_is_refused(
    trial: Trial, finished: tuple[Trained, list[TrainingProgress]], tmp_path: Path
) -> None:
    parent = trial.taken(finished[0].folder, "parent")
    with pytest.raises(AdapterError, match=r"parent@1 has rank 2 .* rank 4 was asked for"):
        trial(tmp_path, replace(QUICK, rank=4), parent=parent)


# Stopping and going on


def test_a_training_that_was_stopped_goes_on_from_that_very_step_to_the_same_weights(
    trial: Trial, finished: tuple[Trained, list[TrainingProgress]], tmp_path: Path
) -> None:
    cancelled = threading.Event()

    def stop(progress: TrainingProgress) -> None:
        if progress.step == FIRST_CHECKPOINT + 2:
            cancelled.set()

    with pytest.raises(TrainingCancelledError, match=f"after step {FIRST_CHECKPOINT + 2} of {STEPS}"):
        trial(tmp_path, report=stop, cancelled=cancelled)
    assert not (tmp_path / WEIGHTS_FILE).exists()
    told: list[TrainingProgress] = []
    trained = trial(tmp_path, report=told.append)
    assert min(progress.step for progress in told) == FIRST_CHECKPOINT + 3
    assert trained.steps == STEPS
    assert [loss.step for loss in trained.held_out_losses] == [4, 8, 12]
    assert weights(trained.folder) == weights(finished[0].folder)


@pytest.mark.slow
def test_a_training_that_was_killed_goes_on_from_its_last_checkpoint_to_the_same_weights(
    trial: Trial, finished: tuple[Trained, list[TrainingProgress]], tmp_path: Path
) -> None:
    script = f"""
import importlib.util, os, signal, sys
from pathlib import Path
from adapters.base_model import ModelLocation, prepare_base

spec = importlib.util.spec_from_file_location("trials", {__file__!r})
trials = sys.modules["trials"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(trials)

def die(progress):
    if progress.step == {FIRST_CHECKPOINT + 2}:
        os.kill(os.getpid(), signal.SIGKILL)

base = prepare_base(ModelLocation(Path({str(trial.base.folder)!r}), None, "tiny"), Path({str(tmp_path)!r}))
trials.Trial(base)(Path({str(tmp_path / "killed")!r}), report=die)
"""
    killed = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    told: list[TrainingProgress] = []
    trained = trial(tmp_path / "killed", report=told.append)
    assert min(progress.step for progress in told) == FIRST_CHECKPOINT + 1
    assert weights(trained.folder) == weights(finished[0].folder)


def test_a_checkpoint_that_was_not_written_to_its_end_is_no_start(
    trial: Trial, finished: tuple[Trained, list[TrainingProgress]], tmp_path: Path
) -> None:
    (tmp_path / "checkpoints" / "checkpoint-9").mkdir(parents=True)
    told: list[TrainingProgress] = []
    trained = trial(tmp_path, report=told.append)
    assert told[0].step == 1
    assert weights(trained.folder) == weights(finished[0].folder)


def test_training_ends_early_with_the_best_weights_when_the_held_out_loss_only_rises(
    trial: Trial, tmp_path: Path
) -> None:
    patient = replace(QUICK, learning_rate=5e-2, epochs=6, evaluations=4, patience=2)
    trained = trial(tmp_path, patient, held_out=OPPOSITE)
    assert trained.steps < 24
    assert trained.best_step == min(trained.held_out_losses, key=lambda loss: loss.value).step
    assert trained.steps == trained.best_step + 2


def test_a_loss_that_is_no_number_is_refused(trial: Trial, tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="lower the learning rate"):
        trial(tmp_path, replace(QUICK, learning_rate=1e30, epochs=1))
    assert not (tmp_path / WEIGHTS_FILE).exists()
