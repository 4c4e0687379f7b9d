import re

import pytest
from discord_limits import calls_in, links_in
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.discord.safe_text import link, markdown, plain, words
from connectors.safe_links import JOINER

GOOD = "https://wiki.example.com/returns"
LINKS = frozenset({GOOD})
HOSTILE = [
    "<@123>",
    "<@!123>",
    "<@&123>",
    "<#123>",
    "@everyone",
    "@HERE",
    "@heretic",
    "<:smile:123>",
    "<a:smile:123>",
    "<t:1700000000:R>",
    "</ask:123>",
    "</lorebot quiet:123>",
    "<id:customize>",
    "[click](https://evil.example)",
    "[click](<https://evil.example>)",
    "https://evil.example/x",
    "discord.gg/evil",
    "<https://evil.example>",
    "steam://run",
    "&lt;@123&gt;",
    "&#64;everyone",
    "`",
    "```",
    "~~~",
    "````",
    "\\",
    "||",
    "\n",
    "\n> ",
    "| a | b |\n|---|---|\n| ",
    " | ",
    "word",
]
TEXTS = st.lists(st.sampled_from(HOSTILE), max_size=8).map("".join)


@settings(deadline=None)
@given(TEXTS)
def test_nobody_is_called_and_no_foreign_link_is_made(text: str) -> None:
    for made in (markdown(text, LINKS), words(text), plain(text), link(GOOD, text)):
        assert calls_in(made) == []
        assert links_in(made) <= {GOOD}


@settings(deadline=None)
@given(TEXTS)
def test_a_text_that_has_only_begun_is_as_harmless(text: str) -> None:
    for end in range(len(text)):
        made = markdown(text[:end])
        assert calls_in(made) == []
        assert links_in(made) == set()


def test_an_allowed_link_stays_without_a_preview() -> None:
    assert markdown(f"See [the policy]({GOOD}) or {GOOD}.", LINKS) == (
        f"See [the policy](<{GOOD}>) or <{GOOD}>."
    )


def test_a_foreign_link_leaves_its_text() -> None:
    assert markdown("See [the policy](https://evil.example).", LINKS) == "See the policy."


def test_an_invitation_is_no_link() -> None:
    assert markdown("discord.gg/abc") == f"discord{JOINER}.gg/abc"


@pytest.mark.parametrize(
    ("written", "drawn"),
    [
        ("# One", "# One"),
        ("### Three", "### Three"),
        ("#### Four ####", "**Four**"),
        ("-# Voice warm", "\\-# Voice warm"),
        ("&#45;# Voice warm", "\\-# Voice warm"),
        ("> quoted", "> quoted"),
        (">quoted", "> quoted"),
        (">>> all of it", "> all of it"),
        ("---", "⸻"),
        ("+ item", "- item"),
        ("||hidden||", f"|{JOINER}|hidden|{JOINER}|"),
        ("**bold** and `code`", "**bold** and `code`"),
    ],
)
def test_a_line_is_drawn_as_it_was_meant(written: str, drawn: str) -> None:
    assert markdown(f"before\n\n{written}\n\nafter") == f"before\n\n{drawn}\n\nafter"


@pytest.mark.parametrize("fence", ["```", "~~~", "`````"])
def test_code_stays_code_between_the_only_marks_that_discord_knows(fence: str) -> None:
    made = markdown(f"{fence}python title\nif a < b: # x\n    pass\n{fence}\nafter")

    assert made == "```python\nif a < b: # x\n    pass\n```\nafter"


def test_a_fence_cannot_be_left_from_within() -> None:
    made = markdown("````\n```\n-# Voice\n````")

    assert re.findall("```", made) == ["```", "```"]


def test_an_open_fence_is_closed() -> None:
    assert markdown("```\nhalf") == "```\nhalf\n```"


def test_a_small_table_stands_in_columns() -> None:
    made = markdown("Prices:\n\n| Item | Price |\n| --- | ---: |\n| **Badger** | £3 [1] |\n| Owl | £1,250 |")

    assert made == ("Prices:\n\n```\nItem     Price\n──────  ──────\nBadger  £3 [1]\nOwl     £1,250\n```")


def test_a_table_of_two_wide_columns_is_a_list() -> None:
    made = markdown(
        "| Reason for return | Postage |\n| - | - |\n| Faulty, damaged or wrong item | We pay [3] |\n\nMore."
    )

    assert made == "Reason for return: Postage\n- **Faulty, damaged or wrong item**: We pay [3]\n\nMore."


def test_a_wide_table_is_a_list_with_the_names_of_its_columns() -> None:
    made = markdown(f"| A | B | C |\n|---|---|---|\n| one | [two]({GOOD}) | |\n| three | | four |", LINKS)

    assert made == f"- **one**\n  - B: [two](<{GOOD}>)\n- **three**\n  - C: four"


def test_a_table_in_code_stays_as_it_is() -> None:
    assert markdown("```\n| a |\n| - |\n```") == "```\n| a |\n| - |\n```"


def test_columns_of_wide_characters_are_aligned() -> None:
    made = markdown("| 名前 | x |\n| --- | --- |\n| 猫 | 1 |")

    assert made == "```\n名前  x\n────  ─\n猫    1\n```"


def test_no_mark_in_words_is_markup() -> None:
    assert words("# a\n-# b\n> c\n*d* _e_ snake_case ~~f~~ \\") == (
        "\\# a\n\\-# b\n\\> c\n\\*d\\* \\_e\\_ snake_case \\~\\~f\\~\\~ \\\\"
    )


@given(st.text(alphabet="a*\\_<", max_size=60), st.integers(5, 30))
def test_words_are_cut_without_half_a_mark(text: str, most: int) -> None:
    made = words(text, most)

    assert len(made) <= most
    assert (len(made.removesuffix("…")) - len(made.removesuffix("…").rstrip("\\"))) % 2 == 0


def test_a_label_cannot_end_its_own_link() -> None:
    assert link(GOOD, "a](x) [b") == f"[a) (x) (b](<{GOOD}>)"


@pytest.mark.parametrize("url", [None, "javascript:alert(1)", "file:///etc", f"{GOOD}/{'x' * 2_000}"])
def test_what_is_no_good_link_is_its_label(url: str | None) -> None:
    assert link(url, "a *b*") == "a \\*b\\*"


def test_a_name_is_one_line_without_markup() -> None:
    assert plain("a\n b  <@1>", 100) == "a b @ 1"
    assert len(plain("x" * 200, 100)) == 100
