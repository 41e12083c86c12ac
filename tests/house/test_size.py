"""Functions are short, and no comprehension hides another: what a reader meets is small."""

import ast
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "xception_edu"
LINES = 40  # of a function's statements: arguments and docstring, a line each, are no burden
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@cache
def nodes_of_the_package():
    """Every node of the package's files, by file."""
    return {
        path.relative_to(PACKAGE).as_posix(): nodes(path.read_text(encoding="utf-8"))
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def nodes(source):
    return list(ast.walk(ast.parse(source)))


def long_functions(nodes):
    """Functions with more than LINES lines of statements, and their first lines."""
    functions = [node for node in nodes if isinstance(node, FUNCTIONS)]
    return [(node.lineno, node.name) for node in functions if statements(node) > LINES]


def statements(function):
    """Lines from the first statement behind the docstring to the end."""
    body = function.body[ast.get_docstring(function) is not None :]
    return function.end_lineno - body[0].lineno + 1 if body else 0


def nested(nodes, kinds):
    """Lines on which a node of these kinds has another within."""
    outer = [node for node in nodes if isinstance(node, kinds)]
    return [node.lineno for node in outer if has_within(node, kinds)]


def has_within(outer, kinds):
    return any(isinstance(node, kinds) for node in ast.walk(outer) if node is not outer)


def places(find, *arguments):
    """What `find` finds, by file."""
    found = {file: find(nodes, *arguments) for file, nodes in nodes_of_the_package().items()}
    return {file: where for file, where in found.items() if where}


def test_functions_have_at_most_40_lines_of_statements():
    assert places(long_functions) == {}


def test_no_comprehension_has_another_within():
    assert places(nested, COMPREHENSIONS) == {}


def test_no_conditional_has_another_within():
    assert places(nested, ast.IfExp) == {}


def test_what_is_long_or_nested_is_seen():
    long = "def f(a):\n    '''Doc.'''\n" + "    a += 1\n" * 41
    assert long_functions(nodes(long)) == [(1, "f")]
    assert long_functions(nodes(long.replace("    a += 1\n", "", 1))) == []
    assert nested(nodes("x = 1\ny = [[i for i in j] for j in k]"), COMPREHENSIONS) == [2]
    assert nested(nodes("y = 1 if a else 2 if b else 3"), ast.IfExp) == [1]
    assert nested(nodes("y = [i for j in k for i in j] + [i for i in k]"), COMPREHENSIONS) == []
