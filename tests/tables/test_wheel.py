"""What comes up when."""

from tables.wheel import Wheel


def test_what_is_due_comes_up_once_in_its_order() -> None:
    wheel = Wheel()
    wheel.add((1, b"late"), 9)
    wheel.add((1, b"soon"), 3)
    wheel.extend(2, [b"a", b"b"], 1)

    assert wheel.due(0, 10) == []
    assert wheel.due(3, 10) == [((2, b"a"), 1), ((2, b"b"), 1), ((1, b"soon"), 3)]
    assert wheel.due(9, 10) == [((1, b"late"), 9)]
    assert wheel.due(9, 10) == []


def test_a_look_takes_no_more_than_it_may_and_the_next_goes_on() -> None:
    wheel = Wheel()
    for partition in (1, 2):
        wheel.extend(partition, [b"%d" % number for number in range(5)], partition)
    looks = [wheel.due(2, 4) for _ in range(4)]

    assert [len(each) for each in looks] == [4, 4, 2, 0]
    assert len({key for each in looks for key, _ in each}) == 10
