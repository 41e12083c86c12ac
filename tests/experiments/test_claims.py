"""Every claim of the paper has something behind it, and the pages say what the records say now."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def program(monkeypatch):
    """A program of experiments/ by its name."""
    monkeypatch.syspath_prepend(ROOT / "experiments")

    def loaded(name):
        spec = importlib.util.spec_from_file_location(name, ROOT / "experiments" / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return loaded


@pytest.mark.parametrize("name", ["claims", "sweep_report"])
def test_the_page_is_what_its_program_would_write_now(program, name):
    module = program(name)
    assert module.PAGE.read_text(encoding="utf-8") == module.page()


def test_every_table_and_every_figure_of_the_paper_has_its_claim(program):
    places = " ".join(claim.place for claim in program("claims_table").CLAIMS)
    for number in range(1, 11):
        assert re.search(rf"Figure {number}\b", places), number
    for number in range(1, 4):
        assert f"Table {number}" in places
    for section in ("1.1", "1.2", "3", "4.1", "4.2", "4.3", "4.4", "4.5.1", "4.5.2", "4.6", "4.7"):
        assert f"Section {section}" in places
    assert "Section 5" in places


def sections(place):
    found = re.findall(r"Section ([\d.]+)", place)
    return [tuple(map(int, number.split("."))) for number in found]


def test_claims_are_in_the_order_of_the_paper(program):
    order = [
        sections(claim.place)[0]
        for claim in program("claims_table").CLAIMS
        if sections(claim.place)
    ]
    assert order == sorted(order)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"links": ()}, "has no link, but must have one"),
        ({"found": ""}, "says nothing of what was found"),
        ({"verdict": "surely"}, "verdict is 'surely', but must be one of exact"),
        ({"links": ("results/none.json",)}, "but there is no such file"),
        ({"links": ("tests/core/test_costs.py::test_none",)}, "but .* has no such test"),
    ],
)
def test_a_claim_with_nothing_behind_it_is_an_error(program, change, message):
    module = program("claims")
    claim = next(claim for claim in module.CLAIMS if claim.verdict == "exact")
    module.check(claim)
    with pytest.raises(ValueError, match=message):
        module.check(claim._replace(**change))


def test_a_claim_that_is_not_here_says_why(program):
    for claim in program("claims_table").CLAIMS:
        if claim.verdict == "not here":
            assert claim.found
