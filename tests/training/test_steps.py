"""What a step is: parts that add up, short gradients, other precisions, other optimizers, several
labels an image.
"""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from tests.helpers.tiny import TINY
from xception_edu.data.builtin import load_digits
from xception_edu.training import train
from xception_edu.training.evaluate import evaluate
from xception_edu.training.steps import (
    loss_of,
    make_model,
    make_optimizer,
    train_step,
    training_batch,
)

LINEAR_SHAPE = (8, 1, 2, 2)


def linear(dtype=torch.float64):
    """A network without BN, always the same one."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 3)).to(dtype)


def weights_after(model, images, labels, rate=0.5, **how):
    train_step(model, images, labels, torch.optim.SGD(model.parameters(), rate), **how)
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_a_step_of_plain_sgd_is_the_weights_minus_rate_times_gradient():
    model, images, labels = (
        nn.Sequential(nn.Flatten(), nn.Linear(4, 3)),
        torch.rand(5, 1, 2, 2),
        torch.tensor([0, 1, 2, 0, 1]),
    )
    loss = F.cross_entropy(model(images), labels)
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    expected = [p - 0.5 * g for p, g in zip(model.parameters(), gradients, strict=True)]
    returned = train_step(model, images, labels, torch.optim.SGD(model.parameters(), 0.5))
    torch.testing.assert_close(returned, loss.detach())
    torch.testing.assert_close(
        [p.detach() for p in model.parameters()], [e.detach() for e in expected]
    )


def test_a_step_trains_even_after_an_evaluation():
    model = make_model(TINY)
    evaluate(model, [(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 1]))], 8)
    assert not model.training
    train_step(
        model, torch.rand(4, 1, 8, 8), torch.tensor([0, 1, 2, 3]), make_optimizer(model, TINY)
    )
    assert model.training
    assert model.bn1.num_batches_tracked == 1


@given(st.sampled_from([2, 4, 8]))
def test_parts_of_a_batch_add_up_to_the_step_of_the_batch(parts):
    images, labels = torch.rand(LINEAR_SHAPE, dtype=torch.float64), torch.arange(8) % 3
    whole, cut = (weights_after(linear(), images, labels, accumulate=n) for n in (1, parts))
    torch.testing.assert_close(cut, whole, rtol=1e-12, atol=1e-12)


def test_bn_sees_each_part_by_itself():
    model, images = (
        nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(4, 3)),
        torch.rand(LINEAR_SHAPE),
    )
    weights_after(model, images, torch.arange(8) % 3, accumulate=2)
    mean = torch.tensor(0.0)
    for part in images.chunk(2):
        mean = 0.9 * mean + 0.1 * part.mean()
    torch.testing.assert_close(model[0].running_mean[0], mean)
    assert model[0].num_batches_tracked == 2


def test_parts_get_their_numbers_for_dropout():
    seen = []
    weights_after(
        linear(),
        torch.rand(LINEAR_SHAPE, dtype=torch.float64),
        torch.arange(8) % 3,
        accumulate=4,
        seed=seen.append,
    )
    assert seen == [0, 1, 2, 3]


def test_a_long_gradient_is_cut_and_a_short_one_is_not():
    images, labels = 100 * torch.rand(LINEAR_SHAPE, dtype=torch.float64), torch.arange(8) % 3
    start = torch.cat([p.detach().flatten() for p in linear().parameters()])
    free, cut, wide = (
        weights_after(linear(), images, labels, clip_norm=norm) - start for norm in (0, 0.25, 1e9)
    )
    assert cut.norm().item() == pytest.approx(0.5 * 0.25, rel=1e-5)
    torch.testing.assert_close(cut / cut.norm(), free / free.norm())
    torch.testing.assert_close(wide, free)
    scaled = weights_after(
        linear(),
        images,
        labels,
        clip_norm=0.25,
        scaler=torch.amp.GradScaler("cpu", init_scale=1024.0),
    )
    torch.testing.assert_close(
        scaled - start, cut, msg="the length is that of the gradient, not of the scaled one"
    )


def step_of(precision, **how):
    """Loss, weights and scaler after one step of the tiny recipe in a precision."""
    recipe = replace(TINY, precision=precision, model=replace(TINY.model, dropout=0.0))
    model = make_model(recipe)
    optimizer = make_optimizer(model, recipe)
    scaler = torch.amp.GradScaler("cpu", enabled=precision == "fp16")
    before = [p.detach().clone() for p in model.parameters()]
    loss = train_step(
        model,
        *training_batch(load_digits(), recipe, 0),
        optimizer,
        precision=precision,
        scaler=scaler,
        **how,
    )
    moved = torch.cat(
        [(p.detach() - b).flatten() for p, b in zip(model.parameters(), before, strict=True)]
    )
    return loss, moved, model, scaler


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_steps_nearly_as_full_and_keeps_weights_in_full(precision):
    """A step of half precision points where a full one does (cosine above 0.95), and is none of its
    roundings by luck.
    """
    (full_loss, full, *_), (loss, half, model, _) = step_of("fp32"), step_of(precision)
    assert loss.dtype == torch.float32
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert loss.item() == pytest.approx(full_loss.item(), rel=0.02)
    assert loss.item() != full_loss.item()
    assert F.cosine_similarity(full, half, dim=0) > 0.95


def test_an_overflow_in_fp16_leaves_the_step_out_and_lowers_the_scale():
    recipe = replace(TINY, precision="fp16")
    model = make_model(recipe)
    optimizer, scaler = make_optimizer(model, recipe), torch.amp.GradScaler("cpu", init_scale=1e30)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    loss = train_step(
        model,
        *training_batch(load_digits(), recipe, 0),
        optimizer,
        precision="fp16",
        scaler=scaler,
        clip_norm=1.0,
    )
    assert loss.isfinite()
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
    assert scaler.get_scale() == pytest.approx(0.5e30)


def test_the_scale_of_fp16_is_resumed(tmp_path):
    recipe = replace(TINY, precision="fp16")
    train.train(recipe, tmp_path / "whole", tensorboard=False)
    train.train(recipe, tmp_path / "cut", max_steps=7, tensorboard=False)
    train.train(recipe, tmp_path / "cut", resume=True, tensorboard=False)
    last = "checkpoints/step-00000010.safetensors"
    assert (tmp_path / "cut" / last).read_bytes() == (tmp_path / "whole" / last).read_bytes()
    assert b'"_growth_tracker\\\\\\": 10' in (tmp_path / "whole" / last).read_bytes()[:8000]


def test_a_gradient_that_overflows_whatever_the_scale_ends_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.amp.GradScaler, "get_scale", lambda self: 0.5)
    with pytest.raises(FloatingPointError, match="overflows fp16, .* at step 1 with learning rate"):
        train.train(replace(TINY, precision="fp16"), tmp_path, tensorboard=False)


def test_a_compiled_network_takes_the_same_steps(tmp_path, monkeypatch):
    """Traced as torch.compile traces it, without the C++ compiler that its last stage needs."""
    traced, real = [], torch.compile
    monkeypatch.setattr(
        torch,
        "compile",
        lambda *args, **how: traced.append(1) or real(*args, backend="aot_eager", **how),
    )
    plain = train.train(TINY, tmp_path / "plain", max_steps=5, tensorboard=False)
    compiled = train.train(
        replace(TINY, compile=True), tmp_path / "compiled", max_steps=5, tensorboard=False
    )
    assert traced == [1]
    assert compiled["loss"] == pytest.approx(plain["loss"], rel=1e-3)


# ---- losses and optimizers -----------------------------------------------------------------------


def test_several_labels_have_a_sigmoid_each():
    logits, labels = torch.tensor([[2.0, -1.0], [0.5, 0.0]]), torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    p = logits.sigmoid()
    by_hand = -(labels * p.log() + (1 - labels) * (1 - p).log()).mean()
    torch.testing.assert_close(loss_of(logits, labels), by_hand)
    assert loss_of(logits.bfloat16(), labels).dtype == torch.float32


@pytest.mark.parametrize(("l2", "factor"), [("decay", 1), ("loss", 2)])
@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop"])
def test_both_meanings_of_l2_are_what_they_say(l2, factor, optimizer):
    """The gradient of lambda/2 w^2 and of lambda w^2, by autograd, against what the optimizer
    adds.
    """
    recipe = replace(TINY, optimizer=optimizer, l2=l2, weight_decay=0.3, momentum=0.0)
    model = make_model(recipe)
    weight = model.classifier.weight
    penalty = 0.3 * (weight**2).sum() / (2 if l2 == "decay" else 1)
    (expected,) = torch.autograd.grad(penalty, weight)
    added = make_optimizer(model, recipe).param_groups[0]["weight_decay"] * weight
    torch.testing.assert_close(added, expected)
    assert make_optimizer(model, recipe).param_groups[0]["weight_decay"] == pytest.approx(
        factor * 0.3
    )


def test_rmsprop_by_hand():
    """Two steps of Tieleman and Hinton's rule with momentum, as torch has it: epsilon outside of
    the root.
    """
    recipe = replace(
        TINY,
        optimizer="rmsprop",
        learning_rate=0.1,
        momentum=0.5,
        rmsprop_decay=0.8,
        weight_decay=0.0,
    )
    model = nn.Linear(1, 1, bias=False).double()
    optimizer, w, mean, step = make_optimizer(model, recipe), model.weight.item(), 0.0, 0.0
    for gradient in (3.0, -2.0):
        model.weight.grad = torch.full((1, 1), gradient, dtype=torch.float64)
        optimizer.step()
        mean = 0.8 * mean + 0.2 * gradient**2
        step = 0.5 * step + gradient / (mean**0.5 + 1e-8)
        w -= 0.1 * step
    assert model.weight.item() == pytest.approx(w, rel=1e-9)


def test_weights_by_optimizer_are_different():
    made = {
        type(make_optimizer(make_model(TINY), replace(TINY, optimizer=name)))
        for name in ("sgd", "rmsprop", "adamw")
    }
    assert made == {torch.optim.SGD, torch.optim.RMSprop, torch.optim.AdamW}
