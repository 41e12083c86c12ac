"""Inception V3: published counts, by hand and by machine layer by layer, shapes, and what it
answers to wrong input.

That its output equals torchvision's and Keras' is shown in tests/peers.
"""

import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xception_edu import architectures, paper
from xception_edu.__main__ import main
from xception_edu.configs import InceptionV3Config, XceptionConfig
from xception_edu.costs import cost_of, total
from xception_edu.inception_v3 import InceptionV3, WithAux, average_pool, inception_v3
from xception_edu.measure import measured_cost, measured_layers, stage_shapes
from xception_edu.specs import PoolSpec
from xception_edu.xception import xception

OPERATORS = {
    "ConvSpec": {"convolution"},
    "BatchNormSpec": {"native_batch_norm", "_native_batch_norm_legit_no_training"},
    "ActivationSpec": {"relu"},
    "LinearSpec": {"addmm"},
    "max": {"max_pool2d_with_indices"},
    "average": {"avg_pool2d"},
    "global_average": {"mean"},
}


def without_memory(config):
    """The torch network with shapes and no values."""
    with torch.device("meta"):
        return inception_v3(config)


def random_images(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def with_aux():
    torch.manual_seed(0)
    return inception_v3(InceptionV3Config(aux=True, num_classes=7)).eval()


# ---- published counts ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dials", "params"),
    [
        ({"variant": "paper_count"}, paper.IMAGENET_SIZE["Inception V3"].params),  # Table 3
        ({"bn_scale": False}, 23_851_784 - 34_432),  # Keras' count, less the BN statistics
        ({}, 23_834_568),  # timm's count
        ({"aux": True}, 27_161_264),  # torchvision's count
    ],
)
def test_published_parameter_counts_by_hand_and_by_machine(dials, params):
    config = InceptionV3Config(**dials)
    assert total(architectures.inception_v3(config)).params == params
    assert sum(p.numel() for p in without_memory(config).parameters()) == params


def test_published_macs():
    cost = total(architectures.inception_v3())
    assert cost.macs == 5_713_216_096  # torchvision documents 5.713 GMACs at 299
    assert cost.buffers == 34_432
    assert cost == measured_cost(without_memory(InceptionV3Config()), (3, 299, 299))


def test_xception_is_the_same_size_and_half_again_the_work():
    inception, ours = total(architectures.inception_v3()), total(architectures.xception())
    assert ours.params / inception.params == pytest.approx(0.959, abs=5e-4)
    assert ours.macs / inception.macs == pytest.approx(1.463, abs=5e-4)


# ---- counted twice -------------------------------------------------------------------------------


def assert_counted_alike(config, height, width):
    layers = architectures.inception_v3(config, (height, width))
    method = "forward_with_aux" if config.aux else "forward"
    measured = measured_layers(
        without_memory(config), (config.in_channels, height, width), method=method
    )
    assert len(measured) == len(layers)
    for (spec, shape), machine in zip(layers, measured, strict=True):
        kind = spec.kind if isinstance(spec, PoolSpec) else type(spec).__name__
        assert machine.operator in OPERATORS[kind], (spec, machine)
        assert cost_of(spec, shape) == machine.cost, (spec, machine)


@pytest.mark.parametrize("variant", ["standard", "paper_count"])
@pytest.mark.parametrize("aux", [False, True])
@pytest.mark.parametrize("bn_scale", [False, True])
def test_hand_and_machine_agree_layer_by_layer(variant, aux, bn_scale):
    assert_counted_alike(InceptionV3Config(variant=variant, aux=aux, bn_scale=bn_scale), 299, 299)


def test_fully_connected_layers_before_the_classifier_are_counted_alike():
    assert_counted_alike(InceptionV3Config(fc_widths=(20, 30)), 75, 75)


@st.composite
def configurations(draw):
    """A config with an image that it takes."""
    config = InceptionV3Config(
        variant=draw(st.sampled_from(["standard", "paper_count"])),
        aux=draw(st.booleans()),
        num_classes=draw(st.integers(1, 50)),
        in_channels=draw(st.integers(1, 5)),
        dropout=draw(st.sampled_from([0.0, 0.5])),
        bn_scale=draw(st.booleans()),
        padding_counted=draw(st.booleans()),
    )
    sides = st.integers(config.smallest_input, config.smallest_input + 90)
    return config, draw(sides), draw(sides)


@pytest.mark.slow
@given(configurations())
@settings(max_examples=8, deadline=None)
def test_hand_and_machine_agree_whatever_the_dials(case):
    assert_counted_alike(*case)


def test_every_layer_has_a_name_of_its_own():
    names = [spec.name for spec, _ in architectures.inception_v3(InceptionV3Config(aux=True))]
    assert len(set(names)) == len(names)


# ---- shapes --------------------------------------------------------------------------------------


def test_feature_maps_have_the_published_sides():
    shapes = dict(stage_shapes(without_memory(InceptionV3Config()), (3, 299, 299)))
    assert [shapes[f"conv{i}"].height for i in range(1, 6)] == [149, 147, 147, 73, 71]
    mixed = [tuple(shapes[f"mixed{i}"]) for i in range(11)]
    assert mixed == [
        (256, 35, 35),
        (288, 35, 35),
        (288, 35, 35),
        *[(768, 17, 17)] * 5,
        (1280, 8, 8),
        *[(2048, 8, 8)] * 2,
    ]
    assert shapes["classifier"] == (1000, 1, 1)


def test_the_first_keras_version_has_narrower_maps_at_side_35():
    shapes = dict(
        stage_shapes(without_memory(InceptionV3Config(variant="paper_count")), (3, 299, 299))
    )
    assert [shapes[f"mixed{i}"].channels for i in range(4)] == [256, 256, 256, 736]


def test_stages_of_xception_have_the_sides_of_figure_5():
    with torch.device("meta"):
        model = xception(XceptionConfig(fc_widths=(16,)))
    stages = stage_shapes(model, (3, 299, 299))
    assert (
        tuple(dict.fromkeys(shape.height for _, shape in stages if shape.height > 1))
        == paper.FEATURE_MAP_SIDES
    )
    assert {tuple(shape) for name, shape in stages if name.startswith("middle.")} == {
        paper.MIDDLE_FLOW_SHAPE
    }
    assert [name for name, _ in stages if name.startswith("entry.")] == [
        "entry.0",
        "entry.1",
        "entry.2",
    ]
    assert ("fc.0", (16, 1, 1)) in stages


@pytest.mark.parametrize("variant", ["standard", "paper_count"])
@torch.no_grad()
def test_the_smallest_images_work_and_smaller_ones_are_errors(variant):
    config = InceptionV3Config(variant=variant, num_classes=3)
    model = inception_v3(config).eval()
    assert model(random_images(1, 3, 75, 80)).shape == (1, 3)
    assert architectures.inception_v3(config, (75, 80))
    with pytest.raises(
        ValueError, match=r"x has shape \(1, 3, 80, 74\), but must be .* at least 75"
    ):
        model(random_images(1, 3, 80, 74))
    with pytest.raises(
        ValueError, match=r"input_size\[1\] is 74, but must be an integer of at least 75"
    ):
        architectures.inception_v3(config, (80, 74))


# ---- auxiliary tower -----------------------------------------------------------------------------


@pytest.mark.slow
@torch.no_grad()
def test_auxiliary_logits_come_when_asked_for_and_only_then(with_aux):
    images = random_images(1, 3, 299, 299)
    logits = with_aux(images)
    both = with_aux.forward_with_aux(images)
    assert isinstance(both, WithAux)
    assert both.aux_logits.shape == logits.shape == (1, 7)
    assert torch.equal(both.logits, logits)


@pytest.mark.slow
def test_logits_are_the_one_return_type_in_training_too(with_aux):
    assert isinstance(with_aux.train()(random_images(2, 3, 80, 80)), torch.Tensor)
    with_aux.eval()


@pytest.mark.slow
def test_gradients_reach_every_parameter(with_aux):
    both = with_aux.train().forward_with_aux(random_images(2, 3, 299, 299))
    (both.logits.sum() + both.aux_logits.square().sum()).backward()
    assert all(p.grad is not None for p in with_aux.parameters())
    with_aux.eval().zero_grad()


def test_asking_a_network_without_auxiliary_tower_is_an_error():
    model = without_memory(InceptionV3Config())
    with pytest.raises(ValueError, match="aux is False in the network's config, but must be True"):
        model.forward_with_aux(torch.empty(1, 3, 299, 299, device="meta"))


def test_the_auxiliary_tower_needs_299_pixels(with_aux):
    with pytest.raises(ValueError, match="at least 299"):
        with_aux.forward_with_aux(random_images(1, 3, 299, 298))
    with pytest.raises(
        ValueError, match="input_size is 298, but must be an integer of at least 299"
    ):
        architectures.inception_v3(with_aux.config, 298)


# ---- what the dials do ---------------------------------------------------------------------------


def test_average_pooling_divides_by_what_the_dial_says():
    ones = torch.ones(1, 1, 4, 4)
    assert torch.equal(average_pool(ones, padding_counted=False), ones)
    counted = average_pool(ones, padding_counted=True)[0, 0]
    assert counted[0, 0].item() == pytest.approx(4 / 9)
    assert counted[0, 1].item() == pytest.approx(6 / 9)
    assert counted[1, 1].item() == pytest.approx(1)


@pytest.mark.slow
@torch.no_grad()
def test_the_padding_dial_reaches_every_average_pool():
    torch.manual_seed(0)
    plain = inception_v3(InceptionV3Config(num_classes=3)).eval()
    counted = inception_v3(InceptionV3Config(num_classes=3, padding_counted=True)).eval()
    counted.load_state_dict(plain.state_dict())
    modules = [
        name for name, module in counted.named_modules() if hasattr(module, "padding_counted")
    ]
    assert modules == [f"mixed{i}" for i in (0, 1, 2, 4, 5, 6, 7, 9, 10)]
    for name in modules:
        channels = plain.get_submodule(name).tower4.conv.in_channels
        x = random_images(1, channels, 9, 9).abs()
        a, b = plain.get_submodule(name)(x), counted.get_submodule(name)(x)
        assert torch.allclose(a[..., 1:-1, 1:-1], b[..., 1:-1, 1:-1]), (
            "only the border feels the padding"
        )
        assert not torch.allclose(a, b)


def test_without_scale_there_is_no_gamma():
    state = without_memory(InceptionV3Config(bn_scale=False)).state_dict()
    assert "conv1.bn.bias" in state
    assert not [key for key in state if key.endswith("bn.weight")]


def test_the_variants_order_their_layers_as_published():
    first = {
        variant: [
            layer.operator for layer in measured_layers(without_memory(config), (3, 75, 75))[:3]
        ]
        for variant in ("standard", "paper_count")
        for config in [InceptionV3Config(variant=variant)]
    }
    norm = next(name for name in first["standard"] if "batch_norm" in name)
    assert first == {
        "standard": ["convolution", norm, "relu"],
        "paper_count": ["convolution", "relu", norm],
    }
    assert without_memory(InceptionV3Config()).conv1.conv.bias is None
    assert without_memory(InceptionV3Config(variant="paper_count")).conv1.conv.bias is not None


def test_convolutions_start_with_he_weights():
    torch.manual_seed(0)
    conv = InceptionV3(InceptionV3Config()).mixed9.tower3[1].conv
    fan_in = math.prod(conv.weight.shape[1:])
    assert conv.weight.std().item() == pytest.approx(math.sqrt(2 / fan_in), rel=0.01)


# ---- bad input -----------------------------------------------------------------------------------

not_numbers = st.one_of(
    st.text(max_size=3), st.none(), st.booleans(), st.just(math.nan), st.just(math.inf)
)
not_counts = st.one_of(not_numbers, st.integers(max_value=0), st.floats())
not_booleans = st.one_of(st.integers(), st.text(max_size=3), st.none())
WRONG = {
    "variant": st.one_of(st.text(max_size=5), st.none(), st.integers()),
    "aux": not_booleans,
    "num_classes": not_counts,
    "in_channels": not_counts,
    "fc_widths": st.one_of(st.text(max_size=3), st.none(), st.integers(), st.booleans()),
    "dropout": st.one_of(not_numbers, st.floats(max_value=-0.001), st.floats(min_value=1)),
    "bn_eps": st.one_of(not_numbers, st.floats(max_value=0)),
    "bn_scale": not_booleans,
    "padding_counted": not_booleans,
}


def test_every_dial_has_its_wrong_values():
    assert set(WRONG) == set(InceptionV3Config.__dataclass_fields__)


@given(st.sampled_from(sorted(WRONG)).flatmap(lambda name: st.tuples(st.just(name), WRONG[name])))
def test_a_wrong_dial_is_an_error_that_names_it(case):
    name, value = case
    with pytest.raises(ValueError, match=f"^{name} is .*, but must be"):
        InceptionV3Config(**{name: value})


@pytest.mark.parametrize("shape", [(3, 80, 80), (1, 1, 80, 80), (1, 3, 80), (1, 3, 80, 80, 1)])
def test_a_tensor_of_wrong_shape_is_an_error(shape):
    with pytest.raises(ValueError, match=r"x has shape .*, but must be \(N, 3, H, W\)"):
        without_memory(InceptionV3Config())(torch.empty(shape, device="meta"))


# ---- command line --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "params"), [("inception_v3", 23_834_568), ("inception_v3_paper", 23_626_728)]
)
def test_the_command_prints_the_totals(name, params, capsys):
    assert main(["costs", name, "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["name"] == name
    assert report["input"] == [3, 299, 299]
    assert report["totals"]["params"] == params


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ["--segments", "4"],
            "argument --segments: is 4, but inception_v3 has no segments: leave it out",
        ),
        (
            ["--segments", "channels"],
            "argument --segments: is 'channels', but inception_v3 has no segments: leave it out",
        ),
        (["--input-size", "74"], "input_size is 74, but must be an integer of at least 75"),
    ],
)
def test_the_command_answers_wrong_flags_in_one_line(flags, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["costs", "inception_v3", *flags])
    out, err = capsys.readouterr()
    assert (stopped.value.code, out) == (2, "")
    assert err == f"python -m xception_edu costs: error: {message}\n"
