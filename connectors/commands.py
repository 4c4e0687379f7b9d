"""One grammar for admin commands, the same on every platform and in its help."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reindex:
    """`reindex [SOURCE] [--rebuild] [--confirm-deletions]`: None means every source."""

    source: str | None = None
    rebuild: bool = False
    confirm_deletions: bool = False


@dataclass(frozen=True, slots=True)
class ListSources:
    """`sources`."""


@dataclass(frozen=True, slots=True)
class ShowStatus:
    """`status`."""


@dataclass(frozen=True, slots=True)
class ListAdapters:
    """`adapter list`."""


@dataclass(frozen=True, slots=True)
class ShowAdapter:
    """`adapter show NAME`."""

    name: str


@dataclass(frozen=True, slots=True)
class UseAdapter:
    """`adapter use NAME [here]`: for this channel with `here`, else for the whole workspace."""

    name: str
    here: bool = False


@dataclass(frozen=True, slots=True)
class RollBackAdapter:
    """`adapter rollback [here]`."""

    here: bool = False


@dataclass(frozen=True, slots=True)
class Forget:
    """`forget URL`: remove a document by its URL or uri, and keep it out."""

    document: str


@dataclass(frozen=True, slots=True)
class BeQuiet:
    """`quiet`: say nothing unasked in this conversation."""


@dataclass(frozen=True, slots=True)
class Wake:
    """`wake`: undo `quiet`."""


@dataclass(frozen=True, slots=True)
class ChannelMode:
    """`channel [mention|auto|off]`: set this channel's mode, or show it."""

    mode: str | None = None


@dataclass(frozen=True, slots=True)
class Audit:
    """`audit`: the last things that were administered, and by whom."""


@dataclass(frozen=True, slots=True)
class Help:
    """`help`."""


@dataclass(frozen=True, slots=True)
class Ask:
    """`ask QUESTION`: answered by the engine, not by an administrator."""

    question: str


Command = (
    Reindex
    | ListSources
    | ShowStatus
    | ListAdapters
    | ShowAdapter
    | UseAdapter
    | RollBackAdapter
    | Forget
    | BeQuiet
    | Wake
    | ChannelMode
    | Audit
    | Help
    | Ask
)

_LONGEST = 1_000
_SHOWN = 60
_MODES = ("mention", "auto", "off")
_ALONE: dict[str, Command] = {
    "sources": ListSources(),
    "status": ShowStatus(),
    "quiet": BeQuiet(),
    "wake": Wake(),
    "audit": Audit(),
    "help": Help(),
}

_USAGES = {
    "ask": "ask QUESTION",
    "sources": "sources",
    "status": "status",
    "reindex": "reindex [SOURCE] [--rebuild] [--confirm-deletions]",
    "forget": "forget URL",
    "adapter": "adapter list | show NAME | use NAME [here] | rollback [here]",
    "channel": "channel [mention|auto|off]",
    "quiet": "quiet",
    "wake": "wake",
    "audit": "audit",
    "help": "help",
}
_MEANINGS = {
    "ask": "answers a question from the documents",
    "sources": "what I read, how much of it, and how fresh it is",
    "status": "sources, index, models and voices",
    "reindex": "brings one source, or all, up to date; `--rebuild` reads every document again, "
    "`--confirm-deletions` also deletes when a large share of a source is gone",
    "forget": "removes a document from the index and keeps it out",
    "adapter": "the voices: which there are, which speaks where (`here`: in this channel alone), and back",
    "channel": "when I answer in this channel: when mentioned, of myself when I am sure, or never",
    "quiet": "I say nothing unasked in this conversation",
    "wake": "undoes `quiet`",
    "audit": "what was administered last, and by whom",
    "help": "this list",
}

# A link as Slack writes it (https://docs.slack.dev/messaging/formatting-message-text#links-in-retrieved-messages),
# or one that Discord shall not unfurl.
_LINK = re.compile(r"<([a-z][a-z0-9+.-]*:[^\s<>|]+)(?:\|[^<>]*)?>", re.IGNORECASE)
_QUOTES = str.maketrans("\u201c\u201d\u201e\u201f\u00ab\u00bb\u2018\u2019\u201a\u201b", '""""""\'\'\'\'')
_DASHES = re.compile(r"(?<!\S)(?:[\u2012-\u2015\u2212]+|--?)(?=[A-Za-z])")
_WORD = re.compile(r'"([^"]*)"|\'([^\']*)\'|(\S+)')


class CommandError(Exception):
    """The text is no command; the message is one line with the nearest one or how it is written."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What a person is asked before a command that destroys something; `button` names what is done."""

    title: str
    text: str
    button: str


def parse(text: str) -> Command:
    """Read what a person wrote after `/lorebot`; nothing at all means `help`.

    Typographic quotes and dashes are taken for plain ones (`—rebuild`), and a link in angle brackets for its
    address. Raises `CommandError`.
    """
    first, *rest = text.split(maxsplit=1) or [""]
    if first.lower() == "ask":
        if not rest:
            raise _usage("ask")
        return Ask(rest[0].strip())
    if len(text) > _LONGEST:
        raise CommandError(f"That is too long for a command. To ask a question, write `{_USAGES['ask']}`.")
    words = _words(text)
    if not words:
        return Help()
    verb = words[0].lower()
    if verb in _ALONE and len(words) == 1:
        return _ALONE[verb]
    if verb in _PARSERS:
        return _PARSERS[verb](words[1:])
    raise _unknown(words)


def help_text(prefix: str) -> str:
    """Every command with what it does, in Markdown; `prefix` is what a platform has before them."""
    return "\n".join(f"- `{prefix} {_USAGES[verb]}`: {meaning}" for verb, meaning in _MEANINGS.items())


def meaning(verb: str) -> str:
    """What a command does, in a few words."""
    return _MEANINGS[verb].split(";")[0]


def written(command: Command) -> str:
    """A command as a person would write it."""
    match command:
        case Reindex(source, rebuild, confirm_deletions):
            words = ["reindex", source or ""]
            words += ["--rebuild" * rebuild, "--confirm-deletions" * confirm_deletions]
            return " ".join(filter(None, words))
        case ListAdapters():
            return "adapter list"
        case ShowAdapter(name):
            return f"adapter show {name}"
        case UseAdapter(name, here):
            return f"adapter use {name}" + " here" * here
        case RollBackAdapter(here):
            return "adapter rollback" + " here" * here
        case Forget(document):
            return f"forget {document}"
        case ChannelMode(mode):
            return f"channel {mode or ''}".rstrip()
        case Ask(question):
            return f"ask {question}"
        case _:
            return next(verb for verb, alone in _ALONE.items() if alone == command)


def changes_something(command: Command) -> bool:
    """Whether a command needs an admin because others notice what it does.

    To be quiet in a conversation, and to wake again, is for anybody to ask.
    """
    match command:
        case Reindex() | UseAdapter() | RollBackAdapter() | Forget():
            return True
        case ChannelMode(mode):
            return mode is not None
        case _:
            return False


def confirmation(command: Command) -> Confirmation | None:
    """What to ask before a command that destroys something; None for one that does not."""
    match command:
        case Reindex(source, rebuild=True):
            what = f"every document of {source}" if source else "every document of every source"
            return Confirmation(
                "Rebuild the index?",
                f"Reads {what} again, which may take long. Meanwhile I answer from what was indexed before."
                + (f" {_DELETES}" if command.confirm_deletions else ""),
                "Rebuild",
            )
        case Reindex(confirm_deletions=True):
            return Confirmation("Delete documents?", _DELETES, "Delete and reindex")
        case Forget(document):
            return Confirmation(
                "Forget this document?",
                f"Removes {document} from the index at once and keeps it out, also while its source still "
                "lists it. The source itself is not touched.",
                "Forget",
            )
        case _:
            return None


_DELETES = "What its source no longer lists is deleted from the index, however much that is."


def _words(text: str) -> list[str]:
    plain = _LINK.sub(lambda link: _unescaped(link[1]), text.translate(_QUOTES))
    dashed = _DASHES.sub("--", plain)
    return [one or other or bare for one, other, bare in _WORD.findall(dashed)]


def _unescaped(link: str) -> str:
    return link.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _reindex(words: Sequence[str]) -> Command:
    options = {word.lower() for word in words if word.startswith("--")}
    sources = [word for word in words if not word.startswith("--")]
    known = ("--rebuild", "--confirm-deletions")
    for option in sorted(options.difference(known)):
        raise CommandError(f"There is no option `{_short(option)}`{_nearest(option, known)}")
    if len(sources) > 1:
        raise _usage("reindex")
    return Reindex(sources[0] if sources else None, "--rebuild" in options, "--confirm-deletions" in options)


def _forget(words: Sequence[str]) -> Command:
    if len(words) != 1:
        raise _usage("forget")
    return Forget(words[0])


def _adapter(words: Sequence[str]) -> Command:
    match [words[0].lower(), *words[1:]] if words else []:
        case ["list"]:
            return ListAdapters()
        case ["show", name]:
            return ShowAdapter(name)
        case ["use", name, *where] if _is_here(where):
            return UseAdapter(name, bool(where))
        case ["rollback", *where] if _is_here(where):
            return RollBackAdapter(bool(where))
        case ["list" | "show" | "use" | "rollback", *_] | []:
            raise _usage("adapter")
        case [verb, *_]:
            near = _nearest(verb, ("list", "show", "use", "rollback"))
            raise CommandError(f"There is no `adapter {_short(verb)}`{near}")
    raise AssertionError(words)


def _is_here(words: Sequence[str]) -> bool:
    return not words or [word.lower() for word in words] == ["here"]


def _channel(words: Sequence[str]) -> Command:
    if len(words) > 1:
        raise _usage("channel")
    if not words:
        return ChannelMode()
    mode = words[0].lower()
    if mode not in _MODES:
        raise CommandError(f"There is no mode `{_short(mode)}`{_nearest(mode, _MODES)}")
    return ChannelMode(mode)


_PARSERS: dict[str, Callable[[Sequence[str]], Command]] = {
    "reindex": _reindex,
    "forget": _forget,
    "adapter": _adapter,
    "channel": _channel,
}


def _usage(verb: str) -> CommandError:
    return CommandError(f"Write `{_USAGES[verb]}`.")


def _unknown(words: Sequence[str]) -> CommandError:
    word = f"`{_short(words[0])}`"
    if len(words) == 1:
        return CommandError(f"There is no command {word}{_nearest(words[0], tuple(_USAGES))}")
    problem = f"{word} stands alone" if words[0].lower() in _ALONE else f"There is no command {word}"
    close = difflib.get_close_matches(words[0].lower(), [verb for verb in _USAGES if verb not in _ALONE], n=1)
    meant = f"; did you mean `{close[0]}`?" if close else "."
    return CommandError(f"{problem}{meant} If that is a question, write `ask {_short(' '.join(words))}`.")


def _nearest(word: str, known: Sequence[str]) -> str:
    """The end of a sentence that says what there is instead."""
    close = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean `{close[0]}`?"
    return f"; there are {', '.join(f'`{name}`' for name in known)}."


def _short(text: str) -> str:
    """A person's words as they may stand in code within a line."""
    plain = " ".join(text.replace("`", "'").split())
    return plain if len(plain) <= _SHOWN else plain[: _SHOWN - 1] + "…"
