"""One grammar for the commands, on every platform: from what a person wrote to the command that is meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence

from connectors.commands import (
    ALONE,
    USAGES,
    Ask,
    ChannelMode,
    Command,
    Forget,
    Help,
    ListAdapters,
    Reindex,
    RollBackAdapter,
    ShowAdapter,
    UseAdapter,
)

_LONGEST = 1_000
_SHOWN = 60
_MODES = ("mention", "auto", "off")

# A link as Slack writes it (https://docs.slack.dev/messaging/formatting-message-text#links-in-retrieved-messages),
# or one that Discord shall not unfurl.
_LINK = re.compile(r"<([a-z][a-z0-9+.-]*:[^\s<>|]+)(?:\|[^<>]*)?>", re.IGNORECASE)
_QUOTES = str.maketrans("\u201c\u201d\u201e\u201f\u00ab\u00bb\u2018\u2019\u201a\u201b", '""""""\'\'\'\'')
_DASHES = re.compile(r"(?<!\S)(?:[\u2012-\u2015\u2212]+|--?)(?=[A-Za-z])")
_WORD = re.compile(r'"([^"]*)"|\'([^\']*)\'|(\S+)')


class CommandError(Exception):
    """The text is no command; the message is one line with the nearest one or how it is written."""


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
        raise CommandError(f"That is too long for a command. To ask a question, write `{USAGES['ask']}`.")
    words = _words(text)
    if not words:
        return Help()
    verb = words[0].lower()
    if verb in ALONE and len(words) == 1:
        return ALONE[verb]
    if verb in _PARSERS:
        return _PARSERS[verb](words[1:])
    raise _unknown(words)


def read_written(text: str) -> Command:
    """The inverse of `connectors.commands.written`: an address stands as it is, whatever is in it."""
    verb, _, rest = text.partition(" ")
    return Forget(rest) if verb == "forget" else parse(text)


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
    return CommandError(f"Write `{USAGES[verb]}`.")


def _unknown(words: Sequence[str]) -> CommandError:
    word = f"`{_short(words[0])}`"
    if len(words) == 1:
        return CommandError(f"There is no command {word}{_nearest(words[0], tuple(USAGES))}")
    problem = f"{word} stands alone" if words[0].lower() in ALONE else f"There is no command {word}"
    close = difflib.get_close_matches(words[0].lower(), [verb for verb in USAGES if verb not in ALONE], n=1)
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
