"""Pages of the library for the site, from its docstrings: a page a module, that works from a disk,
without a network.
"""

import importlib
import pkgutil
import re
from pathlib import Path

from pdoc import render
from pdoc.doc import Module
from pygments.formatters import HtmlFormatter

PACKAGE = "xception_edu"
FRONT = f"api/{PACKAGE}.html"  # the page to link to
TEMPLATES = Path(__file__).parent / "api"


def write_api(out):
    """Write a page for each module of the package, and an index to search, into the folder
    `out`.
    """
    load_public_names()
    render.configure(docformat="google", template_directory=TEMPLATES, favicon="data:,")
    render.env.globals["code_colors"] = code_colors()
    modules = {name: Module.from_name(name) for name in module_names()}
    pages = {}
    for name, module in modules.items():
        pages[f"{name.replace('.', '/')}.html"] = render.html_module(module, modules)
    pages["index.html"] = render.html_index(modules)
    pages["search.js"] = render.search_index(modules)
    for name, text in pages.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(text, encoding="utf-8")


def module_names():
    """Every module of the package. pdoc's own walk leaves out those that an `__all__` does not
    name.
    """
    package = importlib.import_module(PACKAGE)
    found = pkgutil.walk_packages(package.__path__, f"{PACKAGE}.")
    return [PACKAGE, *(module.name for module in found if not module.name.endswith("__main__"))]


def load_public_names():
    """Load the package's public names, which it gives on first use: pdoc shows only what is
    there.
    """
    package = importlib.import_module(PACKAGE)
    for name in getattr(package, "__all__", ()):
        setattr(package, name, getattr(package, name))


def code_colors():
    """Pygments' colors of code on light and on dark pages, where pdoc has light ones only."""
    light = HtmlFormatter(style="default").get_style_defs(".pdoc-code")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".pdoc-code")
    dark = re.sub(r"^(?=\.pdoc-code)", ':root[data-theme="dark"] ', dark, flags=re.MULTILINE)
    return f"{light}\n{dark}"
