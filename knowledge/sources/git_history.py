"""When the files of a git revision were last changed."""

from __future__ import annotations

import json
from collections.abc import Set
from pathlib import Path

from knowledge.sources.git_program import Git, GitError


def last_changes(git: Git, revision: str, paths: Set[str], kept: Path) -> dict[str, float]:
    """Give by path the time (seconds since 1970) of the last commit that changed it.

    What was found is kept in the file `kept`, so that a later revision walks only the commits since. Raises
    `GitError`.
    """
    known_revision, known = _load(kept)
    if known_revision and _is_ancestor(git, known_revision, revision):
        dates = {path: known[path] for path in paths & known.keys()}
        dates |= _walk(git, set(paths), revision, f"^{known_revision}")
    else:
        dates = {}
    if missing := paths - dates.keys():
        dates |= _walk(git, set(missing), revision)
    kept.write_text(json.dumps({"revision": revision, "dates": dates}))
    return dates


def _walk(git: Git, wanted: set[str], *revisions: str) -> dict[str, float]:
    """Walk the history from its newest commit, until all that is wanted has been met or the history ends."""
    dates: dict[str, float] = {}
    seconds = 0.0
    rest = b""
    log = git.stream(
        *("log", "-z", "--format=%x01%ct", "--name-only", "--no-renames", "--no-ext-diff", "--no-textconv"),
        *("--no-show-signature", *revisions, "--"),
    )
    for part in log:
        *tokens, rest = (rest + part).split(b"\0")
        for token in tokens:
            if token.startswith(b"\x01") and token[1:].isdigit():
                seconds = float(token[1:])
                continue
            # A line end stands between a commit and the first of its paths.
            path = token.removeprefix(b"\n").decode(errors="replace")
            if path in wanted:
                dates[path] = seconds
                wanted.discard(path)
        if not wanted:
            log.close()
            break
    return dates


def _is_ancestor(git: Git, revision: str, of: str) -> bool:
    try:
        git.run("merge-base", "--is-ancestor", revision, of)
        return True
    except GitError:
        return False


def _load(kept: Path) -> tuple[str, dict[str, float]]:
    try:
        found = json.loads(kept.read_text())
        return str(found["revision"]), dict(found["dates"])
    except (OSError, ValueError, KeyError, TypeError):
        return "", {}
