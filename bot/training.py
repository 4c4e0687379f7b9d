"""Trains a voice that was planned: lessons are learned, and the new version installed and measured."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from adapters.files import replace_file, sha256_file
from adapters.lesson import Loss, TrainingProgress
from adapters.loss_plot import PLOT_FILE, save_loss_plot
from adapters.manifest import CONFIG_FILE, WEIGHTS_FILE, AdapterError, AdapterManifest, write_manifest
from adapters.registry import InstalledAdapter
from adapters.training import Trained, train
from adapters.verdict import Verdict
from bot.adapter_library import ADAPTER
from bot.colour import colour_of
from bot.gate import EvaluationProgress, evaluate_adapter, terms_beside
from bot.lessons import lesson_of
from bot.training_plan import TrainingPlan, versions_of
from bot.voice_examples import save_examples
from bot.voice_measurement import EvaluationSet

if TYPE_CHECKING:
    from bot.assembly import Assembly

_TRAINED_FILE, _PRODUCT = "trained.json", "adapter"


def run_training(
    assembly: Assembly,
    plan: TrainingPlan,
    who: str,
    report: Callable[[TrainingProgress], None],
    cancelled: threading.Event,
) -> InstalledAdapter:
    """Train what was planned, or go on with it, and install the version with its card and its loss plot.

    Blocks until it ends. Raises `TrainingCancelledError` after `cancelled` was set, and `AdapterError`.
    """
    with _alone_in(plan.folder):
        trained = _finished(plan.folder) or _train(assembly, plan, report, cancelled)
        write_manifest(trained.folder, _card(assembly, plan, trained, who))
        installed = assembly.registry.install(trained.folder, plan.order.name, plan.base)
        title = f"{installed.manifest.reference} on {plan.data.rows:,} examples"
        target = assembly.registry.evaluation_folder(installed) / PLOT_FILE
        save_loss_plot(trained.losses, trained.held_out_losses, trained.best_step, title, target)
        save_examples(target.parent, plan.data.training)
    reference, digest = installed.manifest.reference, installed.manifest.hash
    assembly.journal.append(ADAPTER, reference, who, {"done": "trained", "hash": digest})
    shutil.rmtree(plan.folder, ignore_errors=True)
    return installed


def judge(
    assembly: Assembly,
    plan: TrainingPlan,
    installed: InstalledAdapter,
    who: str,
    report: Callable[[EvaluationProgress], None],
    cancelled: threading.Event,
) -> Verdict:
    """Measure what was trained on the examples that were held out; see `evaluate_adapter`."""
    measured_on = EvaluationSet(plan.data.examples, plan.data.copy, terms_beside(plan.order.examples))
    return evaluate_adapter(assembly, installed, measured_on, report, cancelled, measured_by=who)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    lock = FileLock(folder.with_suffix(".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise AdapterError("The same training runs already in another process; wait for its end.") from None
    try:
        yield
    finally:
        lock.release()
        Path(lock.lock_file).unlink(missing_ok=True)


def _train(
    assembly: Assembly,
    plan: TrainingPlan,
    report: Callable[[TrainingProgress], None],
    cancelled: threading.Event,
) -> Trained:
    trained = train(
        plan.base,
        [lesson_of(example) for example in plan.data.training],
        [lesson_of(example) for example in plan.data.held_out],
        plan.parent,
        plan.hyperparameters,
        plan.folder,
        assembly.threads,
        report,
        cancelled,
    )
    product = plan.folder / _PRODUCT
    product.mkdir(exist_ok=True)
    for name in (WEIGHTS_FILE, CONFIG_FILE):
        (trained.folder / name).replace(product / name)
    replace_file(plan.folder / _TRAINED_FILE, json.dumps(asdict(trained), default=str))
    return replace(trained, folder=product)


def _finished(folder: Path) -> Trained | None:
    """The training that came to its end here before its version could be installed."""
    try:
        fields = json.loads((folder / _TRAINED_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    losses = {name: tuple(Loss(**loss) for loss in fields[name]) for name in ("losses", "held_out_losses")}
    return Trained(**{**fields, **losses, "folder": folder / _PRODUCT})


def _card(assembly: Assembly, plan: TrainingPlan, trained: Trained, who: str) -> AdapterManifest:
    return AdapterManifest(
        name=plan.order.name,
        version=plan.order.version or _next_version(assembly, plan.order.name),
        weights_sha256=sha256_file(trained.folder / WEIGHTS_FILE),
        config_sha256=sha256_file(trained.folder / CONFIG_FILE),
        base_model=plan.base.name,
        base_sha256=plan.base.weights_sha256,
        chat_template_sha256=plan.base.chat_template_sha256,
        created_at=datetime.now(UTC),
        created_by=who,
        parent=plan.parent_reference,
        data_sha256=plan.data.sha256,
        data_rows=plan.data.rows,
        data_licence=plan.order.licence,
        data_attribution=plan.order.attribution,
        hyperparameters=dict(plan.hyperparameters.as_fields()),
        seed=plan.hyperparameters.seed,
        metrics={
            "steps": trained.steps,
            "best_step": trained.best_step,
            "held_out_loss": min((loss.value for loss in trained.held_out_losses), default=None),
            "held_out_rows": len(plan.data.held_out),
            "left_out_rows": plan.data.left_out,
            "losses": [{"step": loss.step, "value": loss.value} for loss in trained.losses],
            "held_out_losses": [{"step": loss.step, "value": loss.value} for loss in trained.held_out_losses],
        },
        colour=colour_of(plan.data.training),
        notes=plan.order.notes,
    )


def _next_version(assembly: Assembly, name: str) -> str:
    numbers = [int(version) for version in versions_of(assembly.registry, name) if version.isdecimal()]
    return str(max(numbers, default=0) + 1)
