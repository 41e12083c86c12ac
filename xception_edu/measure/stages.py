"""The stages of a module: its own children, and theirs where a child is a mere container."""

from typing import Any

import torch
from torch import nn

from xception_edu.measure.operators import tensors_in
from xception_edu.measure.shadow import image_of, taken, unwrapped, without_values
from xception_edu.specs import Shape

MOST = 64  # blocks that can be told apart in a picture


def stage_shapes(model: nn.Module, shape: Shape | tuple[int, int, int]) -> list[tuple[str, Shape]]:
    """Name and output shape of every stage that runs, in order, for one image of `shape`.

    `shape` is (channels, height, width).

    Stages are the model's direct children; those of an nn.Sequential, nn.ModuleList or
    nn.ModuleDict count one by one. On the meta device, so without work; the model is left as it
    was. A vector of n features is (n, 1, 1).
    """
    shadow = without_values(unwrapped(model)).eval()
    stages: list[tuple[str, Shape]] = []
    for name, stage in stages_of(shadow).items():
        stage.register_forward_hook(_recorder(stages, name))
    with torch.no_grad(), taken(shape):
        shadow(image_of(shadow, shape))
    return stages


def stages_of(model: nn.Module) -> dict[str, nn.Module]:
    """The model's direct children by name, those of a container one by one."""
    stages: dict[str, nn.Module] = {}
    for name, child in model.named_children():
        stages |= _members(name, child) if _is_container(child) else {name: child}
    return stages


def _members(name: str, container: nn.Module) -> dict[str, nn.Module]:
    """The container's children by their full names; where one never runs itself, its own."""
    members: dict[str, nn.Module] = {}
    for part, child in container.named_children():
        full = f"{name}.{part}"
        members |= _members(full, child) if _never_runs(child) else {full: child}
    return members


def _is_container(module: nn.Module) -> bool:
    """Whether it merely holds others, in order or by name."""
    return isinstance(module, nn.Sequential | nn.ModuleList | nn.ModuleDict) or _never_runs(module)


def _never_runs(module: nn.Module) -> bool:
    """Whether it has no forward: what holds it calls its members one by one."""
    return type(module).forward is nn.Module.forward


def _recorder(stages: list[tuple[str, Shape]], name: str) -> Any:
    """A hook that notes the shape of the output, or of its first tensor, under `name`."""

    def note(module: nn.Module, args: Any, out: Any) -> None:
        for tensor in tensors_in(out)[:1]:
            if 1 <= tensor.dim() <= 4:
                shape = (*tensor.shape[1:], *(1,) * (4 - tensor.dim()))
                stages.append((name, Shape(*shape)))

    return note


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
    return _is_container(module) or 2 * layers > len(names) > 12


def _count(cut: list[str], names: list[str]) -> int:
    """Blocks of the cut that run."""
    return sum(_runs(block, names) for block in cut)


def _runs(block: str, names: list[str]) -> bool:
    return any(_is_within(name, block) for name in names)


def _is_within(name: str, block: str) -> bool:
    return f"{name}.".startswith(f"{block}.")
