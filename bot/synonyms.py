"""Words that make no difference between two statements: synonyms, contraries, frame words, kinds of pages."""

from __future__ import annotations

from functools import cache

from knowledge.terms import content_stems

# Words for one thing; the first stands for all.
_SAME = """
    return returned returning returns
    cost costs price prices priced fee fees charge charges charged
    warranty guarantee warranties
    delivery shipping
    phone telephone
    employee employees staff colleague colleagues worker workers
    salary salaries wage wages
    leave holiday vacation
    item items product products goods article articles
    order orders purchase purchases
    supplier suppliers vendor vendors
    begin begins start starts
    end ends finish finishes
    working business
    laptop laptops computer computers notebook
    maximum limit cap
    receive receives get gets got
    responsible owner owns owned
    allow allowed allows permit permitted permits
    required mandatory compulsory obligatory
    accept accepts accepted
    keep keeps kept
    hold holds held
    make makes made
    sell sells sold
    home remote remotely
"""
# Words that deny what another one says, which stands for both.
_CONTRARY = """
    allow / forbid forbidden prohibit prohibited prohibits ban banned disallowed
    eligible / ineligible
    available / unavailable
    required / optional voluntary
    refundable / nonrefundable
    accept / refuse refused reject rejected decline declined
    valid / invalid
    necessary / unnecessary
    possible / impossible
    open / closed
    enabled / disabled
"""
# Words that may stand in one of two statements on the same matter and lack in the other.
_FRAME = """
    take takes last lasts long cost apply applies offer offers provide grant grants receive receives
    entitle entitled need needs require requires deadline period duration length date number amount total sum
    currently current now today always please note remember customer customers client clients buyer buyers
    person people anything something begin item order include includes use uses used set make makes there
    valid
"""
# Words that tell the kind of a page and not its subject.
_PAGE = """
    policy policies faq faqs frequently asked questions question answers guide handbook manual page wiki note
    notes memo edition updated update new old rules terms conditions information info help centre center
    overview summary document documents documentation checklist welcome introduction announcement
    announcements news newsletter minutes sheet list table internal
    general superseded archived obsolete deprecated outdated
    withdrawn longer valid force replaced current currently reference docs readme details basics joining
    onboarding starter starters organisation organization people team contact contacts directory
"""


@cache
def same() -> dict[str, str]:
    """Each stem of a word that has synonyms, with the one that stands for it."""
    groups = [content_stems(line) for line in _SAME.splitlines() if line.strip()]
    return {stem: group[0] for group in groups for stem in group}


@cache
def contrary() -> dict[str, str]:
    """Each stem that denies, with the one of what it denies."""
    pairs = [line.split("/") for line in _CONTRARY.splitlines() if line.strip()]
    sides = [(content_stems(yes)[0], content_stems(no)) for yes, no in pairs]
    return {stem: same().get(yes, yes) for yes, no in sides for stem in no}


@cache
def frame() -> frozenset[str]:
    """The stems that may stand in one of two statements on the same matter and lack in the other."""
    return _stems_of(_FRAME)


@cache
def page() -> frozenset[str]:
    """The stems that tell the kind of a page and not its subject."""
    return _stems_of(_PAGE)


def _stems_of(words: str) -> frozenset[str]:
    return frozenset(same().get(stem, stem) for stem in content_stems(words))
