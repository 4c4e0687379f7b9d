import html
import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from connectors.safe_markdown import SafeStream, safe_markdown, safe_words

GOOD = "https://wiki.example.com/returns"
LINKS = frozenset({GOOD})
MARKDOWN = MarkdownIt("commonmark").enable("table")


def literal(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


def safe(text: str) -> str:
    return safe_markdown(text, LINKS, literal)


def tokens(text: str) -> list[Token]:
    inner = [child for token in MARKDOWN.parse(text) for child in (token, *(token.children or ()))]
    return [token for token in inner if token.type != "inline"]


def shown(text: str) -> str:
    """What a person reads of Markdown, code left out."""
    return "\n".join(token.content for token in tokens(text) if token.type == "text")


def lenient(text: str) -> str:
    """A text as the most lenient platform could take it: decoded twice, plain, without what is invisible."""
    decoded = html.unescape(html.unescape(text))
    return "".join(
        character
        for character in unicodedata.normalize("NFKC", decoded)
        if unicodedata.category(character) != "Cf"
    )


def calls(text: str) -> list[str]:
    """The mentions that a text makes of somebody."""
    read = lenient(shown(text))
    return re.findall(r"<[!@#][^>\n]*>|@(?:channel|here|everyone)\b", read, re.IGNORECASE)


def links(text: str) -> set[str]:
    """Where the links of a Markdown text lead, and what a platform would make a link of."""
    written = {str(token.attrs["href"]) for token in tokens(text) if token.type == "link_open"}
    drawn = {str(token.attrs["src"]) for token in tokens(text) if token.type == "image"}
    bare = set(re.findall(r"[a-z][a-z0-9+.-]*://\S+", lenient(shown(text)), re.IGNORECASE))
    sites = set(re.findall(r"(?:[\w-]+\.)+[a-z]{2,}(?!\w)", shown(text), re.IGNORECASE))
    return written | drawn | bare - {GOOD} | sites - {"wiki.example.com"}


HOSTILE = [
    "<!channel>",
    "<!here|here>",
    "<!everyone>",
    "<@U0123>",
    "<@U0123|bob>",
    "<!subteam^S01|@support>",
    "<#C01|general>",
    "@here",
    "@CHANNEL",
    "@chan\u200bnel",
    "@\u2060here",
    "@he\u00adre",
    "＠channel",
    "＜!channel＞",
    "<\\!channel>",
    "< !channel>",
    "&lt;!channel&gt;",
    "&amp;lt;!channel&amp;gt;",
    "&#60;!channel&#62;",
    "&amp;#x3c;!here&amp;#x3e;",
    "&#64;channel",
    "@[chan](x)nel",
    "<!channel",
    "*@channel*",
    "https://evil.example",
    "HTTPS://EVIL.EXAMPLE/a",
    "[Returns](https://evil.example)",
    "![logo](https://evil.example/p.png)",
    "[![a](https://evil.example)](https://evil.example)",
    "[a [b] c](https://evil.example)",
    '[a](<https://evil.example> "t")',
    "[a]( https://evil.example )",
    "[a](https://evil.example/(x))",
    "[a][r]\n\n[r]: https://evil.example",
    "[r]:\nhttps://evil.example\n\n[r]",
    "<https://evil.example>",
    "<https://evil.example|Returns>",
    f"<https://evil.example|{GOOD}>",
    f"[{GOOD}](https://evil.example)",
    "[a](javascript:alert(1))",
    "<javascript:alert(1)|a>",
    "<mailto:eve@evil.example|bob>",
    "[a](data:text/html,x)",
    "slack://open?team=T1",
    "www.evil.example",
    "evil.example/path",
    "eve@evil.example",
    "README.md",
    "https://xn--80ak6aa92e.com/",
    "https://аррӏе.com/",
    f"{GOOD}@evil.example",
    "https://wiki.example.com@evil.example/returns",
    "https://wiki.example.com\\@evil.example/returns",
    "https://wiki.example.com.evil.example/returns",
    f"{GOOD}/../../evil",
    "https:\\//evil.example",
    "evil\\.example",
    "ｈｔｔｐｓ：／／ｅｖｉｌ．ｅｘａｍｐｌｅ",
    "ht[t](x)ps://evil.example",
    "evil[.](x)example",
    "evil<@U1|.>example",
    "[a]<mailto:x|>(https://evil.example)",
    "<a href='https://evil.example'>a</a>",
    "<img src=https://evil.example>",
    "`<!channel>`",
    "```\n<!channel> @here https://evil.example\n```",
    "``` <!channel>",
    "~~~\n@here",
    "\u202egnp.exe",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_hostile_calls_anybody(text: str) -> None:
    assert calls(safe(text)) == []


@pytest.mark.parametrize("text", HOSTILE)
def test_no_foreign_link_leaves(text: str) -> None:
    assert links(safe(text)) == set()


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_safe_stays_as_it_is(text: str) -> None:
    once = safe(text)

    assert calls(safe(once)) == []
    assert links(safe(once)) == set()


SCRAPS = [
    "[",
    "]",
    "(",
    ")",
    "<",
    ">",
    "!",
    "@",
    "#",
    "`",
    "```",
    "\n",
    "\n\n",
    " ",
    "\\",
    "&",
    ";",
    "|",
    ":",
    "*",
]
SCRAPS += [
    "- ",
    "> ",
    "  ",
    "://",
    "https",
    "evil.example",
    "channel",
    "here",
    "lt",
    "amp",
    "_",
    "~",
    ".",
    "\u200b",
    "[1]",
    GOOD,
]
SCRAPS += ["- ", "1. ", "> ", "  ", "~~~", "\r", "<pre>"]
FRAGMENTS = st.sampled_from([*HOSTILE, *SCRAPS])


@settings(deadline=None)
@given(st.lists(FRAGMENTS, max_size=12).map("".join))
def test_however_hostile_text_is_put_together_it_calls_nobody_and_links_nowhere(text: str) -> None:
    made = safe(text)

    assert calls(made) == []
    assert links(made) <= LINKS


@settings(deadline=None)
@given(st.lists(FRAGMENTS, max_size=10))
def test_a_text_in_pieces_is_as_safe_as_a_whole_one(deltas: list[str]) -> None:
    stream = SafeStream(LINKS, literal)

    made = "".join(map(stream.push, deltas)) + stream.finish()

    assert calls(made) == []
    assert links(made) <= LINKS


@settings(deadline=None)
@given(st.lists(FRAGMENTS, max_size=10).map("".join))
def test_words_without_markup_call_nobody_either(text: str) -> None:
    read = lenient(safe_words(text))

    assert not re.search(r"<[!@#]|://|@(?:channel|here|everyone)\b", read, re.IGNORECASE)


@pytest.mark.parametrize(
    "text",
    [
        "You have **30 days** [1], and [2][3] say so.",
        "- first\n- second\n\n1. one\n2. two",
        "| Part | Price |\n| --- | --- |\n| Badger 6 | £165.00 [1] |",
        "# Returns\n\n> quoted words\n\n---",
        "Grüße, 日本語、עברית, 👩\u200d💻 and 🏴\U000e0067\U000e0062\U000e007f.",
        "`code` and\n\n```python\nif a < b and b > c:\n    print('&amp;')\n```",
        "snake_case, 3.5 mm, v1.2.3, e.g. this, 50 % & more",
    ],
)
def test_harmless_text_reads_as_it_was_written(text: str) -> None:
    assert shown(safe(text)) == shown(text)
    assert [t.content for t in tokens(safe(text)) if "code" in t.type] == [
        t.content for t in tokens(text) if "code" in t.type
    ]


@pytest.mark.parametrize(
    "text", [GOOD, f"{GOOD}.", f"({GOOD})", f"[the page]({GOOD})", f"<{GOOD}>", f"*{GOOD}*", f"![x]({GOOD})"]
)
def test_a_link_of_a_cited_source_stays(text: str) -> None:
    hrefs = [token.attrs["href"] for token in tokens(safe(text)) if token.type == "link_open"]

    assert hrefs == [GOOD]


@pytest.mark.parametrize(
    "label", ["https://bank.example", "www.bank.example", "bank.example", "see https://b.example"]
)
def test_the_text_of_a_link_cannot_name_another_link(label: str) -> None:
    made = safe(f"[{label}]({GOOD})")

    assert shown(made) == GOOD


def test_a_foreign_link_leaves_its_text() -> None:
    assert safe("See [our returns](https://evil.example) now.") == "See our returns now."


def test_code_is_the_same_to_the_eye_and_calls_nobody() -> None:
    made = safe("Type `<!channel>` here.")

    assert "<!channel>" not in made
    assert made.replace("\u2060", "") == "Type `<!channel>` here."


def test_a_mark_that_reverses_writing_is_taken_out() -> None:
    assert "\u202e" not in safe("invoice\u202egpj.exe")


@pytest.mark.parametrize(
    "text", ["You have 30 days [1]. Then it is 10 % [2].\n\n```\na b\n```\nDone.", "a <b c [d e"]
)
def test_a_text_in_pieces_ends_as_the_whole_text(text: str) -> None:
    stream = SafeStream(LINKS, literal)

    assert "".join(map(stream.push, text)) + stream.finish() == safe(text)


def test_half_a_link_waits_for_its_other_half() -> None:
    stream = SafeStream(LINKS, literal)

    assert stream.push("See [the pa") == "See "
    assert stream.push(f"ge]({GOOD}) now") == f"[the page]({GOOD}) "


UNITS = [
    "a.",
    "[",
    "<",
    "a@",
    "`a``b`",
    "[a](",
    "http://",
    "&amp;",
    "\\",
    "~~~\n",
    "aaaa",
    "((",
    "<@",
    "@[",
    " ",
]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("unit", UNITS)
def test_no_text_takes_a_time_that_grows_with_its_square(unit: str) -> None:
    assert safe(unit * (100_000 // len(unit)))


@pytest.mark.parametrize("text", ["[~~~](x)\n<!channel>", "`one\ntwo <!channel>` three", "a ``` b\n`` c"])
def test_prose_never_turns_into_code_in_which_less_would_be_seen_to(text: str) -> None:
    assert [token.type for token in tokens(safe(text)) if token.type in ("fence", "code_inline")] == []
