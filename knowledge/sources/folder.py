"""A folder of files as a source."""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from knowledge.documents import (
    KnowledgeError,
    Listed,
    PartialListingError,
    RawDocument,
    UnreadableError,
    VanishedError,
)
from knowledge.sources.selection import (
    EXCLUDED_BY_DEFAULT,
    is_readable,
    kind_of_file,
    meets_any,
    too_large,
    unreadable_kinds,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Scan:
    """One walk through a folder: kinds of files that cannot be read, and subfolders that cannot be listed."""

    root: Path
    unread: Counter[str] = field(default_factory=Counter)
    unlisted: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class FolderSource:
    """The readable files of a folder and its subfolders.

    A document's uri is its path relative to the folder, with `/` between the parts; its version is made of
    the modification time, the change time and the size, so that a listing opens no file.

    `include` and `exclude` are patterns in the manner of .gitignore: `*`, `?` and `[...]` stay within one
    name, `**` stands for any number of folders, a pattern without `/` is met by a name at any depth, one with
    `/` counts from the folder itself. A file is listed when it meets a pattern of `include`, and neither
    it nor a folder above it meets one of `exclude`.

    A symbolic link to a file is listed when the file lies within the folder; a link to a folder is not
    followed. Files larger than `max_bytes` are listed and refused when read, so that somebody is told.

    A document's url is `base_url` with the quoted uri behind it, or without `base_url` a `file://` URI.
    """

    name: str
    path: Path
    audience: frozenset[str]
    include: tuple[str, ...] = ("**/*",)
    exclude: tuple[str, ...] = EXCLUDED_BY_DEFAULT
    max_bytes: int = 50_000_000
    base_url: str | None = None

    def list(self) -> Iterator[Listed]:
        """Yield the documents in the order of their names, folder by folder, and last what cannot be read.

        Raises `KnowledgeError` when the folder cannot be listed, and `PartialListingError` at the end when a
        subfolder cannot: what is not seen must not be taken for deleted.
        """
        if not self.path.is_dir():
            raise KnowledgeError(
                f"The folder {self.path} of source '{self.name}' does not exist or is no folder; mount it or "
                "correct 'path'."
            )
        return self._list(_Scan(self.path.resolve()))

    def read(self, uri: str) -> RawDocument:
        """Read one file. A file that is written to meanwhile is read once more.

        Raises `VanishedError` when the file is gone; `UnreadableError` when it lies outside the folder, is
        not among the files that are listed, is larger than `max_bytes`, may not be opened, or does not stop
        changing.
        """
        path = self._locate(uri)
        try:
            content, modified = self._read_unchanged(path)
        except (FileNotFoundError, NotADirectoryError):
            raise VanishedError(f"{uri} is gone.") from None
        except PermissionError:
            raise UnreadableError(
                f"{uri} may not be opened; give Lorebot's user the right to read it."
            ) from None
        except OSError as error:
            raise UnreadableError(f"{uri} cannot be read: {error.strerror or error}.") from error
        url = f"{self.base_url.rstrip('/')}/{quote(uri)}" if self.base_url else path.as_uri()
        return RawDocument(uri, path.name, content, url, datetime.fromtimestamp(modified, UTC))

    def _list(self, scan: _Scan) -> Iterator[Listed]:
        yield from self._walk(str(self.path), (), scan)
        yield from unreadable_kinds(scan.unread)
        if scan.unlisted:
            more = f" (and {len(scan.unlisted) - 1} more like it)" if len(scan.unlisted) > 1 else ""
            raise PartialListingError(f"{scan.unlisted[0]}{more}; give Lorebot's user the right to read it.")

    def _walk(self, folder: str, above: tuple[str, ...], seen: _Scan) -> Iterator[Listed]:
        try:
            with os.scandir(folder) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except OSError as error:
            reason = error.strerror or str(error)
            text = f"The folder {folder} of source '{self.name}' cannot be listed: {reason}"
            if not above:
                raise KnowledgeError(f"{text}; give Lorebot's user the right to read it.") from error
            seen.unlisted.append(text)
            return
        for entry in entries:
            parts = (*above, entry.name)
            if meets_any(parts, self.exclude):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(entry.path, parts, seen)
            elif not meets_any(parts, self.include):
                continue
            elif is_readable(entry.name):
                yield from self._entry(entry, "/".join(parts), seen.root)
            elif entry.is_file(follow_symlinks=False):
                seen.unread[kind_of_file(entry.name)] += 1

    def _entry(self, entry: os.DirEntry[str], uri: str, root: Path) -> Iterator[Listed]:
        # realpath, since resolve raises on links in a circle
        if entry.is_symlink() and not Path(os.path.realpath(entry.path)).is_relative_to(root):
            return
        try:
            found = entry.stat()
        except OSError as error:
            if isinstance(error, FileNotFoundError) or error.errno == errno.ELOOP:
                return
            raise KnowledgeError(
                f"{entry.path} of source '{self.name}' cannot be looked at: {error.strerror}."
            ) from error
        if not stat.S_ISREG(found.st_mode):
            return
        if not uri.isascii() and any("\ud800" <= character <= "\udfff" for character in uri):
            logger.warning("source '%s': a file is left out, its name is not UTF-8: %r", self.name, uri)
            return
        # What is copied with its old date (cp -p) has a new change time, which nobody can set.
        yield Listed(uri, f"{found.st_mtime_ns}-{found.st_ctime_ns}-{found.st_size}")

    def _locate(self, uri: str) -> Path:
        """Give the path of a uri that `list` could have yielded."""
        parts = tuple(uri.split("/"))
        path = self.path.absolute().joinpath(*parts) if "\0" not in uri else self.path
        real, root = Path(os.path.realpath(path)), Path(os.path.realpath(self.path))
        if {"", ".", ".."} & set(parts) or real == root or not real.is_relative_to(root):
            raise UnreadableError(f"{uri!r} lies outside the folder of source '{self.name}'.")
        hidden = any(meets_any(parts[: depth + 1], self.exclude) for depth in range(len(parts)))
        if hidden or not is_readable(uri) or not meets_any(parts, self.include):
            raise UnreadableError(
                f"{uri!r} is not a document of source '{self.name}' (see include and exclude)."
            )
        return path

    def _read_unchanged(self, path: Path) -> tuple[bytes, float]:
        """Give `(content, modification time)` of a file whose size and time are the same before and after."""
        for _attempt in range(2):
            before = path.stat()
            if not stat.S_ISREG(before.st_mode):
                raise UnreadableError(f"{path.name} is not a file.")
            if before.st_size > self.max_bytes:
                raise too_large(path.name, before.st_size, self.max_bytes)
            with path.open("rb") as file:
                content = file.read(self.max_bytes + 1)
            after = path.stat()
            unchanged = (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size)
            if unchanged and len(content) == after.st_size:
                return content, after.st_mtime
        raise UnreadableError(f"{path.name} is being written to; it is read again in the next sync.")
