"""What admins do in a chat: the commands of `connectors.commands`, permitted, carried out and journalled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from adapters.generation import GenerationError
from bot.adapter_library import ADAPTER, list_adapters, roll_back, show_adapter, use_adapter
from bot.administration_texts import (
    adapter_text,
    adapters_text,
    audit_text,
    forgotten_text,
    mode_text,
    outcome_words,
    reindexed_text,
    short_status_text,
    sources_text,
    status_text,
    voice_text,
)
from bot.failures import apology, noted
from bot.forgetting import forget
from bot.journal import JournalError
from bot.library import UnknownEntryError
from bot.manners import MODE, QUIET
from bot.places import PlaceError, name_place, wider_places
from bot.readable import readable_sources, reader_in
from bot.reindexing import reindex
from bot.settings import SettingsError
from bot.status import SourceStatus, read_sources, read_status
from bot.voices import VOICE, VoiceRefusedError
from connectors.commands import (
    Ask,
    Audit,
    BeQuiet,
    ChannelMode,
    Command,
    Forget,
    ListAdapters,
    ListSources,
    Reindex,
    RollBackAdapter,
    ShowAdapter,
    ShowStatus,
    UseAdapter,
    Wake,
    changes_something,
    help_text,
    written,
)
from connectors.conversation import Asker, Place, Progress
from connectors.log import Log
from connectors.ports import AdminEvent, Administered, Mode, Named
from knowledge.documents import KnowledgeError

if TYPE_CHECKING:
    from bot.assembly import Assembly
    from bot.manners import Manners

ADMINISTRATION = "administration"

_AUDITED = (ADMINISTRATION, VOICE, ADAPTER, MODE, QUIET)
_ENTRIES_READ = 40

# What is said to admins as it is; anything else is a fault of the program.
_FOR_ADMINS = (
    GenerationError,
    JournalError,
    KnowledgeError,
    PlaceError,
    SettingsError,
    UnknownEntryError,
    VoiceRefusedError,
)


class Administration:
    """The port `Administering` of the connectors.

    `admins` are principals, of which an admin holds one; `prefix` is what platforms have before commands.
    """

    def __init__(
        self, assembly: Assembly, manners: Manners, admins: Sequence[str], log: Log, prefix: str = "/lorebot"
    ) -> None:
        self._assembly = assembly
        self._manners = manners
        self._admins = tuple(admins)
        self._log = log
        self._prefix = prefix

    def is_admin(self, asker: Asker) -> bool:
        """Whether this person holds one of the admins' principals."""
        return not asker.principals.isdisjoint(self._admins)

    async def administer(
        self, command: Command, asker: Asker, place: Place, conversation: str
    ) -> AsyncGenerator[AdminEvent, None]:
        """Yield progress and last `Administered`; see the port."""
        if self._needs_admin(command) and not self.is_admin(asker):
            yield Administered(self._refusal(command), refused=True)
            return
        who = f"{place.platform}:{asker.id}"
        try:
            if isinstance(command, Reindex):
                async with aclosing(self._reindex(command, who, conversation)) as events:
                    async for event in events:
                        yield event
            else:
                text = await asyncio.to_thread(self._carry_out, command, asker, place, conversation, who)
                yield Administered(text)
        except Exception as error:
            yield Administered(self._line(error, command, asker), refused=True)

    async def names(self, of: Named, asker: Asker) -> tuple[str, ...]:
        """The names that commands take; see the port. Raises `JournalError`."""
        if not self.is_admin(asker):
            return ()
        if of == "sources":
            return tuple(source.name for source in self._assembly.settings.sources)
        listed = await asyncio.to_thread(list_adapters, self._assembly)
        return ("base", *(adapter.reference for adapter in listed.adapters))

    def _needs_admin(self, command: Command) -> bool:
        return changes_something(command) or isinstance(command, Audit)

    def _refusal(self, command: Command) -> str:
        helpers = ", ".join(f"`{admin}`" for admin in self._admins) or "nobody: the settings name no admins"
        return f"Only an admin may do `{written(command).split()[0]}`. Who can help: {helpers}."

    def _line(self, error: Exception, command: Command, asker: Asker) -> str:
        if isinstance(error, UnknownEntryError) or (isinstance(error, _FOR_ADMINS) and self.is_admin(asker)):
            line = " ".join(str(error).split())
            return line[:1].upper() + line[1:]
        return apology(noted(self._log, "command failed", error, command=written(command)))

    async def _reindex(
        self, command: Reindex, who: str, conversation: str
    ) -> AsyncGenerator[AdminEvent, None]:
        act = await asyncio.to_thread(self._note, command, who, {"conversation": conversation})
        outcome = "cancelled"
        try:
            async with aclosing(reindex(self._assembly, command)) as steps:
                async for step in steps:
                    if isinstance(step, Progress):
                        yield step
                        continue
                    outcome = outcome_words(step)
                    refused = all(one.report is None for one in step.outcomes)
                    yield Administered(reindexed_text(step, self._prefix), refused)
        except Exception as error:
            outcome = f"failed: {error}"
            raise
        finally:
            await asyncio.to_thread(self._note, command, who, {"ends": act, "outcome": outcome})

    def _carry_out(self, command: Command, asker: Asker, place: Place, conversation: str, who: str) -> str:
        """Do what needs no progress. Blocks."""
        assembly = self._assembly
        match command:
            case ListSources():
                return sources_text(self._sources(asker, place))
            case ShowStatus():
                return self._status(asker, place)
            case ListAdapters():
                return adapters_text(list_adapters(assembly))
            case ShowAdapter(name):
                return adapter_text(show_adapter(assembly, name))
            case UseAdapter(name, here):
                return voice_text(use_adapter(assembly, name, _scope(place, here), who), self._prefix)
            case RollBackAdapter(here):
                return voice_text(roll_back(assembly, _scope(place, here), who), self._prefix)
            case Forget(document):
                return self._forget(command, document, who, conversation)
            case BeQuiet():
                self._manners.be_quiet(conversation, who)
                return f"I say nothing unasked here until somebody writes `{self._prefix} wake`."
            case Wake():
                self._manners.wake(conversation, who)
                return "I am awake again."
            case ChannelMode(mode):
                return self._mode(mode, place, who)
            case Audit():
                return audit_text(assembly.journal.recent(_AUDITED, _ENTRIES_READ))
            case Ask():
                return f"Write your question after `{self._prefix} ask`."
            case _:
                return help_text(self._prefix)

    def _sources(self, asker: Asker, place: Place) -> list[SourceStatus]:
        """All of them for an admin, for others those that they may read, without what fails in them."""
        sources = read_sources(self._assembly)
        if self.is_admin(asker):
            return list(sources)
        readable = readable_sources(self._assembly, reader_in(asker, place))
        return [_without_details(source) for source in sources if source.name in readable]

    def _status(self, asker: Asker, place: Place) -> str:
        sources = self._sources(asker, place)
        if self.is_admin(asker):
            return status_text(read_status(self._assembly), sources, self._prefix)
        with self._assembly.search.reading() as index:
            passages = index.readable_passages(reader_in(asker, place))
        return short_status_text(passages, sources, self._assembly.voices.adapter_at(place))

    def _forget(self, command: Command, document: str, who: str, conversation: str) -> str:
        act = self._note(command, who, {"conversation": conversation})
        try:
            changes = forget(self._assembly, document)
        except Exception as error:
            self._note(command, who, {"ends": act, "outcome": f"failed: {error}"})
            raise
        return forgotten_text(changes)

    def _mode(self, mode: str | None, place: Place, who: str) -> str:
        if mode is not None:
            self._manners.set_mode(place, cast(Mode, mode), who)
        return mode_text(self._manners.mode_of(place))

    def _note(self, command: Command, who: str, details: dict[str, object]) -> int:
        return self._assembly.journal.append(ADMINISTRATION, written(command), who, details).id


def _scope(place: Place, here: bool) -> str:
    """The place itself with `here`, else its workspace."""
    name = name_place(place)
    return name if here or "/" not in name else wider_places(name)[1]


def _without_details(source: SourceStatus) -> SourceStatus:
    health = "failing" if source.condition == "failing" else source.health
    return replace(source, failing=(), health=health)
