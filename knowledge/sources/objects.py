"""Files in an object store, or on any other file system that fsspec knows, as a source."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from knowledge.documents import KnowledgeError, Listed, RawDocument, UnreadableError, VanishedError
from knowledge.sources.selection import Selection, is_readable, kind_of_file, too_large, unreadable_kinds

# https://filesystem-spec.readthedocs.io/en/latest/api.html#other-known-implementations
_PACKAGES = {
    **dict.fromkeys(("s3", "s3a"), "s3fs"),
    **dict.fromkeys(("gs", "gcs"), "gcsfs"),
    **dict.fromkeys(("az", "abfs", "abfss", "adl"), "adlfs"),
    **dict.fromkeys(("sftp", "ssh"), "paramiko"),
    **dict.fromkeys(("oci",), "ocifs"),
    **dict.fromkeys(("smb",), "smbprotocol"),
    **dict.fromkeys(("hdfs", "arrow_hdfs"), "pyarrow"),
}
_OTHER_KINDS = {"file": "folder", "local": "folder", "http": "website", "https": "website"}
_SECRET = re.compile(r"key|secret|passw|passphrase|token|credential|connection_string|sas", re.IGNORECASE)
# What stores call a mark that changes with the content, best first.
_MARKS = ("ETag", "etag", "e_tag", "md5Hash", "content_md5", "checksum", "generation", "VersionId")
_TIMES = ("LastModified", "last_modified", "mtime", "modified", "updated", "created")


class ObjectsSource:
    """The readable files below a URL such as `s3://bucket/docs`, `gs://`, `az://` or `sftp://host/docs`.

    A document's uri is its path below the URL. Its version is the store's ETag or checksum, or else its time
    and size, so that a listing opens no file.
    """

    def __init__(
        self,
        name: str,
        url: str,
        audience: frozenset[str],
        include: tuple[str, ...] = ("**/*",),
        exclude: tuple[str, ...] = (".*", "~$*", "*.tmp"),
        max_bytes: int = 50_000_000,
        options: Mapping[str, str] | None = None,
    ) -> None:
        """`options` go to the file system (an `endpoint_url`, a `port`, `anon = "true"`).

        Credentials are found by the file system itself, where its package documents it: in the environment,
        in its own files, in the role of the machine. Raises `KnowledgeError` for those that stand in `url`
        or `options`, and for a URL of another kind of source.
        """
        protocol, separator, rest = url.partition("://")
        if not separator or not protocol or "::" in url or not rest:
            raise KnowledgeError(
                f"The url {url!r} of source '{name}' is not one of an object store, such as s3://bucket/docs."
            )
        if protocol in _OTHER_KINDS:
            raise KnowledgeError(
                f"The url of source '{name}' is one for kind '{_OTHER_KINDS[protocol]}', not for 'objects'."
            )
        secrets = [key for key in options or {} if _SECRET.search(key)]
        if secrets or re.match(r"[^/@]*:[^/@]*@", rest):
            what = f"the option '{secrets[0]}'" if secrets else "the url"
            raise KnowledgeError(
                f"Source '{name}' has a credential in {what}; give it to the environment instead."
            )
        self.name = name
        self.audience = audience
        self._url = url
        self._protocol = protocol
        self._selection = Selection(include, exclude)
        self._max_bytes = max_bytes
        self._options = {key: _typed(text) for key, text in (options or {}).items()}
        self._opened: tuple[Any, str] | None = None

    def list(self) -> Iterator[Listed]:
        """Yield the files in the order of their paths, and last what cannot be read.

        Raises `KnowledgeError` when the store cannot be reached, refuses, or has nothing at the URL.
        """
        system, root = self._open()
        try:
            system.invalidate_cache()
            found: dict[str, dict[str, Any]] = system.find(root, detail=True)
            if not found and not system.exists(root):
                raise FileNotFoundError(root)
        except FileNotFoundError as error:
            raise KnowledgeError(f"{self._url} of source '{self.name}' does not exist.") from error
        except Exception as error:
            raise KnowledgeError(
                f"{self._url} of source '{self.name}' cannot be listed: {_reason(error)}"
            ) from error
        unread: Counter[str] = Counter()
        for path, info in sorted(found.items()):
            uri = path[len(root) :].strip("/")
            if info.get("type", "file") != "file" or not self._selection.wants(uri):
                continue
            if is_readable(uri):
                yield Listed(uri, _version(info))
            else:
                unread[kind_of_file(uri)] += 1
        yield from unreadable_kinds(unread)

    def read(self, uri: str) -> RawDocument:
        """Read one file. Raises `VanishedError` when it is gone; `UnreadableError` when it is not among the
        files that are listed, is over `max_bytes`, or cannot be had.
        """
        if not self._selection.wants_file(uri) or {"", ".", ".."} & set(uri.split("/")):
            raise UnreadableError(f"{uri!r} is not a document of source '{self.name}'.")
        system, root = self._open()
        path = f"{root.rstrip('/')}/{uri}"
        try:
            info = system.info(path)
            size = info.get("size")
            if size is not None and size > self._max_bytes:
                raise too_large(uri, size, self._max_bytes)
            with system.open(path, "rb") as file:
                content = file.read(self._max_bytes + 1)
        except UnreadableError:
            raise
        except FileNotFoundError:
            raise VanishedError(f"{uri} is gone.") from None
        except Exception as error:
            raise UnreadableError(f"{uri} cannot be read: {_reason(error)}") from error
        if len(content) > self._max_bytes:
            raise too_large(uri, None, self._max_bytes)
        return RawDocument(uri, PurePosixPath(uri).name, content, None, _modified(info))

    def _open(self) -> tuple[Any, str]:
        if self._opened is None:
            import fsspec

            try:
                system, root = fsspec.core.url_to_fs(self._url, **self._options)
            except ImportError as error:
                package = _PACKAGES.get(self._protocol)
                fix = f"pip install {package}" if package else str(error).rstrip(".")
                raise KnowledgeError(
                    f"Source '{self.name}' needs a package for {self._protocol} that is not installed: {fix}"
                ) from error
            except Exception as error:
                raise KnowledgeError(
                    f"{self._url} of source '{self.name}' cannot be opened: {_reason(error)}"
                ) from error
            self._opened = system, root
        return self._opened


def _typed(text: str) -> str | bool | int:
    known = {"true": True, "false": False}
    return known[text.lower()] if text.lower() in known else int(text) if text.isdecimal() else text


def _version(info: Mapping[str, Any]) -> str:
    mark = next((str(info[key]).strip('"') for key in _MARKS if info.get(key)), None)
    if mark is not None:
        return mark
    time = next((str(info[key]) for key in _TIMES if info.get(key)), "")
    return f"{time}-{info.get('size')}"


def _modified(info: Mapping[str, Any]) -> datetime | None:
    found = next((info[key] for key in _TIMES if info.get(key)), None)
    try:
        if isinstance(found, str):
            found = datetime.fromisoformat(found)
        elif isinstance(found, int | float):
            found = datetime.fromtimestamp(found, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    if not isinstance(found, datetime):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _reason(error: Exception) -> str:
    """Give the first line of what a file system's library says."""
    lines = str(error).strip().splitlines()
    return f"{lines[0].rstrip('.')}." if lines else f"{type(error).__name__}."
