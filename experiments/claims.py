"""Write results/CLAIMS.md: every claim of the paper beside what was found here.

    python experiments/claims.py           writes it
    python experiments/claims.py --check   writes nothing; status 1 if it differs

The table is claims_table.py. ValueError where a claim has neither a link nor a reason, or a link
leads nowhere.
"""

import sys
from pathlib import Path

import pages
from claims_table import CLAIMS, Claim

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "results" / "CLAIMS.md"
VERDICTS = {
    "exact": "what can be computed was, and a test holds it",
    "in small": "trained or measured at a scale that two cores can afford",
    "contradicted here": "as printed it does not hold",
    "not here": "and why",
}
HEAD = """# The paper's claims, and what became of them here

Written by `python experiments/claims.py` from `experiments/claims_table.py`, in the paper's order:
F. Chollet, *Xception: Deep Learning with Depthwise Separable Convolutions*,
[arXiv 1610.02357v3](https://arxiv.org/abs/1610.02357v3), in other words than its own.
"""


def page() -> str:
    """The whole page; ValueError for a claim that nothing stands behind."""
    for claim in CLAIMS:
        check(claim)
    counts = {v: sum(claim.verdict == v for claim in CLAIMS) for v in VERDICTS}
    legend = [f"- **{v}** ({counts[v]}): {words}" for v, words in VERDICTS.items()]
    rows = ["| where | the paper | | here |", "|---|---|---|---|", *map(row, CLAIMS)]
    return "\n".join([HEAD, *legend, "", *rows]) + "\n"


def row(claim: Claim) -> str:
    """A claim as a line of the table."""
    found = claim.found if isinstance(claim.found, str) else claim.found()
    links = ", ".join(map(link, claim.links))
    shown = f"{found}. {links}" if links else f"{found}."
    return f"| {claim.place} | {claim.says} | **{claim.verdict}** | {shown} |"


def link(target: str) -> str:
    """A link from results/ to a file or a test."""
    path, _, name = target.partition("::")
    return f"[{name.removeprefix('test_').replace('_', ' ') or Path(path).name}](../{path})"


def check(claim: Claim) -> None:
    """ValueError where a claim has nothing behind it, or a link leads nowhere."""
    if claim.verdict not in VERDICTS:
        raise ValueError(f"verdict is {claim.verdict!r}, but must be one of {', '.join(VERDICTS)}")
    if claim.verdict != "not here" and not claim.links:
        raise ValueError(f"{claim.place} has no link, but must have one: {claim.says}")
    if not claim.found:
        raise ValueError(f"{claim.place} says nothing of what was found: {claim.says}")
    for target in claim.links:
        path, _, name = target.partition("::")
        if not (ROOT / path).is_file():
            raise ValueError(f"{claim.place} links to {path!r}, but there is no such file")
        if name and f"\ndef {name}(" not in (ROOT / path).read_text(encoding="utf-8"):
            raise ValueError(f"{claim.place} links to {name!r}, but {path} has no such test")


def main() -> int:
    """Write the page, or say whether it differs."""
    return pages.write(PAGE, page())


if __name__ == "__main__":
    sys.exit(main())
