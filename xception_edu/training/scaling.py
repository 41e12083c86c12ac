"""From one GPU to sixty, by hand: how long a step and a training take on n workers. Standard
library only.

Synchronous data parallel training (Section 4.4): every worker takes its part of the batch forward
and backward, then all average their gradients with a ring all-reduce, then all take the same step.
"""

from dataclasses import dataclass

from xception_edu import checks


def ring_all_reduce_bytes(size: int, workers: int) -> float:
    """Bytes that each worker sends to add up `size` bytes over all: in a ring, nearly twice the
    size, however many they are.

    The buffer is cut into n pieces. In n - 1 rounds each worker passes a piece on and adds what it
    gets; in n - 1 more the finished pieces go round (P. Patarasuk, X. Yuan, Bandwidth Optimal
    All-reduce Algorithms, 2009).
    """
    size = checks.count("size", size, at_least=0)
    workers = checks.integer("workers", workers)
    return 2 * (workers - 1) / workers * size


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Workers of one kind, and the links between them.

    `images_per_second` is what one worker alone trains; `bandwidth` what a worker sends, in bytes a
    second; `latency` the seconds until a message begins to arrive; `overlap` the share of a step's
    arithmetic behind which the exchange can hide: the gradients of the last layers travel while the
    first ones' are still being computed. `cores_per_worker` and `cores` matter where workers are
    processes that share one machine; a GPU has its own.
    """

    images_per_second: float
    bandwidth: float
    latency: float = 0.0
    overlap: float = 0.0
    cores_per_worker: int = 1
    cores: int | None = None

    def __post_init__(self) -> None:
        for name in ("images_per_second", "bandwidth"):
            checks.number(name, getattr(self, name), above=0)
        checks.number("latency", self.latency, at_least=0)
        checks.number("overlap", self.overlap, at_least=0, at_most=1)
        checks.integer("cores_per_worker", self.cores_per_worker)
        if self.cores is not None:
            checks.integer("cores", self.cores)

    def compute_seconds(self, workers: int, batch_size: int) -> float:
        """Forward, backward and update of one worker's part of the batch; longer where workers
        share cores.
        """
        checks.integer(
            "workers", workers, at_most=batch_size, because="each needs an image of the batch"
        )
        crowd = (
            1.0 if self.cores is None else max(1.0, workers * self.cores_per_worker / self.cores)
        )
        return batch_size / workers / self.images_per_second * crowd

    def exchange_seconds(self, workers: int, gradient_bytes: int) -> float:
        """The ring all-reduce of all gradients, by itself."""
        return (
            ring_all_reduce_bytes(gradient_bytes, workers) / self.bandwidth
            + 2 * (workers - 1) * self.latency
        )

    def step_seconds(self, workers: int, batch_size: int, gradient_bytes: int) -> float:
        """One step of `batch_size` images over all workers: arithmetic, and what of the exchange
        does not hide behind it.
        """
        compute = self.compute_seconds(workers, batch_size)
        return compute + max(
            0.0, self.exchange_seconds(workers, gradient_bytes) - self.overlap * compute
        )

    def training_seconds(
        self, workers: int, batch_size: int, gradient_bytes: int, *, images: int, epochs: float
    ) -> float:
        """All steps of `epochs` passes over `images` images; evaluation and reading are not
        counted.
        """
        images = checks.count("images", images)
        checks.number("epochs", epochs, above=0)
        return images * epochs / batch_size * self.step_seconds(workers, batch_size, gradient_bytes)

    def efficiency(self, workers: int, batch_size: int, gradient_bytes: int) -> float:
        """Share of the workers' time that goes into arithmetic: 1 is n times as fast with n
        workers.
        """
        return self.compute_seconds(workers, batch_size) / self.step_seconds(
            workers, batch_size, gradient_bytes
        )
