"""Photographs of every kind become the network's input; the likeliest classes are printed; bad
files are named.
"""

import json
import math
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_image

from tests.helpers.refusals import refused
from tests.helpers.weight_writers import network
from xception_edu.__main__ import main
from xception_edu.architectures import XceptionConfig
from xception_edu.recipes import RECIPES
from xception_edu.training.train import train
from xception_edu.weights.load import save_weights
from xception_edu.weights.predict import (
    _as_text,
    class_names,
    load_classifier,
    load_image,
    predict,
    preprocess,
)
from xception_edu.weights.published import SHIPPED

PHOTO = Image.fromarray(load_sample_image("china.jpg")).resize((160, 107))


def stored(path, image, **options):
    image.save(path, **options)
    return load_image(path)


def apart(ours, theirs):
    """Mean difference of two images in gray values of 255."""
    assert ours.size == theirs.size
    return np.abs(np.asarray(ours, float) - np.asarray(theirs, float)).mean()


# ---- any image -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "convert", "expected", "most"),
    [
        ("x.png", lambda photo: photo, PHOTO, 0),
        ("x.jpg", lambda photo: photo, PHOTO, 6),
        ("x.webp", lambda photo: photo, PHOTO, 6),
        ("x.gif", lambda photo: photo.quantize(256), PHOTO, 5),
        ("palette.png", lambda photo: photo.quantize(256), PHOTO, 5),
        ("gray.png", lambda photo: photo.convert("L"), PHOTO.convert("L").convert("RGB"), 0),
        ("bits.png", lambda photo: photo.convert("1"), PHOTO.convert("1").convert("RGB"), 0),
        ("cmyk.jpg", lambda photo: photo.convert("CMYK"), PHOTO, 6),
        ("cmyk.tiff", lambda photo: photo.convert("CMYK"), PHOTO, 1),
        ("ycbcr.tiff", lambda photo: photo.convert("YCbCr"), PHOTO, 3),
        ("opaque.png", lambda photo: photo.convert("RGBA"), PHOTO, 0),
        ("gray_alpha.png", lambda photo: photo.convert("LA"), PHOTO.convert("L").convert("RGB"), 0),
    ],
)
def test_every_mode_shows_the_same_photograph(name, convert, expected, most, tmp_path):
    image = stored(tmp_path / name, convert(PHOTO))
    assert image.mode == "RGB"
    assert apart(image, expected) <= most


GRAY = np.asarray(PHOTO.convert("L"))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("sixteen.png", GRAY.astype(np.uint16) * 257),
        ("sixteen.tiff", GRAY.astype(np.uint16) * 257),
        ("big_endian.tiff", (GRAY.astype(np.uint16) * 257).astype(">u2")),
        ("sixteen.pgm", GRAY.astype(np.uint16) * 257),
        ("sixteen.jp2", GRAY.astype(np.uint16) * 257),
        ("integers.tiff", GRAY.astype(np.int32)),
        ("fractions.tiff", GRAY.astype(np.float32) / 255),
        ("fractions.pfm", GRAY.astype(np.float32) / 255),
    ],
)
@pytest.mark.parametrize("darker", [1, 10])
def test_the_range_of_deep_gray_is_that_of_its_type_and_not_of_its_values(
    name, values, darker, tmp_path
):
    image = stored(tmp_path / name, Image.fromarray((values / darker).astype(values.dtype)))
    assert apart(image, Image.fromarray(GRAY // darker).convert("RGB")) <= 1


@pytest.mark.parametrize("outlier", [1.001, 300, 1e9, -1e9])
def test_one_value_beyond_the_range_does_not_change_the_others(outlier, tmp_path):
    values = GRAY.astype(np.float32) / 255
    values[0, 0] = outlier
    image = stored(tmp_path / "x.tiff", Image.fromarray(values))
    assert apart(image, Image.fromarray(GRAY).convert("RGB")) <= 1


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (GRAY.astype(np.float32), "gray from 0 to 1 .*more than half of them are above"),
        (GRAY.astype(np.int32) * 257, "gray from 0 to 255 .*more than half of them are above"),
        (np.full((4, 4), np.nan, np.float32), "some of its values are not finite"),
        (np.full((4, 4), np.inf, np.float32), "some of its values are not finite"),
    ],
)
def test_values_that_are_no_gray_are_refused(values, says, tmp_path):
    with pytest.raises(ValueError, match=rf"x\.tiff: cannot be read as an image: .*{says}"):
        stored(tmp_path / "x.tiff", Image.fromarray(values))


def test_lab_is_shown_in_color(tmp_path):
    from PIL import ImageCms

    lab = ImageCms.profileToProfile(
        PHOTO, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert apart(stored(tmp_path / "x.tiff", lab), PHOTO) <= 2


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_is_white(mode, tmp_path):
    if mode == "P":
        image, options = PHOTO.quantize(8), {"transparency": bytes(8)}
    else:
        image, options = PHOTO.convert(mode), {}
        image.putalpha(0)
    assert np.asarray(stored(tmp_path / "x.png", image, **options)).min() == 255


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_undone(orientation, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    PHOTO.save(tmp_path / "x.png", exif=exif)
    upright = load_image(tmp_path / "x.png")
    assert upright.size == (PHOTO.size if orientation < 5 else PHOTO.size[::-1])
    assert apart(upright, ImageOps.exif_transpose(Image.open(tmp_path / "x.png"))) == 0


@settings(max_examples=15)
@given(st.binary(max_size=200) | st.integers(0, 2000))
def test_what_is_no_image_is_named(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("bad") / "x.png"
    if isinstance(content, int):  # a photograph cut short
        PHOTO.save(path)
        content = path.read_bytes()[:content]
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.png: cannot be read as an image: "):
        load_image(path)


def test_a_picture_of_a_trillion_pixels_is_refused(tmp_path):
    """A PNG may say so in its header: nothing of that size is made."""
    PHOTO.save(tmp_path / "x.png")
    content = bytearray((tmp_path / "x.png").read_bytes())
    content[16:24] = (10**6).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(
        ValueError, match=r"x\.png: cannot be read as an image: .*must have 250,000,000 or"
    ):
        load_image(tmp_path / "x.png")


# ---- what the network sees -----------------------------------------------------------------------


@settings(max_examples=20)
@given(st.integers(1, 900), st.integers(1, 900))
def test_every_size_becomes_the_networks(width, height):
    x = preprocess(Image.new("RGB", (width, height), (255, 0, 51)))
    assert x.shape == (3, 299, 299)
    assert x[:, 7, 7].tolist() == pytest.approx([1, -1, -0.6])
    assert torch.equal(x, x[:, :1, :1].expand(3, 299, 299))


def test_333_becomes_299_by_cropping_alone():
    noise = np.random.default_rng(0).integers(0, 256, (333, 333, 3), dtype=np.uint8)
    x = preprocess(Image.fromarray(noise))
    assert torch.equal(
        x,
        torch.from_numpy(noise[17:316, 17:316]).permute(2, 0, 1).float().div(255).sub(0.5).div(0.5),
    )


def test_a_very_long_picture_costs_little_and_shows_its_center():
    line = Image.new("RGB", (100_000, 2), "black")
    line.paste("white", (49_990, 0, 50_010, 2))
    assert preprocess(line).min() == 1


# ---- names and numbers ---------------------------------------------------------------------------


def test_imagenets_names_are_known_by_their_numbers():
    names = class_names(1000)
    assert len(set(names)) == 1000
    known = {
        0: "tench",
        1: "goldfish",
        207: "golden retriever",
        281: "tabby",
        388: "giant panda",
        817: "sports car",
        999: "toilet",
    }
    assert all(names[i].startswith(name) for i, name in known.items())


def test_other_classes_have_names_of_a_file_or_numbers(tmp_path):
    assert class_names(3) == ["class 0", "class 1", "class 2"]
    (tmp_path / "names.txt").write_text("# sharp\ncat\ndög\n", encoding="utf-8")
    assert class_names(3, tmp_path / "names.txt") == ["# sharp", "cat", "dög"]
    with pytest.raises(ValueError, match=r"names\.txt: has 3 lines, but the network has 4 classes"):
        class_names(4, tmp_path / "names.txt")
    with pytest.raises(ValueError, match="nothing: cannot be read as class names"):
        class_names(4, tmp_path / "nothing")


def test_predictions_are_sorted_probabilities_of_all_classes():
    model = torch.nn.Flatten()
    [[(first, p), (second, q)]] = predict(model, torch.tensor([1.0, 3.0]).reshape(1, 2, 1, 1))
    assert (first, second) == (1, 0)
    assert (p, p + q) == pytest.approx((1 / (1 + np.exp(-2)), 1))


# ---- the command line ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    config = XceptionConfig(
        num_classes=7, entry_widths=(2, 2, 3, 3, 3), middle_blocks=1, exit_widths=(3, 4, 5)
    )
    save_weights(network(config), path)
    return str(path)


def test_the_five_likeliest_classes_are_printed(weights, tmp_path, capsys):
    PHOTO.save(tmp_path / "photo.png")
    (tmp_path / "names").write_text("\n".join("abcdefg"))
    path = str(tmp_path / "photo.png")
    assert main(["predict", path, "--weights", weights, "--labels", str(tmp_path / "names")]) == 0
    first, *guesses = capsys.readouterr().out.splitlines()
    assert (first, len(guesses)) == (path, 5)
    assert main(["predict", path, path, "--weights", weights, "--format", "json"]) == 0
    results = json.loads(capsys.readouterr().out)
    assert [result["file"] for result in results] == [path, path]
    top = results[0]["top"]
    assert [
        f"  {guess['probability']:.4f}  {'abcdefg'[guess['class']]}" for guess in top
    ] == guesses
    assert [guess["name"] for guess in top] == [f"class {guess['class']}" for guess in top]
    assert sorted((guess["probability"] for guess in top), reverse=True) == [
        guess["probability"] for guess in top
    ]


def test_bad_files_are_named_and_the_rest_is_predicted(weights, tmp_path, capsys):
    PHOTO.save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"no image")
    paths = [str(tmp_path / name) for name in ("bad.png", "good.png", "missing.png", ".")]
    assert main(["predict", *paths, "--weights", weights, "--format", "json"]) == 1
    out, err = capsys.readouterr()
    assert [result["file"] for result in json.loads(out)] == [paths[1]]
    assert len(err.splitlines()) == 3
    assert all(
        path in line for path, line in zip([paths[0], *paths[2:]], err.splitlines(), strict=True)
    )


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        ([], "IMAGE"),
        (["x.png"], "--weights"),
        (["x.png", "--weights", "nothing.pth"], "nothing.pth: does not exist"),
        (
            ["x.png", "--weights", "W", "--labels", "nothing"],
            "nothing: cannot be read as class names",
        ),
        (["x.png", "--weights", "W", "--format", "xml"], "--format"),
    ],
)
def test_a_wrong_argument_is_one_line(argv, part, weights, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(["predict", *(weights if argument == "W" else argument for argument in argv)])
    out, err = capsys.readouterr()
    assert (stop.value.code, out, err.count("\n")) == (2, "", 1)
    assert part in err


def test_a_network_for_other_images_is_refused(tmp_path, capsys):
    save_weights(
        network(XceptionConfig(in_channels=1, entry_widths=(2, 2, 3), exit_widths=(3, 3, 3))),
        tmp_path / "w.safetensors",
    )
    with pytest.raises(SystemExit):
        main(["predict", "x.png", "--weights", str(tmp_path / "w.safetensors")])
    assert "takes 1 channels, but images have 3" in capsys.readouterr().err


def test_a_checkpoint_of_training_guesses_as_in_its_evaluation(tmp_path, capsys):
    for number, name in enumerate(("cat", "dog")):
        for part, shade in (("train", 60), ("val", 70)):
            folder = tmp_path / "data" / part / name
            folder.mkdir(parents=True)
            for i in range(4):
                PHOTO.crop((40 * number, i, 40 * number + 80, i + shade)).save(folder / f"{i}.png")
    model = XceptionConfig(
        num_classes=2, entry_widths=(4, 4, 8), middle_blocks=0, exit_widths=(8, 8, 8)
    )
    recipe = replace(RECIPES["imagefolder"], model=model, image_size=32, batch_size=4, epochs=1)
    data = str(tmp_path / "data")
    last = train(recipe, tmp_path / "run", data=data, tensorboard=False)
    checkpoint = str(next((tmp_path / "run" / "checkpoints").glob("*.safetensors")))
    files = sorted(map(str, (tmp_path / "data" / "val").rglob("*.png")))
    assert main(["predict", *files, "--weights", checkpoint, "--format", "json"]) == 0
    tops = [result["top"] for result in json.loads(capsys.readouterr().out)]
    pairs = [(file, guess) for file, top in zip(files, tops, strict=True) for guess in top]
    loss = sum(
        -math.log(guess["probability"]) for file, guess in pairs if f"/{guess['name']}/" in file
    )
    assert loss / len(files) == pytest.approx(last["val_loss"], rel=1e-4)


def test_of_several_classes_an_image_each_probability_is_by_itself():
    [[(_, p), (_, q)]] = predict(
        torch.nn.Flatten(), torch.tensor([1.0, 3.0]).reshape(1, 2, 1, 1), multi_label=True
    )
    assert (p, q) == pytest.approx((1 / (1 + math.exp(-3)), 1 / (1 + math.exp(-1))))


# ---- what a file says rules ----------------------------------------------------------------------


def first_guess(capsys, *argv):
    assert main(["predict", *map(str, argv), "--format", "json"]) == 0
    [result] = json.loads(capsys.readouterr().out)
    return result["top"][0]


def test_by_name_and_by_file_the_answer_is_the_same(tmp_path, capsys):
    PHOTO.save(tmp_path / "x.png")
    guesses = [
        first_guess(capsys, tmp_path / "x.png", "--weights", weights)
        for weights in ("cifar10", SHIPPED["cifar10"])
    ]
    assert guesses[0] == guesses[1]
    assert guesses[0]["name"] == "ship"


def test_a_checkpoint_and_what_is_exported_of_it_answer_alike(tmp_path, capsys):
    for name, hue in (("cat", 40), ("dog", 200)):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(10):
            image = Image.new("RGB", (40, 36), (hue, i, 99))
            image.save(tmp_path / "data" / name / f"{i}.png")
    model = XceptionConfig(
        num_classes=2, entry_widths=(4, 4, 8), middle_blocks=0, exit_widths=(8, 8, 8)
    )
    recipe = replace(RECIPES["imagefolder"], model=model, image_size=32, batch_size=4, epochs=1)
    train(recipe, tmp_path / "run", data=str(tmp_path / "data"), tensorboard=False)
    [checkpoint] = (tmp_path / "run" / "checkpoints").glob("*.safetensors")
    exported = tmp_path / "x.safetensors"
    assert main(["import-weights", str(checkpoint), "--out", str(exported)]) == 0
    capsys.readouterr()
    PHOTO.save(tmp_path / "x.png")
    guesses = [
        first_guess(capsys, tmp_path / "x.png", "--weights", weights)
        for weights in (checkpoint, exported)
    ]
    assert guesses[0] == guesses[1]
    assert guesses[0]["name"] in ("cat", "dog")


SMALLEST = XceptionConfig(
    num_classes=3, entry_widths=(2, 2, 3), middle_blocks=0, exit_widths=(3, 4, 5)
)


def saved(path, config=SMALLEST, **options):
    save_weights(network(config), path, **options)
    return str(path)


def test_size_and_scale_of_the_images_are_those_of_the_file(tmp_path):
    said = {"image_size": [40, 60], "scale": 1 / 255, "offset": 0}
    path = saved(tmp_path / "w.safetensors", notes={"input": json.dumps(said)})
    PHOTO.save(tmp_path / "x.png")
    images = load_classifier(path).preprocess(str(tmp_path / "x.png"))
    assert images.shape == (3, 40, 60)
    assert images.min() >= 0
    torch.testing.assert_close(images, preprocess(PHOTO, (40, 60)).add(1).div(2))
    other = load_classifier(path, image_size=33).preprocess(str(tmp_path / "x.png"))
    assert other.shape == (3, 33, 33)
    with pytest.raises(ValueError, match="image_size is 6, but must be .* at least 7"):
        load_classifier(path, image_size=6)


@settings(max_examples=20)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 90), st.integers(1, 90))
def test_any_image_fills_any_size(width, height, high, wide):
    x = preprocess(Image.new("RGB", (width, height), (255, 0, 51)), (high, wide))
    assert x.shape == (3, high, wide)
    assert torch.equal(x, x[:, :1, :1].expand(3, high, wide))


def test_labels_in_another_order_do_not_rename_the_classes(tmp_path, capsys):
    path = saved(tmp_path / "w.safetensors", classes=["ant", "bee", "cat"])
    PHOTO.save(tmp_path / "x.png")
    labels = tmp_path / "labels.txt"
    labels.write_text("cat\nbee\nant\n")
    argv = (tmp_path / "x.png", "--weights", path)
    plain = first_guess(capsys, *argv)
    assert plain["name"] == ["ant", "bee", "cat"][plain["class"]]
    assert first_guess(capsys, *argv, "--labels", labels) == plain
    labels.write_text("cat\nbee\nowl\n")
    line = refused(["predict", *map(str, argv), "--labels", str(labels)], capsys)
    assert "lacks 'ant' and adds 'owl'" in line


def test_names_given_at_the_import_are_shown(tmp_path, capsys):
    path = saved(tmp_path / "w.safetensors")
    (tmp_path / "labels.txt").write_text("ant\nbee\ncat")
    out = tmp_path / "named.safetensors"
    argv = ["import-weights", path, "--out", str(out), "--labels", str(tmp_path / "labels.txt")]
    assert main(argv) == 0
    assert load_classifier(str(out)).classes == ("ant", "bee", "cat")
    assert main([*argv, "--no-top"]) == 0
    capsys.readouterr()


def test_one_output_is_a_probability_of_its_own(tmp_path, capsys):
    model = network(replace(SMALLEST, num_classes=1))
    torch.nn.init.zeros_(model.classifier.weight)
    torch.nn.init.constant_(model.classifier.bias, -1.0)
    save_weights(model, tmp_path / "w.safetensors")
    PHOTO.save(tmp_path / "x.png")
    guess = first_guess(capsys, tmp_path / "x.png", "--weights", tmp_path / "w.safetensors")
    assert guess["probability"] == pytest.approx(1 / (1 + math.e))


def test_names_with_control_characters_do_not_reach_the_terminal(tmp_path, capsys):
    names = ["\x1b[31mred", "two\nlines", "\u202eback"]
    path = saved(tmp_path / "w.safetensors", classes=names)
    PHOTO.save(tmp_path / "x.png")
    assert main(["predict", str(tmp_path / "x.png"), "--weights", path]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 4
    assert all(line.isprintable() for line in out.splitlines())


def test_a_home_that_cannot_be_written_is_named(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "file"))
    line = refused(["predict", "x.png", "--weights", "imagenet"], capsys)
    assert "file/hub/checkpoints, cannot be made" in line
    assert "TORCH_HOME" in line


def test_a_file_that_cannot_be_written_is_one_line(tmp_path, capsys):
    path = saved(tmp_path / "w.safetensors")
    (tmp_path / "x.safetensors").mkdir()
    line = refused(["import-weights", path, "--out", str(tmp_path / "x.safetensors")], capsys)
    assert "must be a file that can be written" in line


def test_control_characters_in_a_files_name_are_escaped_and_not_lost():
    guess = {"class": 0, "name": "red", "probability": 0.5}
    lines = _as_text({"file": "a\x1b[31m\n\u202e고양이.png", "top": [guess]})
    assert lines.splitlines() == [r"a\x1b[31m\n\u202e고양이.png", "  0.5000  red"]


def test_our_weights_are_found_where_they_lay_before_with_a_line_that_says_so(caplog):
    old = Path(SHIPPED["cifar10"]).parents[1] / "cifar10.safetensors"
    assert not old.exists()
    by_name, by_file = load_classifier("cifar10"), load_classifier(str(old))
    assert by_file.classes == by_name.classes
    assert "cifar10.safetensors has moved" in caplog.text
    with pytest.raises(ValueError, match="does not exist"):
        load_classifier(str(old.with_name("cifar11.safetensors")))
