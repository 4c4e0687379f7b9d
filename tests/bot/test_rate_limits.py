"""One person, or one place, cannot take all of the bot's time; who is refused is told when to ask again."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from bot.rate_limits import Allowance, QuestionLimits, RateLimit, RateLimited, TooManyQuestionsError
from connectors.conversation import AnswerEvent, Asker, Place, Progress, Question

EVERYBODY = frozenset({"everyone", "public"})


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Engine:
    """Counts the questions that reach it."""

    def __init__(self) -> None:
        self.asked = 0

    async def answer(self, question: Question) -> AsyncGenerator[AnswerEvent, None]:
        self.asked += 1
        yield Progress("Searching")


@pytest.fixture
def clock() -> Clock:
    return Clock()


def question(
    who: str = "U1", where: str = "C1", platform: str = "slack", readers: frozenset[str] | None = EVERYBODY
) -> Question:
    return Question("q", "Where?", Asker(who), Place(platform, where, readers, "T1"))


def limits(clock: Clock, person: int = 3, place: int = 5, seconds: float = 60.0) -> QuestionLimits:
    return QuestionLimits(Allowance(person, seconds), Allowance(place, seconds), clock)


def refusal(limits: QuestionLimits, question: Question) -> str:
    with pytest.raises(TooManyQuestionsError) as refused:
        limits.admit(question)
    return str(refused.value)


async def ask(port: RateLimited, question: Question) -> None:
    async for _ in port.answer(question):
        pass


def test_a_person_may_ask_so_many_questions_at_once_and_is_then_told_when_to_ask_again(clock: Clock) -> None:
    ours = limits(clock)
    for _ in range(3):
        ours.admit(question())
    assert refusal(ours, question()) == (
        "I take 3 questions in 1 minute from one person, and you have asked more. Ask again in 20 seconds."
    )


def test_who_asks_again_when_told_so_is_answered(clock: Clock) -> None:
    ours = limits(clock)
    for _ in range(3):
        ours.admit(question())
    clock.now += 20.0
    ours.admit(question())
    assert "in 20 seconds" in refusal(ours, question())


def test_a_question_that_is_refused_puts_nothing_off(clock: Clock) -> None:
    ours = limits(clock)
    for _ in range(3):
        ours.admit(question())
    for _ in range(10):
        refusal(ours, question())
    clock.now += 20.0
    ours.admit(question())


def test_others_are_answered_meanwhile(clock: Clock) -> None:
    ours = limits(clock)
    for _ in range(3):
        ours.admit(question("U1"))
    ours.admit(question("U2"))


def test_a_person_of_the_same_id_on_another_platform_is_another_person(clock: Clock) -> None:
    ours = limits(clock)
    for _ in range(3):
        ours.admit(question(platform="slack"))
    ours.admit(question(platform="discord"))


def test_a_place_has_a_limit_for_all_who_ask_there_and_names_the_way_out(clock: Clock) -> None:
    ours = limits(clock)
    for number in range(5):
        ours.admit(question(f"U{number}"))
    assert refusal(ours, question("U9")) == (
        "I take 5 questions in 1 minute in one place, and more was asked here. "
        "Ask again in 12 seconds, or in a direct message."
    )
    ours.admit(question("U9", where="D1", readers=None))


def test_what_the_asker_alone_reads_counts_for_no_place(clock: Clock) -> None:
    ours = limits(clock)
    for number in range(9):
        ours.admit(question(f"U{number}", readers=None))


async def test_the_engine_is_not_touched_by_what_is_refused(clock: Clock) -> None:
    engine = Engine()
    port = RateLimited(engine, limits(clock), lambda asker: False)
    for _ in range(3):
        await ask(port, question())
    with pytest.raises(TooManyQuestionsError):
        await ask(port, question())
    assert engine.asked == 3


async def test_admins_have_no_limit_and_use_up_nobodys(clock: Clock) -> None:
    engine = Engine()
    port = RateLimited(engine, limits(clock), lambda asker: asker.id == "U0ADMIN")
    for _ in range(20):
        await ask(port, question("U0ADMIN"))
    await ask(port, question("U1"))
    assert engine.asked == 21


def test_without_limits_everything_is_admitted(clock: Clock) -> None:
    ours = QuestionLimits(None, None, clock)
    for _ in range(1000):
        ours.admit(question())


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1.0, "in 1 second."),
        (0.2, "in 1 second."),
        (60.0, "in 1 minute."),
        (90.0, "in 90 seconds."),
        (150.0, "in 3 minutes."),
        (7200.0, "in 2 hours."),
    ],
)
def test_the_time_to_wait_is_in_words_and_never_too_short(clock: Clock, seconds: float, words: str) -> None:
    ours = QuestionLimits(Allowance(1, seconds), None, clock)
    ours.admit(question())
    assert refusal(ours, question()).endswith(f"Ask again {words}")


def test_what_has_run_out_is_forgotten_when_many_are_remembered() -> None:
    limit = RateLimit(Allowance(2, 10.0), most_remembered=100)
    for number in range(100):
        limit.count(f"early {number}", 0.0)
    limit.count("late", 50.0)
    assert limit.remembered == 1


def test_however_many_ask_only_so_many_are_remembered_and_those_first_who_asked_most() -> None:
    limit = RateLimit(Allowance(2, 10.0), most_remembered=100)
    limit.count("greedy", 0.0)
    limit.count("greedy", 0.0)
    for number in range(1000):
        limit.count(f"U{number}", 0.0)
    assert limit.remembered <= 100
    assert limit.wait("greedy", 0.0) > 0
