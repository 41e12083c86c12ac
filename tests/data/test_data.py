"""The data sets: real, in the wheels, split without overlap; and what happens to a batch on the
device.
"""

import importlib.metadata
import socket
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import datasets

from tests.helpers.image_files import photo_of_places, pixel_columns
from xception_edu.data import augment, builtin
from xception_edu.data.load import load_dataset
from xception_edu.recipes import DIGITS, PHOTOS

PLAIN = dict(
    random_shift=0, random_rotation=0.0, random_zoom=0.0, random_light=0.0, random_flip=False
)


@pytest.fixture(scope="module")
def digits():
    return builtin.load_digits()


@pytest.fixture
def few_patches(monkeypatch):
    monkeypatch.setattr(builtin, "PATCHES_A_PHOTO", 5)
    monkeypatch.setattr(builtin, "LATTICE", 3)


# ---- digits --------------------------------------------------------------------------------------


def test_digits_are_1797_real_images_of_8_by_8_bytes(digits):
    assert digits.train_images.shape == (1297, 1, 8, 8)
    assert digits.test_images.shape == (500, 1, 8, 8)
    assert digits.train_images.dtype == digits.test_images.dtype == torch.uint8
    assert digits.train_labels.dtype == digits.test_labels.dtype == torch.int64
    assert digits.train_images.max() == 255
    assert digits.classes == tuple("0123456789")


def test_each_digit_is_in_one_split_only_and_none_is_lost(digits):
    train, test = builtin.digits_split(datasets.load_digits().target)
    assert not set(train) & set(test)
    assert sorted(train + test) == list(range(1797))


def test_validation_digits_are_always_the_same_and_every_class_has_its_share(digits):
    again = builtin.load_digits()
    assert all(torch.equal(a, b) for a, b in zip(digits[:4], again[:4], strict=True))
    shares = torch.bincount(digits.test_labels) / (
        torch.bincount(digits.train_labels) + torch.bincount(digits.test_labels)
    )
    assert (shares - 500 / 1797).abs().max() < 0.01


def test_the_bytes_are_scikit_learns_ink(digits):
    train, _ = builtin.digits_split(datasets.load_digits().target)
    ink = datasets.load_digits().images[train]  # 0 to 16
    assert np.abs(digits.train_images[:, 0].numpy() / 255 * 16 - ink).max() <= 0.5 / 255 * 16
    assert digits.train_labels.tolist() == datasets.load_digits().target[train].tolist()


# ---- photos --------------------------------------------------------------------------------------


def test_every_photograph_is_a_file_of_an_installed_wheel():
    for package, path in builtin.PHOTOGRAPHS.values():
        owner = {"skimage": "scikit-image", "sklearn": "scikit-learn"}[package]
        assert f"{package}/{path}" in {file.as_posix() for file in importlib.metadata.files(owner)}


@pytest.mark.usefixtures("few_patches")
def test_nothing_is_downloaded(monkeypatch):
    def no_network(*_, **__):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", no_network)
    builtin.load_photos(32)
    builtin.load_digits()


@pytest.mark.parametrize("name", builtin.PHOTOGRAPHS)
def test_photographs_are_color_bytes_and_their_halves_hold_the_largest_patch(name):
    photo = builtin.load_photograph(name)
    assert photo.dtype == torch.uint8
    assert photo.shape[0] == 3
    assert photo.float().std(dim=0).mean() > 1  # the three channels differ: it is no gray image
    for half in builtin.halves(photo):
        assert min(half.shape[1:]) >= 96


@settings(max_examples=15)
@given(
    st.integers(96, 130), st.integers(192, 400), st.sampled_from([32, 64, 96]), st.integers(0, 99)
)
def test_no_pixel_of_a_photo_is_in_both_splits(height, width, side, seed):
    left, right = builtin.halves(photo_of_places(height, width))
    generator = torch.Generator().manual_seed(seed)
    train = builtin.crops(left, builtin.random_places(left, side, 40, generator), side)
    test = builtin.crops(right, builtin.lattice_places(right, side), side)
    assert train.shape[1:] == test.shape[1:] == (3, side, side)
    assert max(pixel_columns(train)) < width // 2 <= min(pixel_columns(test))
    assert pixel_columns(test) == set(range(width // 2, width))


@settings(max_examples=3)
@given(st.integers(0, 9))
def test_no_pixel_is_shared_in_the_data_set_as_it_is_loaded(seed):
    """The same through the whole loader: every photograph replaced by one that says where its
    pixels are.
    """
    with pytest.MonkeyPatch.context() as patch:
        # the smallest, of odd width
        patch.setattr(builtin, "load_photograph", lambda name: photo_of_places(300, 451))
        photos = builtin.load_photos(32, seed)
    assert max(pixel_columns(photos.train_images)) < 225 <= min(pixel_columns(photos.test_images))


@pytest.mark.usefixtures("few_patches")
@pytest.mark.parametrize("side", [32, 57, 96])
def test_photos_are_color_patches_of_the_side_asked_for(side):
    photos = builtin.load_photos(side)
    assert photos.train_images.shape == (50, 3, side, side)
    assert photos.test_images.shape == (90, 3, side, side)
    assert photos.train_images.dtype == torch.uint8
    assert torch.bincount(photos.train_labels).tolist() == [5] * 10
    assert torch.bincount(photos.test_labels).tolist() == [9] * 10
    assert len(photos.classes) == 10


@pytest.mark.usefixtures("few_patches")
def test_the_seed_decides_the_training_patches_and_never_the_validation_ones():
    one, same, other = (
        builtin.load_photos(32, 1),
        builtin.load_photos(32, 1),
        builtin.load_photos(32, 2),
    )
    assert torch.equal(one.train_images, same.train_images)
    assert not torch.equal(one.train_images, other.train_images)
    assert torch.equal(one.test_images, other.test_images)


def test_the_lattice_reaches_from_edge_to_edge():
    places = builtin.lattice_places(torch.empty(3, 300, 226), 32)
    assert len(set(places)) == 14 * 14
    assert (places[0], places[-1]) == ((0, 0), (268, 194))


# ---- what does not fit ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        (
            replace(DIGITS, model=replace(DIGITS.model, num_classes=7)),
            "model.num_classes is 7, but must be 10",
        ),
        (
            replace(DIGITS, model=replace(DIGITS.model, in_channels=3)),
            "model.in_channels is 3, but must be 1",
        ),
        (
            replace(DIGITS, batch_size=1298),
            "batch_size is 1298, but must be an integer from 1 to 1297",
        ),
    ],
)
def test_a_recipe_that_does_not_fit_its_images_is_refused(recipe, says):
    with pytest.raises(ValueError, match=says):
        load_dataset(recipe)


@given(
    st.one_of(
        st.integers(max_value=31),
        st.integers(min_value=97),
        st.floats(),
        st.booleans(),
        st.text(max_size=3),
    )
)
def test_a_wrong_side_is_refused(side):
    with pytest.raises(ValueError, match="image_size"):
        builtin.load_photos(side)


def test_an_unknown_photograph_is_refused():
    with pytest.raises(ValueError, match="name is 'lena', but must be one of 'astronaut'"):
        builtin.load_photograph("lena")


# ---- on the device -------------------------------------------------------------------------------


def test_bytes_become_numbers_from_minus_one_to_one():
    images = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    prepared = augment.prepare(images, 16)
    assert prepared.dtype == torch.float32
    torch.testing.assert_close(prepared.flatten(), torch.linspace(-1, 1, 256))


def test_enlarging_keeps_what_is_even_and_stays_in_range(digits):
    even = augment.prepare(torch.full((2, 1, 8, 8), 51, dtype=torch.uint8), 24)
    assert even.shape == (2, 1, 24, 24)
    torch.testing.assert_close(even, torch.full_like(even, -0.6))
    large = augment.prepare(digits.test_images[:99], 16)
    assert large.min() >= -1
    assert large.max() <= 1


@pytest.mark.parametrize("recipe", [DIGITS, PHOTOS])
def test_augmentation_that_is_switched_off_changes_nothing(recipe):
    images = torch.rand(5, 3, 32, 32) * 2 - 1
    torch.testing.assert_close(
        augment.augment(images, replace(recipe, **PLAIN)), images, atol=1e-4, rtol=0
    )


def test_flipped_images_are_mirrored_left_to_right_and_about_half_are():
    images = torch.rand(200, 1, 16, 16)
    flipped = augment.augment(images, replace(PHOTOS, **PLAIN | {"random_flip": True}))
    mirrored = torch.stack(
        [(a - b.flip(-1)).abs().max() < 1e-4 for a, b in zip(flipped, images, strict=True)]
    )
    same = torch.stack([(a - b).abs().max() < 1e-4 for a, b in zip(flipped, images, strict=True)])
    assert (mirrored ^ same).all()
    assert 60 < mirrored.sum() < 140


def test_a_shift_moves_an_image_and_lets_black_in():
    images = torch.ones(50, 1, 16, 16)
    shifted = augment.augment(images, replace(DIGITS, **PLAIN | {"random_shift": 3}))
    assert shifted.min() == -1
    torch.testing.assert_close(shifted[:, :, 3:-3, 3:-3], torch.ones(50, 1, 10, 10))
    assert (shifted < 0.99).any(dim=(1, 2, 3)).float().mean() > 0.9


def test_a_shift_alone_is_by_whole_pixels_so_that_nothing_is_blurred():
    torch.manual_seed(0)
    images = torch.rand(200, 3, 32, 32) * 2 - 1
    shifted = augment.augment(
        images, replace(PHOTOS, **PLAIN | {"image_size": 32, "random_shift": 2})
    )
    mirrored = torch.cat([images[..., :2].flip(3), images, images[..., -2:].flip(3)], dim=3)
    mirrored = torch.cat([mirrored[:, :, :2].flip(2), mirrored, mirrored[:, :, -2:].flip(2)], dim=2)
    # (N, 3, 5, 5, 32, 32): every shift by up to two whole pixels
    windows = mirrored.unfold(2, 32, 1).unfold(3, 32, 1)
    apart = (windows - shifted[:, :, None, None]).abs().amax(dim=(1, 4, 5)).flatten(1)
    nearest = apart.min(dim=1)
    assert nearest.values.max() < 1e-4
    assert len(nearest.indices.unique()) == 25


def test_reflection_lets_no_black_in():
    images = torch.ones(50, 3, 32, 32)
    moved = augment.augment(images, replace(PHOTOS, random_light=0.0))
    torch.testing.assert_close(moved, images)


def test_light_is_one_number_an_image():
    images = torch.zeros(50, 3, 8, 8)
    lit = augment.augment(images, replace(PHOTOS, **PLAIN | {"random_light": 0.3}))
    assert (lit - lit[:, :1, :1, :1]).abs().max() < 1e-6
    assert 0.2 < lit.abs().max() <= 0.3


def test_the_same_seed_augments_the_same():
    images = torch.rand(9, 3, 32, 32)
    torch.manual_seed(5)
    one = augment.augment(images, PHOTOS)
    torch.manual_seed(5)
    assert torch.equal(one, augment.augment(images, PHOTOS))
    assert not torch.equal(one, augment.augment(images, PHOTOS))


def test_saturation_moves_color_along_its_gray_and_leaves_gray_alone():
    images = torch.rand(50, 3, 8, 8) * 2 - 1
    gray = images[:, :1].expand(-1, 3, -1, -1)
    recipe = replace(PHOTOS, **PLAIN | {"random_saturation": 0.5})
    torch.testing.assert_close(augment.augment(gray, recipe), gray, atol=1e-4, rtol=0)
    luma = torch.tensor(augment.LUMA).view(3, 1, 1)
    colored = augment.augment(images, recipe)
    torch.testing.assert_close((colored * luma).sum(1), (images * luma).sum(1), atol=1e-4, rtol=0)
    times = (colored[:, 0] - colored[:, 2]).abs().sum((1, 2)) / (
        images[:, 0] - images[:, 2]
    ).abs().sum((1, 2))
    assert 0.5 - 1e-3 <= times.min() < 0.7 < 1.3 < times.max() <= 1.5 + 1e-3


def test_an_erased_square_is_gray_as_large_as_said_and_anywhere():
    images = torch.ones(300, 1, 16, 16)
    erased = augment.augment(images, replace(PHOTOS, **PLAIN | {"random_erase": 4})) == 0
    counts = erased.sum(dim=(1, 2, 3))
    assert counts.max() == 16
    assert 4 <= counts.min() < 16  # a part is lost at the edge
    assert erased.any(dim=0).all()


@pytest.mark.parametrize("world_size", [2, 4])
def test_processes_augment_their_rows_as_one_would(world_size):
    recipe = replace(PHOTOS, random_saturation=0.4, random_erase=5)
    images = torch.rand(8, 3, 32, 32)
    torch.manual_seed(5)
    whole = augment.augment(images, recipe)
    parts = []
    for rank, part in enumerate(images.chunk(world_size)):
        torch.manual_seed(5)
        parts.append(augment.augment(part, recipe, rank=rank, world_size=world_size))
    assert torch.equal(whole, torch.cat(parts))


# ---- what a step sees ----------------------------------------------------------------------------


@pytest.mark.parametrize("world_size", [1, 2, 4, 8])
def test_processes_share_out_batches_and_validation_images(digits, world_size):
    recipe = replace(DIGITS, batch_size=64)
    whole, labels = digits.training_images(recipe, 25)
    parts = [
        digits.training_images(recipe, 25, rank=rank, world_size=world_size)
        for rank in range(world_size)
    ]
    assert torch.equal(whole, torch.cat([images for images, _ in parts]))
    assert torch.equal(labels, torch.cat([labels for _, labels in parts]))
    held = sum(
        len(labels)
        for rank in range(world_size)
        for _, labels in digits.validation_batches(33, rank=rank, world_size=world_size)
    )
    assert held == 500
    assert (digits.train_size, digits.multi_label, digits.class_weights) == (1297, False, None)
