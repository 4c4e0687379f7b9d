"""What an evaluation found of one adapter version: whether it may speak, and the figures that say so."""

from __future__ import annotations

from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, JsonValue, ValidationError

from adapters.faults import first_fault
from adapters.files import replace_file
from adapters.manifest import AdapterError, Reference, Sha256

EVALUATION_FILE = "evaluation.json"
REPORT_FILE = "report.html"


class Verdict(BaseModel):
    """The outcome of an evaluation; a later one may replace it, while the adapter itself never changes.

    `adapter_hash` is `AdapterManifest.hash` of what was measured: a verdict says nothing about other
    weights. `reasons` are sentences for people, each naming a figure and its bound; a failed verdict has at
    least one. `parent` is the `name@version` that the truth figures were compared with, None for the base.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    adapter_hash: Sha256
    passed: bool
    reasons: tuple[str, ...]
    figures: dict[str, JsonValue]
    measured_at: AwareDatetime
    measured_by: str = ""
    parent: Reference | None = None


def write_verdict(folder: Path, verdict: Verdict) -> None:
    """Keep `verdict` in `folder`, in place of an earlier one; readers find the one or the other."""
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(folder / EVALUATION_FILE, verdict.model_dump_json(indent=2) + "\n")


def read_verdict(folder: Path) -> Verdict | None:
    """The verdict kept in `folder`, None without one. Raises `AdapterError` when it cannot be read."""
    path = folder / EVALUATION_FILE
    try:
        return Verdict.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise AdapterError(
            f"{path} cannot be read ({error.strerror}); evaluate the adapter again."
        ) from error
    except ValidationError as error:
        raise AdapterError(f"{path}: {first_fault(error)}; evaluate the adapter again.") from error
