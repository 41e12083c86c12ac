"""A generated page is written, or with --check compared with the one that is there."""

import sys
from pathlib import Path


def write(path: Path, text: str) -> int:
    """Write the page and give 0; with --check on the command line, 1 if it differs."""
    if "--check" in sys.argv[1:]:
        return int(not path.is_file() or path.read_text(encoding="utf-8") != text)
    path.write_text(text, encoding="utf-8")
    return 0
