"""Notices when the files of a folder change, also when the folder goes away and comes back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from knowledge.sources.selection import Selection

_SETTLED_MS = 100
_AT_MOST_MS = 1_000
_LOOK_MS = 500
_POLL_MS = 2_000

Announce = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class FolderWatch:
    """Watches a folder and its subfolders for changes to documents.

    Events come from the operating system (https://watchfiles.helpmanual.io), or from looking at every file
    each two seconds where `poll` is set (network mounts send no events) or the system refuses to watch.
    """

    folder: Path
    selection: Selection
    poll: bool = False

    def changes(self, stopped: threading.Event, announce: Announce) -> Iterator[None]:
        """Yield soon after the watch begins, and then whenever documents may have changed, until `stopped`.

        Changes that follow each other within a tenth of a second are one, a second at most. Blocks, so it is
        meant for a thread of its own. `announce` gets a line when events give way to polling.
        """
        poll = self.poll
        while not stopped.is_set():
            identity = _identity(self.folder)
            if identity is None:
                stopped.wait(_LOOK_MS / 1_000)
                continue
            try:
                yield from self._changes_of(identity, poll, stopped)
            except FileNotFoundError:
                continue  # gone since it was looked at
            except (OSError, RuntimeError) as error:
                if poll:
                    raise
                poll = True
                announce(
                    f"The folder {self.folder} cannot be watched by events ({error}); its files are looked "
                    f"at every {_POLL_MS // 1_000} seconds instead."
                )

    def _changes_of(self, identity: tuple[int, int], poll: bool, stopped: threading.Event) -> Iterator[None]:
        """Watch until the folder is another one, or none."""
        from watchfiles import watch

        is_first = True
        for changed in watch(
            self.folder,
            watch_filter=lambda change, path: self._concerns(path),
            debounce=_AT_MOST_MS,
            step=_SETTLED_MS,
            rust_timeout=_LOOK_MS,
            yield_on_timeout=True,
            stop_event=stopped,
            force_polling=poll,
            poll_delay_ms=_POLL_MS,
            ignore_permission_denied=True,
            raise_interrupt=False,
        ):
            is_gone = _identity(self.folder) != identity
            # The first time also without a change: what happened before the watch began is not known.
            if changed or is_first or is_gone:
                yield
            is_first = False
            if is_gone:
                return

    def _concerns(self, path: str) -> bool:
        """Whether a change there may be one to a document: of a folder, a wanted file, or what is gone."""
        parts = Path(path).parts[len(self.folder.parts) :]
        if not parts:
            return True
        inside = "/".join(parts)
        if self.selection.hides(inside):
            return False
        return self.selection.wants_file(inside) or not Path(path).is_file()


def _identity(folder: Path) -> tuple[int, int] | None:
    """What tells a folder from another that takes its place."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino)
