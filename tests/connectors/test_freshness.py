from datetime import UTC, datetime, timedelta

import pytest

from connectors.conversation import Citation
from connectors.freshness import age, day, freshness

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def citation(modified_at: datetime | None) -> Citation:
    read = NOW - timedelta(minutes=5)
    return Citation(1, "Returns", "", "returns.md", None, "…", "v1", read, modified_at)


def test_freshness_tells_when_a_document_changed_and_when_it_was_read() -> None:
    changed = datetime(2026, 3, 3, 12, tzinfo=UTC)

    assert freshness(citation(changed), NOW) == "changed 3 March 2026, read 5 minutes ago"


def test_a_document_without_a_date_of_its_own_tells_when_it_was_read() -> None:
    assert freshness(citation(None), NOW) == "read 5 minutes ago"


def test_a_day_is_named_without_regard_to_the_locale() -> None:
    assert day(datetime(2026, 5, 12, 12, tzinfo=UTC)) == "12 May 2026"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "just now"), (59, "just now"), (60, "1 minute ago"), (7200, "2 hours ago"), (86_400, "1 day ago")],
)
def test_an_age_is_told_in_words(seconds: int, words: str) -> None:
    assert age(NOW, NOW + timedelta(seconds=seconds)) == words
