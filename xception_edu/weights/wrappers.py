"""A network's weights among what a training saved around them.

torch.compile, DistributedDataParallel, Lightning and a learner's own module put words before every
name ("module.", "_orig_mod.", "model."); training scripts put the weights into a dictionary, beside
the state of the optimizer and an average of the weights (EMA).
"""

import logging
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from torch import Tensor

from xception_edu import checks

log = logging.getLogger(__name__)

# How names go on that no other network has: what stands before is the wrapper's.
MARKS = re.compile(
    r"(?:^|\.)(?:block1\.rep|entry\.0|Conv2d_1a_3x3|Mixed_5b|Mixed_7c|mixed0|mixed10)\."
)
AVERAGED = re.compile(r"(?:^|[._/])(?:ema|swa|averaged?|avg|polyak|shadow)(?:[._/]|$)", re.I)
# What a module keeps beside its network: losses with weights of their own, and metrics.
BESIDE = re.compile(
    r"(?:.*\.)?(?:n_averaged|(?:\w*_)?(?:criterion|loss|losses|loss_fn|metrics?|acc|accuracy|auroc|f1)"
    r"(?:_\w+)?(?:\..*)?)"
)


class Place(NamedTuple):
    """Where the weights of a network lie: in which dictionary, behind which prefix."""

    part: str
    prefix: str

    @property
    def label(self) -> str:
        """As a message names it."""
        return ".".join(filter(None, (self.part, self.prefix.rstrip(".")))) or "the file itself"


def chosen_weights(
    parts: Mapping[str, Mapping[str, Tensor]], ema: bool
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The weights of the one network in a file, by their names without prefix, and what the same
    dictionary holds beside them, by their whole names.

    `parts` are all dictionaries of
    tensors, by their place in the file. Of plain and averaged weights `ema` says which; where only
    one kind is there, it is taken, unless `ema` asks for the other. ValueError if there are
    several networks.
    """
    places = list(_places(parts))
    averaged = [place for place in places if AVERAGED.search(place.label)]
    plain = [place for place in places if place not in averaged]
    if ema and not averaged:
        raise ValueError("has no average of its weights (EMA): read it without ema (--ema)")
    if averaged and plain and not ema:
        names = ", ".join(place.label for place in averaged)
        log.warning("%s", checks.line(f"the EMA ({names}) is not used; ema=True (--ema) takes it"))
    wanted = averaged if ema else plain or averaged
    if len(wanted) > 1:
        names = ", ".join(checks.shown(place.label) for place in wanted[:3])
        raise ValueError(
            f"has {len(wanted)} networks ({names}), but must have one: save it in a file of its own"
        )
    if not wanted:  # of whom it is, or that it is nobody's, is said by who reads the names
        return dict(max(parts.values(), key=len)), {}
    [place] = wanted
    tensors = parts[place.part]
    others = [other.prefix for other in places if other.part == place.part and other != place]
    inside = {
        key.removeprefix(place.prefix): tensor
        for key, tensor in tensors.items()
        if key.startswith(place.prefix)
    }
    beside = {
        key: tensor
        for key, tensor in tensors.items()
        if not key.startswith((place.prefix, *others)) and not BESIDE.fullmatch(key)
    }
    return inside, beside


def _places(parts: Mapping[str, Mapping[str, Tensor]]) -> Iterator[Place]:
    for part, tensors in parts.items():
        prefixes = dict.fromkeys(
            key[: mark.start() + (key[mark.start()] == ".")]
            for key in tensors
            if (mark := MARKS.search(key))
        )
        yield from (Place(part, prefix) for prefix in prefixes)
