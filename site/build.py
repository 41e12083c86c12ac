"""The course as a static site that works from a disk, without a kernel or a network: python
site/build.py --out build/site

nbconvert turns each committed notebook into HTML; each explorer gets its saved state and the few
lines of player.js, which stand for Jupyter's half of a widget. Nothing is run: a page shows what
the notebook's file holds. Beside them lie the pages of the library, which api_pages.py makes from
its docstrings.
"""

import argparse
import html
import json
import re
import shutil
from pathlib import Path

import api_pages
import in_korean
import korean_pages
import nbformat
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from nbconvert import HTMLExporter
from nbconvert.preprocessors import Preprocessor
from pygments.formatters import HtmlFormatter

from xception_edu.commands import badges
from xception_edu.commands.questions import QUESTIONS

HERE = Path(__file__).parent
ROOT = HERE.parent
STATE, VIEW = (
    "application/vnd.jupyter.widget-state+json",
    "application/vnd.jupyter.widget-view+json",
)
MISCONCEPTIONS = ROOT / "notebooks" / "misconceptions.md"
LAB = "http://localhost:8888/lab/tree/"  # where `make lab` serves the notebooks


class ForReaders(Preprocessor):
    """Outputs as a page needs them: explorers with their state, pictures with the words that the
    notebook says of them.
    """

    def preprocess(self, notebook, resources):
        """Change the outputs of the notebook; nbconvert's protocol."""
        models = _models(notebook)
        for number, cell in enumerate(notebook.cells):
            for output in cell.get("outputs", []):
                data, size = output.get("data", {}), output.get("metadata", {}).get("image/png", {})
                state = models[data[VIEW]["model_id"]]["state"] if VIEW in data else {}
                # it moves by itself; other widgets need Python, and are shown as pictures
                if "_esm" in state:
                    page = _explorer(f"explorer-{number}", state, _instead(data, size))
                elif "image/png" in data:
                    page = _picture(data, size)
                else:
                    continue
                output.data = nbformat.from_dict({"text/html": page})
        del notebook.metadata["widgets"]
        return notebook, resources


def _models(notebook):
    """The saved state of each widget by its number."""
    return notebook.metadata.setdefault("widgets", {}).get(STATE, {}).get("state", {})


def _picture(data, size):
    """An image whose description is the text that the notebook shows where there are no
    pictures.
    """
    words = html.escape(data["text/plain"].removeprefix("Picture: "))
    sides = " ".join(f'{side}="{size[side]}"' for side in ("width", "height") if side in size)
    korean = html.escape(korean_pages.pictures().get(html.unescape(words), ""))
    return (
        f'<img class="picture" alt="{words}" data-korean="{korean}" {sides}'
        f' src="data:image/png;base64,{"".join(data["image/png"].split())}">'
    )


def _instead(data, size):
    """What stands where no script runs: the saved picture, or words where there is none."""
    return _picture(data, size) if "image/png" in data else html.escape(data["text/plain"])


def _explorer(name, state, picture):
    """The saved picture, in whose place player.js puts the explorer, or the field for a guess."""
    kind = "explorer" if "_table" in state else "guess"
    kept = {
        key: value
        for key, value in state.items()
        if not key.startswith(("_model", "_view", "_dom", "_anywidget"))
    }
    text = json.dumps(kept, ensure_ascii=False).replace("</", "<\\/")
    return (
        f'<figure class="{kind}" id="{name}"><noscript>{picture}</noscript></figure>'
        f'<script type="application/json" data-explorer="{name}">{text}</script>'
    )


def explorers_of(notebook):
    """The saved state of each explorer that a notebook shows, and the output that shows it."""
    models = _models(notebook)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            view = output.get("data", {}).get(VIEW)
            state = models[view["model_id"]]["state"] if view else {}
            if "_table" in state:
                yield state, output


def cover_of(notebooks):
    """The first segments explorer of the course, for the front page: its state, and as HTML."""
    for state, output in (found for book in notebooks for found in explorers_of(book)):
        if output.data["text/plain"].startswith("xe.segments_explorer("):
            picture = _picture(output.data, output.metadata["image/png"])
            return state, _explorer("explorer-cover", state, picture)
    raise ValueError("notebooks have no segments explorer, but must have one for the front page")


def title_of(notebook):
    """The first heading."""
    return next(
        line.removeprefix("# ")
        for line in notebook.cells[0].source.splitlines()
        if line.startswith("# ")
    )


def first_words(notebook):
    """The first paragraph below the first heading, as plain text."""
    paragraphs = [p for p in notebook.cells[0].source.split("\n\n") if not p.startswith("#")]
    return re.sub(
        r"\[([^]]+)\]\([^)]+\)|[*`]", lambda found: found[1] or "", paragraphs[0].replace("\n", " ")
    )


def minutes_of(notebook):
    """How long it takes by its first cell, as "about 20 minutes"; empty where that does not say."""
    found = re.search(r"\*\*Takes\*\* (about [^.]+)\.", notebook.cells[0].source)
    return found[1] if found else ""


def body_of(notebook, exporter, out):
    """The notebook as HTML; links to notebooks lead to their pages, and files of the project that
    it links to come along.
    """
    body, _ = exporter.from_notebook_node(notebook)
    body = re.sub(r'href="([0-9]{2}b?_\w+|guide)\.ipynb', r'href="\1.html', body)
    body = body.replace(f'href="{MISCONCEPTIONS.name}', f'href="{MISCONCEPTIONS.stem}.html')
    for name in set(re.findall(r'href="\.\./([^"#]+)', body)):
        (out / "files" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, out / "files" / name)
    return body.replace('href="../', 'href="files/')


def _as_notebook(text):
    """A page of Markdown as a notebook of one cell, which nbconvert turns into HTML."""
    cell = nbformat.v4.new_markdown_cell(text.read_text(encoding="utf-8"), id="page")
    return nbformat.v4.new_notebook(cells=[cell])


def styles():
    """The site's own rules and Pygments' colors of code, on light and on dark pages."""
    light, dark = (
        HtmlFormatter(style=name).get_style_defs(".highlight")
        for name in ("default", "github-dark")
    )
    dark = re.sub(r"^", ':root[data-theme="dark"] ', dark, flags=re.MULTILINE)
    return "\n".join([light, dark, (HERE / "site.css").read_text(encoding="utf-8")])


def build(notebooks, out, repository=None):
    """Write the site into the folder `out`, anew: an index, a page for each notebook, the notebooks
    and the library's pages.

    Args:
        notebooks: paths of the notebooks, in the order of the course.
        out: folder to write; what is in it goes.
        repository: OWNER/NAME on GitHub, for badges that open a notebook on mybinder.org and
            in Colab; None: no badges.
    """
    if repository is not None:
        badges.checked(repository)
    read = {path: nbformat.read(path, 4) for path in notebooks}
    links = {path.stem: _badges(path.name, read[path], repository) for path in read if repository}
    for notebook in read.values():  # a page's badges load no picture from elsewhere
        badges.remove(notebook)
    titles = {path.stem: title_of(notebook) for path, notebook in read.items()}
    words = {path.stem: first_words(notebook) for path, notebook in read.items()}
    options = {"template_name": "basic", "exclude_anchor_links": True}
    exporter = HTMLExporter(**options, exclude_input_prompt=True, exclude_output_prompt=True)
    exporter.register_preprocessor(ForReaders, enabled=True)
    page = Environment(
        loader=FileSystemLoader(HERE), undefined=StrictUndefined, autoescape=True
    ).get_template("page.html.j2")
    shutil.rmtree(out, ignore_errors=True)
    for folder in ("notebooks", "korean"):
        (out / folder).mkdir(parents=True)
    for name in ("site.js", "player.js"):
        shutil.copyfile(HERE / name, out / name)
    (out / "site.css").write_text(styles(), encoding="utf-8")
    names = list(titles)
    known = {"titles": titles, "words": words, "lab": LAB, "badges": links}
    known["minutes"] = {path.stem: minutes_of(notebook) for path, notebook in read.items()}
    known["minutes_ko"] = in_korean.minutes
    known["questions"] = [one for one in QUESTIONS if one.notebook in titles]
    known["korean"], known["asked"] = in_korean.course(), in_korean.questions()
    known["api"] = api_pages.FRONT
    cover_state, cover = cover_of(read.values())
    _write_korean(out, "index", [cover_state])
    for i, (path, notebook) in enumerate(read.items()):
        shutil.copyfile(path, out / "notebooks" / path.name)
        _write_korean(out, path.stem, [state for state, _ in explorers_of(notebook)])
        beside = {
            "before": names[i - 1] if i else None,
            "after": names[i + 1] if i + 1 < len(names) else None,
        }
        korean_pages.speak(path.stem, notebook)
        text = page.render(
            here=path.stem, body=body_of(notebook, exporter, out), cover="", **beside, **known
        )
        (out / f"{path.stem}.html").write_text(text, encoding="utf-8")
    text = page.render(
        here=MISCONCEPTIONS.stem,
        body=body_of(_as_notebook(MISCONCEPTIONS), exporter, out),
        cover="",
        before=None,
        after=None,
        **known,
    )
    (out / f"{MISCONCEPTIONS.stem}.html").write_text(text, encoding="utf-8")
    text = page.render(here="index", body="", cover=cover, before=None, after=names[0], **known)
    (out / "index.html").write_text(text, encoding="utf-8")
    api_pages.write_api(out / "api")


def _write_korean(out, name, states):
    """What a page's explorers show in Korean; the page loads it when a reader wants it."""
    text = in_korean.explorers_words(states)
    (out / "korean" / f"{name}.js").write_text(text, encoding="utf-8")


def _badges(name, notebook, repository):
    """What a page says of running its notebook elsewhere: two addresses, and what has to be
    installed in Colab first; that is empty if the notebook does so itself.
    """
    installs = any(badges.INSTALL in cell.metadata.get("tags", ()) for cell in notebook.cells)
    return {
        "binder": badges.on_binder(repository, name),
        "colab": badges.in_colab(repository, name),
        "install": "" if installs else badges.source_of(repository),
    }


def main():
    """Build the site of the committed notebooks; exit status 2 and one line if an argument is
    wrong.
    """
    parser = argparse.ArgumentParser(description="The course as a static site.")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder to write; what is in it is replaced"
    )
    parser.add_argument(
        "--repository",
        metavar="OWNER/NAME",
        help="the repository on GitHub, for badges that open a notebook elsewhere",
    )
    args = parser.parse_args()
    if args.out.exists() and any(args.out.iterdir()) and not (args.out / "site.css").exists():
        parser.exit(
            2,
            f"{parser.prog}: error: --out is {str(args.out)!r}, which has files that are no site:"
            " name another\n",
        )
    try:
        build(sorted((ROOT / "notebooks").glob("*.ipynb")), args.out, args.repository)
    except ValueError as error:
        parser.exit(2, f"{parser.prog}: error: {error}\n")
    print(args.out / "index.html")


if __name__ == "__main__":
    main()
