"""A frozen network's features of images, and linear classifiers on them."""

import io
from collections.abc import Callable, Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from xception_edu.data.images import Content
from xception_edu.data.sources import Split
from xception_edu.weights.predict import preprocess
from xception_edu.xception import Xception

BATCH = 50
PENALTY = 1e-3  # of the classifier's squared weights
Stage = Callable[[Tensor], Tensor]
Classifier = Callable[[Tensor], Tensor]


def some_of(split: Split, a_class: int, size: int) -> tuple[Tensor, Tensor]:
    """The first `a_class` images of each class, (N, 3, size, size), and their labels."""
    labels = split.labels.numpy()
    chosen = [np.flatnonzero(labels == label)[:a_class] for label in np.unique(labels)]
    order = np.stack(chosen, axis=1).ravel()  # every batch has images of every class
    images = [preprocess(opened(split.contents[i]), size) for i in order]
    return torch.stack(images), split.labels[torch.from_numpy(order)]


def opened(content: Content) -> Image.Image:
    """An image file, or its bytes, as RGB."""
    return Image.open(io.BytesIO(content) if isinstance(content, bytes) else content).convert("RGB")


def stages(model: Xception) -> list[Stage]:
    """The network's steps, one after another, to its features: the stem, 12 blocks, the end."""

    def stem(x: Tensor) -> Tensor:
        return F.relu(model.bn2(model.conv2(F.relu(model.bn1(model.conv1(x))))))

    def end(x: Tensor) -> Tensor:
        return F.relu(model.sep4(F.relu(model.sep3(x)))).mean(dim=(2, 3))

    return [stem, *model.entry, *model.middle, model.exit, end]


def stage_of(layer: str) -> int:
    """Which of the steps has the depthwise layer of this name."""
    flow, *numbers = layer.split(".")
    first = {"entry": 1, "middle": 4, "exit": 12, "sep3": 13, "sep4": 13}[flow]
    return first + int(numbers[0]) if flow in ("entry", "middle") else first


@torch.inference_mode()
def run(steps: Sequence[Stage], x: Tensor, *, bf16: bool = True) -> Tensor:
    """The steps on x, batch by batch, in bfloat16 or in float32; what comes out is float32."""
    outputs = []
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        for batch in x.split(BATCH):
            for step in steps:
                batch = step(batch)
            outputs.append(batch.float())
    return torch.cat(outputs)


def estimate_statistics(model: Xception, images: Tensor) -> None:
    """Set BN's running mean and variance to those of these images, averaged over batches."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None
    model.train()
    run(stages(model), images)
    model.eval()


def train_classifier(features: Tensor, labels: Tensor) -> Classifier:
    """Logistic regression on standardized features; gives answers (N,) for features (N, C)."""
    mean, std = features.mean(0), features.std(0) + 1e-6
    x = (features - mean) / std
    classes = int(labels.max()) + 1
    weight = torch.zeros(classes, x.shape[1], requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(F.linear(x, weight, bias), labels) + PENALTY * weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    fixed_weight, fixed_bias = weight.detach(), bias.detach()
    return lambda f: F.linear((f.float() - mean) / std, fixed_weight, fixed_bias).argmax(1)


def drawn(labels: Tensor, a_class: int, seed: int) -> Tensor:
    """The numbers of `a_class` images of each class, drawn at random."""
    draws = np.random.default_rng(seed)
    pools = [np.flatnonzero(labels.numpy() == label) for label in labels.unique().numpy()]
    return torch.from_numpy(np.concatenate([draws.permutation(p)[:a_class] for p in pools]))
