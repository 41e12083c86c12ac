"""Badges that open the course's notebooks on mybinder.org and in Colab, from a repository on
GitHub that has them in notebooks/.

Binder installs what environment.yml names. Colab does not: with the badges comes a cell, before
the first one of code, that installs the package where it is missing.
"""

import re
from urllib.parse import quote

from xception_edu import checks
from xception_edu.exercises.cells import Cell, Notebook, number, tags, take

# As GitHub has them: an owner of letters, digits and single hyphens; a name with . and _, too.
REPOSITORY = re.compile(r"[A-Za-z0-9](?:-?[A-Za-z0-9]){0,38}/(?!\.{1,2}$)[\w.-]{1,100}", re.ASCII)
BINDER_PICTURE = "https://mybinder.org/badge_logo.svg"
COLAB_PICTURE = "https://colab.research.google.com/assets/colab-badge.svg"
BEGIN = "[![Open on mybinder.org]"  # of the line of badges
INSTALL = "install"  # the id and the tag of the cell that installs the package


def checked(repository: str) -> str:
    """The repository's name; ValueError unless it is OWNER/NAME."""
    if not REPOSITORY.fullmatch(repository) or repository.endswith(".git"):
        raise checks.wrong(
            "repository", repository, "OWNER/NAME, as in https://github.com/OWNER/NAME"
        )
    return repository


def on_binder(repository: str, notebook: str) -> str:
    """The address at which mybinder.org runs a notebook, by its file's name."""
    place = quote(f"notebooks/{notebook}", safe="")
    return f"https://mybinder.org/v2/gh/{checked(repository)}/HEAD?labpath={place}"


def in_colab(repository: str, notebook: str) -> str:
    """The address at which Colab runs a notebook, by its file's name."""
    page = f"{checked(repository)}/blob/main/notebooks/{quote(notebook)}"
    return f"https://colab.research.google.com/github/{page}"


def source_of(repository: str) -> str:
    """What pip installs the package from."""
    return f"git+https://github.com/{checked(repository)}"


def put(cells: Notebook, repository: str, notebook: str) -> None:
    """Put the badges below a notebook's title, and the cell that installs before its first code,
    in place of those that are there.

    Args:
        cells: the notebook, as its JSON is.
        repository: OWNER/NAME on GitHub.
        notebook: the file's name.
    """
    remove(cells)
    book = cells["cells"]
    title, _, text = "".join(book[0]["source"]).partition("\n")
    badges = (
        f"{BEGIN}({BINDER_PICTURE})]({on_binder(repository, notebook)})"
        f" [![Open in Colab]({COLAB_PICTURE})]({in_colab(repository, notebook)})"
    )
    book[0]["source"] = f"{title}\n\n{badges}\n{text}".splitlines(keepends=True)
    first = next(i for i, cell in enumerate(book) if cell["cell_type"] == "code")
    was_run = book[first]["execution_count"] is not None
    book.insert(first, _install_cell(repository))
    if was_run:
        number(cells)


def remove(cells: Notebook) -> None:
    """Take badges and the cell that installs out of a notebook, if it has them."""
    take(cells, lambda cell: INSTALL in tags(cell))
    source = cells["cells"][0]["source"]
    text = "".join(source)
    kept = re.sub(rf"^{re.escape(BEGIN)}.*\n\n", "", text, flags=re.MULTILINE)
    as_it_was = isinstance(source, str)
    cells["cells"][0]["source"] = kept if as_it_was else kept.splitlines(keepends=True)


def _install_cell(repository: str) -> Cell:
    """The cell that installs the package where it is missing."""
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": INSTALL,
        "metadata": {"tags": [INSTALL]},
        "outputs": [],
        "source": [
            "# Colab starts without the package. Where it is installed, this does nothing.\n",
            "from importlib.util import find_spec\n",
            "\n",
            'if find_spec("xception_edu") is None:\n',
            f'    get_ipython().run_line_magic("pip", "install --quiet {source_of(repository)}")',
        ],
    }
