"""What a network makes of one image, stage by stage."""

import functools

import torch
from torch import Tensor, nn

from xception_edu import checks
from xception_edu.measure import stages_of, unwrapped


@torch.no_grad()
def feature_maps(model: nn.Module, image: Tensor) -> dict[str, Tensor]:
    """The maps (channels, height, width) that leave every stage, by the stage's name, in order.

    Stages are the model's direct children; those of an nn.Sequential, nn.ModuleList or
    nn.ModuleDict count one by one. Those whose outputs are no maps, as a classifier's, are left
    out. The model runs as it does in eval mode, and is left as it was.

    Args:
        model: any torch.nn.Module that takes a batch of images.
        image: (channels, height, width), as `preprocess` gives it.

    Raises:
        ValueError: another model or image, or one that the model does not take.
    """
    checks.instance("model", model, nn.Module, "a torch.nn.Module")
    checks.instance("image", image, Tensor, "a tensor (channels, height, width)")
    if image.dim() != 3 or not image.numel():
        raise checks.wrong("image", tuple(image.shape), "a tensor (channels, height, width)")
    maps: dict[str, Tensor] = {}
    handles = [
        stage.register_forward_hook(functools.partial(_keep, maps, name))
        for name, stage in stages_of(unwrapped(model)).items()
    ]
    was_training = {module: module.training for module in model.modules()}
    try:
        model.eval()(image[None])
    except (RuntimeError, TypeError) as error:
        shape = tuple(image.shape)
        raise ValueError(
            checks.line(f"image is of shape {shape}, but must be one that the model takes: {error}")
        ) from error
    finally:
        for handle in handles:
            handle.remove()
        for module, training in was_training.items():
            module.training = training
    return maps


def _keep(maps: dict[str, Tensor], name: str, module: nn.Module, _: object, out: object) -> None:
    if isinstance(out, Tensor) and out.dim() == 4:
        maps[name] = out[0].clone()


def strongest(maps: Tensor, count: int = 6) -> Tensor:
    """The `count` channels of maps (channels, height, width) that vary most over the image, the
    first most of all; all of them, so ordered, if there are fewer.
    """
    checks.instance("maps", maps, Tensor, "a tensor (channels, height, width)")
    if maps.dim() != 3:
        raise checks.wrong("maps", tuple(maps.shape), "a tensor (channels, height, width)")
    spread = maps.float().flatten(1).std(dim=1, correction=0)
    return maps[spread.argsort(descending=True, stable=True)[: checks.integer("count", count)]]
