"""The course flows: every notebook begins with what it is for and ends with what comes next, words
are explained where they are first used, questions have their places, and guesses stay guesses.
"""

import ast
import re
from functools import cache

import nbformat
import pytest

from tests.helpers.course import COURSE, GUIDE, ROOT, cells_of, minutes, prose, tags
from xception_edu.benchmark.records import read_record
from xception_edu.commands.questions import QUESTIONS, question
from xception_edu.plots.descriptions import PICTURES

each_notebook = pytest.mark.parametrize("path", COURSE, ids=lambda path: path.stem)
TERM = re.compile(r"\*\*(.+?)\*\* \((.+?)\)\. \S")
# How a word of the guide looks in the prose, where that is not its own name.
LOOKS = {
    "augmentation": r"\baugment\b",
    "batch": r"\bbatch(?! norm)",
    "bfloat16": "bf16|bfloat16",
    "fuse": r"\bfuse",
    "flops": r"\bflops?\b",
    "glorot": "glorot",
    "he": r"\bhe (weights|initial)",
    "im2col": "im2col",
    "in-place": r"\bin[- ]place(?! of)",
    "layout": "channels_last",
    "linear": r"(?<!-)\blinear",
    "mac": "multiply-accumulate",
    "meta": r"\bmeta\b",
    "pointwise": "pointwise",
    "residual": r"\bresidual|\bskip\b",
    "svd": "singular value",
}


# ---- begin and end -------------------------------------------------------------------------------


@each_notebook
def test_it_begins_with_goals_time_and_what_is_assumed(path):
    first = cells_of(path)[0].source
    assert re.match(r"# \d+b?\. ", first)
    goals = re.search(r"\*\*You will be able to\*\*\n\n((?:\* .+\n)+)", first)
    assert len(goals[1].splitlines()) >= 2
    assert re.search(r"\*\*Takes\*\* about .+? \*\*Assumes\*\* ", first)


@each_notebook
def test_it_takes_about_as_long_as_it_says(path):
    said = re.search(r"\*\*Takes\*\* about (half an hour|(\d+) minutes)", cells_of(path)[0].source)
    assert minutes(path) == pytest.approx(float(said[2] or 30), rel=0.25, abs=5)


@each_notebook
def test_the_first_idea_comes_within_twenty_lines_of_code(path):
    lines = 0
    for cell in cells_of(path):
        if cell.cell_type == "code":
            lines += len(cell.source.splitlines())
            if cell.outputs:
                break
    assert lines <= 20


@each_notebook
def test_it_ends_with_five_questions_answered_and_with_what_comes_next(path):
    last = cells_of(path)[-1].source
    questions, following = last.split("## Five questions\n")[1].split("\nNext: ")
    asked = re.findall(r"^\*\*(\d)\.\*\* .+\?", questions, flags=re.MULTILINE)
    assert asked == list("12345")
    assert len(re.findall("<details><summary>Answer</summary>.+?</details>", questions)) == 5
    after = [*COURSE, GUIDE][COURSE.index(path) + 1]
    assert re.search(r"\((\w+\.ipynb)\)", following)[1] == after.name


def test_what_is_assumed_comes_before():
    for place, path in enumerate(COURSE):
        assumed = re.search(r"\*\*Assumes\*\*.*", cells_of(path)[0].source, flags=re.DOTALL)[0]
        for name in re.findall(r"\((\d\w+\.ipynb)\)", assumed.split("\n\n")[0]):
            assert [other.name for other in COURSE].index(name) < place


# ---- words ---------------------------------------------------------------------------------------


@cache
def terms():
    """The words of the guide by the id of their cell."""
    found = {cell.id: TERM.match(cell.source) for cell in cells_of(GUIDE)}
    return {name: match[1] for name, match in found.items() if match}


def test_the_guide_has_its_words_in_two_languages_and_in_order():
    assert len(terms()) >= 50
    assert all(TERM.match(cell.source)[2] for cell in cells_of(GUIDE) if cell.id in terms())
    assert list(terms().values()) == sorted(terms().values(), key=str.lower)


def pattern(term):
    name = re.split("[,(]", terms()[term])[0].split(" and ")[0].strip()
    return re.compile(LOOKS.get(term, rf"\b{re.escape(name)}"), flags=re.IGNORECASE)


@pytest.mark.parametrize("term", terms())
def test_a_word_is_linked_to_the_guide_where_it_is_first_used(term):
    linked = False
    for path in COURSE:
        cells = cells_of(path)
        for cell in cells:
            if cell.cell_type != "markdown":
                continue
            linked = linked or f"(guide.ipynb#cell-id={term})" in cell.source
            between = cell not in (cells[0], cells[-1])  # goals look ahead, questions look back
            between = between and "solution" not in tags(cell)  # folded
            if between and pattern(term).search(prose(cell)):
                assert linked, (path.name, cell.id)
                return
    raise AssertionError(f"nobody uses {term}")


# ---- links and questions -------------------------------------------------------------------------


def test_links_to_a_cell_lead_to_one():
    ids = {path.name: {cell.id for cell in cells_of(path)} for path in (*COURSE, GUIDE)}
    files = [*COURSE, GUIDE, ROOT / "README.md"]
    for path in files:
        text = path.read_text(encoding="utf-8")
        for name, place in re.findall(r"\((?:notebooks/)?([\w.]*)#cell-id=([\w-]+)\)", text):
            assert place in ids[name or path.name], (path.name, name, place)


@pytest.mark.parametrize("one", QUESTIONS, ids=lambda one: f"q{one.number}")
def test_a_question_has_its_place_with_a_number_or_a_picture_and_an_assertion(one):
    cells = cells_of(ROOT / "notebooks" / f"{one.notebook}.ipynb")
    start = next(i for i, cell in enumerate(cells) if cell.id == f"q{one.number}")
    assert f"## {one.text}\n" in cells[start].source + "\n"
    section = []
    for cell in cells[start + 1 :]:
        if cell.cell_type == "markdown" and re.search("^## ", cell.source, flags=re.MULTILINE):
            break
        section.append(cell)
    code = [cell for cell in section if cell.cell_type == "code"]
    assert any(cell.outputs for cell in code)
    assert any("assert " in cell.source for cell in code)


def test_the_readme_the_guide_and_python_have_all_questions():
    assert [one.number for one in question()] == list(range(1, 16))
    assert question(8).text == "Fewer FLOPs, so why is it not faster?"
    assert question(8).link in question(8)._repr_markdown_()
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    listed = next(cell for cell in cells_of(GUIDE) if cell.id == "questions-2").outputs[0].data
    for one in QUESTIONS:
        assert f"[{one.text}](notebooks/{one.link})" in text
        assert f"[{one.text}]({one.link})" in listed["text/markdown"]
    with pytest.raises(ValueError, match=r"^number is 16, but must be an integer from 1 to 15"):
        question(16)


def test_question_13_says_what_the_sweep_decided():
    record = read_record("sweep_spectrum_params")
    assert (record["verdict"] == "undecided") == QUESTIONS[12].answer.startswith("Not decided")
    beyond_chance = [row for row in record["comparisons"] if row["p_holm"] < 0.05]
    better = [(row["point"], row["end"]) for row in beyond_chance if row["mean"] > 0]
    assert better == [(point, "1") for point in ("4", "6", "8", "12", "16", "24", "32")]


@each_notebook
def test_no_number_of_a_question_stands_without_a_link(path):
    text = "\n".join(cell.source for cell in cells_of(path))
    assert not re.search(r"\(Q\d+\)", text)


# ---- guesses stay guesses ------------------------------------------------------------------------


def test_no_cell_says_in_words_what_its_picture_shows():
    used = set()
    for path in COURSE:
        for cell in cells_of(path):
            if cell.cell_type == "code":
                assert "words=" not in cell.source, (path.name, cell.id)
                used |= set(re.findall(r'\bname="(\w+)"', cell.source))
    assert used == set(PICTURES)


def explorers_shown(cell):
    """The names whose explorer stands below a cell: of its last line, if that is a name."""
    body = ast.parse(cell.source).body
    last = body[-1].value if body and isinstance(body[-1], ast.Expr) else None
    saved = any("widget-view" in str(output.get("data", {}).keys()) for output in cell.outputs)
    return {last.id} if saved and isinstance(last, ast.Name) else set()


def names_moved(cell):
    """The names one of whose attributes a cell sets."""
    stored = (
        node
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    )
    return {node.value.id for node in stored if isinstance(node.value, ast.Name)}


@each_notebook
def test_an_explorer_stays_where_the_reader_left_it(path):
    shown = set()
    for cell in cells_of(path):
        if cell.cell_type == "code":
            assert not names_moved(cell) & shown, cell.id
            shown |= explorers_shown(cell)


@each_notebook
def test_readouts_are_asked_for_by_name(path):
    for cell in cells_of(path):
        if cell.cell_type == "code":
            assert '["values"]' not in cell.source, cell.id


def test_a_moved_explorer_would_be_seen():
    output = nbformat.v4.new_output(
        "display_data", {"application/vnd.jupyter.widget-view+json": {}, "text/plain": ""}
    )
    show = nbformat.v4.new_code_cell("picture = xe.walk_explorer()\npicture", outputs=[output])
    move = nbformat.v4.new_code_cell("for n in x:\n    picture.block = n")
    assert explorers_shown(show) == names_moved(move) == {"picture"}


# ---- teaching ------------------------------------------------------------------------------------


def test_the_plans_for_teaching_fill_their_minutes():
    one = next(cell.source for cell in cells_of(GUIDE) if cell.id == "one-lecture")
    assert sum(map(int, re.findall(r"^\| (\d+) \|", one, flags=re.MULTILINE))) == 90
    three = next(cell.source for cell in cells_of(GUIDE) if cell.id == "three-lectures")
    lectures = re.findall(r"\| (\d+) \+ (\d+) \+ (\d+) \|", three)
    assert [sum(map(int, minutes)) for minutes in lectures] == [90, 90, 90]
