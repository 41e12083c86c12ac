"""Batches that threads make ahead of the steps that ask for them."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Any, NamedTuple

AHEAD = 2  # steps that are decoded while one is computed

Futures = list[Future[Any]]


class Place(NamedTuple):
    """Everything that decides which images a step of a process sees."""

    seed: int
    batch_size: int
    rank: int
    world_size: int
    step: int


class Prefetcher:
    """Begins the step that is asked for and the `AHEAD` steps after it, and waits for the first.

    `start` begins a step and returns its futures. Steps in a row are found begun; any other step
    cancels what was begun, and begins anew.
    """

    def __init__(self, start: Callable[[Place], Futures]):
        self._start = start
        self._ahead: dict[Place, Futures] = {}

    def get(self, place: Place) -> list[Any]:
        """The results of that step; what its threads raised is raised here."""
        if place not in self._ahead:
            self._cancel()
        for step in range(place.step, place.step + AHEAD + 1):
            upcoming = place._replace(step=step)
            if upcoming not in self._ahead:
                self._ahead[upcoming] = self._start(upcoming)
        return results(self._ahead.pop(place))

    def _cancel(self) -> None:
        for futures in self._ahead.values():
            for future in futures:
                future.cancel()
        self._ahead.clear()


def results(futures: Futures) -> list[Any]:
    """The results, in their order; waits for them."""
    return [future.result() for future in futures]


def one_ahead(start: Callable[[Any], Futures], items: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    """Each item with its results; the next is begun before one is waited for."""
    begun: list[tuple[Any, Futures]] = []
    for item in items:
        begun.append((item, start(item)))
        if len(begun) > 1:
            previous, futures = begun.pop(0)
            yield previous, results(futures)
    for last, futures in begun:
        yield last, results(futures)
