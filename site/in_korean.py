"""Korean for the site: the course's titles and questions as README.ko.md has them, and what its
explorers show.
"""

import json
import re
from pathlib import Path

from xception_edu.explorers.engine.language import words_of
from xception_edu.explorers.engine.scene_explorer import SceneExplorer
from xception_edu.explorers.segments import SegmentsExplorer

README = Path(__file__).parents[1] / "README.ko.md"
NOTEBOOK = re.compile(r"^\| \[(.+?)\]\(notebooks/(\w+)\.ipynb\) \| (.+?) \|", re.MULTILINE)
QUESTION = re.compile(r"\[([^]]+)\]\(notebooks/\w+\.ipynb#cell-id=q(\d+)\)")


def course():
    """Title and content of each notebook, by its file's name without the ending."""
    text = README.read_text(encoding="utf-8")
    rows = NOTEBOOK.findall(text.replace("`", ""))
    return {name: (title, content) for title, name, content in rows}


def minutes(english):
    """How long a notebook takes, from its English words; empty where they name no minutes."""
    found = re.fullmatch(r"about (\d+) minutes", english.replace("half an hour", "30 minutes"))
    return f"약 {found[1]}분" if found else ""


def questions():
    """The learners' questions, by their numbers."""
    text = README.read_text(encoding="utf-8")
    return {int(number): asked.replace("`", "") for asked, number in QUESTION.findall(text)}


def explorers_words(states):
    """A script that hands player.js what these explorers show in Korean."""
    texts = {}
    for table in {state["_table"] for state in states}:
        sent = json.loads(table)
        kind = SceneExplorer if "drawings" in sent else SegmentsExplorer
        texts |= dict.fromkeys(kind.texts(sent))
    words = json.dumps(words_of(sorted(texts)), ensure_ascii=False, separators=(",", ":"))
    return f"speakKorean({words});\n"
