"""What an explorer shows on a page, read from its elements, and what it should show, told by
Python.
"""

import json
import re
from contextlib import suppress
from functools import cache

from playwright.sync_api import TimeoutError

from tests.helpers.scene_explorers import SCENE_EXPLORERS
from xception_edu import explorers
from xception_edu.architectures import ModuleConfig, module, regular_convolution
from xception_edu.costs import total
from xception_edu.explorers.segments import position
from xception_edu.specs import Shape, segment_sizes

SLIDER = "input[type=range]"
# What the page does whatever it shows is asked of the explorer that has a page of its own, of one with
# a choice, and of one with several.
A_FEW = ("segments_explorer", "towers_explorer", "swap_explorer")


def fresh(name):
    """An explorer of its own, for what changes more than its state."""
    return getattr(explorers, name)(**SCENE_EXPLORERS.get(name, {}))


@cache
def explorer(name):
    """One explorer of a name, made once: its state moves."""
    return fresh(name)


def new(name):
    """The explorer of a name, in its first state again."""
    made = explorer(name)
    go(made, made.table["start"])
    return made


def go(made, state):
    """Take an explorer of this process to a state: the choices first, which say what stops there
    are.
    """
    for control in [*made.table["controls"][1:], made.table["controls"][0]]:
        setattr(made, control["name"], state[control["name"]])


def stops(made):
    """The slider's stops under the choices that are made."""
    return (
        made.table["stops"][made._key()]
        if hasattr(made, "view")
        else list(range(1, made.channels + 1))
    )


# ---- read from the page --------------------------------------------------------------------------

# What every explorer shows, and its own part; as text, which Playwright hands over much faster than
# thousands of objects.
READ = """(root) => {
  const all = (selector, read) => [...root.querySelectorAll(selector)].map(read);
  const words = (selector) => all(selector, (element) => element.textContent);
  const slider = root.querySelector('input[type=range]');
  const shape = (e) => [e.tagName, Object.fromEntries([...e.attributes].map((a) => [a.name, a.value])), e.textContent];
  const number = (name) => (e) => Number(e.getAttribute(name));
  return JSON.stringify({
    title: words('.xe-title').join(), output: words('output').join(), code: words('.xe-code code').join(),
    slider: [slider.value, slider.min, slider.max].map(Number), spoken: slider.getAttribute('aria-valuetext'),
    chosen: all('.xe-choice input:checked', (input) => input.value), state: JSON.parse(root.dataset.state),
    scenes: {
      values: words('.xe-readouts strong'), alts: all('.xe-panel svg', (svg) => svg.getAttribute('aria-label')),
      panels: all('.xe-panel svg', (svg) => [number('width')(svg), number('height')(svg)]),
      shapes: all('.xe-panel svg', (svg) => [...svg.querySelectorAll('g > *')].map(shape)),
    },
    segments: {
      count: words('td.xe-count'), regular: words('td.xe-regular'), separable: words('td.xe-separable'),
      blocks: all('.xe-matrix .xe-moving rect', number('width')), ends: all('.xe-wiring .xe-moving rect', number('height')),
      wires: all('.xe-wiring .xe-moving path', (path) => path.getAttribute('d').split('M').length - 1),
    },
  });
}"""


def wait_for(root, state, seconds=10):
    """Wait until the page has drawn a state, which a busy machine may do late; what it shows is
    left to `check`.
    """
    told = json.dumps(state, separators=(",", ":"), ensure_ascii=False)
    root.page.wait_for_function(
        "([root, told]) => root.dataset.state === told",
        arg=[root.element_handle(), told],
        timeout=1000 * seconds,
    )


def check(root, made):
    """Assert that the page shows an explorer's state, now or soon; gives what was read."""
    with suppress(TimeoutError):  # then the next lines say what is there instead
        wait_for(root, made.state())
    shown, own = json.loads(root.evaluate(READ)), "scenes" if hasattr(made, "view") else "segments"
    assert shown["state"] == made.state()
    wanted = expected(made)
    assert {key: shown[key] for key in wanted} == wanted
    told = shown[own] | {"shapes": [list(map(plain, panel)) for panel in shown["scenes"]["shapes"]]}
    for part, value in (scenes if own == "scenes" else segments)(made).items():
        assert told[part] == value, part
    return shown


# Pairs of texts that lie on each other.
OVERLAPS = """(root) => {
  const range = document.createRange();
  const lines = (leaf) => { range.selectNodeContents(leaf); return [...range.getClientRects()].filter((line) => line.width); };
  const common = (a, b, from, to) => Math.min(a[to], b[to]) - Math.max(a[from], b[from]);
  const lie = (a, b) => common(a, b, 'left', 'right') > 1 && common(a, b, 'top', 'bottom') > 3;
  const leaves = [...root.querySelectorAll('*')].filter((e) => !e.children.length && e.textContent.trim());
  const texts = leaves.map((e) => ({ words: e.textContent, lines: lines(e) }));
  return texts.flatMap((one, i) => texts.slice(i + 1)
    .filter((other) => one.words !== other.words) // the same words in the same place are emphasis
    .filter((other) => one.lines.some((a) => other.lines.some((b) => lie(a, b))))
    .map((other) => `${one.words} / ${other.words}`));
}"""


def plain(element):
    """An element's tag, attributes and text, with numbers as numbers."""
    tag, attributes, text = element
    return (
        tag,
        {name: numbers(value) if name != "href" else value for name, value in attributes.items()},
        text,
    )


@cache
def numbers(value):
    """Text as numbers and what stands between them, so that 7 equals 7.0 and sums of fractions need
    not round alike.
    """
    parts = re.split(r"(-?\d+(?:\.\d+)?(?:e-?\d+)?)", str(value))
    return tuple(round(float(part), 4) if i % 2 else part.strip() for i, part in enumerate(parts))


# ---- told by Python ------------------------------------------------------------------------------


def expected(made):
    """What every explorer should show in its state."""
    state, now = made.state(), stops(made)
    if hasattr(made, "view"):
        view = made.view()
        words = {
            "title": f"{view['title']} {view['note']}",
            "output": view["short"],
            "spoken": f"{view['title']}; {view['note']}",
        }
    else:
        view = position(made.table, **state)
        words = {
            "title": f"{view['name']} {view['words']}",
            "spoken": f"{view['name']}; {view['words']}",
        }
        words["output"] = f"{made.segments} of {made.channels}"
    slider, *choices = state.values()
    return words | {
        "code": repr(made),
        "slider": [now.index(slider) + 1, 1, len(now)],
        "chosen": list(map(str, choices)),
    }


def scenes(made):
    """The picture and the readouts of an explorer with scenes."""
    view = made.view()
    shapes = [
        [plain(element) for shape in panel for element in ELEMENTS[shape[0]](*shape[1:])]
        for panel in made.shapes()
    ]
    return {
        "values": view["values"],
        "alts": view["alts"],
        "panels": made.table["panels"],
        "shapes": shapes,
    }


def segments(made):
    """The picture and the numbers of the segments explorer, counted by costs."""
    s, c, k, side, order = made.state().values()
    shape, sizes, pitch = Shape(c, side, side), segment_sizes(c, s), 288 // c
    module_of = {
        n: module(ModuleConfig(c, c, n, kernel_size=k, order=order), shape) for n in (s, c)
    }
    return {
        "count": costs(module_of[s]),
        "regular": costs(regular_convolution(c, c, shape, kernel_size=k)),
        "separable": costs(module_of[c]),
        "blocks": [n * pitch for n in sizes],
        "ends": [n * pitch for n in sizes for _ in ("input", "output")],
        "wires": [n * n for n in sizes],
    }


def costs(layers):
    """The columns of the table of costs, as they are written."""
    cost = total(layers)
    counts = (cost.params, cost.macs, cost.activations, cost.bytes_moved())
    return [*(f"{count:,}" for count in counts), f"{cost.intensity():,.2f}"]


# ---- the SVG elements of each shape of explorers/engine/scene.py ---------------------------------


def ink(color):
    return f"var(--{color})"


def rim(edge):
    return {"stroke": ink(edge)} if edge else {}


def path(run):
    return "M" + "L".join(f"{x} {y}" for x, y in zip(run[::2], run[1::2], strict=True))


def _rect(color, x, y, width, height, opacity, edge):
    yield (
        "rect",
        {"x": x, "y": y, "width": width, "height": height, "fill": ink(color), "opacity": opacity}
        | rim(edge),
        "",
    )


def _line(color, runs, width, opacity, dash, halo):
    attributes = {
        "d": "".join(map(path, runs)),
        "fill": "none",
        "stroke": ink(color),
        "stroke-width": width,
        "opacity": opacity,
    }
    if halo:
        yield "path", attributes | {"stroke": ink("paper"), "stroke-width": width + 2}, ""
    yield "path", attributes | ({"stroke-dasharray": "5 4"} if dash else {}), ""


def _area(color, run, opacity):
    yield "path", {"d": path(run) + "Z", "fill": ink(color), "opacity": opacity}, ""


def _dot(color, x, y, radius, edge):
    yield "circle", {"cx": x, "cy": y, "r": radius, "fill": ink(color)} | rim(edge), ""


def _text(color, x, y, words, size, anchor, bold, halo, up):
    classes = f"xe-words xe-words-{size}" + " xe-bold" * bold + " xe-halo" * halo
    turned = {"transform": f"rotate(-90 {x} {y})"} if up else {}
    yield (
        "text",
        {"x": x, "y": y, "class": classes, "fill": ink(color), "text-anchor": anchor} | turned,
        words,
    )


def _cells(names, x, y, pitch, columns, codes, levels):
    side = pitch - 1 if pitch > 4 else pitch
    for i, (code, level) in enumerate(zip(codes, levels, strict=True)):
        down, across = divmod(i, columns)
        color, opacity = ink(names[int(code, 36)]), int(level, 36) / 35
        place = {"x": x + across * pitch, "y": y + down * pitch, "width": side, "height": side}
        yield "rect", place | {"fill": color, "opacity": opacity}, ""


def _image(png, x, y, width, height):
    place = {"x": x, "y": y, "width": width, "height": height}
    yield (
        "image",
        {"href": f"data:image/png;base64,{png}"} | place | {"preserveAspectRatio": "none"},
        "",
    )


def _words(color, x, y, pitch, columns, words):
    for i, one in enumerate(words):
        down, across = divmod(i, columns)
        place = {"x": x + across * pitch, "y": y + down * pitch}
        look = {"class": "xe-words xe-words-small", "fill": ink(color), "text-anchor": "middle"}
        yield "text", place | look, one


def _rest(words, x, y, pitch, columns):
    place = {"x": x, "y": y, "width": columns * pitch, "height": len(words) / columns * pitch}
    told = {"class": "xe-rest", "data-words": " ".join(words), "data-columns": columns}
    yield "rect", told | place | {"fill": "transparent"}, ""


def _click(stop, x, y, width, height, words, choices=None):
    place = {"x": x, "y": y, "width": width, "height": height}
    leads = {} if stop is None else {"data-stop": stop}
    leads |= {"data-choices": json.dumps(choices, separators=(",", ":"))} if choices else {}
    yield "rect", {"class": "xe-click"} | leads | place | {"fill": "transparent"}, words


ELEMENTS = {
    "rect": _rect,
    "line": _line,
    "area": _area,
    "dot": _dot,
    "text": _text,
    "cells": _cells,
    "image": _image,
    "click": _click,
    "words": _words,
    "rest": _rest,
}
