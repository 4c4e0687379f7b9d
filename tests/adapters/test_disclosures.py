"""What may not be learned by heart: secrets, and what belongs to one person."""

from __future__ import annotations

import pytest

from adapters.disclosures import disclosures


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("The key is AKIAQ3EGRIXCL6MJ7K2P.", "a secret (AWS Access Key)"),
        ("Use ghp_16C7e42F292c6912E7710c838347Ae178B4a to clone.", "a secret (GitHub Token)"),
        ("See https://admin:hunter2x@host.org/status", "a secret (Basic Auth Credentials)"),
        ("-----BEGIN RSA PRIVATE KEY-----", "a secret (Private Key)"),
        ("The Wi-Fi password is hunter2horse.", "a secret (a password or key)"),
        ("api_key: 9f86d081884c7d659a2feaa0c55ad015", "a secret (a password or key)"),
        ("Write to anna.lindqvist@gmail.com.", "a person's e-mail address"),
        ("Ring +49 170 1234567.", "a telephone number"),
        ("Ring 07911 123456 after six.", "a telephone number"),
        ("Call (415) 867-5309 for a slot.", "a telephone number"),
        ("Pay to DE89 3704 0044 0532 0130 00.", "a bank account (IBAN)"),
        ("Charge 4111 1111 1111 1111.", "a card number"),
        ("Charge 378282246310005 or 3782-822463-10005.", "a card number"),
        ("Her number is 536-90-4399.", "a social security number"),
        ("National Insurance: AB 12 34 56 C", "a social security number"),
    ],
)
def test_what_would_leak_is_named_by_its_kind(text: str, kind: str) -> None:
    harmless, found = disclosures(["Hello.", text])
    assert harmless == ()
    assert kind in found


@pytest.mark.parametrize(
    "text",
    [
        "Reset your password in person on the ground floor.",
        "The token is valid for 30 minutes.",
        "Write to support@northwind-outdoor.com or to ana@company.example.",
        "Ring 01632 960 551, or (212) 555-0142, or free on 0800 111 222.",
        "Order 4111 1111 1111 1112 holds article 978-3-16-148410-0.",
        "Science 1997 278 1632 1635 9374465 Rao, Cell 1999 99 791 802 10619432 and 4111 1111 1111 1111 2 3.",
        "Rooms were built in 1698 and 1952-1960; 2024-05-12 at 10:30.",
        "Between £1,200 and £3,400, reference KS-2, 350 g, 12.5 %.",
    ],
)
def test_what_is_nobodys_own_passes(text: str) -> None:
    assert disclosures([text]) == [()]


def test_the_secret_itself_is_never_repeated() -> None:
    assert "hunter2x" not in str(disclosures(["password: hunter2x99"]))
