"""Office files are zip archives: what can be told of one before it is unpacked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from zipfile import BadZipFile, ZipFile

from knowledge.documents import RawDocument, UnreadableError

_MOST_UNPACKED_BYTES = 200_000_000
_MOST_ZIP_ENTRIES = 10_000
_OLE_CONTAINER = bytes.fromhex("D0CF11E0A1B11AE1")


@dataclass(frozen=True, slots=True)
class OfficeKind:
    """A kind of office file: its name for people, its main part, and the old kind it replaced."""

    name: str
    main_part: str
    program: str
    old_suffix: str
    suffix: str


@contextmanager
def office_archive(raw: RawDocument, kind: OfficeKind) -> Iterator[ZipFile]:
    """Open an office file for the block.

    Raises `UnreadableError` when it is damaged, protected by a password, of the old binary kind, of another
    kind, or would unpack to more than 200 MB or 10,000 parts.
    """
    if raw.content.startswith(_OLE_CONTAINER):
        # https://learn.microsoft.com/openspecs/office_file_formats/ms-offcrypto
        if "EncryptedPackage".encode("utf-16-le") in raw.content:
            raise UnreadableError(f"{raw.name} is protected by a password; save a copy without one.")
        raise UnreadableError(
            f"{raw.name} is an old {kind.program} file ({kind.old_suffix}) under a new name; "
            f"save it as {kind.suffix}."
        )
    try:
        with ZipFile(BytesIO(raw.content)) as archive:
            _refuse_bombs(raw.name, archive)
            if kind.main_part not in archive.namelist():
                article = "an" if kind.name[0] in "AEIOU" else "a"
                raise UnreadableError(f"{raw.name} is not {article} {kind.name}.")
            yield archive
    except BadZipFile as error:
        raise UnreadableError(
            f"{raw.name} is a damaged or half-written {kind.name}; save it again."
        ) from error


def core_title(archive: ZipFile) -> str | None:
    """Read the title in an office file's properties, if there is one."""
    from lxml import etree

    try:
        properties = archive.read("docProps/core.xml")
        parser = etree.XMLParser(resolve_entities=False, no_network=True)
        title: str | None = etree.fromstring(properties, parser).findtext(
            "{http://purl.org/dc/elements/1.1/}title"
        )
        return title
    except (KeyError, etree.XMLSyntaxError):
        return None


def _refuse_bombs(name: str, archive: ZipFile) -> None:
    """Look at what a zip says of itself before unpacking it (https://www.bamsoftware.com/hacks/zipbomb/)."""
    entries = archive.infolist()
    unpacked = sum(entry.file_size for entry in entries)
    if len(entries) > _MOST_ZIP_ENTRIES or unpacked > _MOST_UNPACKED_BYTES:
        raise UnreadableError(
            f"{name} would unpack to {unpacked / 1e6:,.0f} MB in {len(entries):,} parts; "
            f"the limits are {_MOST_UNPACKED_BYTES / 1e6:,.0f} MB and {_MOST_ZIP_ENTRIES:,} parts."
        )
