from __future__ import annotations

from connectors.turns import Turns


def test_at_most_so_many_work_at_once() -> None:
    turns = Turns(2)
    working = [turns.request(person) for person in "abc"]
    assert [turn.began.is_set() for turn in working] == [True, True, False]


def test_who_asks_much_does_not_keep_others_waiting() -> None:
    turns = Turns(1)
    first, second, third = (turns.request("much") for _ in range(3))
    other = turns.request("little")
    assert (first.number, other.number, second.number, third.number) == (0, 1, 2, 3)


def test_the_next_begins_when_one_ends() -> None:
    turns = Turns(1)
    first, second, third = (turns.request(person) for person in "abc")
    first.end()
    assert second.began.is_set()
    assert third.number == 1


def test_who_leaves_the_queue_makes_room_in_it() -> None:
    turns = Turns(1)
    first, second, third = (turns.request(person) for person in "abc")
    second.end()
    second.end()
    assert third.number == 1
    first.end()
    assert third.began.is_set()
