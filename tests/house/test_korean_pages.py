"""The notebooks' pages speak Korean where they say so, and nothing of the table is left over."""

import copy
import re
import sys

import nbformat
import pytest

from tests.helpers.course import COURSE, GUIDE, ROOT, cells_of
from xception_edu.plots.descriptions import PICTURES, WORDS

sys.path.insert(0, str(ROOT / "site"))
import korean_pages  # the site has programs, and is no package

PARTS = ("frame", "takes", "goals", "headings", "questions")
HANGUL = re.compile("[가-힣]")
each_notebook = pytest.mark.parametrize("path", [*COURSE, GUIDE], ids=lambda path: path.stem)


def notebook_of(path):
    return nbformat.v4.new_notebook(cells=copy.deepcopy(cells_of(path)))


@pytest.fixture(scope="module")
def table():
    return korean_pages.table()


@pytest.fixture(scope="module")
def rows(table):
    return {key: value for part in PARTS for key, value in table[part].items()}


@each_notebook
def test_every_title_goal_heading_and_question_has_its_korean(path, rows):
    missing = [text for text in korean_pages.texts_of(notebook_of(path)) if text not in rows]
    assert not missing


def test_no_row_is_left_over(rows):
    used = {text for path in [*COURSE, GUIDE] for text in korean_pages.texts_of(notebook_of(path))}
    assert not [text for text in rows if text not in used]


def test_every_picture_has_its_korean_and_no_other(table):
    assert set(table["pictures"]) == {*PICTURES.values(), *WORDS.values()}


def test_rows_are_korean_and_keep_their_numbers(table):
    for part in (*PARTS, "pictures"):
        for english, korean in table[part].items():
            few_words = re.fullmatch(r"[\W\d]*(log 10\D+2\.3\.)?[\W\d]*", english)
            assert HANGUL.search(korean) or few_words, english


@each_notebook
def test_a_page_has_both_languages_and_loses_no_english(path):
    notebook, before = notebook_of(path), cells_of(path)
    korean_pages.speak(path.stem, notebook)
    for cell, old in zip(notebook.cells, before, strict=True):
        if cell.cell_type == "markdown":
            english = re.sub(r'<span class="said" lang="ko">.*?</span>', "", cell.source)
            assert re.sub(r'<span class="said" lang="en">|</span>', "", english) == old.source
    assert HANGUL.search(notebook.cells[0].source)
    if path is not GUIDE:
        last = notebook.cells[-1].source
        assert (
            last.count('lang="ko"') == 1 + 5 * 3 + 1
        )  # heading; question, "Answer", answer; what is next
