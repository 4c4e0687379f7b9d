"""transformers' Trainer for replies: their loss alone, an order that survives a restart, and progress."""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.lesson import EncodedLesson, Hyperparameters, TrainingProgress

if TYPE_CHECKING:
    import torch
    from transformers import Trainer, TrainerCallback

IGNORED_LABEL = -100


def reply_trainer(
    model: Any,
    lessons: Sequence[EncodedLesson],
    held_out: Sequence[EncodedLesson],
    padding: int,
    hyperparameters: Hyperparameters,
    checkpoints: Path,
    reporter: TrainerCallback,
) -> Trainer:
    """The transformers trainer of an adapter, which keeps its checkpoints in `checkpoints`.

    `padding` is the token that fills shorter lessons of a batch up.
    """
    import torch
    from transformers import EarlyStoppingCallback, PrinterCallback, Trainer, TrainingArguments

    # A CPU gains nothing from more lessons at once than fill its matrix products, and memory grows with them.
    together = hyperparameters.batch if torch.cuda.is_available() else max(1, hyperparameters.batch // 2)
    accumulated = max(1, hyperparameters.batch // together)
    an_epoch = len(lessons) / (together * accumulated)
    # The last evaluation falls on the last step, so that the finished adapter is compared with those before.
    evaluations = max(1, round(hyperparameters.evaluations * hyperparameters.epochs))
    between = max(1, math.ceil(an_epoch * hyperparameters.epochs / evaluations))
    steps = between * evaluations
    arguments = TrainingArguments(
        output_dir=str(checkpoints),
        max_steps=steps,
        per_device_train_batch_size=together,
        per_device_eval_batch_size=together,
        gradient_accumulation_steps=accumulated,
        learning_rate=hyperparameters.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=round(steps * hyperparameters.warmup),
        weight_decay=hyperparameters.weight_decay,
        eval_strategy="steps",
        eval_steps=between,
        save_strategy="steps",
        save_steps=between,
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        prediction_loss_only=True,
        logging_steps=5,
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        report_to=[],
        remove_unused_columns=False,
        label_names=["labels"],
        seed=hyperparameters.seed,
        data_seed=hyperparameters.seed,
        dataloader_pin_memory=False,
        use_cpu=not torch.cuda.is_available(),
        bf16=torch.cuda.is_available() and torch.cuda.is_bf16_supported(),
    )

    class ReplyTrainer(Trainer):  # type: ignore[misc]
        """The loss of the replies' tokens, for which alone the logits are computed."""

        def _get_train_sampler(self, train_dataset: Any = None) -> Any:
            return LessonOrder([len(lesson.tokens) for lesson in lessons], together, hyperparameters.seed)

        def compute_loss(
            self,
            model: Any,
            inputs: dict[str, Any],
            return_outputs: bool = False,
            num_items_in_batch: torch.Tensor | int | None = None,
        ) -> Any:
            labels = inputs["labels"]
            kept = int((labels != IGNORED_LABEL).any(dim=0).sum())
            outputs = model(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                logits_to_keep=kept + 1,
            )
            loss = torch.nn.functional.cross_entropy(
                outputs.logits[:, :-1].flatten(0, 1).float(),
                labels[:, -kept:].flatten(),
                ignore_index=IGNORED_LABEL,
                reduction="mean" if num_items_in_batch is None else "sum",
            )
            if num_items_in_batch is not None:
                loss = loss / num_items_in_batch
            return (loss, outputs) if return_outputs else loss

    trainer = ReplyTrainer(
        model=model,
        args=arguments,
        train_dataset=_rows(lessons),
        eval_dataset=_rows(held_out),
        data_collator=lambda rows: _collate(rows, padding),
        callbacks=[reporter, EarlyStoppingCallback(early_stopping_patience=hyperparameters.patience)],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


class LessonOrder:
    """The order of the lessons in each epoch, in which those of one batch have about the same length.

    The epoch's number and the seed alone decide it, so that a training which goes on from a checkpoint reads
    what it would have read.
    """

    _BATCHES_SORTED = 50

    def __init__(self, lengths: Sequence[int], together: int, seed: int) -> None:
        self._lengths = lengths
        self._together = together
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Take the order of this epoch from now on; accelerate calls this."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        rng = random.Random(f"{self._seed}:{self._epoch}")  # noqa: S311 - an order, no secret
        places = list(range(len(self._lengths)))
        rng.shuffle(places)
        reach = self._together * self._BATCHES_SORTED
        batches = []
        for start in range(0, len(places), reach):
            near = sorted(places[start : start + reach], key=lambda place: -self._lengths[place])
            batches += [near[at : at + self._together] for at in range(0, len(near), self._together)]
        rng.shuffle(batches)
        return iter([place for batch in batches for place in batch])


def _rows(lessons: Sequence[EncodedLesson]) -> Any:
    return [{"input_ids": list(lesson.tokens), "reply_length": lesson.reply_length} for lesson in lessons]


def _collate(rows: Sequence[dict[str, Any]], padding: int) -> dict[str, torch.Tensor]:
    """Lessons of one batch, filled up on the left, so that all replies end together."""
    import torch

    width = max(len(row["input_ids"]) for row in rows)
    tokens = torch.full((len(rows), width), padding)
    attention = torch.zeros((len(rows), width), dtype=torch.long)
    labels = torch.full((len(rows), width), IGNORED_LABEL)
    for place, row in enumerate(rows):
        ids = torch.tensor(row["input_ids"])
        tokens[place, -len(ids) :] = ids
        attention[place, -len(ids) :] = 1
        labels[place, -row["reply_length"] :] = ids[-row["reply_length"] :]
    return {"input_ids": tokens, "attention_mask": attention, "labels": labels}


def progress_reporter(
    report: Callable[[TrainingProgress], None], cancelled: threading.Event
) -> TrainerCallback:
    """A callback that tells how far the training is, and ends it with a checkpoint after `cancelled`."""
    from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

    class Reporter(TrainerCallback):  # type: ignore[misc]
        """Tells how far the training is after each step, and stops it with a checkpoint when asked to."""

        def __init__(self) -> None:
            self._progress = TrainingProgress(0, 0, None, None, 0.0, 0.0)
            self._began = 0.0
            self._from = 0

        def on_train_begin(
            self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **rest: Any
        ) -> None:
            self._began = time.monotonic()
            self._from = state.global_step

        def on_step_end(
            self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **rest: Any
        ) -> None:
            seconds = time.monotonic() - self._began
            each = seconds / max(1, state.global_step - self._from)
            self._progress = replace(
                self._progress,
                step=state.global_step,
                steps=state.max_steps,
                seconds=seconds,
                seconds_left=each * (state.max_steps - state.global_step),
            )
            report(self._progress)
            if cancelled.is_set():
                control.should_save = control.should_training_stop = True

        def on_log(
            self,
            args: TrainingArguments,
            state: TrainerState,
            control: TrainerControl,
            logs: dict[str, float] | None = None,
            **rest: Any,
        ) -> None:
            logs = logs or {}
            self._progress = replace(
                self._progress,
                loss=logs.get("loss", self._progress.loss),
                held_out_loss=logs.get("eval_loss", self._progress.held_out_loss),
            )
            report(self._progress)

    return Reporter()
