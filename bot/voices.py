"""Which adapter speaks where: the journal's last word for each place, the most specific place first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from adapters.generation import BASE, GenerationError
from adapters.manifest import CONFIG_FILE, MANIFEST_FILE, WEIGHTS_FILE, AdapterError
from adapters.registry import AdapterRegistry, InstalledAdapter
from adapters.verdict import Verdict
from bot.journal import Details, Entry, Journal, JournalError
from bot.places import EVERYWHERE, name_place, parse_place, wider_places
from connectors.conversation import Place

VOICE = "voice"

# The setting that leaves the choice to Lorebot, and the adapter that it then looks for.
AUTO = "auto"
PREFERRED = "grounded"


class VoiceRefusedError(Exception):
    """The change of voice is refused; the message is one line with the reason and what to do."""


@dataclass(frozen=True, slots=True)
class ActiveVoice:
    """The voice of one place.

    `chosen` is what was chosen for the place itself, "" for nothing; `speaks` is what answers there now:
    `name@version` or `base`. `problem` says why those two differ, when the chosen one cannot speak.
    """

    place: str
    chosen: str
    speaks: str
    problem: str
    since: datetime | None
    who: str


@dataclass(frozen=True, slots=True)
class VoiceChange:
    """What a command did to the voice of a place; references are exact, and "" means none of its own.

    `overruled` are the reasons against the adapter that were put aside. Without `changed`, it was so already.
    """

    place: str
    before: str
    now: str
    speaks: str
    changed: bool
    overruled: tuple[str, ...] = ()


class Voices:
    """The voices of all places. Changes are entries of the journal, so another process sees them at once.

    `default` is `generation.adapter` of the settings. `check` raises `GenerationError` for an adapter that
    cannot speak on the present base model; what passed is checked again when its files have changed.
    `announce` is told once of every voice that an answer had to do without.
    """

    def __init__(
        self,
        registry: AdapterRegistry,
        journal: Journal,
        default: str,
        check: Callable[[InstalledAdapter], None],
        announce: Callable[[str], None],
    ) -> None:
        self._registry = registry
        self._journal = journal
        self._default = default
        self._check = check
        self._announce = announce
        self._announced: set[str] = set()
        self._checked: dict[str, _Marks] = {}

    def adapter_at(self, place: Place) -> str:
        """The adapter that answers in `place`: exactly `name@version`, or `base`.

        Never fails: a voice that cannot speak is passed over for that of the next wider place, then for the
        settings' default, then for the base model. Blocks for a query of the journal.
        """
        speaking = self._speaking(name_place(place))
        for problem in speaking.problems:
            self._say_once(f"{problem} {speaking.reference} speaks instead.")
        return speaking.reference

    def exact(self, setting: str) -> str:
        """What `generation.adapter` means at present: exactly `name@version`, or `base`.

        A name means its newest version that passed its evaluation, else its newest; `auto` means `grounded`
        where a version is installed that did not fail, else `base`. Raises `AdapterError` when nothing has
        the name.
        """
        if setting == BASE or "@" in setting:
            return setting
        if setting != AUTO:
            return self._best(self._registry.versions(setting))
        if PREFERRED not in self._registry.names():
            return BASE
        return self._best([one for one in self._registry.versions(PREFERRED) if not self._failed(one)])

    def active(self) -> tuple[ActiveVoice, ...]:
        """`default` and every place with a voice of its own. Raises `JournalError`."""
        last = self._journal.latest_of_all(VOICE)
        chosen = {place: entry for place, entry in last.items() if entry.details["adapter"]}
        places = sorted(chosen.keys() | {EVERYWHERE}, key=_order)
        return tuple(self._active(place, chosen.get(place)) for place in places)

    def places_of(self, reference: str) -> tuple[str, ...]:
        """Where this version was chosen to speak, or speaks by the settings. Raises `JournalError`."""
        return tuple(voice.place for voice in self.active() if reference in (voice.chosen, voice.speaks))

    def activate(self, reference: str, place: str, who: str) -> VoiceChange:
        """Let an adapter that passed its evaluation, or `base`, speak in a place from the next question on.

        `reference` may be a name: it then means its newest version as of now. Raises `VoiceRefusedError`
        when the adapter failed or was never evaluated, `AdapterError` when it is missing or does not fit the
        base model, `PlaceError`, and `JournalError`.
        """
        adapter = self._sound(reference)
        if adapter is not None:
            verdict = self._registry.verdict(adapter)
            name = adapter.manifest.reference
            if verdict is None:
                raise VoiceRefusedError(
                    f"{name} was never evaluated: run `lorebot adapters evaluate {name}` first, or overrule "
                    "that with --force, which is journalled."
                )
            if not verdict.passed:
                raise VoiceRefusedError(
                    f"{name} failed its evaluation: {'; '.join(verdict.reasons)}. Train it again, or "
                    "overrule that with --force, which is journalled."
                )
        return self._choose(adapter, place, who, ())

    def activate_in_spite_of_verdict(self, reference: str, place: str, who: str) -> VoiceChange:
        """Let an adapter speak in a place whatever its evaluation said, which the journal then tells.

        Raises as `activate` does, but for the verdict.
        """
        adapter = self._sound(reference)
        overruled = () if adapter is None else _against(self._registry.verdict(adapter))
        return self._choose(adapter, place, who, overruled)

    def rollback(self, place: str, who: str) -> VoiceChange:
        """Undo the last choice of a voice for a place that is not undone yet.

        So a second rollback undoes the choice before, back to where the place had no voice of its own. Raises
        `VoiceRefusedError` when nothing is left to undo, or what spoke before cannot speak any more.
        """
        place = parse_place(place)
        undone: list[str] = []

        def undo(entries: Sequence[Entry]) -> Details:
            standing = _standing(entries)
            if not standing:
                raise VoiceRefusedError(f"No choice of a voice for {place} is left to undo.")
            before = standing[-2].details["adapter"] if len(standing) > 1 else ""
            if before and (problem := self._problem(before)):
                raise VoiceRefusedError(
                    f"{before}, which spoke in {place} before, cannot speak: {problem} Choose another with "
                    f"`lorebot adapters use NAME --place {place}`."
                )
            undone.append(standing[-1].details["adapter"])
            return {"adapter": before, "before": undone[0], "undoes": standing[-1].id}

        entry = self._journal.append_after(VOICE, place, who, undo)
        now = entry.details["adapter"] if entry else ""
        return VoiceChange(place, undone[0], now, self._speaking(place).reference, True)

    def _choose(
        self, adapter: InstalledAdapter | None, place: str, who: str, overruled: tuple[str, ...]
    ) -> VoiceChange:
        place = parse_place(place)
        chosen = BASE if adapter is None else adapter.manifest.reference
        before: list[str] = []

        def decide(entries: Sequence[Entry]) -> Details | None:
            before.append(entries[-1].details["adapter"] if entries else "")
            if before[0] == chosen:
                return None
            return {
                "adapter": chosen,
                "before": before[0],
                "hash": adapter.manifest.hash if adapter else "",
                "overruled": list(overruled),
            }

        entry = self._journal.append_after(VOICE, place, who, decide)
        speaks = self._speaking(place).reference
        return VoiceChange(place, before[0], chosen, speaks, entry is not None, overruled)

    def _sound(self, reference: str) -> InstalledAdapter | None:
        """The adapter of a reference, None for the base. Raises when it cannot speak."""
        if reference == BASE:
            return None
        adapter = self._registry.resolve(reference)
        self._check(adapter)
        return adapter

    def _active(self, place: str, entry: Entry | None) -> ActiveVoice:
        speaking = self._speaking(place)
        return ActiveVoice(
            place=place,
            chosen=entry.details["adapter"] if entry else "",
            speaks=speaking.reference,
            problem=" ".join(speaking.problems),
            since=entry.at if entry else None,
            who=entry.who if entry else "",
        )

    def _speaking(self, place: str) -> _Speaking:
        problems: list[str] = []
        for reference in self._candidates(place, problems):
            problem = self._problem(reference)
            if problem is None:
                return _Speaking(reference, tuple(problems))
            problems.append(problem)
        return _Speaking(BASE, tuple(problems))

    def _candidates(self, place: str, problems: list[str]) -> Iterator[str]:
        """What may speak in a place, the most wanted first; adds to `problems` what cannot be read."""
        places = wider_places(place)
        try:
            last = self._journal.latest(VOICE, places)
        except JournalError as error:
            problems.append(str(error))
            last = {}
        for wider in places:
            if wider in last and last[wider].details["adapter"]:
                yield last[wider].details["adapter"]
        try:
            yield self.exact(self._default)
        except AdapterError as error:
            problems.append(str(error))

    def _best(self, versions: Sequence[InstalledAdapter]) -> str:
        """The newest of one adapter's versions that passed, else the newest; `base` when there is none."""
        passed = [one for one in versions if self._registry.verdict(one) and not self._failed(one)]
        preferred = passed or versions
        return preferred[-1].manifest.reference if preferred else BASE

    def _failed(self, adapter: InstalledAdapter) -> bool:
        verdict = self._registry.verdict(adapter)
        return verdict is not None and not verdict.passed

    def _problem(self, reference: str) -> str | None:
        """Why an adapter cannot speak, None when it can."""
        if reference == BASE:
            return None
        try:
            adapter = self._registry.resolve(reference)
            marks = _marks(adapter)
            if self._checked.get(reference) != marks:
                self._check(adapter)
                self._checked[reference] = marks
        except (GenerationError, OSError) as error:
            return str(error)
        return None

    def _say_once(self, line: str) -> None:
        if line not in self._announced:
            self._announced.add(line)
            self._announce(line)


_Marks = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class _Speaking:
    """What speaks in a place, and what keeps others, which were wanted more, from speaking."""

    reference: str
    problems: tuple[str, ...]


def _marks(adapter: InstalledAdapter) -> _Marks:
    """Size and time of an adapter's files, which tell when to look at them again."""
    states = [(adapter.folder / name).stat() for name in (WEIGHTS_FILE, CONFIG_FILE, MANIFEST_FILE)]
    return tuple((state.st_size, state.st_mtime_ns) for state in states)


def _standing(entries: Sequence[Entry]) -> list[Entry]:
    """The choices for a place that are not undone, oldest first."""
    standing: list[Entry] = []
    for entry in entries:
        if "undoes" in entry.details:
            standing.pop()
        else:
            standing.append(entry)
    return standing


def _against(verdict: Verdict | None) -> tuple[str, ...]:
    if verdict is None:
        return ("it was never evaluated",)
    return () if verdict.passed else verdict.reasons or ("it failed its evaluation",)


def _order(place: str) -> tuple[bool, str]:
    return place != EVERYWHERE, place
