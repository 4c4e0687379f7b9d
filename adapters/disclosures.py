"""What a text would give away if a model learned it: secrets, and what belongs to one person."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

# These look for a random string without a sign of what it is for, which article numbers are as well.
_GUESSING = frozenset({"Base64HighEntropyString", "HexHighEntropyString", "IPPublicDetector"})
_PASSWORD = re.compile(
    r"\b(?:pass(?:word|phrase|code|wd)|pwd|secret|api[ _-]?key|access[ _-]?key|token)\b[\"'`]?"
    r"\s{0,3}(?:=|:|\bis\b)\s{0,3}[\"'`]?(?=\S{0,80}[A-Za-z])(?=\S{0,80}\d)\S{6,}",
    re.IGNORECASE,
)

_EMAIL = re.compile(r"(?<![\w.+-])([\w.+-]{1,64})@([\w-]{1,63}(?:\.[\w-]{1,63}){1,8})")
# Reserved for examples, RFC 2606 and RFC 6761.
_EXAMPLE_DOMAIN = re.compile(
    r"(?:.*\.)?(?:example(?:\.(?:com|net|org))?|test|invalid|localhost)", re.IGNORECASE
)
# Mailboxes of a task, which RFC 2142 lists, and their usual sisters: nobody's own.
_MAILBOXES = """
    abuse accounts billing bookings careers contact customerservice data dpo enquiries events feedback
    finance hello help helpdesk hostmaster hr info it jobs legal mail marketing media news newsletter noc
    no-reply noreply office orders payroll pensions people postmaster press privacy reception returns safety
    sales security service shop support team webmaster www
"""
_ROLES = frozenset(_MAILBOXES.split())
_REGIONS = (None, "GB", "US")
# Reserved for fiction by Ofcom, and by the North American Numbering Plan.
_FICTIONAL = re.compile(
    r"44(?:1632960|2079460|1134960|1144960|1154960|1164960|1174960|1184960|1214960"
    r"|1314960|1414960|1514960|1614960|1914980|7700900)\d+|1\d{3}55501\d\d"
)
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
# Printed in groups of four, or four, six and five, or in one piece.
_CARD = re.compile(
    r"(?<![\d.,-])(?<!\d )(?:[2-6]\d{12,18}|[2-6]\d{3}([ -])\d{4}\1\d{4}\1\d{1,7}|3\d{3}([ -])\d{6}\2\d{5})"
    r"(?![\d-]|[.,]\d| \d)"
)
_US_SECURITY = re.compile(r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])")
_UK_SECURITY = re.compile(r"\b[A-CEGHJ-PR-TW-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b")
_FRENCH_SECURITY = re.compile(r"(?<!\d)[12](?: ?\d){14}(?!\d)")


def disclosures(texts: Sequence[str]) -> list[tuple[str, ...]]:
    """For each text the kinds of secrets and of personal data in it, in words; never the thing itself.

    Secrets are found by detect-secrets (https://github.com/Yelp/detect-secrets) without asking any server,
    telephone numbers by Google's libphonenumber, numbers with a check digit by python-stdnum. Numbers and
    addresses that are reserved for examples, free-phone numbers and mailboxes such as `support@` pass.
    """
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
    from detect_secrets.core.scan import scan_line
    from detect_secrets.settings import transient_settings

    detectors: list[type] = list(get_mapping_from_secret_type_to_class().values())
    chosen = [{"name": one.__name__} for one in detectors if one.__name__ not in _GUESSING]
    found = []
    with transient_settings({"plugins_used": chosen}):
        for text in texts:
            kinds = [f"a secret ({secret.type})" for line in text.splitlines() for secret in scan_line(line)]
            found.append(tuple(dict.fromkeys((*kinds, *_kinds(text)))))
    return found


def _kinds(text: str) -> Iterator[str]:
    if _PASSWORD.search(text):
        yield "a secret (a password or key)"
    if any(_is_personal(*match.groups()) for match in _EMAIL.finditer(text)):
        yield "a person's e-mail address"
    if not any(map(str.isdigit, text)):
        return
    if _has_phone(text):
        yield "a telephone number"
    yield from _account_numbers(text)


def _is_personal(mailbox: str, domain: str) -> bool:
    role = re.split(r"[.+_-]", mailbox.lower())[0]
    return _EXAMPLE_DOMAIN.fullmatch(domain) is None and not {mailbox.lower(), role} & _ROLES


def _has_phone(text: str) -> bool:
    from phonenumbers import Leniency, PhoneNumberMatcher, PhoneNumberType, number_type

    everybodys = {
        PhoneNumberType.TOLL_FREE,
        PhoneNumberType.PREMIUM_RATE,
        PhoneNumberType.SHARED_COST,
        PhoneNumberType.UAN,
    }
    return any(
        number_type(match.number) not in everybodys
        and not _FICTIONAL.fullmatch(f"{match.number.country_code}{match.number.national_number}")
        for region in _REGIONS
        for match in PhoneNumberMatcher(text, region, leniency=Leniency.VALID)
    )


def _account_numbers(text: str) -> Iterator[str]:
    from stdnum import iban, luhn
    from stdnum.fr import nir
    from stdnum.us import ssn

    if any(iban.is_valid(match[0]) for match in _IBAN.finditer(text)):
        yield "a bank account (IBAN)"
    if any(luhn.is_valid(re.sub(r"\D", "", match[0])) for match in _CARD.finditer(text)):
        yield "a card number"
    if (
        any(ssn.is_valid(match[0]) for match in _US_SECURITY.finditer(text))
        or _UK_SECURITY.search(text)
        or any(nir.is_valid(match[0]) for match in _FRENCH_SECURITY.finditer(text))
    ):
        yield "a social security number"
