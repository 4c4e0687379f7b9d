"""A Dockerfile as the instructions that it gives (https://docs.docker.com/reference/dockerfile/)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: its word in capitals, and what stands behind it on one line."""

    word: str
    rest: str


def instructions(text: str) -> list[Instruction]:
    """The instructions in their order, comments left out and continued lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    split = (line.strip().partition(" ") for line in joined.splitlines() if line.strip())
    return [Instruction(word.upper(), rest.strip()) for word, _, rest in split]


def stages(text: str) -> list[list[Instruction]]:
    """The instructions of each stage, each of which begins with its FROM."""
    found: list[list[Instruction]] = []
    for instruction in instructions(text):
        if instruction.word == "FROM":
            found.append([])
        if found:
            found[-1].append(instruction)
    return found


def exec_form(rest: str) -> list[str]:
    """The words of an instruction in exec form."""
    words: list[str] = json.loads(rest[rest.index("[") :])
    return words


def is_ignored(path: Path, patterns: list[str]) -> bool:
    """Whether `.dockerignore` keeps a relative path out of the build; the last pattern that fits decides."""
    ignored = False
    for pattern in patterns:
        bare = pattern.removeprefix("!")
        parts = [path, *path.parents][:-1]
        names = [part.as_posix() for part in parts]
        if any(fnmatch(name, bare) or fnmatch(f"./{name}", bare.replace("**/", "*/")) for name in names):
            ignored = not pattern.startswith("!")
    return ignored
