"""Claims about explorers in Korean: one table has every text that any of them shows, at every place
where people read or hear it; code stays English.
"""

import json
import re
from functools import cache
from pathlib import Path
from string import Formatter

import pytest
from matplotlib import font_manager

import xception_edu as xe
from tests.helpers.learners_explorers import explorers_of_learners
from tests.helpers.scene_explorers import SCENE_EXPLORERS
from xception_edu import explorers
from xception_edu.explorers import segments_panels
from xception_edu.explorers.engine import language, scene_picture
from xception_edu.explorers.engine.language import PLAIN, SCRIPTS, in_korean, rows, written_by
from xception_edu.explorers.engine.packing import unpacked
from xception_edu.explorers.engine.scene_explorer import SceneExplorer
from xception_edu.explorers.segments import SegmentsExplorer
from xception_edu.plots import style

# Names, units and signs that Korean texts write in Latin letters, too.
LATIN = re.compile(
    "B|ELU|G|Holm|Inception|Keras|KiB|M|MAC|MiB|NCHW|PNG|R|ReLU|SVG|V|VGG|Xception|bf|channels_last|float|fp"
    "|k|ms|p|t|x"
)
SIZES = {"small": 11, "text": 12, "title": 15}  # pixels, as in scene.css
ANCHORS = {"start": 0, "middle": 0.5, "end": 1}
ASKED = re.compile(r'say\("([^"]+)"')


@pytest.fixture(autouse=True)
def _english_afterwards():
    yield
    xe.language("en")


@cache
def shown(name):
    """Every text that an explorer shows at any position, without arguments."""
    return texts_of(sent(name))


@cache
def sent(name):
    """The table of an explorer without arguments, as the browser gets it."""
    return json.loads(getattr(explorers, name)()._table)


def texts_of(table):
    kind = SceneExplorer if "drawings" in table else SegmentsExplorer
    return tuple(dict.fromkeys(kind.texts(table)))


@pytest.fixture(scope="module")
def shown_to_learners(tmp_path_factory):
    """Every text of explorers that were given something."""
    made = explorers_of_learners(tmp_path_factory.mktemp("runs"))
    tables = (json.loads(explorer._table) for explorer in made)
    return tuple(dict.fromkeys(text for table in tables for text in texts_of(table)))


def in_pictures():
    """Texts that stand in pictures of notebooks alone."""
    asked = [scene_picture.FOOTNOTE]
    made = explorers.segments_explorer()
    found = explorers.segments.position(made.table, **made.state())

    def say(text):
        asked.append(text)
        return text

    with style.context():
        segments_panels.draw(
            found, explorers.segments.COLUMNS, kernel_size=3, order="pointwise_first", say=say
        )
    return asked


def missing(texts):
    """Those that the table does not have; one of each kind, for a short list."""
    found = {re.sub(r"\d+", "#", text): text for text in texts if in_korean(text) is None}
    return list(found.values())


def rows_behind(text):
    """The rows that wrote a text and the texts in its fields."""
    if PLAIN.fullmatch(text):
        return
    row, fields = written_by(text)
    yield row
    for name, words in fields.items():
        if row.kinds[name] == "words":
            yield from rows_behind(words)


def scripts():
    """Everything that the browser runs."""
    room = Path(explorers.__file__).parent
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(room.rglob("*.js")))


# ---- the table is complete -----------------------------------------------------------------------


@pytest.mark.parametrize("name", explorers.__all__)
def test_every_text_of_an_explorer_has_its_korean(name):
    assert missing(shown(name)) == []


def test_every_text_of_an_explorer_with_arguments_has_its_korean(shown_to_learners):
    assert missing(shown_to_learners) == []


def test_every_text_of_a_picture_has_its_korean():
    assert missing(in_pictures()) == []


def test_every_text_of_a_script_has_its_korean():
    asked = set(ASKED.findall(scripts()))
    assert len(asked) > 20
    sent = {english for english, row in rows().items() if row.section == SCRIPTS}
    assert asked <= sent
    assert [english for english in sent if f'"{english}"' not in scripts()] == []


def test_no_row_is_left_over(shown_to_learners):
    texts = [*shown_to_learners, *in_pictures()]
    for name in explorers.__all__:
        texts += shown(name)
    used = {row.english for text in dict.fromkeys(texts) for row in rows_behind(text)}
    sent = {english for english, row in rows().items() if row.section == SCRIPTS}
    assert set(rows()) - used - sent == set()


def test_a_korean_sentence_has_the_fields_of_its_english():
    for row in rows().values():
        names = {name for _, name, _, _ in Formatter().parse(row.korean) if name is not None}
        assert names == set(row.kinds), row.english
        assert set(row.kinds.values()) <= set(language.KINDS), row.english


def test_two_rows_never_write_the_same_sentence():
    shapes = [re.sub(r"\{\w+", "{", english) for english in rows()]
    assert [shape for shape in shapes if shapes.count(shape) > 1] == []


def test_a_korean_sentence_is_korean():
    for row in rows().values():
        words = re.findall(r"[A-Za-z_]+", re.sub(r"\{\w+\}", "", row.korean))
        assert [word for word in words if not LATIN.fullmatch(word)] == [], row.english


@pytest.mark.parametrize("name", SCENE_EXPLORERS)
def test_a_korean_text_stays_in_its_panel(name):
    assert [
        words for words, left, right in korean_places(sent(name)) if left < -3 or right > 3
    ] == []


def korean_places(table):
    """Each text that lies flat, and how far its ends are beyond the panel's, about, in pixels."""
    whole = unpacked(table)
    drawn = list(whole["stills"].values())
    drawn += [row["shapes"] for rows in whole["views"].values() for row in rows]
    texts = {}
    for panels in drawn:
        for shapes, (across, _) in zip(panels, table["panels"], strict=True):
            found = (shape for shape in shapes if shape[0] == "text" and not shape[-1])
            texts |= {(tuple(shape), across): None for shape in found}
    for (_, _, *place), across in texts:
        x, _, words, size, anchor = place[:5]
        start = x - width(in_korean(words), size) * ANCHORS[anchor]
        yield words, start, start + width(in_korean(words), size) - across


def width(words, size):
    """Pixels, about: a Korean letter is nearly as wide as it is high, others are half of that."""
    return sum(0.92 if letter >= "가" else 0.56 for letter in words) * SIZES[size]


def test_a_text_that_is_new_is_seen():
    assert missing(["Segments", "9 segments: entirely new", "3×3", ""]) == [
        "9 segments: entirely new"
    ]


# ---- what it changes, and what it does not -------------------------------------------------------


def test_the_language_is_that_of_explorers_made_afterwards():
    assert xe.language() == "en"
    before = explorers.walk_explorer()
    assert xe.language("ko") == "ko"
    after = explorers.walk_explorer()
    xe.language("en")
    assert [made.language for made in (before, after)] == ["en", "ko"]
    assert "words" not in json.loads(before._table)
    words = json.loads(after._table)["words"]
    assert words["Block"] == "블록"
    assert words[after.view()["title"]] == in_korean(after.view()["title"])
    assert words["Table of all {count} positions"]


@pytest.mark.parametrize("name", ["kr", "Korean", "KO", "", 1, True, ["ko"]])
def test_another_language_is_refused_in_one_line(name):
    with pytest.raises(ValueError, match=r"^name is .*, but must be one of 'en', 'ko'$"):
        xe.language(name)
    assert xe.language() == "en"


def test_names_in_code_stay_english():
    xe.language("ko")
    made = explorers.walk_explorer(block=6)
    assert made["Parameters"] > 0
    assert made.view()["title"] == "Xception, block 6 of 17: middle1"
    assert repr(made) == 'xe.walk_explorer(block=6, network="xception")'


def test_numbers_names_and_units_stay():
    said = in_korean("Layer 3, entry.1.sep1: 41% Gaussian")
    assert said == "층 3, entry.1.sep1: 가우시안 41%"
    assert in_korean("7,225,271") == "7,225,271"
    assert in_korean("3 pieces of 10 channels, 2 of 9") == "채널 10개짜리 조각 3개, 9개짜리 2개"


@pytest.mark.parametrize("name", ["walk_explorer", "segments_explorer"])
def test_a_picture_is_korean_where_a_font_is_and_english_elsewhere(name, monkeypatch):
    made = getattr(explorers, name)()
    english = made.picture()
    made.language = "ko"
    monkeypatch.setattr(style, "korean_fonts", lambda: [])
    assert made.picture() == english
    monkeypatch.setattr(style, "korean_fonts", lambda: ["DejaVu Sans"])
    monkeypatch.setattr(language, "in_korean", lambda text: text.upper())  # as if it were Korean
    assert made.picture() != english


def test_a_font_that_was_installed_since_is_found(monkeypatch):
    files = ["/fonts/DejaVuSans.ttf", "/fonts/NotoSansCJK-Regular.ttc", "/fonts/malgun.ttf"]
    added = []
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: files)
    monkeypatch.setattr(font_manager.fontManager, "addfont", added.append)
    style._new_korean_fonts()
    assert added == list(map(Path, files[1:]))
