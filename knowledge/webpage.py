"""HTML to Markdown: the text of a page without its navigation and without what is hidden."""

from __future__ import annotations

import re
from io import BytesIO
from typing import Any

from knowledge.hidden_markup import hides

_INVISIBLE = (
    "//script|//style|//template|//noscript|//comment()|//*[@hidden]"
    "|//a[normalize-space()='¶' or normalize-space()='#']"
)
_STYLE_SHEETS = "//style|//link[contains(@rel, 'stylesheet')]"
_COLOURED = "ancestor-or-self::*[@bgcolor or contains(@style, 'background')]"
_WHITE = re.compile(
    r"(?:^|;)\s*color\s*:\s*(?:white|#fff(?:fff)?|rgb\(\s*255,\s*255,\s*255\s*\))\s*(?:;|$)", re.IGNORECASE
)
_ROUND_THE_TEXT = "//nav|//aside|//footer|//form|//*[@role='navigation']"
_MAIN = ("//main", "//*[@role='main']", "//article", "//body")
_HEADINGS = ".//*[self::h1 or self::h2 or self::h3 or self::h4 or self::h5 or self::h6][normalize-space()]"
_SHORT = 100
_LEAST_SHARE = 0.3


def webpage_to_markdown(page: str, url: str | None) -> tuple[str | None, str]:
    """Convert a page to `(title of its head, Markdown)`; the Markdown is empty when there is no text.

    trafilatura (https://trafilatura.readthedocs.io) finds the text among what surrounds it, but is made for
    articles: from short or oddly built pages it takes headings, tables or most of the words. So a page under
    100 words, and one of which a heading or more than two thirds of the words would be lost, is converted by
    markitdown: all of its `<main>`, or of its `<body>` without navigation, asides, forms and footer.

    An http(s) `url` completes relative links.
    """
    from lxml import etree, html

    try:
        tree = html.document_fromstring(re.sub(r"\A\s*<\?xml[^>]*\?>", "", page))
    except etree.ParserError:
        return None, ""
    title = tree.findtext(".//title")
    is_plain = not tree.xpath(_STYLE_SHEETS)
    _drop(tree, _INVISIBLE)
    for element in tree.xpath("//*[@style]"):
        hidden = hides(element.get("style")) or (is_plain and _is_white_on_white(element))
        if hidden and element.getparent() is not None:
            element.drop_tree()
    for link in tree.xpath("//a[starts-with(@href, '#')]"):
        link.drop_tag()
    if url and url.startswith(("http:", "https:")):
        tree.make_links_absolute(url, handle_failures="ignore")
    for cell in tree.xpath("//table[not(.//th)]//tr[1]/td"):
        cell.tag = "th"  # Markdown has no table without a header.
    visible = html.tostring(tree, encoding="unicode")
    _drop(tree, _ROUND_THE_TEXT)
    mains = (found[0] for path in _MAIN if len(found := tree.xpath(path)) == 1)
    main = next(mains, tree)
    words = len(main.text_content().split())
    if words >= _SHORT:
        markdown = _extracted(visible)
        headings = len(re.findall(r"^#{1,6} ", markdown, re.MULTILINE))
        if headings >= len(main.xpath(_HEADINGS)) and len(markdown.split()) >= _LEAST_SHARE * words:
            return title, markdown
    return title, html_to_markdown(html.tostring(main, encoding="unicode"))


def html_to_markdown(page: str, **options: Any) -> str:
    """Convert all of a page, or of the `<body>` it has, with markdownify's options (https://github.com/matthewwithanm/python-markdownify)."""
    from markitdown import StreamInfo
    from markitdown.converters import HtmlConverter

    info = StreamInfo(extension=".html", charset="utf-8")
    markdown: str = HtmlConverter().convert(BytesIO(page.encode()), info, **options).markdown
    return markdown


def _is_white_on_white(element: Any) -> bool:
    """Whether an element of a page without style sheets is white, and nothing around it has a background."""
    return bool(_WHITE.search(element.get("style"))) and not element.xpath(_COLOURED)


def _drop(tree: Any, path: str) -> None:
    for element in tree.xpath(path):
        if element.getparent() is not None:
            element.drop_tree()


def _extracted(page: str) -> str:
    import trafilatura

    markdown: str | None = trafilatura.extract(
        page,
        output_format="markdown",
        include_tables=True,
        include_links=True,
        include_formatting=True,
        include_comments=False,
        favor_recall=True,
    )
    return markdown or ""
