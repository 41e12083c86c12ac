"""Claims about kernels_explorer: what trained kernels are, the patterns that they nearly are, and
what is shown of them, of the published network and of a learner's own.
"""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import nn

from xception_edu.architectures import xception
from xception_edu.configs import XceptionConfig
from xception_edu.explorers import kernels_explorer
from xception_edu.explorers.kernel_layers import (
    FILE,
    kernels_of,
    layers_of,
    published_kernels,
    published_patterns,
)
from xception_edu.explorers.kernel_patterns import find_patterns, match_patterns, separable_share
from xception_edu.explorers.kernels import NAMES, choose
from xception_edu.explorers.kernels_panels import mosaic_size
from xception_edu.layers import SegmentedConv2d, SeparableConv2d
from xception_edu.specs import ConvSpec
from xception_edu.weights.load import import_weights
from xception_edu.weights.published import PUBLISHED

EDGE = np.array([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]])
BLUR = np.ones((3, 3))


def random(count, side=3, seed=0):
    return np.random.default_rng(seed).standard_normal((count, side, side))


# ---- patterns ------------------------------------------------------------------------------------


def test_kernels_made_of_two_patterns_are_found_to_be_made_of_these():
    draws = np.random.default_rng(0)
    scales = draws.uniform(0.5, 2, 40) * draws.choice([-1, 1], 40)
    kernels = scales[:, None, None] * np.stack([BLUR, EDGE])[[0] * 30 + [1] * 10]
    patterns = find_patterns(kernels, 2)
    for found, wanted in zip(patterns, (BLUR, EDGE), strict=True):  # the commonest first
        assert np.allclose(
            found * np.sign(found.ravel() @ wanted.ravel()) * np.linalg.norm(wanted), wanted
        )
    matches = match_patterns(kernels, patterns)
    assert matches.pattern.tolist() == [0] * 30 + [1] * 10
    assert np.allclose(matches.explained, 1)
    assert np.allclose(matches.scale[:, None, None] * patterns[matches.pattern], kernels)


def test_the_scale_is_the_best_there_is():
    kernels, patterns = random(20), random(3, seed=1)
    found = match_patterns(kernels, patterns)
    for kernel, pattern, scale, explained in zip(kernels, *found, strict=True):
        near, energy = patterns[pattern], np.square(kernel).sum()
        errors = [np.square(kernel - s * near).sum() for s in (scale, scale * 1.01, scale * 0.99)]
        assert errors[0] == min(errors)
        assert np.isclose(explained, 1 - errors[0] / energy)


def test_a_column_times_a_row_is_separable_and_a_kernel_of_zeros_is_nothing():
    column, row = random(1)[0][:2]
    kernels = np.stack([np.outer(column, row), np.eye(3), np.zeros((3, 3))])
    assert np.allclose(separable_share(kernels), [1, 1 / 3, 0])
    assert match_patterns(kernels, np.stack([BLUR])).explained[2] == 0


# ---- the published network's ---------------------------------------------------------------------


def test_the_file_has_every_depthwise_layer_of_xception_in_order():
    specs = [spec for spec, _ in xception(XceptionConfig())]
    depthwise = [
        spec
        for spec in specs
        if isinstance(spec, ConvSpec) and spec.segments == spec.in_channels > 1
    ]
    found = published_kernels()
    assert [len(kernels) for kernels in found.values()] == [spec.in_channels for spec in depthwise]
    assert len(found) == 34
    assert sum(map(len, found.values())) == 23_048


def test_the_file_is_small_and_says_whose_it_is():
    assert FILE.stat().st_size < 600_000
    with safe_open(FILE, framework="numpy") as file:
        assert file.metadata()["license"] == "MIT"
        assert "Chollet" in file.metadata()["author"]


def test_the_kernels_are_the_published_ones_wherever_those_are():
    url = PUBLISHED["imagenet"]["url"].rsplit("/", 1)[-1]
    path = Path(torch.hub.get_dir()) / "checkpoints" / url
    nested = os.environ.get("XCEPTION_EDU_KERAS_ARCHIVE")
    if not path.is_file() and not nested:
        pytest.skip("the published weights are not on this machine")
    if path.is_file():
        model = import_weights(path)
    else:
        from experiments.ship_imagenet_kernels import base_of

        model = base_of(Path(nested))
    for name, kernels in kernels_of(model).items():
        assert np.array_equal(kernels.astype(np.float16), published_kernels()[name]), name


def test_eight_patterns_explain_trained_kernels_and_not_random_ones():
    every = np.concatenate([kernels.astype(float) for kernels in published_kernels().values()])
    patterns = published_patterns()
    assert match_patterns(every, patterns).explained.mean() > 0.8
    assert match_patterns(random(4000), patterns).explained.mean() < 0.35
    assert separable_share(every).mean() > 0.9
    assert abs(separable_share(random(4000)).mean() - 0.75) < 0.01


def test_each_pattern_is_what_it_is_called():
    """Nearest to a template that is written down by hand, among those of all names."""
    line = np.array([1.0, 2, 1])
    templates = {
        "box blur": np.ones((3, 3)),
        "Gaussian": np.outer(line, line),
        "identity": np.diag([0.0, 1, 0]),
        "edge –": np.outer([1, 0, -1], line),
        "edge |": np.outer(line, [1, 0, -1]),
        "two columns": np.outer([1, 0.3, 1], [1, -0.3, 1]),
        "lower rows": np.outer([-0.3, 0.3, 1], [1, 1, 1]),
        "upper rows": np.outer([1, 0.5, 0], [1, 1, 1]),
    }
    nearest = match_patterns(published_patterns(), np.stack(list(templates.values())))
    assert [list(templates)[i] for i in nearest.pattern] == list(NAMES)


def test_the_last_layer_averages():
    explorer = kernels_explorer(layer=34)
    assert "box blur" in explorer.view()["title"]
    assert explorer.view()["values"][1].startswith("99%")


# ---- what is shown -------------------------------------------------------------------------------


def test_the_kernel_that_is_shown_is_of_the_pattern_that_was_chosen():
    (layer,) = layers_of({"a": np.concatenate([random(30), [BLUR, -EDGE]])})
    for pattern in range(8):
        place = choose(layer, str(pattern + 1))
        assert place is None or layer.pattern[place] == pattern
    assert layer.explained[choose(layer, "odd")] == layer.explained.min()


def test_every_layer_shows_what_a_plain_count_gives():
    """Of all 34: kernels, how many pass on nothing, how much is the nearest pattern, and how much
    one column times one row; of the commonest pattern its share.
    """
    made = kernels_explorer()
    patterns = published_patterns()
    for stop, (name, stored) in enumerate(published_kernels().items(), 1):
        kernels = stored.astype(np.float64)
        norms = np.sqrt((kernels**2).sum(axis=(1, 2)))
        products = np.einsum("nij,pij->np", kernels, patterns)
        cosines = np.abs(products) / np.where(norms, norms, 1)[:, None]
        cosines /= np.sqrt((patterns**2).sum(axis=(1, 2)))
        first = np.array([np.linalg.norm(kernel, 2) for kernel in kernels])
        parts = [
            (cosines.max(axis=1) ** 2).mean(),
            ((first / np.where(norms, norms, 1)) ** 2).mean(),
        ]
        share = np.bincount(cosines.argmax(axis=1)).max() / len(kernels)
        view = made.table["views"]["1"][stop - 1]
        assert view["values"][0] == f"{len(kernels):,}"
        assert [value.split(" | ")[0] for value in view["values"][1:3]] == [
            f"{p:.0%}" for p in parts
        ]
        assert view["title"].startswith(f"Layer {stop}, {name}: {share:.0%} ")
        dead = int((norms < 1e-3).sum())
        told = f"; {dead} pass{'es' * (dead == 1)} on nothing"
        assert view["note"].endswith(told) if dead else "nothing" not in view["note"]


def test_a_pattern_that_no_kernel_is_near_to_is_shown_without_one():
    explorer = kernels_explorer({"blurs": np.stack([BLUR, BLUR * 2])}, kernel="5")
    assert "No kernel" in explorer.view()["alts"][2]
    assert explorer.view()["values"][3:] == ["–", "–"]


def test_the_mosaic_holds_every_kernel():
    for count in (1, 2, 63, 64, 65, 728, 1024, 1536):
        across, pixel = mosaic_size(count, 3)
        rows = -(-count // across)
        assert across * pixel * 4 <= 384
        assert rows * pixel * 4 <= 396


# ---- a learner's own network ---------------------------------------------------------------------


def test_of_a_network_with_depthwise_layers_only_those_are_shown():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), SeparableConv2d(4, 8), nn.Conv2d(8, 8, 5, groups=8))
    found = kernels_of(model)
    assert {name: kernels.shape for name, kernels in found.items()} == {
        "1": (4, 3, 3),
        "2": (8, 5, 5),
    }
    weight = model[1].depthwise.weights[0].detach().double().numpy()
    assert np.array_equal(found["1"], weight[:, 0])
    titles = [row["title"] for row in kernels_explorer(model).table["views"]["1"]]
    assert len(titles) == 2


def test_of_a_network_without_every_slice_of_its_kernels_is_shown():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), SegmentedConv2d(4, 6, segments=2))
    assert {name: kernels.shape for name, kernels in kernels_of(model).items()} == {
        "0": (12, 3, 3),
        "2": (12, 3, 3),
    }


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (nn.Linear(2, 2), "model is Linear, but must have a convolution"),
        (nn.Conv2d(2, 2, 1), "model is Conv2d, but must have a convolution"),
        ("imagenet", "model is str, but must be a torch module"),
        ({"a": np.ones((3, 3))}, r"model\['a'\] has shape \(3, 3\), but must be \(kernels, k, k\)"),
        ({"a": np.full((1, 3, 3), np.nan)}, "has NaN or infinite values"),
    ],
)
def test_what_has_no_kernels_is_refused_in_one_line(model, words):
    with pytest.raises(ValueError, match=words):
        kernels_explorer(model)


def test_a_picture_of_ones_own_is_what_the_kernel_is_applied_to():
    gray = np.linspace(0, 1, 36).reshape(6, 6)
    color = np.stack([gray] * 3, axis=2)
    first, second = (
        kernels_explorer({"a": random(4)}, picture).shapes()[2][0] for picture in (gray, color)
    )
    assert first == second
    assert first != kernels_explorer({"a": random(4)}).shapes()[2][0]
