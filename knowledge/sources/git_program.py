"""The `git` program, run so that a repository cannot run anything and nobody is asked for a password."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import threading
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from knowledge.documents import KnowledgeError

_SAFETY = (
    *("-c", "protocol.ext.allow=never", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"),
    *("-c", "fetch.recurseSubmodules=false", "-c", "credential.interactive=false"),
    # A collection in the background would outlive the run and its lock.
    *("-c", "gc.autoDetach=false", "-c", "maintenance.autoDetach=false"),
    # A connection that stands still for a minute is given up.
    *("-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=60"),
)
# Variables that would turn git to another repository or other settings than those given here.
_MISLEADING = re.compile(
    "GIT_(DIR|WORK_TREE|INDEX_FILE|COMMON_DIR|NAMESPACE|OBJECT_DIRECTORY|ALTERNATE_OBJECT_DIRECTORIES|"
    "CEILING_DIRECTORIES|CONFIG_PARAMETERS|CONFIG_COUNT|EXTERNAL_DIFF|TRACE.*|CURL_VERBOSE|REDACT_COOKIES)"
)
_CHUNK = 1 << 16


class GitError(KnowledgeError):
    """git ended with an error; the message is what it said, in English."""


@dataclass(frozen=True, slots=True)
class Git:
    """Runs git in the bare repository `folder`, each command for at most `timeout_seconds`.

    Only the transports file, git, http, https and ssh are allowed
    (https://git-scm.com/docs/git#Documentation/git.txt-GITALLOWPROTOCOL). Credentials come from where git
    itself looks for them: credential helpers and SSH keys of the user who runs this.
    """

    folder: Path
    timeout_seconds: float

    def run(self, *arguments: str, most_bytes: int = 100_000_000) -> bytes:
        """Give what a command prints. Raises `GitError`, also past the time or `most_bytes`."""
        parts, size = [], 0
        for part in self.stream(*arguments):
            size += len(part)
            if size > most_bytes:
                raise GitError(f"git {arguments[0]} printed more than {most_bytes:,} bytes")
            parts.append(part)
        return b"".join(parts)

    def stream(self, *arguments: str) -> Generator[bytes, None, None]:
        """Yield what a command prints, piece by piece; a caller who stops early ends the command."""
        command = ["git", *_SAFETY, "-C", str(self.folder), "--git-dir=.", "--no-replace-objects", *arguments]
        with tempfile.TemporaryFile() as said:
            try:
                process = subprocess.Popen(  # noqa: S603
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=said,
                    env=_environment(),
                    # No terminal to ask a password on, and a group that can be ended with its children.
                    start_new_session=True,
                )
            except FileNotFoundError:
                raise GitError("the program git is not installed; install it") from None
            expired = threading.Event()
            timer = threading.Timer(self.timeout_seconds, _expire, (process, expired))
            timer.start()
            try:
                assert process.stdout is not None
                while part := process.stdout.read(_CHUNK):
                    yield part
                code = process.wait()
            finally:
                timer.cancel()
                if process.poll() is None:
                    _end(process)
                if process.stdout is not None:
                    process.stdout.close()
                process.wait()
            if expired.is_set():
                raise GitError(f"git {arguments[0]} took longer than {self.timeout_seconds:g} seconds")
            if code:
                said.seek(max(0, said.tell() - _CHUNK))
                raise GitError(said.read().decode(errors="replace").strip() or f"git ended with code {code}")


def _environment() -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not _MISLEADING.fullmatch(name)}
    return inherited | {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
        "GIT_OPTIONAL_LOCKS": "0",
        "LC_ALL": "C",
    }


def _expire(process: subprocess.Popen[bytes], expired: threading.Event) -> None:
    if process.poll() is None:
        expired.set()
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
