"""Made images are what their dial says: color and shape apart at 0, together at 1."""

import pytest
import torch

from xception_edu.data.entangled import CLASSES, SIDE, load_entangled, make_stamps


def rank_one_share(stamps):
    """Of each stamp (classes, 3, 5, 5), the energy that one color times one shape can have."""
    values = torch.linalg.svdvals(stamps.flatten(2))
    return values[:, 0] ** 2 / (values**2).sum(dim=1)


def test_at_0_every_stamp_is_one_color_times_one_shape():
    assert rank_one_share(make_stamps(0.0)).min() > 1 - 1e-12


def test_at_1_no_stamp_is_nearly_one_and_the_dial_leads_there():
    shares = [rank_one_share(make_stamps(dial)).mean() for dial in (0, 0.25, 0.5, 0.75, 1)]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] < 0.65


@pytest.mark.parametrize("dial", [0.0, 0.3, 1.0])
def test_stamps_have_the_same_energy_at_every_dial(dial):
    assert make_stamps(dial).flatten(1).norm(dim=1) == pytest.approx([1.0] * CLASSES)


def test_images_are_bytes_of_balanced_classes_and_always_the_same():
    first, second = load_entangled(0.5), load_entangled(0.5)
    assert first.train_images.dtype == torch.uint8
    assert first.train_images.shape[1:] == (3, SIDE, SIDE)
    assert torch.equal(first.train_images, second.train_images)
    assert set(first.train_labels.bincount().tolist()) == {len(first.train_labels) // CLASSES}
    assert not torch.equal(first.train_images[:2000], first.test_images)


@pytest.mark.parametrize("dial", [0.0, 1.0])
def test_a_matched_filter_finds_the_class_far_more_often_than_chance(dial):
    data, stamps = load_entangled(dial), make_stamps(dial).float()
    images = data.test_images.float() - 127.5
    found = torch.nn.functional.conv2d(images, stamps).flatten(2).amax(dim=2).argmax(dim=1)
    assert (found == data.test_labels).float().mean() > 0.35


def test_a_dial_out_of_bounds_is_refused():
    with pytest.raises(ValueError, match="entanglement is 2, but must be"):
        load_entangled(2)
