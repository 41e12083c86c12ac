"""The blocks of a module: its own children, and theirs where a child is a mere container."""

from torch import nn

CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
MOST = 64  # blocks that can be told apart in a picture


def stages(model: nn.Module, names: list[str]) -> tuple[list[dict[str, str]], list[int]]:
    """Blocks as name and type, in the order in which they run, and the block of each of `names`,
    modules that ran; what belongs to no child goes to the block before it.

    A child is a block. A container's children are blocks instead of it, and so are the children of
    one that has more than half of all layers.
    """
    cut = _cut(model, names)
    found: dict[str, int] = {}
    places: list[int] = []
    for name in names:
        block = next((one for one in cut if _is_within(name, one)), None)
        if block is None and (places or not cut):
            block = next(reversed(found), "")
        found.setdefault(block or "", len(found))
        places.append(found[block or ""])
    modules = dict(model.named_modules())
    return [{"name": name, "type": type(modules[name]).__name__} for name in found], places


def _cut(model: nn.Module, names: list[str]) -> list[str]:
    """Names of the modules that are blocks, the containers opened as far as there is room."""
    modules = dict(model.named_modules())
    cut = [name for name, _ in model.named_children()]
    while True:
        opened: list[str] = []
        for name in cut:
            inside = [f"{name}.{child}" for child, _ in modules[name].named_children()]
            opened += inside if inside and _is_opened(name, modules[name], names) else [name]
        if opened == cut or _count(opened, names) > MOST:
            return cut
        cut = opened


def _is_opened(name: str, module: nn.Module, names: list[str]) -> bool:
    layers = sum(_is_within(one, name) for one in names)
    return isinstance(module, CONTAINERS) or 2 * layers > len(names) > 12


def _count(cut: list[str], names: list[str]) -> int:
    """Blocks of the cut that run."""
    return sum(_runs(block, names) for block in cut)


def _runs(block: str, names: list[str]) -> bool:
    return any(_is_within(name, block) for name in names)


def _is_within(name: str, block: str) -> bool:
    return f"{name}.".startswith(f"{block}.")
