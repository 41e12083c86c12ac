"""Write results/sweep_NAME.json for every plan whose runs lie in a folder.

    python -m xception_edu sweep experiments/plans/spectrum_params.json --out DIR --data DATA
    python experiments/sweep_results.py DIR

A plan with fewer than two seeds over all its points supports nothing, and is left out; the record
counts the seeds that there are, and the runs that are missing.
"""

import argparse
from pathlib import Path

from xception_edu.benchmark.machine import ROOT
from xception_edu.benchmark.records import as_json
from xception_edu.training.sweep.findings import complete_seeds, read_results
from xception_edu.training.sweep.record import record_of


def main() -> None:
    """Write them, and say which are left out."""
    parser = argparse.ArgumentParser(description="Write results/sweep_NAME.json.")
    parser.add_argument("folder", type=Path, help="what the sweeps were told as --out")
    folder = parser.parse_args().folder
    plans = sorted(folder.glob("*.plan.json"))
    if not plans:
        parser.error(f"argument folder: is {str(folder)!r}, but must have a sweep's *.plan.json")
    for path in plans:
        plan, lines = read_results(folder, path.name.removesuffix(".plan.json"))
        seeds = complete_seeds(plan, lines)
        if len(seeds) < 2:
            print(f"{plan.name}: {len(seeds)} complete seeds, nothing is written")
            continue
        text = as_json(record_of(plan, lines))
        (ROOT / "results" / f"sweep_{plan.name}.json").write_text(text, encoding="utf-8")
        print(f"{plan.name}: seeds {seeds}, results/sweep_{plan.name}.json is written")


if __name__ == "__main__":
    main()
