"""Where a home keeps what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# The name of the lock that a `lorebot serve` holds in its home.
SERVING = "serve"


@dataclass(frozen=True, slots=True)
class HomeLayout:
    """Where things lie; `models` holds models made ready for this machine: quantised, converted, measured."""

    home: Path
    models: Path

    @property
    def index(self) -> Path:
        """The editions of the index, see `knowledge.editions`."""
        return self.home / "index"

    @property
    def locks(self) -> Path:
        """Locks of the sources that are being synced."""
        return self.home / "locks"

    @property
    def sources(self) -> Path:
        """What sources keep between runs: clones, and what is known of web pages."""
        return self.home / "sources"

    @property
    def jobs(self) -> Path:
        return self.home / "schedule.sqlite"

    @property
    def journal(self) -> Path:
        return self.home / "journal.sqlite"

    @property
    def training(self) -> Path:
        """Checkpoints of trainings that are not finished."""
        return self.home / "training"

    @property
    def running(self) -> Path:
        """What is being synced, and how far."""
        return self.home / "running"

    @property
    def server_note(self) -> Path:
        """How the server of the language model does, where there is one."""
        return self.home / "server.json"

    @property
    def backup(self) -> Path:
        """Copies of which a backup is being made."""
        return self.home / "backup"

    @property
    def restore(self) -> Path:
        """What is being restored, see `bot.restoring`."""
        return self.home / "restore"

    @property
    def decided_restore(self) -> Path:
        """What is to be done before anything in the home is used; usually it is not there."""
        return self.restore / "ready.json"
