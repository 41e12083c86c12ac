"""What a step is: a network, an optimizer, a batch, and one step down the gradient."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xception_edu import checks
from xception_edu.data.augment import augment, prepare
from xception_edu.data.dataset import Images
from xception_edu.data.order import seed_everything
from xception_edu.recipes.recipe import Recipe
from xception_edu.training import parallel
from xception_edu.training.freezing import freeze
from xception_edu.xception import Xception, xception

LABELS = (torch.int64, torch.uint8)  # that torch's loss takes
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def make_model(recipe: Recipe) -> Xception:
    """The recipe's network with He weights by its seed, on the CPU."""
    checks.instance("recipe", recipe, Recipe, "a Recipe")
    seed_everything(recipe.seed, "weights")
    model = xception(recipe.model)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = recipe.bn_momentum
    freeze(model, recipe)
    return model


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """SGD with momentum, RMSprop or AdamW; biases, and gamma and beta of BN, do not decay.

    torch adds `weight_decay * w` to the gradient: that is L2 of lambda/2 * w^2 in the loss. The
    other meaning, lambda * w^2 as Keras has it, is twice as much. AdamW subtracts `rate *
    weight_decay * w` from the weight instead.
    """
    checks.instance("model", model, nn.Module, "a torch.nn.Module")
    checks.instance("recipe", recipe, Recipe, "a Recipe")
    weight_decay = recipe.weight_decay * (2 if recipe.l2 == "loss" else 1)
    learning = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in learning if p.dim() > 1], "weight_decay": weight_decay},
        {"params": [p for p in learning if p.dim() <= 1], "weight_decay": 0.0},
    ]
    rate, momentum = recipe.learning_rate, recipe.momentum
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, rate, betas=(momentum, 0.999))
    if recipe.optimizer == "rmsprop":
        alpha, epsilon = recipe.rmsprop_decay, recipe.rmsprop_epsilon
        return torch.optim.RMSprop(groups, rate, alpha=alpha, eps=epsilon, momentum=momentum)
    # Fused: one pass over the weights and not one for each of its sums, 2 % of a step of Xception
    # on a CPU. Not with fp16's scaler: where that leaves out the first step, torch's fused SGD
    # (2.13) goes on with a momentum that nobody has set.
    return torch.optim.SGD(
        groups,
        rate,
        momentum=momentum,
        nesterov=recipe.nesterov and momentum > 0,
        fused=recipe.precision != "fp16",
    )


def training_batch(data: Images, recipe: Recipe, step: int) -> tuple[Tensor, Tensor]:
    """Images (N, C, H, W) and labels of step 0, 1, ...: this rank's part of the batch, prepared and
    augmented.

    Labels are (N,), or (N, classes) from 0 to 1 where an image has several.
    """
    if not hasattr(data, "training_images"):
        raise checks.wrong("data", data, "images as load_dataset gives them")
    checks.instance("recipe", recipe, Recipe, "a Recipe")
    step = checks.integer("step", step, at_least=0)
    rank, world_size = parallel.rank(), parallel.world_size()
    images, labels = data.training_images(recipe, step, rank=rank, world_size=world_size)
    seed_everything(recipe.seed, "step", step)  # for the augmentation
    prepared = prepare(images, recipe.image_size)
    return augment(prepared, recipe, rank=rank, world_size=world_size), labels


def loss_of(logits: Tensor, labels: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Mean loss: of softmax for labels (N,), of a sigmoid a class for (N, classes); in float32 at
    least.
    """
    _check_labels(logits, labels)
    label_smoothing = checks.number("label_smoothing", label_smoothing, at_least=0, at_most=1)
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    if labels.is_floating_point():
        return F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))
    return F.cross_entropy(logits, labels, label_smoothing=label_smoothing)


def _check_labels(logits: Tensor, labels: Tensor) -> None:
    """ValueError unless the labels are classes of the logits (N, classes), or shares of them."""
    if not isinstance(logits, Tensor) or logits.dim() != 2 or not logits.is_floating_point():
        raise checks.wrong("logits", logits, "a tensor (N, classes) of floats")
    count, classes = logits.shape
    right = f"a tensor ({count},) of integers from 0 to {classes - 1}, or {tuple(logits.shape)}"
    checks.instance("labels", labels, Tensor, right)
    shares = labels.is_floating_point() and labels.shape == logits.shape
    if not shares and (labels.dtype not in LABELS or labels.shape != (count,)):
        raise checks.wrong("labels", labels, right)
    # not asked on a GPU, where it waits for all that is still to do, nor of labels without values
    has_values = type(labels) is Tensor and labels.device.type == "cpu"
    seen = labels.tolist() if has_values and not shares else []
    if not set(seen) <= set(range(classes)):
        raise checks.wrong("labels", labels, right)


def train_step(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    optimizer: torch.optim.Optimizer,
    *,
    label_smoothing: float = 0.0,
    precision: str = "fp32",
    scaler: torch.amp.GradScaler | None = None,
    accumulate: int = 1,
    clip_norm: float = 0.0,
    seed: Callable[[int], None] = lambda part: None,
) -> Tensor:
    """One step down the gradient; the mean loss of the batch, before the step.

    Args:
        model: what is trained; in several processes, wrapped by `parallel.distribute`.
        images: this rank's part of the batch, (N, C, H, W), prepared.
        labels: (N,), or (N, classes) from 0 to 1 where an image has several.
        optimizer: its learning rate is that of the step.
        label_smoothing: share of each label that is spread over all classes.
        precision: of convolutions and matrix products: "fp32", "bf16" or "fp16".
        scaler: for fp16: it makes the loss larger, so that small gradients do not underflow, and
            leaves a step out where that made a gradient overflow.
        accumulate: the batch is taken in so many equal parts, one after the other, to save memory.
            Their gradients add up to the batch's own, but BN sees each part by itself.
        clip_norm: length to which a longer gradient is cut; 0 cuts none.
        seed: called with each part's number, for dropout.
    """
    checks.instance("model", model, nn.Module, "a torch.nn.Module")
    _check_batch(images, labels, accumulate)
    checks.instance("optimizer", optimizer, torch.optim.Optimizer, "a torch.optim.Optimizer")
    checks.one_of("precision", precision, DTYPES)
    if scaler is not None:
        checks.instance("scaler", scaler, torch.amp.GradScaler, "a torch.amp.GradScaler, or None")
    checks.number("clip_norm", clip_norm, at_least=0)
    checks.function("seed", seed)
    model.train()
    optimizer.zero_grad()
    scaler = scaler or torch.amp.GradScaler(images.device.type, enabled=False)
    losses = []
    parts = zip(images.chunk(accumulate), labels.chunk(accumulate), strict=True)
    for part, (x, y) in enumerate(parts):
        seed(part)
        with parallel.sync_gradients(model, now=part == accumulate - 1):
            with autocast(images.device, precision):
                loss = loss_of(model(x), y, label_smoothing) / accumulate
            scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        losses.append(loss.detach())
    if clip_norm:
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
    scaler.step(optimizer)
    scaler.update()
    return torch.stack(losses).sum()


def _check_batch(images: Tensor, labels: Tensor, accumulate: int) -> None:
    """ValueError unless images and labels can be cut into so many equal parts."""
    if not isinstance(images, Tensor) or images.dim() == 0:
        raise checks.wrong("images", images, "a tensor (N, C, H, W)")
    if not isinstance(labels, Tensor) or labels.shape[:1] != images.shape[:1]:
        raise checks.wrong(
            "labels", labels, f"a tensor with a row for each of {len(images)} images"
        )
    if len(images) % checks.integer("accumulate", accumulate):
        raise checks.wrong("accumulate", accumulate, f"a divisor of the {len(images)} images")


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Convolutions and matrix products within are of that precision; sums, BN's statistics and the
    loss stay float32.
    """
    return torch.autocast(device.type, DTYPES[precision], enabled=precision != "fp32")
