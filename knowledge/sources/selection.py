"""Which documents of a source are wanted: patterns in the manner of .gitignore, and the limit of size."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePosixPath

from knowledge.conversion import READABLE_SUFFIXES
from knowledge.documents import Listed, UnreadableError

# What is never a document, whatever else is excluded.
EXCLUDED_BY_DEFAULT = (".*", "~$*", "*.tmp", "node_modules", "__pycache__")

_MOST_KINDS = 20
_LONGEST_SUFFIX = 12


@dataclass(frozen=True, slots=True)
class Selection:
    """Patterns that choose documents by their path, in the manner of https://git-scm.com/docs/gitignore.

    `*`, `?` and `[...]` stay within one name, `**` stands for any number of folders, a pattern without `/` is
    met by a name at any depth, one with `/` counts from the root.
    """

    include: tuple[str, ...]
    exclude: tuple[str, ...]

    def wants(self, path: str) -> bool:
        """Whether a path (`/` between the parts) meets `include`, and nothing of it `exclude`."""
        return not self.hides(path) and meets_any(tuple(path.split("/")), self.include)

    def hides(self, path: str) -> bool:
        """Whether a path or a folder above it meets `exclude`."""
        parts = tuple(path.split("/"))
        return any(meets_any(parts[: depth + 1], self.exclude) for depth in range(len(parts)))

    def wants_file(self, path: str) -> bool:
        """Whether a path is wanted and its suffix tells a type that can be converted."""
        return is_readable(path) and self.wants(path)


def is_readable(path: str) -> bool:
    """Whether the suffix of a path tells a type that can be converted."""
    return PurePosixPath(path).suffix.lower() in READABLE_SUFFIXES


def kind_of_file(path: str) -> str:
    """Name the kind of a file by the pattern that all of the kind meet, where it has a usual suffix."""
    suffix = PurePosixPath(path).suffix.lower()
    is_usual = suffix[1:].isalnum() and suffix.isascii() and len(suffix) <= _LONGEST_SUFFIX
    return f"*{suffix}" if is_usual else "(no usual suffix)"


def unreadable_kinds(counts: Mapping[str, int]) -> Iterator[Listed]:
    """List the kinds of files that cannot be read, by how many there are of each; the rarest together.

    `counts` may still grow until the first is taken.
    """
    by_count = iter(sorted(counts.items(), key=lambda counted: (-counted[1], counted[0])))
    for kind, count in islice(by_count, _MOST_KINDS):
        yield _unreadable(kind, count, "a kind")
    if further := sum(count for _kind, count in by_count):
        yield _unreadable("(further suffixes)", further, "kinds")


def _unreadable(kind: str, count: int, which: str) -> Listed:
    files = "1 file" if count == 1 else f"{count:,} files"
    # The version does not tell the number: a further file of the kind is no news.
    return Listed(kind, "kind", f"{files} of {which} that Lorebot cannot read.")


def too_large(name: str, size: int | None, limit: int) -> UnreadableError:
    """Make the error for a document over `max_bytes`; sizes in bytes, None where only the excess is known."""
    is_over = "is larger" if size is None else f"is {_readable(size)}"
    return UnreadableError(f"{name} {is_over}; the limit is {_readable(limit)} (max_bytes).")


def meets_any(parts: tuple[str, ...], patterns: tuple[str, ...]) -> bool:
    """Whether the parts of a path meet one of the patterns."""
    return any(_meets(parts, pattern) for pattern in patterns)


def _meets(parts: tuple[str, ...], pattern: str) -> bool:
    if "/" not in pattern:
        return fnmatch.fnmatchcase(parts[-1], pattern)
    return _meets_parts(parts, tuple(pattern.strip("/").split("/")))


def _meets_parts(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    if not pattern or not parts:
        return not pattern and not parts
    if pattern[0] == "**":
        if len(pattern) == 1:
            return True
        return any(_meets_parts(parts[skipped:], pattern[1:]) for skipped in range(len(parts)))
    return fnmatch.fnmatchcase(parts[0], pattern[0]) and _meets_parts(parts[1:], pattern[1:])


def _readable(count: int) -> str:
    for unit, factor in (("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1_000)):
        if count >= factor:
            return f"{count / factor:.3g} {unit}"
    return f"{count} bytes"
