"""Claims about an explorer's readouts: each is asked for by its name, and numbers are numbers."""

import pytest

from tests.helpers.scene_explorers import SCENE_EXPLORERS
from xception_edu import explorers
from xception_edu.explorers.engine.readouts import in_percent, look_up, named


@pytest.mark.parametrize("name", SCENE_EXPLORERS)
def test_every_readout_has_a_name_of_its_own(name):
    made = getattr(explorers, name)(**SCENE_EXPLORERS[name])
    assert list(made.readouts().values()) == made.view()["values"]
    for readout in made.readouts():
        assert made[readout] is not None


def test_the_segments_explorer_has_its_costs_by_name():
    made = explorers.segments_explorer(segments=48, channels=48)
    assert made["Parameters"] == 48 * 48 + 9 * 48
    assert made["MACs"] == made["Parameters"] * 19 * 19


def test_a_readout_is_the_number_that_it_shows():
    shown = {"a": "6,912", "b": "61% | 60%", "c": "0.25", "d": "8×8", "e": "–", "f": "−0.5", "g": 7}
    shown |= {"h": "no 3×3", "i": "<0.1%", "j": "10×10×1,536"}
    read = [look_up(shown, name) for name in shown]
    assert read == [6912, (0.61, 0.6), 0.25, (8, 8), "–", -0.5, 7, "no 3×3", 0.0, (10, 10, 1536)]


def test_a_share_is_a_tenth_of_a_percent_or_less_than_that_or_nothing():
    shares = [in_percent(part) for part in (1, 0.1234, 0.001, 0.00099, 1e-9, 0)]
    assert shares == ["100.0%", "12.3%", "0.1%", "<0.1%", "<0.1%", "0%"]


def test_two_columns_of_one_label_are_told_apart_by_their_units():
    columns = [("Time", "ms"), ("Changed", "now"), ("Changed", "so far")]
    assert list(named(columns, [1, 2, 3])) == ["Time", "Changed now", "Changed so far"]


def test_a_readout_that_is_not_there_is_answered_in_one_line():
    made = explorers.walk_explorer()
    with pytest.raises(ValueError, match=r"^name is 'Macs', but must be one of 'Output',"):
        made["Macs"]
