"""Whether a webdataset shard (.tar) is whole: what reads it would end without a word where it was
cut short.
"""

import logging
import tarfile
from collections.abc import Iterable
from pathlib import Path

from xception_edu.data.refusals import refusal, shown_names

BLOCK = tarfile.BLOCKSIZE  # 512 bytes, of which all of a .tar is made

log = logging.getLogger(__name__)


def check_whole(where: str, paths: Iterable[str], skip_corrupt: bool) -> None:
    """ValueError that names the shards that were cut short: in a file, or behind one; the latter
    may be skipped, with a line that says so.

    A whole one ends with a block of zeros, which is all that is read of it.
    """
    cut = [found for found in map(cut_short, paths) if found is not None]
    lacking = [said for said, lacks in cut if lacks]
    if lacking:
        raise refusal(where, f"must have whole shards: {shown_names(lacking)}")
    if cut:
        names = shown_names([said for said, _ in cut])
        error = refusal(where, f"must have whole shards: {names}; --skip-corrupt reads them")
        if not skip_corrupt:
            raise error
        log.warning("%s, as far as they go", error)


def cut_short(path: str) -> tuple[str, bool] | None:
    """Where a shard was cut, and whether that is within a file; None where it is whole, or no
    .tar, which whoever reads it says.
    """
    size = Path(path).stat().st_size
    with open(path, "rb") as file:
        file.seek(max(size - BLOCK, 0))
        if size % BLOCK == 0 and not any(file.read(BLOCK)):
            return None
    try:
        name, end = last_member(path)
    except (tarfile.TarError, OSError, ValueError):
        return None
    shard = Path(path).name
    if end > size:
        return f"{shard}, {name} lacks {end - size:,} bytes", True
    return f"{shard} ends behind {name} without the mark of its end", False


def last_member(path: str) -> tuple[str, int]:
    """The name of a .tar's last file, and where its blocks end; or should."""
    name, end = "", 0
    with tarfile.open(path, "r:") as archive:
        try:
            for member in archive:
                blocks = -(-member.size // BLOCK)
                name, end = member.name, member.offset_data + blocks * BLOCK
        except tarfile.ReadError:  # what it says of the file in which it was cut
            if not name:
                raise
    return name, end
