"""Which images a step sees: a function of the seed and the number of the step.

So a resumed run needs no saved state.
"""

import functools
import hashlib

import torch
from torch import Tensor


def seed_everything(*parts: int | str) -> None:
    """Set torch's generators by the seed and what it is for."""
    torch.manual_seed(seed_for(*parts))


def seed_for(*parts: int | str) -> int:
    """A seed of 63 bits for what the parts name."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1


@functools.lru_cache(maxsize=2)
def epoch_order(seed: int, epoch: int, n: int) -> Tensor:
    """The numbers of `n` images in the order of an epoch, (n,); torch's own generator stays."""
    generator = torch.Generator().manual_seed(seed_for(seed, "epoch", epoch))
    return torch.randperm(n, generator=generator)


def batch_indices(seed: int, n: int, batch_size: int, step: int) -> Tensor:
    """The images of step 0, 1, ..., (batch_size,).

    Every epoch is a new order of all `n`, less the last, incomplete batch.
    """
    epoch, position = divmod(step, n // batch_size)
    return epoch_order(seed, epoch, n)[position * batch_size : (position + 1) * batch_size]


def rank_rows(batch_size: int, rank: int, world_size: int) -> slice:
    """The rows of a batch that rank `rank` of `world_size` processes works on.

    ValueError if they cannot be shared out evenly.
    """
    if batch_size % world_size:
        raise ValueError(
            f"batch_size is {batch_size}, but must be a multiple of {world_size}, the number of"
            " processes"
        )
    share = batch_size // world_size
    return slice(rank * share, (rank + 1) * share)
