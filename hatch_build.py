"""What the wheel has besides the package's own files: the course and the measured records, so that
both are there without the repository. An editable installation reads them where they lie.
"""

from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

RECORDS, NOTEBOOKS = "xception_edu/benchmark/records", "xception_edu/notebooks"


class Beside(BuildHookInterface):
    """hatchling's hook, named in pyproject.toml."""

    def initialize(self, version, build_data):
        """Say where each file goes; `version` is "standard" or "editable"."""
        if version == "editable":
            return
        root = Path(self.root)
        course = [*root.glob("notebooks/*.ipynb"), root / "notebooks/misconceptions.md"]
        files = {file: f"{NOTEBOOKS}/{file.name}" for file in course}
        for file in root.glob("results/**/*.json"):
            files[file] = f"{RECORDS}/{file.relative_to(root / 'results').as_posix()}"
        build_data["force_include"] |= {str(file): place for file, place in files.items()}
