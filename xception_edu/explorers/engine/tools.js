// The buttons of every explorer: play, reset, pin, save, and a link where the page has an address. They show what the
// explorer looks up, and compute nothing of it.

const PASS = 6000, FASTEST = 80, SLOWEST = 700, CALM = 1500; // milliseconds: a whole walk, and the limits of one step
const calm = matchMedia("(prefers-reduced-motion: reduce)");

const button = (words, title) => make("button", { type: "button", title }, words);

// Walks the slider to its last stop. Who prefers reduced motion gets still pictures, one after the other. `now()` gives the
// stops and the place of the present one, `go(stop)` goes there, `hush(true)` keeps screen readers from telling every stop.
function player(now, go, hush, say) {
  const element = button(say("Play"), say("Walk the slider to its end"));
  let timer = null;
  const pace = (count) => (calm.matches ? CALM : Math.min(SLOWEST, Math.max(FASTEST, PASS / count)));
  const stop = () => {
    if (timer === null) return;
    clearTimeout(timer);
    timer = null;
    element.textContent = say("Play");
    hush(false);
  };
  const step = () => {
    const { stops, at } = now();
    if (at + 2 >= stops.length) stop(); // before the last move, which is told
    if (at + 1 < stops.length) go(stops[at + 1]);
    if (timer !== null) timer = setTimeout(step, pace(stops.length));
  };
  const start = () => {
    const { stops, at } = now();
    element.textContent = say("Pause");
    hush(true);
    timer = setTimeout(step, pace(stops.length));
    if (at + 1 === stops.length) go(stops[0]);
  };
  element.addEventListener("click", () => (timer === null ? start() : stop()));
  return { element, stop };
}

// ---- two states side by side ----------------------------------------------------------------------------------------

const numberOf = (words) => Number(words.replace(/[,%]/g, "").replace("−", "-"));
// Which way a readout went, where both are numbers; where one is none, that it changed.
const way = (before, after) => {
  const [from, to] = [before, after].map(numberOf);
  if (before === after) return "";
  return Number.isNaN(from) || Number.isNaN(to) ? "≠" : to > from ? "▲" : "▼";
};

// Keeps the present picture beside the moving one, and what they say, line by line. `told()` gives the readouts
// as pairs of a label and a value.
function pinning(now, told, say) {
  const element = button("", ""); // show() says what it does
  const body = make("tbody"), heads = ["", say("pinned"), say("now"), ""].map((words) => make("th", { scope: "col" }, words));
  const table = make("table", {}, make("thead", {}, make("tr", {}, ...heads)), body);
  const compared = make("div", { class: "xe-compared", hidden: "" }, table);
  const stage = make("div", { class: "xe-stage" }, now, compared);
  const spoken = { "≠": say("different"), "▲": say("more"), "▼": say("less") };
  let before = null, kept = null;
  const draw = () => {
    if (!before) return;
    body.replaceChildren(...told().map(([label, value], i) => {
      const sign = way(before[i][1], value), mark = make("td", { class: "xe-way" }, sign);
      if (sign) mark.setAttribute("aria-label", spoken[sign]);
      const cells = [before[i][1], value].map((words) => make("td", {}, words));
      return make("tr", sign ? { class: "xe-differs" } : {}, make("th", { scope: "row" }, label), ...cells, mark);
    }));
  };
  const unpin = () => {
    kept?.remove();
    before = kept = null;
  };
  const pin = () => {
    before = told();
    const picture = now.cloneNode(true);
    picture.querySelectorAll(".xe-click, .xe-rest, .xe-tip").forEach((place) => place.remove()); // it stays where it is
    kept = make("div", { class: "xe-kept", role: "group", "aria-label": say("Pinned") }, make("p", { class: "xe-tag" }, say("Pinned: {state}", { state: before[0][1] })), picture);
    stage.prepend(kept);
  };
  const show = () => {
    element.textContent = before ? say("Unpin") : say("Pin");
    element.title = before ? say("Let the pinned state go") : say("Keep this state beside the moving one");
    stage.classList.toggle("xe-two", before !== null);
    compared.hidden = !before;
    draw();
  };
  element.addEventListener("click", () => { (before ? unpin : pin)(); show(); });
  show();
  return { element, stage, draw };
}

// ---- a picture of what is seen, as a file ---------------------------------------------------------------------------

const LOOKS = ["fill", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "stroke-linejoin", "opacity", "paint-order", "vector-effect",
  "shape-rendering", "image-rendering"];
const LETTERS = ["font-family", "font-size", "font-weight"];
const PLAIN = { fill: "rgb(0, 0, 0)", stroke: "none", "stroke-width": "1px", "stroke-opacity": "1", "stroke-dasharray": "none", "stroke-linejoin": "miter",
  opacity: "1", "paint-order": "normal", "vector-effect": "none", "shape-rendering": "auto", "image-rendering": "auto" };
const MARGIN = 12, SHARP = 2; // pixels around a picture; pixels of a PNG's side for one of the page

// A color that every program reads: mixed ones come as shares of red, green and blue.
function plainColor(color) {
  const parts = color.match(/^color\(srgb ([\d.e-]+) ([\d.e-]+) ([\d.e-]+)(?: \/ ([\d.e-]+))?\)$/);
  if (!parts) return color;
  const [red, green, blue] = parts.slice(1, 4).map((share) => Math.round(255 * share));
  return parts[4] ? `rgba(${red}, ${green}, ${blue}, ${parts[4]})` : `rgb(${red}, ${green}, ${blue})`;
}
const isSeen = (color) => !/^rgba\(.*, 0\)$|^transparent$/.test(plainColor(color));

// An SVG of what an element shows: its drawings, and its words, boxes and lines where they stand on the page.
function snapshot(root, words) {
  const space = root.querySelector("svg").namespaceURI, base = root.getBoundingClientRect();
  const shape = (name, attributes, ...children) => {
    const element = document.createElementNS(space, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };
  const left = (x) => x - base.left + MARGIN, top = (y) => y - base.top + MARGIN;
  const width = base.width + 2 * MARGIN, height = base.height + 2 * MARGIN + 20;
  const page = shape("svg", { width, height, viewBox: `0 0 ${width} ${height}` });
  const line = (style, text, x, y, more = {}) => {
    const look = Object.fromEntries(LETTERS.map((name) => [name, style.getPropertyValue(name)]));
    page.append(shape("text", { x, y, fill: plainColor(style.color), "dominant-baseline": "central", ...look, ...more }, text));
  };
  const box = (element, style) => {
    const { left: x, top: y, width: wide, height: high } = element.getBoundingClientRect();
    const turned = style.rotate !== "none" || style.transform !== "none", [w, h] = turned ? [element.offsetWidth, element.offsetHeight] : [wide, high];
    const middle = [left(x) + wide / 2, top(y) + high / 2], turn = turned ? { transform: `rotate(45 ${middle.join(" ")})` } : {};
    const at = { x: middle[0] - w / 2, y: middle[1] - h / 2, width: w, height: h, ...turn };
    if (isSeen(style.backgroundColor)) page.append(shape("rect", { ...at, fill: plainColor(style.backgroundColor) }));
    const edges = { Top: [0, 0, w, 0], Bottom: [0, h, w, h], Left: [0, 0, 0, h], Right: [w, 0, w, h] };
    for (const [side, [x1, y1, x2, y2]] of Object.entries(edges)) {
      const wide = parseFloat(style[`border${side}Width`]);
      if (!wide || style[`border${side}Style`] === "none") continue;
      const ends = { x1: at.x + x1, y1: at.y + y1, x2: at.x + x2, y2: at.y + y2 };
      page.append(shape("line", { ...ends, stroke: plainColor(style[`border${side}Color`]), "stroke-width": wide, ...turn }));
    }
  };
  const text = (node, style) => { // line by line as the page breaks it
    const range = document.createRange(), lines = [];
    for (const word of node.data.matchAll(/\S+/g)) {
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const place = range.getBoundingClientRect();
      if (!place.width) continue;
      const last = lines.at(-1);
      if (last && Math.abs(last.y - place.top) < 2) last.words.push(word[0]);
      else lines.push({ x: place.left, y: place.top, high: place.height, words: [word[0]] });
    }
    for (const one of lines) line(style, one.words.join(" "), left(one.x), top(one.y) + one.high / 2);
  };
  const drawn = (svg) => {
    const copy = svg.cloneNode(true), place = svg.getBoundingClientRect(), from = [...svg.querySelectorAll("*")];
    [...copy.querySelectorAll("*")].forEach((element, i) => {
      const style = getComputedStyle(from[i]), names = element.localName === "text" ? [...LOOKS, ...LETTERS, "text-anchor", "dominant-baseline"] : LOOKS;
      element.removeAttribute("class");
      for (const name of names) {
        const value = plainColor(style.getPropertyValue(name));
        if (value && value !== PLAIN[name]) element.setAttribute(name, value); else element.removeAttribute(name);
      }
    });
    copy.querySelectorAll("title").forEach((title) => title.parentElement.remove()); // places to click
    copy.querySelectorAll("[data-words]").forEach((place) => place.remove()); // and to rest on
    for (const [name, value] of Object.entries({ x: left(place.left), y: top(place.top), width: place.width, height: place.height })) copy.setAttribute(name, value);
    ["style", "role", "aria-label", "class"].forEach((name) => copy.removeAttribute(name));
    page.append(copy);
  };
  const visit = (element) => {
    const style = getComputedStyle(element);
    if (style.display === "none" || style.visibility === "hidden") return;
    if (element.localName === "svg") return drawn(element);
    box(element, style);
    for (const child of element.childNodes) {
      if (child.nodeType === Node.TEXT_NODE) text(child, style); else visit(child);
    }
  };
  page.append(shape("rect", { width, height, fill: plainColor(getComputedStyle(root).backgroundColor) }));
  visit(root);
  line(getComputedStyle(root), words, MARGIN, height - 14, { "font-size": "11px", opacity: 0.72 });
  return { text: new XMLSerializer().serializeToString(page), width, height };
}

async function sharp({ text, width, height }) {
  const picture = new Image(), canvas = make("canvas", { width: SHARP * width, height: SHARP * height });
  picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  await picture.decode();
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

function download(blob, name) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// Two buttons that save what `element` shows; `told()` gives the line of code, which stands below the picture.
function saving(element, told, say) {
  const svg = button(say("Save SVG"), say("Save this picture as SVG")), png = button(say("Save PNG"), say("Save this picture as PNG"));
  const named = (kind) => `${told().match(/\w+(?=\()/)[0]}.${kind}`;
  svg.addEventListener("click", () => download(new Blob([snapshot(element, told()).text], { type: "image/svg+xml" }), named("svg")));
  png.addEventListener("click", async () => download(await sharp(snapshot(element, told())), named("png")));
  return [svg, png];
}
