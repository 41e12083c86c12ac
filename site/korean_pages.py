"""A notebook's page in both languages: its title, goals, time, headings, the five questions at its
end, and what its pictures show. The text between is English.
"""

import html
import re
import tomllib
from pathlib import Path

import in_korean

from xception_edu.commands.questions import QUESTIONS

TABLE = Path(__file__).with_name("korean.toml")
LINK = re.compile(r"\[([^]]+)\]\([^)]+\)")
HEADING = re.compile(r"^(#{2,4}) (.+)$", re.MULTILINE)
TITLE = re.compile(r"^# (.+)$", re.MULTILINE)
# Of the first cell: what will be learned, and how long that takes.
GOALS = re.compile(r"^(\* )(.+)$|^()(\*\*Takes\*\* .+)$|^()(\*\*You will be able to\*\*)$", re.M)
# Of the last one: questions, their answers, and what comes next.
ASKED = re.compile(r"^(\*\*\d\.\*\* )(.+)$|(?<=</summary>)()(.+)(?=</details>)", re.MULTILINE)
FOLDED = re.compile(r"(?<=<summary>)(?:Answer|Solution)(?=</summary>)")
NEXT = re.compile(r"^Next: .*\((\w+)\.ipynb\).*$", re.MULTILINE)


def table():
    """The rows of korean.toml by their parts."""
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


def plain(text):
    """A text of a notebook as the table has it: without links and marks."""
    return re.sub(r"[*`]", "", LINK.sub(r"\1", text))


def pictures():
    """What a picture shows, in Korean, by the English words."""
    return table()["pictures"]


def both(english, korean):
    """A text in two languages, of which the page's style shows one."""
    korean = html.escape(korean, quote=False)
    if english.startswith("**"):
        korean = f"**{korean}**"
    return (
        f'<span class="said" lang="en">{english}</span><span class="said" lang="ko">{korean}</span>'
    )


def speak(name, notebook):
    """Put Korean beside the English of a notebook whose file is `name`.ipynb."""
    rows = {key: value for part in table().values() for key, value in part.items()}
    rows |= _questions()
    titles = {other: title for other, (title, _) in in_korean.course().items()}

    def say(english):
        korean = rows.get(plain(english))
        return both(english, korean) if korean else english

    _translate(notebook, say)
    first, last = notebook.cells[0], notebook.cells[-1]
    first.source = TITLE.sub(lambda found: f"# {both(found[1], titles[name])}", first.source)
    last.source = NEXT.sub(lambda found: _next(found, titles), last.source)


def texts_of(notebook):
    """What `speak` looks for in the table; the notebook's text stays as it is."""
    texts = []

    def note(english):
        if plain(english) not in _questions():
            texts.append(plain(english))
        return english

    _translate(notebook, note)
    return texts


def _translate(notebook, say):
    """Let `say` have each text that is shown in both languages."""
    written = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    for cell in written:
        cell.source = HEADING.sub(lambda found: f"{found[1]} {say(found[2])}", cell.source)
        cell.source = FOLDED.sub(lambda found: say(found[0]), cell.source)
    first, last = written[0], written[-1]
    first.source = GOALS.sub(lambda found: _said(found, say), first.source)
    last.source = ASKED.sub(lambda found: _said(found, say), last.source)


def _said(found, say):
    """What stands before a text, and the text; one pair of groups has them."""
    before, text = (group for group in found.groups() if group is not None)
    return f"{before}{say(text)}"


def _next(found, titles):
    """The line that leads on, with the next notebook's Korean title."""
    name = found[1]
    korean = f'<span class="said" lang="ko">다음: [{titles[name]}]({name}.ipynb)</span>'
    return f'<span class="said" lang="en">{found[0]}</span>{korean}'


def _questions():
    """The learners' questions, which are headings, in Korean."""
    asked = in_korean.questions()
    return {plain(one.text): asked[one.number] for one in QUESTIONS if one.number in asked}
