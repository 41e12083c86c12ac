"""MACs of Xception counted by hand, by machine and by three other tools, and how long each takes.

`counters`: a row for each tool and what it counts (`counts`): `macs`, as the tool says them (halved where it counts operations,
`halved`), `of_convolutions` and `of_linear` where it tells, and its times. `agree`: whether all rows that count the
same say the same; `times_faster`: how many times as long the fastest other tool takes as `costs`. Each tool counts a ready network
on an image of 299x299; the time of building the network is not in it. By hand, the list of layers is built anew each time.
"""

import importlib.util

FILE = "counting.json"
PACKAGES = ("torchinfo", "fvcore", "ptflops")
SHAPE = (3, 299, 299)


def missing_peers() -> list[str]:
    """The tools that are not installed here; `make .venv-peers/installed` makes an environment that has them."""
    return [name for name in PACKAGES if importlib.util.find_spec(name) is None]
