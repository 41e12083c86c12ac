"""MACs of Xception counted by hand, by torch's counter, torchinfo, fvcore and ptflops, and how long
each takes.

`counters`: a row for each `tool` and `device`, MACs of one image of 299x299: `convolutions`,
`linear`, `biases` (what it counts for adding them), `others` (what else it counts: BN, ReLU, in its
own measure), `total` (the number that the tool prints, halved where it counts a multiply-accumulate
as two), its times, and `times_as_long` as `costs` takes, median over alternated rounds. `agree`:
whether all rows have the same `convolutions` and `linear`. `times_faster`: `times_as_long` of the
fastest other tool, by device.

What is timed starts from a ready description: the list of layers for `costs`, the network for the
others. These run it, on a real image (`cpu`), and all but fvcore also on torch's meta device, where
nothing is multiplied. The row "costs, listed anew" makes the list of layers too. Tools that know
nn.Conv2d only are given the same network with grouped nn.Conv2d in it.

`small`: what the tools say of one convolution with batch normalization, SMALL, whose `input` is two
images: for each `tool` the number `said`, as it prints it, and the `images` that it is for (ptflops
takes one).
"""

import contextlib
import importlib.util
import io
import sys
from collections.abc import Callable
from unittest import mock

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from xception_edu import architectures
from xception_edu.benchmark import command, timing
from xception_edu.costs import cost_of, total
from xception_edu.layers import PointwiseConv2d, SegmentedConv2d
from xception_edu.specs import ConvSpec, LinearSpec
from xception_edu.xception import xception

FILE = "counting.json"
PACKAGES = ("torchinfo", "fvcore", "ptflops")
SHAPE = (3, 299, 299)
# channels of the 3x3 convolution, which has a bias and keeps the size; its input
SMALL = (8, 16), (2, 8, 10, 10)


def missing_peers() -> list[str]:
    """The tools that are not installed here; `make .venv-peers/installed` makes an environment that
    has them.
    """
    return [name for name in PACKAGES if importlib.util.find_spec(name) is None]


def measure(*, quick: bool, device: torch.device, progress: tqdm) -> dict:
    """Every tool's numbers and times. Raises ValueError if a tool is not installed."""
    if missing_peers():
        raise ValueError(
            f"packages are missing: {', '.join(missing_peers())}; run this with"
            " .venv-peers/bin/python, after make .venv-peers/installed"
        )
    said: dict[tuple[str, str], tuple[dict[str, int], timing.Function]] = {
        ("costs", "none"): by_hand()
    }
    said["costs, listed anew", "none"] = (
        said["costs", "none"][0],
        lambda: total(architectures.xception()),
    )
    for name, tool in TOOLS.items():
        for where in ("cpu", "meta"):
            if (name, where) != ("fvcore", "meta"):  # it traces, and a trace needs values
                said[name, where] = tool(where)
        progress.update()
    times = timing.alternate(
        {key: count for key, (_, count) in said.items()}, rounds=3 if quick else 9, seconds=20
    )
    rows = [
        {
            "tool": name,
            "device": where,
            **counted,
            **times[name, where].record(),
            "times_as_long": round(timing.ratio(times[name, where], times["costs", "none"]), 1),
        }
        for (name, where), (counted, _) in said.items()
    ]
    agree = len({(row["convolutions"], row["linear"]) for row in rows}) == 1
    faster = {
        where: min(row["times_as_long"] for row in rows if row["device"] == where)
        for where in ("cpu", "meta")
    }
    return {
        "network": "xception",
        "input": list(SHAPE),
        "agree": agree,
        "times_faster": faster,
        "counters": rows,
        "small": small(),
    }


def small() -> dict:
    """One convolution with bias and BN, in inference form, as each tool counts it."""
    import torchinfo
    from fvcore.nn import FlopCountAnalysis

    (ins, outs), shape = SMALL
    model, images = (
        nn.Sequential(nn.Conv2d(ins, outs, 3, padding=1), nn.BatchNorm2d(outs)).eval(),
        torch.zeros(shape),
    )
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(images)
    fvcore = (
        FlopCountAnalysis(model, images)
        .unsupported_ops_warnings(False)
        .uncalled_modules_warnings(False)
    )
    said = {
        "torch": (counter.get_total_flops(), shape[0]),
        "torchinfo": (
            torchinfo.summary(model, input_data=images, verbose=0).total_mult_adds,
            shape[0],
        ),
        "fvcore": (fvcore.total(), shape[0]),
        "ptflops": (said_by_ptflops(model, images[:1]), 1),
    }
    rows = [
        {"tool": name, "said": int(number), "images": count}
        for name, (number, count) in said.items()
    ]
    return {"channels": [ins, outs], "input": list(shape), "counters": rows}


def plain_network(device: str) -> nn.Module:
    """Xception in inference form whose convolutions are nn.Conv2d, none a class of ours; its values
    mean nothing.
    """
    with torch.device(device):
        model = xception().eval()
        for parent in list(model.modules()):
            for name, conv in list(parent.named_children()):
                if isinstance(conv, (SegmentedConv2d, PointwiseConv2d)):
                    groups = getattr(conv, "segments", 1)
                    sizes = {
                        "stride": conv.stride,
                        "padding": conv.padding,
                        "groups": groups,
                        "bias": False,
                    }
                    setattr(
                        parent,
                        name,
                        nn.Conv2d(conv.in_channels, conv.out_channels, conv.kernel_size, **sizes),
                    )
    return model


def _row(convolutions: int, linear: int, said: int, *, biases: int = 0) -> dict[str, int]:
    counted = {"convolutions": int(convolutions), "linear": int(linear), "biases": int(biases)}
    return {**counted, "others": int(said) - sum(counted.values()), "total": int(said)}


# what it says, and a function that counts once more
Tool = Callable[[], tuple[dict[str, int], timing.Function]]


def by_hand() -> tuple[dict[str, int], timing.Function]:
    """`costs`, from the list of layers."""
    layers = architectures.xception()
    kinds = {
        kind: sum(cost_of(*pair).macs for pair in layers if isinstance(pair[0], kind))
        for kind in (ConvSpec, LinearSpec)
    }
    return _row(kinds[ConvSpec], kinds[LinearSpec], total(layers).macs), lambda: total(layers)


def by_torch(device: str) -> tuple[dict[str, int], timing.Function]:
    """torch.utils.flop_counter, which counts a multiply-accumulate as two: halved here."""
    model, image = plain_network(device), torch.zeros(1, *SHAPE, device=device)

    @torch.no_grad()
    def count() -> FlopCounterMode:
        with FlopCounterMode(display=False) as counter:
            model(image)
        return counter

    counter = count()
    by_operator = counter.get_flop_counts()["Global"]
    convolutions, linear = (
        by_operator[operator] // 2
        for operator in (torch.ops.aten.convolution, torch.ops.aten.addmm)
    )
    return _row(convolutions, linear, counter.get_total_flops() // 2), count


def by_torchinfo(device: str) -> tuple[dict[str, int], timing.Function]:
    """torchinfo: weights times positions, so BN's scale and shift count once a channel, and so does
    a bias.
    """
    import torchinfo

    model, image = plain_network(device), torch.zeros(1, *SHAPE, device=device)
    count = lambda: torchinfo.summary(model, input_data=image, device=device, verbose=0)  # noqa: E731
    summary = count()
    convolutions, linear = (
        sum(layer.macs for layer in summary.summary_list if isinstance(layer.module, kind))
        for kind in (nn.Conv2d, nn.Linear)
    )
    biases = model.classifier.out_features
    return _row(convolutions, linear - biases, summary.total_mult_adds, biases=biases), count


def by_fvcore(device: str) -> tuple[dict[str, int], timing.Function]:
    """fvcore, which traces the network on a real image; it counts BN too."""
    from fvcore.nn import FlopCountAnalysis

    model, image = plain_network(device), torch.zeros(1, *SHAPE, device=device)

    @torch.no_grad()
    def count():
        analysis = (
            FlopCountAnalysis(model, image)
            .unsupported_ops_warnings(False)
            .uncalled_modules_warnings(False)
        )
        return analysis.by_operator()

    by_operator = count()
    return _row(by_operator["conv"], by_operator["linear"], sum(by_operator.values())), count


def by_ptflops(device: str) -> tuple[dict[str, int], timing.Function]:
    """ptflops, hooked on modules; BN, ReLU and biases count too."""
    model, image = plain_network(device), torch.zeros(1, *SHAPE, device=device)
    said = said_by_ptflops(model, image)
    convolutions, with_biases = (
        said - said_by_ptflops(model, image, ignored=(kind,)) for kind in (nn.Conv2d, nn.Linear)
    )
    biases = model.classifier.out_features
    return _row(convolutions, with_biases - biases, said, biases=biases), lambda: said_by_ptflops(
        model, image
    )


def said_by_ptflops(
    model: nn.Module, image: Tensor, *, ignored: tuple[type[nn.Module], ...] = ()
) -> int:
    """The tool's number for one image. It is kept from a torchvision that does not fit its
    torch.
    """
    with mock.patch.dict(sys.modules, {"torchvision": None, "timm": None}):
        from ptflops import get_model_complexity_info

    options = {
        "print_per_layer_stat": False,
        "as_strings": False,
        "ignore_modules": list(ignored),
        "verbose": False,
    }
    with contextlib.redirect_stdout(io.StringIO()):  # it tells what it ignores
        macs, _ = get_model_complexity_info(
            model,
            tuple(image.shape[1:]),
            input_constructor=lambda _: image,
            backend="pytorch",
            **options,
        )
    return macs


TOOLS = {"torch": by_torch, "torchinfo": by_torchinfo, "fvcore": by_fvcore, "ptflops": by_ptflops}


if __name__ == "__main__":
    raise SystemExit(command.program("counting", sys.modules[__name__]))
