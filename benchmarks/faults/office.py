"""Documents of which each question has one right answer: the codes of rooms."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_ROOMS = (
    "Badger",
    "Curlew",
    "Dunnock",
    "Egret",
    "Fulmar",
    "Gannet",
    "Heron",
    "Jackdaw",
    "Kestrel",
    "Lapwing",
)
_FIRST_CODE = 4711
_CODES_APART = 613


@dataclass(frozen=True, slots=True)
class Room:
    """A room and the code of its door."""

    name: str
    code: str

    @property
    def question(self) -> str:
        return f"What is the door code of the room {self.name}?"

    @property
    def text(self) -> str:
        """Its document, in Markdown."""
        return (
            f"# The room {self.name}\n\n## Door\n\nThe door code of the room {self.name} is {self.code}.\n\n"
            f"## Seats\n\nThe room {self.name} seats {len(self.name)} people.\n"
        )


ROOMS = tuple(Room(name, str(_FIRST_CODE + _CODES_APART * at)) for at, name in enumerate(_ROOMS))


def write_office(folder: Path) -> Path:
    """Write the documents; the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for room in ROOMS:
        (folder / f"{room.name.lower()}.md").write_text(room.text, encoding="utf-8")
    return folder
