import pytest

from bot.binding import misbinding, states_enough

TWO_FEES = "The highest compensation is £50 a parcel with Packhorse and £250 with Fleetwing."


def test_a_number_that_belongs_to_another_thing_is_refused() -> None:
    assert misbinding("The highest compensation that Fleetwing pays for a parcel is £50.", TWO_FEES)


def test_one_of_several_numbers_may_be_told_in_the_sources_own_order() -> None:
    assert not misbinding("The highest compensation is £50 a parcel with Packhorse.", TWO_FEES)


def test_all_numbers_together_may_be_told() -> None:
    assert not misbinding("Compensation goes up to £250 with Fleetwing, to £50 with Packhorse.", TWO_FEES)


def test_an_ordinal_that_belongs_to_another_thing_is_refused() -> None:
    source = "Claims received by the 10th are paid with that month's salary on the 27th."

    assert misbinding("Salary is paid on the 10th day of the month.", source)


def test_a_number_without_a_rival_may_be_told_in_any_words() -> None:
    assert not misbinding("Bicycles earn 20 pence.", "Mileage, bicycle: 20 pence a mile")


def test_numbers_of_different_units_are_no_rivals() -> None:
    assert not misbinding("The warranty lasts 3 years.", "Glowworm lantern: 3 years; cell 18 months")


@pytest.mark.parametrize(
    ("sentence", "enough"), [("88", False), ("It is 3.", False), ("20 working days", True), ("£16.00", True)]
)
def test_a_bare_number_says_nothing(sentence: str, enough: bool) -> None:
    assert states_enough(sentence) is enough
