"""Images in files as training sees them: the same whoever decodes, whichever process, and wherever
a run goes on.
"""

import math
from dataclasses import replace

import datasets
import numpy as np
import pytest
import torch

from tests.helpers.batches import batches, equal
from tests.helpers.image_files import jpeg, recipe, write_folder, write_parquet
from xception_edu.data import file_sets, load
from xception_edu.data.dataset import Dataset
from xception_edu.data.file_sets import FileSet
from xception_edu.data.load import load_dataset
from xception_edu.recipes import CIFAR10, DIGITS, JFT

WHOLE = recipe(random_crop_area=1.0)
CROPPED = recipe()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("folder")
    write_folder(root, range(22), "train")
    write_folder(root, range(30, 41), "val")
    return root


# ---- in memory or not ----------------------------------------------------------------------------


def test_a_small_set_is_kept_in_memory_and_a_large_one_is_not(folder, monkeypatch):
    small = load_dataset(WHOLE, folder)
    monkeypatch.setattr(load, "SMALL_SET", 33 * 3 * 16 * 16 - 1)
    large = load_dataset(WHOLE, folder)
    assert (type(small), type(large)) == (Dataset, FileSet)
    assert equal(batches(small, WHOLE, range(12)), batches(large, WHOLE, range(12)))
    assert equal(small.validation_batches(4), large.validation_batches(4))
    assert (small.train_size, small.classes, small.multi_label) == (
        large.train_size,
        large.classes,
        large.multi_label,
    )
    monkeypatch.setattr(load, "SMALL_SET", 33 * 3 * 16 * 16)
    assert type(load_dataset(WHOLE, folder)) is Dataset


def test_images_that_are_cropped_at_random_are_decoded_anew_in_every_epoch(folder):
    data = load_dataset(CROPPED, folder)
    assert type(data) is FileSet
    first, second = (
        torch.cat([images for images, _ in batches(data, CROPPED, range(k, k + 5))]) for k in (0, 5)
    )
    assert first.shape == (20, 3, 16, 16)
    assert first.dtype == torch.uint8
    assert len({image.numpy().tobytes() for image in torch.cat([first, second])}) == 40


def test_a_folder_and_a_table_of_the_same_images_give_the_same_batches(folder, tmp_path):
    order = [*range(0, 22, 2), *range(1, 22, 2)]  # a folder's, class by class
    write_parquet(tmp_path / "train.parquet", order)
    write_parquet(tmp_path / "val.parquet", range(30, 41))
    one, other = load_dataset(CROPPED, folder), load_dataset(CROPPED, tmp_path)
    assert equal(batches(one, CROPPED, range(3)), batches(other, CROPPED, range(3)))


# ---- the same images -----------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 5])
def test_any_number_of_workers_gives_the_same_images(folder, workers):
    other = load_dataset(replace(CROPPED, workers=workers), folder)
    assert equal(
        batches(load_dataset(CROPPED, folder), CROPPED, range(7)), batches(other, CROPPED, range(7))
    )


@pytest.mark.parametrize("step", [1, 4, 5, 8])
def test_a_run_that_goes_on_in_any_step_sees_the_same_images(folder, step):
    uninterrupted = batches(load_dataset(CROPPED, folder), CROPPED, range(10))
    assert equal(
        uninterrupted[step:], batches(load_dataset(CROPPED, folder), CROPPED, range(step, 10))
    )


def test_steps_may_be_asked_for_in_any_order(folder):
    data = load_dataset(CROPPED, folder)
    forward = batches(data, CROPPED, range(8))
    assert equal(forward[::-1], batches(data, CROPPED, range(7, -1, -1)))


@pytest.mark.parametrize("world_size", [2, 4])
@pytest.mark.parametrize("kind", [WHOLE, CROPPED], ids=["in memory", "decoded"])
def test_several_processes_see_together_what_one_would(folder, world_size, kind):
    whole = batches(load_dataset(kind, folder), kind, range(6))
    parts = [
        batches(load_dataset(kind, folder), kind, range(6), rank=rank, world_size=world_size)
        for rank in range(world_size)
    ]
    joined = [tuple(map(torch.cat, zip(*step, strict=True))) for step in zip(*parts, strict=True)]
    assert equal(whole, joined)
    held = [
        image.numpy().tobytes()
        for images, _ in load_dataset(kind, folder).validation_batches(3)
        for image in images
    ]
    shares = [
        load_dataset(kind, folder).validation_batches(3, rank=rank, world_size=world_size)
        for rank in range(world_size)
    ]
    assert sorted(held) == sorted(
        image.numpy().tobytes() for share in shares for images, _ in share for image in images
    )


def test_a_batch_that_cannot_be_shared_out_is_refused(folder):
    for kind in (WHOLE, CROPPED):
        with pytest.raises(
            ValueError,
            match="batch_size is 4, but must be a multiple of 3, the number of processes",
        ):
            load_dataset(kind, folder).training_images(kind, 0, rank=0, world_size=3)


def test_every_image_is_seen_once_an_epoch_with_its_label(folder, monkeypatch):
    kind = replace(CROPPED, batch_size=22)
    data = load_dataset(kind, folder)
    seen = []
    monkeypatch.setattr(
        file_sets,
        "load_array",
        lambda content, *_: seen.append(content) or np.zeros((3, 16, 16), np.uint8),
    )
    data.training_images(kind, 0)
    data._pool.shutdown()  # two steps are decoded ahead
    assert len(seen) == 66
    assert sorted(seen[:22]) == sorted(data.image_set.train.contents)


def test_another_seed_crops_and_orders_otherwise(folder):
    other = replace(CROPPED, seed=1)
    assert not equal(
        batches(load_dataset(CROPPED, folder), CROPPED, [0]),
        batches(load_dataset(other, folder), other, [0]),
    )


def test_labels_belong_to_their_images(folder):
    data = load_dataset(WHOLE, folder)
    by_image = {
        image.numpy().tobytes(): int(label)
        for image, label in zip(data.train_images, data.train_labels, strict=True)
    }
    for images, labels in batches(data, WHOLE, range(5)):
        assert [by_image[image.numpy().tobytes()] for image in images] == labels.tolist()


# ---- corrupt images ------------------------------------------------------------------------------


@pytest.fixture
def damaged(tmp_path):
    """22 training images of which two cannot be read, 11 for validation of which one cannot."""
    train, val = (
        write_folder(tmp_path, range(22), "train"),
        write_folder(tmp_path, range(30, 41), "val"),
    )
    train[0].write_bytes(b"")
    train[20].write_bytes(jpeg(20)[:40])  # the last of its class
    val[2].write_text("no image")
    return tmp_path


@pytest.mark.parametrize("kind", [WHOLE, CROPPED], ids=["in memory", "decoded"])
def test_a_corrupt_image_is_named_with_the_way_out(damaged, kind):
    says = (
        r"(000|020|032)\.jpg: cannot be read as an image: .*; --skip-corrupt leaves such images out"
    )
    with pytest.raises(ValueError, match=says):
        batches(load_dataset(kind, damaged), kind, range(5))


def test_in_memory_corrupt_images_are_left_out_and_counted(damaged, caplog):
    data = load_dataset(WHOLE, damaged, skip_corrupt=True)
    assert (data.train_size, len(data.test_labels)) == (20, 10)
    assert torch.bincount(data.train_labels).tolist() == [9, 11]
    assert "2 of 22 images are corrupt and were left out" in caplog.text
    assert "000.jpg: cannot be read as an image: it is empty (0 bytes)" in caplog.text


def test_a_decoded_batch_has_the_next_image_for_a_corrupt_one(damaged, caplog):
    data = load_dataset(CROPPED, damaged, skip_corrupt=True)
    found = batches(data, CROPPED, range(5))
    assert equal(
        found, batches(load_dataset(CROPPED, damaged, skip_corrupt=True), CROPPED, range(5))
    )
    assert sum(len(labels) for _, labels in found) == 20
    assert sum(len(labels) for _, labels in data.validation_batches(4)) == 10
    assert data.corrupt == 3
    assert "left out, as 3 so far" in caplog.text


def test_the_image_that_stands_in_brings_its_own_label(damaged):
    kind = replace(CROPPED, batch_size=22)
    _, labels = load_dataset(kind, damaged, skip_corrupt=True).training_images(kind, 0)
    # after the last of the first class comes one of the second
    assert torch.bincount(labels).tolist() == [10, 12]


def test_a_corrupt_row_of_a_table_is_named(tmp_path):
    write_parquet(tmp_path / "train.parquet", [0, 1, b"\xff\xd8nothing", 3], labels=[0, 1, 0, 1])
    write_parquet(tmp_path / "test.parquet", range(4))
    with pytest.raises(ValueError, match="row 2 of train: cannot be read as an image"):
        load_dataset(WHOLE, tmp_path)


@pytest.mark.parametrize("kind", [WHOLE, CROPPED], ids=["in memory", "decoded"])
def test_when_no_image_can_be_read_it_says_so(tmp_path, kind):
    for path in write_folder(tmp_path, range(12), "train") + write_folder(
        tmp_path, range(4), "val"
    ):
        path.write_bytes(b"")
    with pytest.raises(
        ValueError, match="none of them can be read|and the 99 images after it cannot be read"
    ):
        batches(load_dataset(kind, tmp_path, skip_corrupt=True), kind, range(3))


# ---- what does not fit ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"model": replace(CROPPED.model, num_classes=5)},
            "model.num_classes is 5, but must be 2 for .*folder",
        ),
        (
            {"model": replace(CROPPED.model, in_channels=4), "random_saturation": 0.0},
            "model.in_channels is 4, but must be 3, or 1",
        ),
        (
            {"batch_size": 23},
            (
                r"batch_size is 23, but must be an integer from 1 to 22 \(the training images of"
                r" .*folder"
            ),
        ),
    ],
)
def test_a_recipe_that_does_not_fit_its_images_is_refused(folder, change, says):
    with pytest.raises(ValueError, match=says):
        load_dataset(recipe(**change), folder)


def test_recipes_that_need_a_path_say_so_and_those_that_do_not_refuse_one(folder):
    with pytest.raises(
        ValueError,
        match="data is missing, but must say where the images are, such as --data FOLDER",
    ):
        load_dataset(CROPPED)
    with pytest.raises(
        ValueError, match="data is '.*', but must be left out: images of digits come with a package"
    ):
        load_dataset(DIGITS, folder)


def test_gray_networks_see_gray(folder):
    model = replace(CROPPED.model, in_channels=1)
    data = load_dataset(recipe(model=model, random_saturation=0.0), folder)
    assert data.training_images(recipe(model=model, random_saturation=0.0), 0)[0].shape == (
        4,
        1,
        16,
        16,
    )


def test_one_class_an_image_may_be_trained_as_any_number_of_them(folder):
    kind = recipe(labels="many", label_smoothing=0.0)
    data = load_dataset(kind, folder)
    _, labels = data.training_images(kind, 0)
    assert data.multi_label
    assert labels.sum(dim=1).tolist() == [1] * 4
    assert data.class_weights.tolist() == [0.5, 0.5]


# ---- the recipes ---------------------------------------------------------------------------------


def test_cifar10_is_read_from_two_tables_as_the_hub_has_them(tmp_path):
    names = datasets.ClassLabel(names=[f"class {i}" for i in range(10)])
    for part in ("train", "test"):
        write_parquet(
            tmp_path / f"{part}.parquet", range(20), label=names, labels=[i % 10 for i in range(20)]
        )
    kind = replace(CIFAR10, batch_size=10)
    data = load_dataset(kind, tmp_path)
    assert type(data) is Dataset
    assert data.training_images(kind, 3)[0].shape == (10, 3, 32, 32)


def test_jft_takes_the_users_images_with_several_labels(tmp_path):
    label = datasets.List(datasets.Value("string"))
    rows = [["cat", "mat"], ["cat"], ["mat", "dog"], []]
    write_parquet(tmp_path / "train.parquet", range(4), label=label, labels=rows, column="labels")
    write_parquet(tmp_path / "val.parquet", range(4), label=label, labels=rows, column="labels")
    kind = replace(JFT, model=replace(CROPPED.model, num_classes=3), image_size=16, batch_size=4)
    data = load_dataset(kind, tmp_path)
    assert data.classes == ("cat", "dog", "mat")
    assert data.class_weights.tolist() == [0.5, 0.25, 0.5]
    assert math.isclose(float(data.training_images(kind, 0)[1].sum()), 5)
