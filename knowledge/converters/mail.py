"""E-mail: one message (.eml, https://www.rfc-editor.org/rfc/rfc5322) or a mailbox of them (.mbox)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage, MIMEPart

from knowledge.converters.markup import heading
from knowledge.documents import RawDocument, UnreadableError

_MOST_MESSAGES = 2_000
_MOST_NAMED = 20
# https://www.rfc-editor.org/rfc/rfc4155
_SEPARATOR = re.compile(rb"(?:\A|(?<=\n\n)|(?<=\r\n\r\n))From [^\r\n]* \d\d:\d\d[^\r\n]*\r?\n")
_HISTORY = re.compile(
    r"^(?:-{2,} ?(?:Original Message|Original-Nachricht|Ursprüngliche Nachricht|Message d'origine) ?-{2,}"
    r"|_{20,}[ \t]*\n+(?=From: )"
    r"|From: .+\n(?:(?:Sent|Date|To|Cc|Subject): .*\n){2,}"
    r"|[^\n]{0,300}(?:\n[^\n]{1,100})?(?:wrote|schrieb|a écrit|escribió)[^\n]{0,80}:[ \t]*\n+(?=>))",
    re.MULTILINE,
)
_SIGNATURE = re.compile(r"^-- $", re.MULTILINE)
_LONGEST_SIGNATURE = 1_000


def mail_to_markdown(raw: RawDocument) -> tuple[str | None, str]:
    """Write from, to and date as a line, the text without the history it quotes, and attachments' names.

    The subject is the title. The messages of a mailbox become a section each. Raises `UnreadableError` when
    it is no e-mail, is encrypted, or holds more than 2,000 messages.
    """
    messages = [
        message_from_bytes(part.lstrip(b"\r\n"), policy=policy.default)
        for part in _SEPARATOR.split(raw.content)
        if part.strip()
    ]
    if not messages or not any(message.get("from") or message.get("subject") for message in messages):
        raise UnreadableError(f"{raw.name} is not an e-mail: it has no sender and no subject.")
    if len(messages) > _MOST_MESSAGES:
        raise UnreadableError(f"{raw.name} holds more than {_MOST_MESSAGES:,} messages; split the mailbox.")
    if len(messages) == 1:
        return _header(messages[0], "subject"), "\n\n".join(_message(raw.name, messages[0]))
    parts: list[str] = []
    for message in messages:
        parts += heading(2, _header(message, "subject") or "No subject"), *_message(raw.name, message)
    return None, "\n\n".join(parts)


def _message(name: str, message: EmailMessage) -> Iterator[str]:
    if message.get_content_type() in ("application/pkcs7-mime", "multipart/encrypted"):
        raise UnreadableError(f"{name} is encrypted; save a copy that is not.")
    facts = [(label, _header(message, label)) for label in ("From", "To", "Cc", "Date")]
    yield "; ".join(f"{label}: {text}" for label, text in facts if text)
    body = message.get_body(("plain", "html"))
    if body is not None:
        yield _html(_content(body)) if body.get_content_subtype() == "html" else _own_words(_content(body))
    names = [part.get_filename() for part in message.iter_attachments()]
    named = [" ".join(found.split()) for found in names if found]
    if named:
        more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
        yield f"Attachments: {', '.join(named[:_MOST_NAMED])}{more}"


def _header(message: EmailMessage, name: str) -> str:
    header = message.get(name)
    date = getattr(header, "datetime", None)
    if date is not None:
        return f"{date:%Y-%m-%d %H:%M %Z}".strip()
    text = " ".join(str(header or "").split())
    return re.sub(r"<([^<>\s]+@[^<>\s]+)>", r"(\1)", text)


def _content(part: MIMEPart) -> str:
    try:
        text = part.get_content()
    except LookupError:  # an encoding that does not exist
        payload = part.get_payload(decode=True)
        text = payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""
    return str(text).replace("\r\n", "\n")


def _html(page: str) -> str:
    from knowledge.webpage import webpage_to_markdown

    return webpage_to_markdown(page, None)[1]


def _own_words(text: str) -> str:
    """Cut off the signature and the history below a reply; answers between quotes stay with the quotes."""
    kept = text
    if history := _HISTORY.search(text):
        below = text[history.end() :].strip()
        answers = any(line.strip() and not line.startswith(">") for line in below.split("\n"))
        if not (below.startswith(">") and answers):
            kept = text[: history.start()]
    lines = kept.split("\n")
    while lines and (lines[-1].startswith(">") or not lines[-1].strip()):
        lines.pop()
    kept = "\n".join(lines)
    signature = _SIGNATURE.search(kept)
    if signature and len(kept) - signature.end() <= _LONGEST_SIGNATURE:
        kept = kept[: signature.start()]
    return kept.strip() or text.strip()
