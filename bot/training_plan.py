"""What a training begins with: the order that a person gives, checked, and what it leaves open decided."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.base_model import PreparedBase, prepare_base
from adapters.checks import CheckedAdapter, check_adapter, linear_modules
from adapters.generation import BASE
from adapters.lesson import Hyperparameters
from adapters.manifest import AdapterError, is_name, is_version
from adapters.registry import RESERVED, AdapterRegistry
from adapters.training import TARGET_MODULES
from bot.training_data import TrainingData, gather
from bot.voices import PREFERRED

if TYPE_CHECKING:
    from bot.assembly import Assembly

# A checkpoint holds the adapter and two moments of its gradient in 32 bits, and three lie there for a moment.
_BYTES_A_WEIGHT = 3 * 3 * 4


@dataclass(frozen=True, slots=True)
class TrainingOrder:
    """What shall be trained, as a person asks for it; None leaves a choice to Lorebot.

    `parent` is NAME[@VERSION] or `base`; `copy` a folder of the brand's own writing. With
    `leave_out_faulty` the rows with faults are left out, where otherwise nothing is trained.
    """

    name: str
    examples: Path
    copy: Path | None = None
    parent: str | None = None
    version: str | None = None
    rank: int | None = None
    alpha: int | None = None
    learning_rate: float | None = None
    epochs: float | None = None
    batch: int | None = None
    seed: int | None = None
    licence: str = ""
    attribution: str = ""
    notes: str = ""
    leave_out_faulty: bool = False


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """A training that can begin: everything is checked. `folder` keeps its checkpoints."""

    order: TrainingOrder
    base: PreparedBase
    parent: CheckedAdapter | None
    data: TrainingData
    hyperparameters: Hyperparameters
    folder: Path

    @property
    def parent_reference(self) -> str | None:
        """`name@version` of the parent."""
        return None if self.parent is None else self.parent.manifest.reference

    @property
    def goes_on(self) -> bool:
        """Whether an interrupted training of the same goes on."""
        return self.folder.is_dir() and any(self.folder.glob("checkpoints/checkpoint-*"))


def plan_training(assembly: Assembly, order: TrainingOrder) -> TrainingPlan:
    """Check the order, the parent and every example, and decide what was left open.

    Raises `DatasetError` that names the faults by line, and `AdapterError`.
    """
    _check_names(assembly, order)
    base = prepare_base(assembly.base_location, assembly.layout.models)
    parent = _parent(assembly, order.parent, base)
    hyperparameters = _hyperparameters(order, parent)
    data = gather(order.examples, order.copy, base.folder, leave_out_faulty=order.leave_out_faulty)
    key = {
        "data": data.sha256,
        "base": base.weights_sha256,
        "parent": parent.manifest.hash if parent else None,
        **hyperparameters.as_fields(),
    }
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    folder = assembly.layout.training / f"{order.name}-{digest[:12]}"
    plan = TrainingPlan(order, base, parent, data, hyperparameters, folder)
    if order.version is None:
        _refuse_repetition(assembly, plan)
    _check_room(plan)
    return plan


def versions_of(registry: AdapterRegistry, name: str) -> set[str]:
    """What the installed versions of a name are called."""
    installed = registry.list()
    return {adapter.manifest.version for adapter in installed if adapter.manifest.name == name}


def _check_names(assembly: Assembly, order: TrainingOrder) -> None:
    if not is_name(order.name) or order.name in RESERVED:
        raise AdapterError(
            f"{order.name!r} cannot name an adapter; use small letters, digits, - and _, but not "
            f"{', '.join(sorted(RESERVED))}."
        )
    if order.version is None:
        return
    if not is_version(order.version):
        raise AdapterError(f"{order.version!r} cannot name a version; use small letters, digits, ., - and _.")
    if order.version in versions_of(assembly.registry, order.name):
        raise AdapterError(
            f"{order.name}@{order.version} is installed, and versions never change; give another --version, "
            "or none for the next free number."
        )


def _parent(assembly: Assembly, reference: str | None, base: PreparedBase) -> CheckedAdapter | None:
    if reference is None:
        known = {adapter.manifest.name for adapter in assembly.registry.list()}
        reference = PREFERRED if PREFERRED in known else BASE
    if reference == BASE:
        return None
    return check_adapter(assembly.registry.resolve(reference).folder, base)


def _hyperparameters(order: TrainingOrder, parent: CheckedAdapter | None) -> Hyperparameters:
    """The order's values; a child has its parent's rank and alpha, for it goes on with the same matrices."""
    chosen: dict[str, Any] = {
        name: value
        for name in ("rank", "alpha", "learning_rate", "epochs", "batch", "seed")
        if (value := getattr(order, name)) is not None
    }
    if parent is None:
        return Hyperparameters(**chosen)
    inherited = {"rank": parent.settings.r, "alpha": int(parent.settings.lora_alpha)}
    for name, value in inherited.items():
        if chosen.get(name, value) != value:
            raise AdapterError(
                f"{parent.manifest.reference} has {name} {value}, which its children keep; leave --{name} "
                f"out, or train with --from {BASE}."
            )
    return Hyperparameters(**{**chosen, **inherited})


def _refuse_repetition(assembly: Assembly, plan: TrainingPlan) -> None:
    for adapter in assembly.registry.list():
        known = adapter.manifest
        if (
            known.name == plan.order.name
            and known.data_sha256 == plan.data.sha256
            and known.base_sha256 == plan.base.weights_sha256
            and known.parent == plan.parent_reference
            and known.hyperparameters == plan.hyperparameters.as_fields()
        ):
            raise AdapterError(
                f"{known.reference} was trained from exactly this; measure it with `lorebot adapters "
                f"evaluate {known.reference}`, or train again with another --seed or your own --version."
            )


def _check_room(plan: TrainingPlan) -> None:
    """Make the folder, and see that it can hold the checkpoints. Raises `AdapterError`."""
    try:
        plan.folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(plan.folder).free
    except OSError as error:
        raise AdapterError(
            f"Training keeps its checkpoints in {plan.folder}, which cannot be written ({error.strerror}); "
            "mend the permissions, or set another `home` in the settings."
        ) from error
    rank = plan.hyperparameters.rank
    weights = sum(
        rank * (rows + columns)
        for module, (rows, columns) in linear_modules(plan.base).items()
        if module.rpartition(".")[2] in TARGET_MODULES
    )
    if free < weights * _BYTES_A_WEIGHT:
        raise AdapterError(
            f"Training needs {weights * _BYTES_A_WEIGHT / 1e6:,.0f} MB in {plan.folder}, and "
            f"{free / 1e6:,.0f} MB are free there; make room, or choose a lower --rank."
        )
