"""axe in a page: what it finds that shuts somebody out."""

from pathlib import Path

import axe_playwright_python

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
# All of the page, but for code beyond the first blocks, and rows of numbers beyond a table's first:
# they have the same colors again, and each word takes its time. Every rule is asked; of those that
# hold, axe writes down one element, not all.
FINDINGS = """async () => {
  const rows = [...document.querySelectorAll('.xe-data tr:nth-child(n + 5)')];
  const exclude = [...[...document.querySelectorAll('.highlight')].slice(4), ...rows];
  const options = { preload: false, resultTypes: ['violations'] };
  const { violations } = await axe.run({ exclude }, options);
  return violations
  .filter(({ impact }) => impact === 'serious' || impact === 'critical')
  .map(({ id, nodes }) => [id, nodes.length, nodes[0].html.slice(0, 200)]);
}"""
# The same of colors alone: of a page in its other theme, where nothing else is another.
COLORS = FINDINGS.replace(
    "{ preload", "{ runOnly: ['color-contrast', 'link-in-text-block'], preload"
)


def findings_in(*places):
    """The same of these parts of the page alone, in less time."""
    include = str([[place] for place in places])
    return FINDINGS.replace("axe.run({ exclude }", f"axe.run({{ include: {include}, exclude }}")
