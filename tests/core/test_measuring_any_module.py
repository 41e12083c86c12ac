"""Whatever somebody's module runs is counted as torch's own counter counts it, or named."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from xception_edu import measure
from xception_edu.configs import VGGConfig
from xception_edu.costs import Cost
from xception_edu.measure import measured_cost, measured_layers, stage_shapes
from xception_edu.vgg import vgg


class OnTokens(nn.Module):
    """A module of sequences, run on the positions of a map."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        tokens = x.flatten(2).transpose(1, 2)
        return self.module(tokens)


class SelfAttention(nn.Module):
    """By torch's multi-head attention, which reads the parameters of a child that never runs."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x):
        return self.attention(x, x, x)[0]


class Function(nn.Module):
    """A module with a frozen parameter and a tensor that is a mere attribute."""

    def __init__(self, function):
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 1)
        self.place = nn.Parameter(torch.zeros(8, 1, 1), requires_grad=False)
        self.constant = torch.ones(8, 1, 1)
        self.function = function

    def forward(self, x):
        return self.function(self.conv(x) * self.constant + self.place)


MODULES = {
    "transformer": OnTokens(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)),
    "attention": OnTokens(SelfAttention()),
    "lstm": OnTokens(nn.LSTM(8, 4, batch_first=True)),
    "gru": OnTokens(nn.GRU(8, 4, bidirectional=True)),
    "scaled dot product": Function(lambda x: F.scaled_dot_product_attention(x, x, x)),
    "einsum": Function(lambda x: torch.einsum("nchw,ndhw->ncd", x, x)),
    "baddbmm": Function(lambda x: torch.baddbmm(x[0], x[0], x[0])),
    "matmul": Function(lambda x: x @ x.mT),
    "x + 3": Function(lambda x: F.relu6(x + 3) / 6),
    "3 - x": Function(lambda x: 3 - x),
    "hard swish in place": Function(lambda x: F.hardswish(x, inplace=True)),
    "norms": nn.Sequential(nn.GroupNorm(2, 8), nn.InstanceNorm2d(8), nn.LayerNorm(6)),
    "transposed": nn.Sequential(
        nn.ConvTranspose2d(8, 4, 3), nn.PReLU(), nn.Upsample(scale_factor=2)
    ),
    "pools": nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Softmax(1), nn.Flatten(), nn.Linear(32, 2)),
    "made in forward": Function(lambda x: torch.cat([x, torch.zeros(1, 1, 6, 6)], 1)),
    "shuffled": nn.Sequential(nn.PixelShuffle(2), nn.ZeroPad2d(1), nn.ChannelShuffle(2)),
    "weights of weights": nn.utils.parametrizations.weight_norm(nn.Conv2d(8, 4, 3)),
    "no parameters": nn.Hardsigmoid(),
}


@pytest.mark.parametrize("name", MODULES)
def test_macs_are_torchs_and_no_parameter_is_left_out(name):
    module = MODULES[name].eval()
    cost = measured_cost(module, (8, 6, 6))
    # on the CPU torch runs some of them in one piece, for which its counter has no formula
    shadow = measure.without_values(module)
    with FlopCounterMode(display=False) as counter, torch.no_grad(), torch.device("meta"):
        shadow(torch.empty(1, 8, 6, 6))
    assert 2 * cost.macs == counter.get_total_flops()
    assert cost.params == sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_any_dtype_costs_the_same(dtype):
    module = nn.Sequential(nn.Conv2d(8, 4, 3), nn.Flatten(), nn.Linear(64, 2))
    cost = measured_cost(module, (8, 6, 6))
    assert measured_cost(module.to(dtype), (8, 6, 6)) == cost


def test_a_network_of_half_precision_has_its_stages():
    model = vgg(VGGConfig(widths=(4,), depths=(1,), fc_widths=(), input_size=8)).bfloat16()
    assert stage_shapes(model, (3, 8, 8))


def test_a_sum_with_a_number_reads_and_writes_one_map():
    *_, added = measured_layers(Function(lambda x: x.relu() + 3), (8, 6, 6))
    assert (added.operator, added.cost) == ("add", Cost(inputs=288, activations=288))


def test_what_is_computed_of_weights_alone_is_no_map():
    [layer] = measured_layers(MODULES["weights of weights"], (8, 6, 6))
    assert layer.operator == "convolution"
    assert layer.cost.inputs == 288


def test_parameters_of_what_does_not_run_are_counted():
    module = Function(lambda x: x)
    module.unused = nn.Linear(5, 5)
    assert measured_cost(module, (8, 6, 6)).params == 72 + 8 + 30


def test_weights_under_two_names_are_counted_once():
    pair = nn.Sequential(nn.Conv2d(8, 8, 1), nn.ReLU(), nn.Conv2d(8, 8, 1))
    pair[2].weight = pair[0].weight
    assert measured_cost(pair, (8, 6, 6)).params == 64 + 8 + 8


def test_an_operator_that_is_not_known_is_named_once():
    module = Function(lambda x: torch.fft.fft2(x).abs() + torch.fft.fft2(x).abs())
    with pytest.warns(UserWarning, match="not known are counted as 0: ") as caught:
        cost = measured_cost(module, (8, 6, 6))
    [warning] = caught
    assert warning.filename == __file__  # it points at the line that asked
    assert str(warning.message).count("fft") == 1
    assert cost.macs == 36 * 64


def test_a_module_without_shapes_is_refused():
    with pytest.raises(ValueError, match="parameters without a shape"):
        measured_cost(nn.LazyLinear(3), (8, 6, 6))


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # torch.compile's own
def test_what_is_compiled_costs_what_it_computes():
    module = nn.Sequential(nn.Conv2d(8, 4, 3), nn.ReLU())
    cost = measured_cost(module, (8, 6, 6))
    assert measured_cost(torch.compile(module), (8, 6, 6)) == cost
    assert measured_cost(nn.DataParallel(module), (8, 6, 6)) == cost


class Distances(nn.Module):
    def forward(self, x):
        return torch.cdist(x, x)


class ByNumpy(nn.Module):
    def forward(self, x):
        return torch.from_numpy(x.numpy())


def test_distances_are_named_and_not_dropped_in_silence():
    with pytest.warns(UserWarning, match="not known are counted as 0: aten._cdist_forward"):
        assert measured_cost(Distances(), (4, 8, 8)).macs == 0


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_a_program_of_torchscript_is_refused_by_name():
    with pytest.raises(ValueError, match="model is a program of TorchScript"):
        measured_cost(torch.jit.script(nn.Conv2d(4, 4, 3)), (4, 8, 8))


def test_a_model_that_looks_at_values_is_told_that_there_are_none():
    with pytest.raises(ValueError, match="shape is .* that the model takes: can't convert meta"):
        measured_cost(ByNumpy(), (4, 8, 8))
