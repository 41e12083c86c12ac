"""The order of the images is a function of seed and epoch, and touches no other random number."""

import pytest
import torch

from xception_edu.data.order import batch_indices, epoch_order, rank_rows, seed_for


@pytest.mark.parametrize("cached", [False, True])
def test_asking_for_an_order_leaves_the_random_numbers_to_come_alone(cached):
    epoch_order.cache_clear()
    if cached:
        epoch_order(0, 0, 50)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    epoch_order(0, 0, 50)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("seed", [0, 1, 2**63 - 1])
@pytest.mark.parametrize("epoch", [0, 7])
def test_the_order_is_that_of_runs_that_were_made_with_torchs_global_generator(seed, epoch):
    torch.manual_seed(seed_for(seed, "epoch", epoch))
    assert torch.equal(epoch_order(seed, epoch, 50), torch.randperm(50))


def test_an_epochs_batches_have_each_image_once_and_leave_an_incomplete_batch_out():
    epoch = torch.cat([batch_indices(3, 50, 8, step) for step in range(6, 12)])
    assert torch.equal(epoch, epoch_order(3, 1, 50)[:48])
    assert len(epoch.unique()) == 48


def test_ranks_share_the_rows_of_a_batch_without_a_gap():
    assert [rank_rows(12, rank, 3) for rank in range(3)] == [slice(0, 4), slice(4, 8), slice(8, 12)]
