"""reStructuredText (.rst), also as Sphinx projects write it."""

from __future__ import annotations

import re
from textwrap import dedent
from typing import Any

from knowledge.converters.text import decoded
from knowledge.documents import RawDocument

_DEEPEST = 6
# What a hostile text could reach outside of itself is off: https://docutils.sourceforge.io/docs/howto/security.html
_SETTINGS = {
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "_disable_config": True,
    "halt_level": 5,
    "report_level": 3,
    "warning_stream": False,
    "syntax_highlight": "none",
    "math_output": "LaTeX",
    "embed_stylesheet": False,
    "stylesheet_path": "",
    "doctitle_xform": False,
    "initial_header_level": 1,
    "line_length_limit": 10_000_000,
    "output_encoding": "unicode",
}
_DIRECTIVE = re.compile(r"\.\.[ \t]+([\w:+.-]+)::[ \t]*(.*)\n?")
_OPTIONS = re.compile(r"\A(?:\s*:[\w -]+:.*\n?)+")
_ROLE = re.compile(r":[\w:.+-]+:`~?(.*?)(?:\s+<[^>]*>)?`", re.DOTALL)
_CODE_DIRECTIVES = {
    "code",
    "code-block",
    "sourcecode",
    "highlight",
    "literalinclude",
    "ipython",
    "parsed-literal",
}
_WITHOUT_TEXT = {"toctree", "index", "currentmodule", "module", "highlight", "contents", "include", "raw"}


def rst_to_markdown(raw: RawDocument) -> tuple[str | None, str]:
    """Convert by docutils (https://docutils.sourceforge.io) and HTML; no file is included, nothing raw kept.

    Of directives and roles that docutils does not know, such as Sphinx's, the text is kept.
    """
    from docutils.core import publish_from_doctree
    from lxml import html

    from knowledge.webpage import html_to_markdown

    tree = _parsed(decoded(raw), 0)
    page = html.document_fromstring(publish_from_doctree(tree, writer="html5", settings_overrides=_SETTINGS))
    for literal in page.xpath("//span[contains(@class, 'literal')]"):
        literal.tag = "code"
    for link in page.xpath("//a[starts-with(@href, '#')]"):
        link.drop_tag()
    for unseen in page.xpath("//nav | //head | //aside[@class='system-message']"):
        unseen.drop_tree()
    for code in page.xpath("//pre"):
        classes = (code.get("class") or "").split()
        code.set("class", next((name for name in classes if name not in ("code", "literal-block")), ""))
    return None, html_to_markdown(
        html.tostring(page, encoding="unicode"),
        bullets="-",
        escape_underscores=False,
        code_language_callback=lambda code: " ".join(code.get("class") or []),
    )


def _parsed(text: str, depth: int) -> Any:
    from docutils import nodes
    from docutils.core import publish_doctree

    tree = publish_doctree(text, settings_overrides=_SETTINGS)
    for unknown in list(tree.findall(nodes.problematic)):
        unknown["ids"] = []
        role = _ROLE.fullmatch(unknown.astext())
        unknown.replace_self(nodes.literal("", role[1]) if role else nodes.Text(unknown.astext()))
    for message in list(tree.findall(nodes.system_message)):
        block = next(iter(message.findall(nodes.literal_block)), None)
        message["ids"] = []
        message.replace_self(_recovered(block.astext(), depth) if block is not None else [])
    return tree


def _recovered(directive: str, depth: int) -> list[Any]:
    """Make what can be made of a directive that docutils refused: its argument and its content."""
    from docutils import nodes

    found = _DIRECTIVE.match(directive)
    if not found:
        return [nodes.paragraph("", directive)]
    name, argument = found[1], found[2].strip()
    body = _OPTIONS.sub("", dedent(directive[found.end() :])).strip("\n")
    if name in _WITHOUT_TEXT:
        return []
    if name in _CODE_DIRECTIVES:
        return [nodes.literal_block(body, body, classes=["code", *argument.split()[:1]])] if body else []
    content: list[Any] = [nodes.paragraph("", "", nodes.strong("", argument))] if argument else []
    if body:
        content += _parsed(body, depth + 1).children if depth < _DEEPEST else [nodes.paragraph("", body)]
    return content
