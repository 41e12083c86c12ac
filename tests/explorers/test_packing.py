"""Claims about the table as it is sent: nothing is lost, what repeats is sent once, and the script
of the browser knows every letter and every mark.
"""

import json
import re
from importlib.resources import files

from xception_edu.explorers.engine import packing, scene_painters
from xception_edu.explorers.engine.packing import CELLS, FRAMES, MARKS, PAIRS, packed, unpacked
from xception_edu.explorers.engine.scene import Scene
from xception_edu.explorers.engine.scene_explorer import View, tabulate
from xception_edu.explorers.engine.tiles import frame

SCRIPT = files(packing.__package__).joinpath("scene.js").read_text("utf-8")


def drawn(stop):
    """A scene with a shape of every kind, most of them other ones at every stop."""
    scene = Scene(90, 60)
    scene.rect("ink", 1, 2.5, 30, 4, opacity=0.5, edge="quiet")
    scene.image(b"a picture", 0, 0, 9, 9)
    scene.line("ink", (0, 0, stop, 5), (1, 1, 2, 2, 3, 1.5), width=2, dash=True)
    scene.line("ink", frame(stop, 2, 3.5, 4), frame(9, 9, 2, 2), halo=True)
    scene.line("ink", frame(stop, 2, 3, 4), (1, 2))
    scene.line("ink", (1, 2, 3, 2, 3, 4, 1, 4, 1, 3))  # not closed
    scene.area("hue0", [1, 2, 3, stop, 5, 6], opacity=0.25)
    scene.dot("hue1", stop, 0.125, 3, edge="paper")
    scene.text(f"{stop} of 3", 4, 5, size="small", anchor="end", halo=True)
    scene.text("#text", 4, stop, up=True)
    scene.words([str(stop), "7", "−0.5", "7"], 1, 2, 12, 2, color="quiet")
    scene.rest(["0", f"{stop}"], 1, 2, 12, 2)
    scene.cells(0, 0, 8, 2, ["minus", "plus", "minus"], [0, stop / 3, 1])
    scene.cells(0, 0, 8, 2, ["plus"], [0.5])
    scene.cells(0, 0, 8, 2, ["hue0", "hue1", "hue2"], [0, stop / 3, 1])
    scene.click(stop, 1, 2, 3, 4, f"go to {stop}")
    scene.click(None, 1, 2, 3, 4, "stay", {"size": stop})
    return scene


def table(stops=(1, 2, 3), draw=drawn):
    """The table of views with two panels, two choices and two readouts."""

    def views(size):
        return [
            View(
                stop=stop,
                short=f"{stop}",
                title=f"{size} {stop}",
                note="the same everywhere",
                values=(f"{stop * size}", "1,033"),
                scenes=(draw(stop), Scene(40, 40)),
                alts=("what is seen", f"nothing, {size} times"),
            )
            for stop in stops
        ]

    made = tabulate({"size": ("Size", {2: "two", 5: "five"})}, views)
    return made | {"columns": [["Product", ""], ["MACs", ""]]}


def test_what_is_unpacked_is_what_was_drawn():
    made = table()
    assert unpacked(json.loads(json.dumps(packed(made)))) == json.loads(json.dumps(made))


def test_every_kind_of_shape_is_packed_and_was_drawn_here():
    kinds = {shape[0] for shape in drawn(1).shapes}
    assert kinds == set(MARKS) == set(scene_painters.PAINTERS)


def test_what_repeats_is_sent_once():
    sent = packed(table())
    for part in packing.PARTS:
        assert len(set(map(str, sent[part]))) == len(sent[part]), part
    assert sent["views"]["2"][0] == sent["views"]["5"][0]  # the same texts beside the slider
    assert sent["views"]["2"][1] != sent["views"]["5"][1]  # other titles
    assert len(sent["drawings"]) == 3 + 1 + 1  # by stop; what stands still; nothing
    assert sent["texts"].count("the same everywhere") == 1


def test_cells_are_a_letter_each_and_outlines_two_corners():
    sent = packed(table())
    of = {form: values for form, *values in sent["shapes"]}
    values = [of[i][0] for i, form in enumerate(sent["forms"]) if CELLS in form]
    assert sorted(map(len, values)) == [1, 3]
    (ends,) = [of[i][0] for i, form in enumerate(sent["forms"]) if FRAMES in form]
    assert ends == [3, 2, 6.5, 6, 9, 9, 11, 11]


def test_more_texts_than_pairs_of_letters_are_sent_by_number():
    def many(stop):
        scene = Scene(90, 60)
        scene.words([f"{stop}.{i}" for i in range(3000)], 1, 2, 1, 100)
        return scene

    made = table(draw=many)
    sent = packed(made)
    assert len(sent["lexicon"]) == 9000 > len(PAIRS)
    assert {type(values[0]) for _, *values in sent["shapes"]} == {str, list}
    assert unpacked(json.loads(json.dumps(sent))) == json.loads(json.dumps(made))


def test_the_script_has_the_same_letters_and_a_reader_for_every_mark():
    assert re.search(r'const DIGITS = "(.+)";', SCRIPT)[1] == packing.LETTERS
    marks = {mark for places in MARKS.values() for mark in places.values()} | {CELLS, FRAMES}
    assert set(re.findall(r'^  "(#\w*)": ', SCRIPT, flags=re.MULTILINE)) == marks
    assert len(set(packing.LETTERS)) == len(packing.LETTERS) >= len(packing.CELL)


def test_letters_are_as_short_in_json_and_in_a_page():
    assert json.dumps(packing.LETTERS) == f'"{packing.LETTERS}"'
    assert not set("&<>\"'`") & set(packing.LETTERS)
