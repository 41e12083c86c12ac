"""Right answers with one thing changed: what a check must not let pass."""

import ast
import copy

SWAPS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
}


def _swapped(node):
    """What an operator or a number is changed to; nothing for any other node."""
    if isinstance(node, ast.BinOp) and type(node.op) in SWAPS:
        return {"op": SWAPS[type(node.op)]()}
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return {"value": 2 * node.value + 1}
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {"value": node.value + "x"}
    return {}


def mutants(code):
    """The code again and again, each time with one operator, number or text changed."""
    tree = ast.parse(code)
    for place, node in enumerate(ast.walk(tree)):
        changes = _swapped(node)
        if changes:
            other = copy.deepcopy(tree)
            changed = list(ast.walk(other))[place]
            for name, value in changes.items():
                setattr(changed, name, value)
            yield ast.unparse(other)
