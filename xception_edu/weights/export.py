"""Networks made ready for use: BN folded into the convolutions, and export to ONNX."""

import copy
import json
import os
from collections.abc import Iterator, Sequence

import torch
from torch import nn

from xception_edu import checks
from xception_edu.layers import SegmentedConv2d
from xception_edu.weights.notes import class_names

# A convolution and the BN behind it, by the names that they have in their parent.
PAIRS = (("conv", "bn"), ("conv1", "bn1"), ("conv2", "bn2"), ("skip", "skip_bn"))


def fold_batchnorm(model: nn.Module) -> nn.Module:
    """A new model in eval mode that computes what `model.eval()` does, without BN.

    Its scale and shift are in the convolutions.

    w' = w * gamma / sqrt(variance + epsilon) an output channel, and bias' = (bias - mean) * gamma /
    sqrt(...) + beta. In a separable convolution the later of the two takes them. `model` stays as
    it is. Equal up to rounding (1e-5 relative in float32). Raises ValueError if a BN does not stand
    behind a convolution.
    """
    checks.instance("model", model, nn.Module, "a torch.nn.Module")
    folded = copy.deepcopy(model).eval()
    for parent, conv_name, bn_name in list(_pairs(folded)):
        _fold(_last_convolution(getattr(parent, conv_name)), getattr(parent, bn_name))
        setattr(parent, bn_name, nn.Identity())
    left = [name for name, module in folded.named_modules() if isinstance(module, nn.BatchNorm2d)]
    if left:
        raise ValueError(
            f"model has {', '.join(left)}, but each BN must stand behind a convolution to be folded"
        )
    return folded


def _pairs(model: nn.Module) -> Iterator[tuple[nn.Module, str, str]]:
    for parent in model.modules():
        for conv, bn in PAIRS:
            # the ReLU between the two keeps them apart
            after_relu = getattr(parent, "relu_before_bn", False)
            if (
                hasattr(parent, conv)
                and isinstance(getattr(parent, bn, None), nn.BatchNorm2d)
                and not after_relu
            ):
                yield parent, conv, bn


def _last_convolution(module: nn.Module) -> nn.Conv2d | SegmentedConv2d:
    return [m for m in module.modules() if isinstance(m, (nn.Conv2d, SegmentedConv2d))][-1]


@torch.no_grad()
def _fold(conv: nn.Conv2d | SegmentedConv2d, bn: nn.BatchNorm2d) -> None:
    """Scale the convolution's weights and shift its bias in place, in float64: one rounding."""
    scale = (bn.running_var.double() + bn.eps).rsqrt()
    if bn.weight is not None:
        scale = scale * bn.weight.double()
    bias = torch.zeros_like(scale) if conv.bias is None else conv.bias.double()
    shifted = (bias - bn.running_mean.double()) * scale + bn.bias.double()
    weights = list(conv.weights) if isinstance(conv, SegmentedConv2d) else [conv.weight]
    for weight, part in zip(weights, scale.split([len(w) for w in weights]), strict=True):
        weight.copy_(weight.double() * part[:, None, None, None])
    conv.bias = nn.Parameter(shifted.to(weights[0].dtype), requires_grad=bn.bias.requires_grad)


def export_onnx(
    model: nn.Module,
    path: str | os.PathLike[str],
    input_size: int | tuple[int, int] = 299,
    *,
    classes: Sequence[str] | None = None,
) -> None:
    """Write `model` as ONNX, BN folded, for any number of images of one size.

    The size is a side or (height, width).

    The size is fixed because TensorFlow's pooling pads odd and even sides differently. Needs the
    extra "onnx".

    Args:
        model: the network.
        path: the file, which is overwritten if it is there.
        input_size: of the images.
        classes: their names, which the file then holds as JSON, as its metadata "classes".
    """
    checks.instance("model", model, nn.Module, "a torch.nn.Module")
    file, size = checks.path("path", path), checks.pair("input_size", input_size)
    names = None if classes is None else class_names(classes)
    right = getattr(getattr(model, "config", None), "num_classes", None)
    if names is not None and right is not None and len(names) != right:
        raise checks.wrong("classes", classes, f"{right} names, as many as the network has classes")
    for package in ("onnx", "onnxscript"):
        checks.extra(package, "onnx", "ONNX export")
    folded = fold_batchnorm(model)
    weight = next(folded.parameters())
    images = torch.zeros(2, weight.shape[1], *size, dtype=weight.dtype)
    program = torch.onnx.export(
        folded,
        (images,),
        input_names=["images"],
        output_names=["logits"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        dynamo=True,
        verbose=False,
    )
    if program is None:  # torch's type allows it; without a file it never happens
        raise RuntimeError("torch.onnx.export gave no program")
    if names is not None:
        program.model.metadata_props["classes"] = json.dumps(names)
    program.save(file, external_data=False)
