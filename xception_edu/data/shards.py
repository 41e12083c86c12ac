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
    """ValueError that names the shards that were cut short; where they may be skipped, a line.

    A whole one ends with a block of zeros, which is all that is read of it.
    """
    cut = [said for said in map(cut_short, paths) if said]
    if not cut:
        return
    error = refusal(where, f"must have whole shards: {shown_names(cut)}; --skip-corrupt reads them")
    if not skip_corrupt:
        raise error
    log.warning("%s, as far as they go", error)


def cut_short(path: str) -> str:
    """The shard's name and what is missing in it; nothing where it is whole, or no .tar."""
    size = Path(path).stat().st_size
    with open(path, "rb") as file:
        file.seek(max(size - BLOCK, 0))
        if size % BLOCK == 0 and not any(file.read(BLOCK)):
            return ""
    try:
        name, end = last_member(path)
    except (tarfile.TarError, OSError, ValueError):
        return ""  # whoever reads it says what it is
    name = f"{Path(path).name}, {name}"
    if end > size:
        return f"{name} lacks {end - size:,} bytes"
    return f"{Path(path).name} ends without the mark of its end"


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
