"""Claims about receptive fields: published numbers, and what the gradient of a real network
says.
"""

import pytest
import torch
from torch import nn

from xception_edu import architectures as a
from xception_edu.receptive_field import Field, receptive_fields
from xception_edu.specs import ConvSpec, PoolSpec, Shape


def at(layers, name):
    return next(
        field
        for (spec, _), field in zip(layers, receptive_fields(layers), strict=True)
        if spec.name == name
    )


def test_the_published_fields_of_vgg_and_inception_are_met():
    """Araujo, Norris, Sim, Computing Receptive Fields of Convolutional Neural Networks (Distill,
    2019): 212 and 1311 pixels.
    """
    assert at(a.vgg(), "pool5") == Field(212, 212, 32)
    layers = a.inception_v3()
    last = [
        field
        for (spec, _), field in zip(layers, receptive_fields(layers), strict=True)
        if spec.name.startswith("mixed10")
    ]
    assert tuple(map(max, zip(*last, strict=True))) == (1311, 1311, 32)


def test_the_gradient_reaches_exactly_the_field():
    """Xception's stem and first two blocks, as a chain with weights of 1: what moves one output
    element.
    """
    config = a.XceptionConfig(
        entry_widths=(2, 2, 2, 2), middle_blocks=0, exit_widths=(2, 2, 2), padding="symmetric"
    )
    layers = a.xception(config, 299)
    field = at(layers, "entry2_add")
    image = torch.zeros(1, 3, 299, 299, requires_grad=True)
    x = image
    for kernel, stride, padding in [(3, 2, 0), (3, 1, 0), *[(3, 1, 1), (3, 1, 1), (3, 2, 1)] * 2]:
        x = nn.functional.avg_pool2d(x, kernel, stride, padding)
    x[0, 0, x.shape[2] // 2, x.shape[3] // 2].backward()
    seen = image.grad[0, 0].nonzero()
    assert (seen.max(dim=0).values - seen.min(dim=0).values + 1).tolist() == [
        field.height,
        field.width,
    ]


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_stride_multiplies_what_later_windows_add(kernel):
    shape = Shape(1, 64, 64)
    layers = a.chain(
        shape,
        ConvSpec(1, 1, 3, stride=2, name="a"),
        ConvSpec(1, 1, kernel, name="b"),
        PoolSpec("global_average"),
    )
    fields = receptive_fields(layers)
    assert fields[1] == Field(3 + 2 * (kernel - 1), 3 + 2 * (kernel - 1), 2)
    assert fields[2].height == fields[1].height + 2 * 31
