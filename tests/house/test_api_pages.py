"""What the API pages show of an entry point with many arguments: each, by name."""

import dataclasses
import inspect
import re

import pytest

import xception_edu as xe

MANY = 3  # arguments that a signature explains by itself
SECTION = re.compile(r"^Args:\n((?:[ \t]+\S.*\n?|\n)+)", flags=re.MULTILINE)


def arguments(entry):
    """Names of what a caller may pass to a function, or to a class to make one."""
    parameters = inspect.signature(entry).parameters
    return [name.lstrip("*") for name in parameters if name != "self"]


def explained(entry):
    """Names that the docstring's "Args:" lists."""
    section = SECTION.search((inspect.getdoc(entry) or "") + "\n")
    if section is None:
        return []
    return re.findall(r"^ {4}\**(\w+)(?: \([^)]*\))?:", section[1], flags=re.MULTILINE)


def entry_points():
    """What a caller calls, by its public name. A config's fields say themselves what they are."""
    named = {name: getattr(xe, name) for name in xe.__all__}
    return {
        name: entry
        for name, entry in named.items()
        if callable(entry) and not dataclasses.is_dataclass(entry)
    }


ENTRY_POINTS = entry_points()


@pytest.mark.parametrize("name", sorted(ENTRY_POINTS))
def test_an_entry_point_with_more_than_three_arguments_lists_them(name):
    entry = ENTRY_POINTS[name]
    if len(arguments(entry)) > MANY:
        assert explained(entry) == arguments(entry)


def test_what_a_docstring_lists_is_read_as_pdoc_reads_it():
    def example(a, b, *, c, d):
        """Add up.

        Args:
            a: the first, which
                takes two lines: it does.
            b (int): the second.
            c: the third.
            d: the last.

        Returns: their sum.
        """

    assert explained(example) == arguments(example) == ["a", "b", "c", "d"]
