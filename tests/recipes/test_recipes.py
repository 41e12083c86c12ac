"""Recipes as data: what is refused, what survives JSON, whose the measured results are."""

import json
import math
import pathlib
from dataclasses import FrozenInstanceError, fields, replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.helpers.configurations import not_positive_integers
from tests.helpers.wrong_values import not_an_option, not_boolean, not_positive, not_text
from xception_edu.checks.fields import fields_of
from xception_edu.configs import XceptionConfig
from xception_edu.recipes import (
    CIFAR10,
    DIGITS,
    IMAGENET,
    IMAGENET_MODERN,
    JFT,
    PHOTOS,
    RECIPES,
    Recipe,
    averaging_hint,
    differences,
    learning_rate,
    peak_learning_rate,
    rate_rule,
)

RESULTS = pathlib.Path(__file__).parents[2] / "results"

negative = st.one_of(
    st.floats(max_value=-1e-9),
    st.just(float("nan")),
    st.just(float("inf")),
    st.text(max_size=3),
    st.none(),
)
not_a_share = st.one_of(negative, st.floats(min_value=1, allow_infinity=False), st.booleans())
above_one = st.one_of(not_positive, st.floats(min_value=1.0001, allow_infinity=False))
WRONG = {
    "name": not_text,
    "dataset": not_an_option,
    "model": st.one_of(st.none(), st.integers(), st.text(max_size=3), st.just({"segments": 4})),
    "image_size": st.one_of(not_positive_integers, st.sampled_from([12, 31, 100])),
    "labels": st.one_of(not_an_option, st.just("many")),  # and many for digits
    "held_out_share": st.one_of(not_a_share, st.just(0.0)),
    "seed": st.one_of(
        st.integers(max_value=-1),
        st.integers(min_value=2**63),
        st.floats(),
        st.booleans(),
        st.none(),
    ),
    "batch_size": not_positive_integers,
    "accumulate": st.one_of(not_positive_integers, st.sampled_from([3, 65, 128])),
    "steps_per_epoch": st.one_of(
        st.integers(max_value=0), st.floats(), st.booleans(), st.text(max_size=3)
    ),
    "evaluate_every": not_positive_integers,
    "epochs": not_positive_integers,
    "optimizer": not_an_option,
    "learning_rate": not_positive,
    "reference_batch_size": not_positive_integers,
    "lr_rule": not_an_option,
    "decay_by": not_an_option,
    "decay_images": not_positive_integers,
    "nesterov": not_boolean,
    "rmsprop_decay": not_a_share,
    "rmsprop_epsilon": not_positive,
    "l2": not_an_option,
    "clip_norm": negative,
    "schedule": not_an_option,
    "warmup_epochs": negative,
    "decay_rate": above_one,
    "decay_epochs": not_positive,
    "momentum": not_a_share,
    "weight_decay": negative,
    "label_smoothing": not_a_share,
    "polyak_decay": not_a_share,
    "bn_momentum": above_one,
    "init": not_text.filter(lambda value: value is not None),
    # whatever fits nothing, and what does not fit random weights
    "head_epochs": st.one_of(st.integers(max_value=-1), st.floats(), st.booleans(), st.just(5)),
    "head_learning_rate": not_positive,
    "unfreeze": st.one_of(not_an_option, st.just("exit")),
    "bn_statistics": st.one_of(not_an_option, st.just("fixed")),
    "spatial_kernels": not_an_option,
    # and any number for digits
    "entanglement": st.one_of(negative, st.floats(1.001, allow_infinity=False), st.just(0.5)),
    "random_crop_area": st.one_of(above_one, st.just(0.5)),  # and any part of digits
    "random_crop_ratio": st.one_of(not_positive, st.floats(0.01, 0.99)),
    "random_saturation": st.one_of(
        negative, st.floats(1.001, allow_infinity=False), st.booleans(), st.just(0.5)
    ),
    "random_erase": st.one_of(st.integers(max_value=-1), st.just(17), st.floats(), st.booleans()),
    "center_crop": above_one,
    "resampling": not_an_option,
    "streaming": not_boolean,
    "shuffle_buffer": not_positive_integers,
    "precision": not_an_option,
    "compile": not_boolean,
    "sync_bn": not_boolean,
    "workers": st.one_of(
        st.integers(max_value=0),
        st.integers(min_value=1025),
        st.floats(),
        st.booleans(),
        st.text(max_size=3),
    ),
    "random_shift": st.one_of(st.integers(max_value=-1), st.just(16), st.floats(), st.booleans()),
    "random_rotation": negative,
    "random_zoom": not_a_share,
    "color_jitter": not_a_share,
    "random_flip": st.one_of(not_boolean, st.just(True)),  # and True for digits
    "fill": not_an_option,
    "keep_checkpoints": not_positive_integers,
    "threads": st.one_of(
        st.integers(max_value=0),
        st.integers(min_value=1025),
        st.floats(),
        st.booleans(),
        st.text(max_size=3),
    ),
}


@st.composite
def recipes(draw):
    """Recipes that are right, with fields drawn far from their defaults."""
    share = st.floats(0, 0.99)
    return replace(
        draw(st.sampled_from([DIGITS, PHOTOS])),
        model=XceptionConfig(
            num_classes=draw(st.integers(1, 99)), segments=draw(st.sampled_from(["channels", 1, 7]))
        ),
        image_size=draw(st.integers(4, 12)) * 8,
        seed=draw(st.integers(0, 2**63 - 1)),
        epochs=draw(st.integers(1, 10**6)),
        optimizer=draw(st.sampled_from(["sgd", "adamw"])),
        learning_rate=draw(st.floats(1e-9, 10)),
        schedule=draw(st.sampled_from(["cosine", "steps"])),
        decay_by=draw(st.sampled_from(["epochs", "images"])),
        decay_images=draw(st.integers(1, 10**7)),
        batch_size=draw(st.integers(1, 10**4)),
        lr_rule=draw(st.sampled_from(["none", "linear", "sqrt"])),
        steps_per_epoch=draw(st.none() | st.integers(1, 10**6)),
        warmup_epochs=draw(st.floats(0, 9)),
        decay_rate=draw(st.floats(0.01, 1)),
        decay_epochs=draw(st.floats(0.1, 9)),
        momentum=draw(share),
        polyak_decay=draw(share),
        color_jitter=draw(share),
        threads=draw(st.none() | st.integers(1, 1024)),
    )


def test_every_field_has_wrong_values_here():
    assert set(WRONG) == {f.name for f in fields(Recipe)}


@pytest.mark.parametrize("name", WRONG)
@settings(max_examples=12)
@given(data=st.data())
def test_a_wrong_value_is_refused_with_its_name_and_value(name, data):
    value = data.draw(WRONG[name])
    field = next(field for field in fields_of(Recipe) if field.name == name)
    beside = (("labels", "many"), ("unfreeze", "exit"), ("bn_statistics", "fixed"))
    assume(value not in field.options or (name, value) in beside)
    with pytest.raises(ValueError, match=name) as error:
        replace(DIGITS, **{name: value})
    if not isinstance(
        value, list
    ):  # a NaN or an int prints as itself; a list's entries are named one by one
        assert repr(value) in str(error.value)


def test_a_recipe_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        DIGITS.epochs = 3


@given(recipes())
def test_json_gives_the_same_recipe_back(recipe):
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"epoch": 3}, "epoch is no field of Recipe"),
        ({"model": {"segment": 3}}, "model.segment is no field of XceptionConfig"),
        ({"model": {"segments": 0}}, "model.segments is 0"),
        ({"model": 3}, "model is 3"),
    ],
)
def test_a_dictionary_with_a_wrong_field_is_refused(change, says):
    with pytest.raises(ValueError, match=says):
        Recipe.from_dict(DIGITS.to_dict() | change)


def test_a_dictionary_without_a_needed_field_is_refused():
    with pytest.raises(ValueError, match="dataset is missing"):
        Recipe.from_dict({"name": "digits"})


def test_a_recipe_of_an_older_file_is_read_by_its_older_names():
    values = PHOTOS.to_dict()
    values["random_light"] = values.pop("color_jitter")
    assert Recipe.from_dict(values) == PHOTOS


@pytest.mark.parametrize("cls", [Recipe, XceptionConfig])
def test_every_field_says_what_it_means(cls):
    assert [field.name for field in fields_of(cls) if not field.meaning] == ["name"] * (
        cls is Recipe
    )


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("momentum", 0, 1),  # from 0 on, below 1
        ("random_saturation", 1, 1.001),  # at most 1
        ("bn_momentum", 1, 0),  # above 0
        ("random_crop_ratio", 1, 0.999),
        ("seed", 2**63 - 1, 2**63),
        ("workers", 1024, 1025),
        ("epochs", 1, 0),  # an integer without bounds is at least 1
        ("random_shift", 0, -1),
    ],
)
def test_a_bound_is_where_its_annotation_says(name, inside, outside):
    assert getattr(replace(PHOTOS, **{name: inside}), name) == inside
    right = next(field.right for field in fields_of(Recipe) if field.name == name).removesuffix(
        " or null"
    )
    with pytest.raises(ValueError, match=f"{name} is {outside}, but must be {right}$"):
        replace(PHOTOS, **{name: outside})


def test_a_long_value_is_shown_by_its_ends():
    with pytest.raises(
        ValueError, match=r"optimizer is 'sg.*gg', but must be one of 'sgd'"
    ) as error:
        replace(DIGITS, optimizer="sg" + "g" * 10_000)
    assert len(str(error.value)) < 200


def test_differences_name_the_fields_with_both_values():
    other = replace(DIGITS, epochs=3, model=replace(DIGITS.model, segments=4))
    assert differences(DIGITS, DIGITS) == []
    assert differences(DIGITS, other) == [
        "epochs is 15 and 3",
        "model.segments is 'channels' and 4",
    ]


@given(recipes(), st.floats(0, 1))
def test_the_learning_rate_never_exceeds_the_highest_nor_falls_below_zero(recipe, share):
    assert 0 <= learning_rate(recipe, share * recipe.epochs, 1000) <= peak_learning_rate(recipe)


def test_the_cosine_rises_for_the_warm_up_and_ends_at_zero():
    recipe = replace(DIGITS, epochs=10, learning_rate=0.4, warmup_epochs=2.0)
    assert learning_rate(recipe, 0) == 0
    assert learning_rate(recipe, 1) == pytest.approx(0.2 * (1 + math.cos(math.pi / 10)) / 2)
    assert learning_rate(recipe, 5) == pytest.approx(0.2)
    assert learning_rate(recipe, 10) == pytest.approx(0)


# ---- the paper's ---------------------------------------------------------------------------------


def test_imagenet_is_what_sections_4_2_and_4_3_say():
    said = dict(
        optimizer="sgd",
        momentum=0.9,
        learning_rate=0.045,
        schedule="steps",
        decay_rate=0.94,
        decay_epochs=2.0,
    )
    said |= dict(weight_decay=1e-5, image_size=299, decay_by="epochs", labels="one")
    assert {name: getattr(IMAGENET, name) for name in said} == said
    assert IMAGENET.model == XceptionConfig(num_classes=1000, dropout=0.5)
    assert IMAGENET.polyak_decay == 0.9999  # averaged, says the paper; the number is TF-slim's


def test_the_papers_imagenet_rate_is_0_045_times_0_94_every_2_epochs():
    rates = [learning_rate(IMAGENET, epoch) for epoch in (0, 1.99, 2, 3.99, 4, 120)]
    assert rates == pytest.approx([0.045, 0.045, 0.0423, 0.0423, 0.039762, 0.045 * 0.94**60])


def test_jft_is_what_sections_4_2_and_4_3_say():
    said = dict(
        optimizer="rmsprop",
        momentum=0.9,
        learning_rate=0.001,
        schedule="steps",
        decay_rate=0.9,
        decay_by="images",
    )
    said |= dict(decay_images=3_000_000, weight_decay=1e-5, image_size=299, labels="many")
    assert {name: getattr(JFT, name) for name in said} == said
    assert (JFT.model.dropout, JFT.model.fc_widths) == (0, ())
    assert JFT.polyak_decay == 0.9999


def test_the_papers_jft_rate_read_literally_is_gone_after_one_epoch():
    assert learning_rate(JFT, 2_999_999 / 350e6, 350_000_000) == 0.001
    assert learning_rate(JFT, 3_000_001 / 350e6, 350_000_000) == pytest.approx(0.0009)
    assert learning_rate(JFT, 1, 350_000_000) == pytest.approx(0.001 * 0.9**116)
    assert learning_rate(JFT, 1, 350_000_000) < 5e-9


def test_a_decay_by_images_must_know_how_many_an_epoch_has():
    with pytest.raises(
        ValueError, match="epoch_images is None, but must be an integer .*decay_by is 'images'"
    ):
        learning_rate(JFT, 1)


# ---- batch size and learning rate ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "batch_size", "peak", "says"),
    [
        ("none", 128, 0.1, "learning rate 0.1 for 128 images a step: left alone by the rule none"),
        (
            "linear",
            128,
            0.2,
            "learning rate 0.2 for 128 images a step: by the rule linear, 0.1 x 128/64",
        ),
        (
            "sqrt",
            256,
            0.2,
            "learning rate 0.2 for 256 images a step: by the rule sqrt, 0.1 x sqrt(256/64)",
        ),
        (
            "linear",
            16,
            0.025,
            "learning rate 0.025 for 16 images a step: by the rule linear, 0.1 x 16/64",
        ),
        ("linear", 64, 0.1, "learning rate 0.1, meant for the 64 images of a step"),
    ],
)
def test_another_batch_size_changes_the_rate_by_the_rule_and_says_so(rule, batch_size, peak, says):
    recipe = replace(DIGITS, lr_rule=rule, batch_size=batch_size, warmup_epochs=0.0)
    assert peak_learning_rate(recipe) == pytest.approx(peak)
    assert learning_rate(recipe, 0) == pytest.approx(peak)
    assert rate_rule(recipe) == says


def test_an_average_that_outlasts_the_run_is_said_with_one_that_does_not():
    assert averaging_hint(IMAGENET_MODERN, 125_100) is None
    said = "averaged weights look back some 10,000 steps, and the run has 2,500: "
    said += "--polyak-decay 0.996 forgets its start"
    assert averaging_hint(IMAGENET_MODERN, 2_500) == said
    assert averaging_hint(replace(IMAGENET_MODERN, polyak_decay=0.996), 2_500) is None
    assert averaging_hint(DIGITS, 1) is None


# ---- what does not go together -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recipe", "change", "says"),
    [
        (
            IMAGENET_MODERN,
            dict(optimizer="adamw", l2="loss"),
            "l2 is 'loss', but must be 'decay' for adamw",
        ),
        (JFT, dict(labels="one"), "labels is 'one', but must be 'many' for mosaics"),
        (CIFAR10, dict(labels="many"), "labels is 'many', but must be 'one' for cifar10"),
        (
            JFT,
            dict(label_smoothing=0.1),
            "label_smoothing is 0.1, but must be 0 where labels is 'many'",
        ),
        (DIGITS, dict(random_saturation=0.3), "random_saturation is 0.3, but must be 0: gray"),
        (PHOTOS, dict(random_crop_area=0.3), "random_crop_area is 0.3, but must be 1 for photos"),
        (
            IMAGENET,
            dict(accumulate=7),
            "accumulate is 7, but must be a divisor of batch_size, which is 1920",
        ),
        (
            IMAGENET,
            dict(accumulate=2000),
            "accumulate is 2000, but must be an integer from 1 to 1920",
        ),
    ],
)
def test_fields_that_do_not_go_together_are_refused(recipe, change, says):
    with pytest.raises(ValueError, match=says):
        replace(recipe, **change)


# ---- results -------------------------------------------------------------------------------------


MEASURED = sorted(path.stem.removeprefix("train_") for path in RESULTS.glob("train_*.json"))


def test_digits_and_photos_are_measured():
    assert {"digits", "photos"} <= set(MEASURED)


@pytest.mark.parametrize("name", MEASURED)
def test_the_measured_results_are_of_the_recipe_as_it_is_now(name):
    results = json.loads((RESULTS / f"train_{name}.json").read_text())
    assert Recipe.from_dict(results["recipe"]) == RECIPES[name]
    assert len(results["seeds"]) == len(results["runs"]) >= 3
    assert results["top1"]["mean"] == pytest.approx(
        sum(run["top1"] for run in results["runs"]) / len(results["runs"])
    )
    assert {"command", "commit", "machine", "cores", "python", "torch", "xception_edu"} <= set(
        results
    )


def test_digits_reach_97_percent_within_two_minutes():
    results = json.loads((RESULTS / "train_digits.json").read_text())
    assert results["top1"]["mean"] >= 0.97
    assert results["wall_seconds"]["mean"] <= 120


@pytest.mark.parametrize(("stride", "smallest"), [(1, 5), (2, 7)])
def test_images_of_which_the_stem_leaves_nothing_are_refused(stride, smallest):
    imagefolder = RECIPES["imagefolder"]
    model = replace(imagefolder.model, stem_stride=stride)
    assert replace(imagefolder, model=model, image_size=smallest, random_erase=0)
    with pytest.raises(ValueError, match=f"image_size is {smallest - 1}, .* at least {smallest}"):
        replace(imagefolder, model=model, image_size=smallest - 1, random_erase=0)
