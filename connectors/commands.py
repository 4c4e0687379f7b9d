"""The commands, the same on every platform: what each means, who may give it, what is asked before it."""

from __future__ import annotations

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

ALONE: dict[str, Command] = {
    "sources": ListSources(),
    "status": ShowStatus(),
    "quiet": BeQuiet(),
    "wake": Wake(),
    "audit": Audit(),
    "help": Help(),
}

USAGES = {
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


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What a person is asked before a command that destroys something; `button` names what is done."""

    title: str
    text: str
    button: str


def help_text(prefix: str) -> str:
    """Every command with what it does, in Markdown; `prefix` is what a platform has before them."""
    return "\n".join(f"- `{prefix} {USAGES[verb]}`: {meaning}" for verb, meaning in _MEANINGS.items())


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
            return next(verb for verb, alone in ALONE.items() if alone == command)


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
