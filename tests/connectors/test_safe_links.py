import pytest
from answer_examples import citation

from connectors.safe_links import allowed_links, canonical, links_of, misleads


@pytest.mark.parametrize(
    ("url", "one"),
    [
        ("https://wiki.example.com", "https://wiki.example.com/"),
        ("HTTPS://Wiki.Example.COM/A", "https://wiki.example.com/A"),
        ("https://wiki.example.com/a b|c>", "https://wiki.example.com/a%20b%7Cc%3E"),
        ("https://wiki.example.com/a%20b?x=1&y=(2)#z", "https://wiki.example.com/a%20b?x=1&y=%282%29#z"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("http://127.0.0.1:8000/a", "http://127.0.0.1:8000/a"),
        ("http://[2001:db8::1]/a", "http://[2001:db8::1]/a"),
    ],
)
def test_a_link_has_one_spelling(url: str, one: str) -> None:
    assert canonical(url) == one
    assert canonical(one) == one


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "mailto:a@b.example",
        "https://",
        "//wiki.example.com",
        "wiki.example.com",
        "https://wiki.example.com@evil.example/",
        "https://evil.example\\.wiki.example.com/",
        "https://wiki.example.com:99999/",
        "https://wiki.example.com/\u202egnp",
        "https://wiki example.com/",
        "https://[::1/",
    ],
)
def test_what_is_no_plain_web_link_has_none(url: str) -> None:
    assert canonical(url) is None


def test_the_links_of_a_text_are_found_bare_and_in_markdown() -> None:
    text = "See [a](https://a.example/x), <https://b.example/y> and (https://c.example/z_(1))."

    assert {"https://a.example/x", "https://b.example/y", "https://c.example/z_%281%29"} <= links_of(text)


def test_an_answer_may_link_to_its_sources_and_to_what_they_cite() -> None:
    assert allowed_links([citation(), citation(url="file:///srv/a.md", excerpt="")]) == {
        "https://wiki.example.com/returns",
        "https://forms.example.com/return",
    }


@pytest.mark.parametrize(
    "label", ["https://bank.example", "WWW.bank.example", "bank.example", "bank.example/login"]
)
def test_a_label_that_names_another_site_misleads(label: str) -> None:
    assert misleads(label, "https://wiki.example.com/returns")


@pytest.mark.parametrize(
    "label", ["Returns", "wiki.example.com", "https://wiki.example.com/returns", "see 3.5 and so on"]
)
def test_a_label_that_names_its_own_page_or_none_does_not(label: str) -> None:
    assert not misleads(label, "https://wiki.example.com/returns")
