"""Our own trained weights: small, read with nothing but the library, and what they say of
themselves is what was measured.
"""

import dataclasses
import importlib.util
import json
import pathlib

import pytest
import torch
from safetensors.torch import load_file

from xception_edu import architectures
from xception_edu.__main__ import main
from xception_edu.costs import total
from xception_edu.data.builtin import load_photograph
from xception_edu.data.load import load_dataset
from xception_edu.recipes import DIGITS, RECIPES
from xception_edu.recipes.recipe import Recipe
from xception_edu.training.evaluate import evaluate
from xception_edu.training.train import train
from xception_edu.weights.load import import_weights, load_pretrained, save_weights
from xception_edu.weights.published import SHIPPED, shipped_notes

ROOT = pathlib.Path(__file__).parents[2]
MEASURED = {
    name: json.loads((ROOT / "results" / f"shipped_{name}.json").read_text()) for name in SHIPPED
}
LEAST = {"cifar10": (0.85, 10_000), "digits": (0.95, 500)}  # top-1, and images it was measured on
shipped = pytest.mark.parametrize("name", SHIPPED)


def benchmark(name):
    """A program of experiments/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "experiments" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_files_have_at_most_two_megabytes_together():
    assert sum(path.stat().st_size for path in SHIPPED.values()) <= 2_000_000


@shipped
def test_it_is_the_recipes_network_with_all_its_weights(name):
    model, recipe = load_pretrained(name), RECIPES[name]
    assert model.config == recipe.model
    assert not model.training
    assert (
        sum(p.numel() for p in model.parameters())
        == total(architectures.xception(recipe.model, recipe.image_size)).params
    )
    assert Recipe.from_dict(shipped_notes(name)["recipe"]) == dataclasses.replace(
        recipe, seed=MEASURED[name]["shipped"]["seed"]
    )


@shipped
def test_what_the_file_says_was_measured(name):
    result = shipped_notes(name)["result"]
    assert MEASURED[name]["shipped"] == result | {
        "file": f"{name}.safetensors",
        "bytes": SHIPPED[name].stat().st_size,
    }
    top1, images = LEAST[name]
    assert result["top1"] >= top1
    assert result["images"] == images
    assert MEASURED[name]["recipe"] == shipped_notes(name)["recipe"]


def test_digits_by_name_are_read_as_they_were_when_measured():
    recipe = RECIPES["digits"]
    batches = load_dataset(recipe).validation_batches()
    found = evaluate(load_pretrained("digits"), batches, recipe.image_size)
    assert found["top1"] == pytest.approx(MEASURED["digits"]["shipped"]["top1"], abs=0.005)


def test_it_sees_a_cat_in_a_photograph_of_one(tmp_path, capsys):
    from PIL import Image

    Image.fromarray(load_photograph("chelsea").permute(1, 2, 0).numpy()).save(
        tmp_path / "chelsea.png"
    )
    assert (
        main(["predict", str(tmp_path / "chelsea.png"), "--weights", "cifar10", "--format", "json"])
        == 0
    )
    [result] = json.loads(capsys.readouterr().out)
    assert result["top"][0]["name"] == "cat"


def test_sixteen_bits_round_the_convolutions_and_nothing_else(tmp_path):
    torch.manual_seed(0)
    model = load_pretrained("cifar10")
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor.add_(torch.rand_like(tensor) / 100)
    save_weights(model, tmp_path / "half.safetensors", half=True, notes={"by": "a test"})
    stored = load_file(tmp_path / "half.safetensors")
    read = import_weights(tmp_path / "half.safetensors").state_dict()
    for name, tensor in model.state_dict().items():
        expected = tensor.half() if tensor.dim() > 1 else tensor
        assert stored[name].dtype == expected.dtype
        assert torch.equal(stored[name], expected)
        assert torch.equal(read[name], expected.to(tensor.dtype))


def test_a_run_becomes_the_librarys_weights_with_its_result(tmp_path):
    recipe = dataclasses.replace(DIGITS, epochs=1, polyak_decay=0.5, seed=3)
    last = train(recipe, tmp_path / "run")
    shipped = benchmark("ship_weights").ship(
        tmp_path / "run", None, "ten digits", package=tmp_path, results=tmp_path
    )
    assert json.loads((tmp_path / "shipped_digits.json").read_text())["shipped"] == shipped
    path = tmp_path / "digits.safetensors"
    data = load_dataset(recipe)
    found = evaluate(import_weights(path), data.validation_batches(), recipe.image_size)
    assert shipped["bytes"] == path.stat().st_size
    assert (shipped["data"], shipped["seed"], shipped["step"]) == ("ten digits", 3, last["step"])
    assert (shipped["top1"], shipped["top5"], shipped["images"]) == (
        found["top1"],
        found["top5"],
        500,
    )
    assert shipped["top1"] == pytest.approx(last["top1"], abs=0.01)


def test_a_run_that_is_not_finished_is_not_shipped(tmp_path):
    recipe = dataclasses.replace(DIGITS, epochs=1)
    train(recipe, tmp_path / "run", max_steps=2)
    with pytest.raises(ValueError, match="at step 2, but must be finished: it has 20 steps"):
        benchmark("ship_weights").ship(
            tmp_path / "run", None, None, package=tmp_path, results=tmp_path
        )
