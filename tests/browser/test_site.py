"""Claims about the static site: it lives from its own folder alone, moves, reads well on a
telephone, and shuts nobody out.
"""

import importlib
import re
import subprocess
import sys
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest

from tests.browser.conftest import WINDOW, open_page
from tests.browser.servers import HERE
from tests.helpers.axe import AXE, COLORS, FINDINGS

ROOT = Path(__file__).parents[2]
API = ["xception_edu", "xception_edu/layers", "xception_edu/explorers", "xception_edu/plots/style"]
NAMES = ["index", *sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))]
# What the explorers say, without the names that they draw at random.
WORDS = "() => [...document.querySelectorAll('.xe')].map((explorer) => explorer.innerText)"
# Of each explorer: whether anything in it is other than when this was last asked, and its picture.
CHANGED = """() => {
  const picture = (root) => [...root.querySelectorAll('svg')].map((svg) => svg.outerHTML).join();
  const now = [...document.querySelectorAll('.explorer .xe')].map((root) => [root.innerHTML, picture(root)]);
  const before = window.before ?? now;
  window.before = now;
  return now.map((one, i) => one.map((text, part) => text !== before[i][part]));
}"""
# Explorers have drawn themselves anew for another width by then.
TWO_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
TELEPHONE = {"width": 400, "height": 800}
THEMES = ["dark", "light"]


def build(out, *arguments):
    command = [sys.executable, ROOT / "site" / "build.py", "--out", out, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("site") / "pages"
    made = build(out)
    assert (made.returncode, made.stderr) == (0, "")  # pdoc warns of what it cannot show
    return out


@contextmanager
def page_of(browser, site, **options):
    """A page without a network; of what it asks for outside the site's folder and of what goes wrong
    are its `problems`.
    """
    with open_page(browser, offline=True, **options) as page:

        def guard(route):
            url = urlparse(route.request.url)
            inside = url.scheme in ("data", "blob") or (
                url.scheme == "file" and Path(unquote(url.path)).is_relative_to(site)
            )
            if not inside:
                page.problems.append(f"outside: {route.request.url}")
            route.continue_() if inside else route.abort()

        page.route("**/*", guard)
        yield page


@pytest.fixture
def page(browser, site):
    with page_of(browser, site) as page:
        yield page


@pytest.fixture(scope="module")
def opened(request, browser, site):
    """A page of the site that stays open, since opening it takes longer than each claim about it: on
    a telephone whose system is dark, from where `widen` goes on.
    """
    with page_of(browser, site, viewport=TELEPHONE, color_scheme="dark") as page:
        page.explorers = go(page, site, request.param)
        page.name = request.param
        yield page


def widen(page, theme):
    """The window becomes a desk's, and the system's theme this one: the page follows both."""
    page.set_viewport_size(WINDOW)
    page.emulate_media(color_scheme=theme)
    page.wait_for_function("(width) => innerWidth === width", arg=WINDOW["width"])
    # the page hears of the system's theme in its next frame
    page.wait_for_function("(name) => document.documentElement.dataset.theme === name", arg=theme)
    page.evaluate(TWO_FRAMES)


def go(page, site, name):
    page.goto((site / f"{name}.html").as_uri())
    count = page.locator("figure.explorer").count()
    page.wait_for_function(
        "(count) => document.querySelectorAll('.explorer .xe').length === count", arg=count
    )
    return count


each_page = pytest.mark.parametrize("opened", NAMES, indirect=True)


# ---- each page, in the order in which a reader would come to it ----------------------------------


@each_page
def test_a_telephone_shows_a_page_without_scrolling_sideways(opened):
    opened.set_viewport_size(TELEPHONE)
    assert opened.evaluate("document.documentElement.scrollWidth") <= 400
    assert (
        opened.evaluate("parseFloat(getComputedStyle(document.querySelector('main p')).fontSize)")
        >= 14
    )


@each_page
@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_serious(opened, theme):
    widen(opened, theme)
    opened.evaluate(
        "document.querySelectorAll('.xe-data').forEach((data) => { data.open = true; })"
    )
    opened.wait_for_function(
        "() => [...document.querySelectorAll('.xe-data')].every((data) =>"
        " data.querySelector('table'))"
    )
    opened.evaluate(AXE)
    assert opened.evaluate(FINDINGS if theme == "dark" else COLORS) == []


@each_page
def test_a_page_lives_from_its_folder_alone_and_its_explorers_move(opened):
    widen(opened, "light")
    for i in range(opened.explorers):
        opened.evaluate(CHANGED)
        opened.locator(".explorer").nth(i).locator("input[type=range]").focus()
        opened.keyboard.press("End")
        end = opened.evaluate(CHANGED)
        opened.keyboard.press("Home")
        home = opened.evaluate(CHANGED)
        assert all(home.pop(i)), "the slider moves the picture"
        end.pop(i)
        assert not any(map(any, end + home)), "and no other explorer's"
    assert opened.problems == []


@each_page
def test_every_saved_explorer_is_on_a_page(opened):
    saved = ROOT / "notebooks" / f"{opened.name}.ipynb"
    count = saved.read_text().count('"_table": ') if saved.exists() else 1  # the front page's
    assert opened.explorers == count


@each_page
def test_links_lead_somewhere_and_each_page_has_its_source(opened, site):
    links = opened.locator("a").evaluate_all(
        "(links) => links.map((link) => link.getAttribute('href'))"
    )
    for link in links:
        assert (
            link.startswith(("https://", "http://localhost:8888/", "#"))
            or (site / link.partition("#")[0]).exists()
        ), link
    if opened.name != "index":
        source = site / "notebooks" / f"{opened.name}.ipynb"
        assert f"notebooks/{opened.name}.ipynb" in links
        assert source.read_bytes() == (ROOT / "notebooks" / f"{opened.name}.ipynb").read_bytes()


# ---- what a reader does --------------------------------------------------------------------------


def test_a_guess_is_shown_beside_the_answer_without_a_kernel(page, site):
    go(page, site, NAMES[1])
    guess = page.locator(".xe-guess").first
    assert "27" not in guess.inner_text()
    guess.get_by_label("My guess").fill("9")
    page.keyboard.press("Enter")
    assert guess.locator("form").is_hidden()
    assert guess.locator("b").all_inner_texts() == ["9", "27"]
    assert page.problems == []


def test_the_page_of_misconceptions_leads_to_the_exercise_that_ends_each(page, site):
    go(page, site, "index")
    page.get_by_role("link", name="all misconceptions").click()
    page.wait_for_url((site / "misconceptions.html").as_uri())
    assert page.locator("table").count() >= 40
    page.get_by_role("link", name="notebook 3", exact=True).first.click()
    page.wait_for_url(re.compile(r"/03_the_continuum\.html#cell-id=task-03-groups$"))
    assert page.locator("[id='cell-id=task-03-groups']").is_visible()


def test_the_address_keeps_the_state_and_back_leads_to_the_page_before(page, site):
    go(page, site, "index")
    url = (site / f"{NAMES[1]}.html").as_uri()
    page.goto(url)
    slider = page.locator(".explorer input[type=range]").first
    state = "() => JSON.parse(document.querySelector('.explorer .xe').dataset.state)"
    assert page.url == url, "nothing has moved yet"
    for _ in range(5):
        slider.press("ArrowRight")
    moved = page.evaluate(state)
    page.wait_for_function("location.hash.includes('?')")
    shared = page.url
    page.go_back()
    assert page.url == (site / "index.html").as_uri()
    page.goto(shared)  # as somebody else opens it
    page.locator(".explorer .xe").first.wait_for()
    assert page.evaluate(state) == moved
    assert page.locator(".explorer .xe").first.evaluate(
        "(e) => e.getBoundingClientRect().top < innerHeight"
    )
    broken = re.sub(r"=\d+", "=nonsense", shared)
    page.goto((site / "index.html").as_uri())
    page.goto(broken)  # what there is not is left as it was
    page.locator(".explorer .xe").first.wait_for()
    assert page.evaluate(state).keys() == moved.keys()
    assert page.problems == []


def test_axe_would_find_a_picture_without_words_and_words_that_are_too_pale(page, site):
    go(page, site, NAMES[1])
    page.evaluate(AXE)
    page.evaluate("document.querySelector('main h1').style = 'color: #eee; background: white'")
    assert [name for name, *_ in page.evaluate(COLORS)] == ["color-contrast"]
    page.evaluate("document.querySelector('main h1').style = ''")
    page.evaluate("document.querySelector('.picture').removeAttribute('alt')")
    assert [name for name, *_ in page.evaluate(FINDINGS)] == ["image-alt"]


def test_the_reader_chooses_light_or_dark_and_the_next_page_remembers(page, site):
    go(page, site, "index")
    page.get_by_role("button", name="Dark").click()
    page.get_by_role("link", name="Contents").or_(page.locator(".menu summary")).first.click()
    page.get_by_role("navigation", name="Contents").get_by_role("link").nth(2).click()
    page.wait_for_url((site / f"{NAMES[3]}.html").as_uri())
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.get_by_role("button", name="Light").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_the_reader_chooses_korean_and_explorers_keep_their_place(page, site):
    go(page, site, "index")
    slider, title = page.locator("input[type=range]"), page.locator(".xe-title")
    slider.focus()
    page.keyboard.press("End")
    english = page.evaluate(WORDS)
    page.get_by_role("button", name="한국어").click()
    page.locator(".xe:lang(ko)").wait_for()
    assert "깊이별" in title.inner_text() or "극단적인" in title.inner_text()
    assert slider.get_attribute("aria-valuetext").startswith("세그먼트 48개")
    assert slider.input_value() == slider.get_attribute("max")
    assert page.evaluate("document.documentElement.lang") == "ko"
    assert page.get_by_role("navigation", name="앞과 뒤").count() == 1
    page.evaluate(AXE)
    assert page.evaluate(FINDINGS) == []
    page.get_by_role("button", name="English").click()
    page.locator(".xe:lang(en)").wait_for()
    assert page.evaluate(WORDS) == english
    assert page.problems == []


def test_the_next_page_remembers_korean_and_says_that_its_text_is_english(page, site):
    page.set_viewport_size(TELEPHONE)
    go(page, site, "index")
    page.get_by_role("button", name="한국어").click()
    page.locator(".xe:lang(ko)").wait_for()
    go(page, site, NAMES[3])
    page.locator(".xe:lang(ko)").first.wait_for()
    assert page.get_by_role("button", name="어둡게").is_visible()
    assert page.get_by_role("link", name="JupyterLab에서 실행").is_visible()
    langs = "[document.documentElement, document.querySelector('main')].map(({ lang }) => lang)"
    assert page.evaluate(langs) == ["ko", "en"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert page.problems == []


def test_every_text_of_the_pages_themselves_is_there_in_both_languages(site):
    for name in NAMES:
        text = (site / f"{name}.html").read_text(encoding="utf-8")
        said = re.findall(
            r'class="(?:lead )?said" lang="(\w\w)">(.*?)</(?:span|p)>', text, re.DOTALL
        )
        korean = [words for language, words in said if language == "ko"]
        assert len(korean) >= len(NAMES)
        for words in korean:
            text = re.sub("<[^>]+>", "", words)  # an answer may be a number alone
            assert re.search("[가-힣]", text) or not re.search("[A-Za-z]", text), name


def test_one_click_runs_a_notebook_or_says_how_to(page, site):
    go(page, site, NAMES[1])
    run = page.get_by_role("link", name="Run it in JupyterLab")
    assert run.get_attribute("href") == f"http://localhost:8888/lab/tree/{NAMES[1]}.ipynb"
    assert not page.get_by_text("No JupyterLab answers").is_visible()
    run.click()
    page.get_by_text("No JupyterLab answers on this computer. Type make lab").wait_for()
    assert [problem for problem in page.problems if problem.startswith("outside")] == [
        "outside: http://localhost:8888/api"
    ]


def test_where_a_jupyterlab_answers_the_click_opens_the_notebook_in_it(site, jupyter, browser):
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto((site / f"{NAMES[1]}.html").as_uri())
        page.evaluate(
            "(url) => { document.querySelector('[data-run]').href = url; }",
            f"{jupyter.url}/lab/tree/{NAMES[1]}.ipynb",
        )
        page.get_by_role("link", name="Run it in JupyterLab").click()
        page.wait_for_url(f"{HERE}:*/**")
        assert jupyter.url in page.url
    finally:
        context.close()


def test_the_front_page_says_how_long_each_notebook_takes_and_has_all_questions(page, site):
    go(page, site, "index")
    course = page.locator(".course li")
    assert course.count() == len(NAMES) - 1
    assert course.get_by_text("minutes").or_(course.get_by_text("hour")).count() >= 11
    links = page.locator(".questions a")
    assert links.count() == 15
    links.nth(7).click()
    page.wait_for_url(re.compile(r"/08_\w+\.html#cell-id=q8$"))
    assert page.locator("[id='cell-id=q8']").is_visible()


# A second build, for a public copy, without the pages of the library: they would take as long as
# all others.
PUBLIC = """
import sys
sys.path[:0] = [sys.argv.pop(1)]
import api_pages, build
api_pages.write_api = lambda folder: None
build.main()
"""
BADGES = re.compile(r'  <a class="badge".*\n|<p class="aside">.*\n<code>%pip install git.*\n')


@pytest.fixture(scope="module")
def public(tmp_path_factory):
    out = tmp_path_factory.mktemp("public") / "pages"
    arguments = (ROOT / "site", "--out", out, "--repository", "owner/course")
    command = [sys.executable, "-c", PUBLIC, *arguments]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (made.returncode, made.stderr) == (0, "")
    return out


def test_the_same_notebooks_give_the_same_bytes(site, public):
    """But for the badges of a public copy. The library's pages, which pdoc writes, are made once."""
    files = [path.relative_to(site) for path in site.rglob("*") if path.is_file()]
    written = [file for file in files if (public / file).exists()]
    left_out = {path for path in files if path not in written}
    assert all(path.parts[0] == "api" for path in left_out)
    for file in written:
        again = (public / file).read_bytes()
        if file.suffix == ".html":
            again = BADGES.sub("", again.decode()).encode()
        assert (site / file).read_bytes() == again, file.name


def test_a_public_copy_gives_badges_that_open_each_notebook_there(public):
    for name in NAMES[1:]:
        page = (public / f"{name}.html").read_text()
        for place in (
            f"https://mybinder.org/v2/gh/owner/course/HEAD?labpath=notebooks%2F{name}.ipynb",
            f"https://colab.research.google.com/github/owner/course/blob/main/notebooks/{name}.ipynb",
        ):
            assert page.count(f'class="badge" href="{place}"') == 1
        assert "%pip install git+https://github.com/owner/course</code>" in page


@pytest.mark.parametrize("arguments", [["."], ["new", "--repository", "ftp://example.org"]])
def test_a_wrong_argument_is_one_line_and_nothing_is_overwritten(
    arguments, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(ROOT / "site")
    monkeypatch.setattr(sys, "argv", ["build.py", "--out", *arguments])
    Path("mine.txt").write_text("a file of the reader's own")
    with pytest.raises(SystemExit) as ended:
        importlib.import_module("build").main()
    assert ended.value.code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert Path("mine.txt").read_text() == "a file of the reader's own"


# ---- the pages of the library --------------------------------------------------------------------

# Of a long page the first members, and not their source: the others have the same colors again.
API_FINDINGS, API_COLORS = (
    findings.replace("'.highlight')].slice(4)", "'.source, main section:nth-of-type(n + 12)')]")
    for findings in (FINDINGS, COLORS)
)
each_api_page = pytest.mark.parametrize("opened", [f"api/{name}" for name in API], indirect=True)


def test_the_front_page_leads_to_the_library_and_back(page, site):
    go(page, site, "index")
    page.get_by_role("link", name="the library").click()
    page.wait_for_url((site / "api" / "xception_edu.html").as_uri())
    page.get_by_role("link", name="Xception, made movable").click()
    page.wait_for_url((site / "index.html").as_uri())
    assert page.problems == []


def test_every_module_has_a_page_that_loads_nothing_from_elsewhere(site):
    package = ROOT / "xception_edu"
    files = {path.relative_to(ROOT).with_suffix("") for path in package.rglob("*.py")}
    modules = {path.parent if path.name == "__init__" else path for path in files}
    pages = {
        path.relative_to(site / "api").with_suffix(""): path.read_text(encoding="utf-8")
        for path in (site / "api").rglob("*.html")
    }
    assert modules - set(pages) == {Path("xception_edu/__main__")}
    for name, text in pages.items():
        loaded = re.findall(r"<(?:script|img|link|iframe)[^>]+(?:src|href)=\"([^\"]+)", text)
        assert [url for url in loaded if re.match(r"(https?:)?//", url)] == [], name
        assert "@import" not in text, name


@cache
def text_of(page):
    return page.read_text(encoding="utf-8")


def test_links_between_the_pages_of_the_library_lead_somewhere(site):
    for file in (site / "api").rglob("*.html"):
        text = re.sub(
            r"<script>.*?</script>", "", file.read_text(encoding="utf-8"), flags=re.DOTALL
        )
        for link in re.findall(r"<a [^>]*href=\"([^\"]*)", text):
            path = link.partition("#")[0]
            assert link.startswith("https://") or (file.parent / path).exists(), (file.name, link)
        for path, place in re.findall(r"Source in <a href=\"([^#\"]+)#([^\"]+)", text):
            assert f'id="{place}"' in text_of(file.parent / path), (file.name, path, place)


@each_api_page
def test_a_telephone_shows_the_library_without_scrolling_sideways(opened):
    opened.set_viewport_size(TELEPHONE)
    assert opened.evaluate("document.documentElement.scrollWidth") <= 400


@each_api_page
@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_serious_in_the_library(opened, theme):
    widen(opened, theme)
    opened.evaluate(AXE)
    assert opened.evaluate(API_FINDINGS if theme == "dark" else API_COLORS) == []
    assert opened.problems == []


def test_the_library_is_searched_from_disk(page, site):
    go(page, site, f"api/{API[0]}")
    page.get_by_role("searchbox").fill("SeparableConv2d")
    page.locator("main.pdoc").get_by_role("link", name="SeparableConv2d").first.click()
    page.locator("section#SeparableConv2d").wait_for()
    assert page.problems == []


def test_the_source_of_a_class_opens_by_key(page, site):
    go(page, site, "api/xception_edu/layers")
    section = page.locator("section#SeparableConv2d")
    source = section.get_by_text("class SeparableConv2d").last
    assert not source.is_visible()
    section.locator("summary").first.focus()
    page.keyboard.press("Enter")
    source.wait_for()
