// Paints the scenes of the table, shape by shape as explorers/engine/scene.py describes them, with readouts below.

const SPECIAL = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const safe = (words) => words.replace(/[&<>"]/g, (character) => SPECIAL[character]);
const ink = (color) => `var(--${color})`;
const rim = (edge) => (edge ? ` stroke="${ink(edge)}"` : "");
const points = (run, begin) => run.map((n, i) => (i % 2 ? `${n}` : `${i ? "L" : begin}${n} `)).join("");
const LEVELS = "0123456789abcdefghijklmnopqrstuvwxyz";

const PAINT = {
  rect: (color, x, y, width, height, opacity, edge) =>
    `<rect x="${x}" y="${y}" width="${width}" height="${height}" fill="${ink(color)}" opacity="${opacity}"${rim(edge)}/>`,
  line: (color, runs, width, opacity, dash, halo) => {
    const along = runs.map((run) => points(run, "M")).join("");
    const stroke = (name, wide, more) => `<path d="${along}" fill="none" stroke="${ink(name)}" stroke-width="${wide}" opacity="${opacity}"${more}/>`;
    return (halo ? stroke("paper", width + 2, "") : "") + stroke(color, width, dash ? ' stroke-dasharray="5 4"' : "");
  },
  area: (color, run, opacity) => `<path d="${points(run, "M")}Z" fill="${ink(color)}" opacity="${opacity}"/>`,
  dot: (color, x, y, radius, edge) => `<circle cx="${x}" cy="${y}" r="${radius}" fill="${ink(color)}"${rim(edge)}/>`,
  text: (color, x, y, words, size, anchor, bold, halo, up) => {
    const classes = ["xe-words", `xe-words-${size}`, bold && "xe-bold", halo && "xe-halo"].filter(Boolean).join(" ");
    const turned = up ? ` transform="rotate(-90 ${x} ${y})"` : "";
    return `<text x="${x}" y="${y}" class="${classes}" fill="${ink(color)}" text-anchor="${anchor}"${turned}>${safe(words)}</text>`;
  },
  words: (color, x, y, pitch, columns, words) =>
    words.map((one, i) => {
      const at = `x="${x + (i % columns) * pitch}" y="${y + Math.floor(i / columns) * pitch}"`;
      return `<text ${at} class="xe-words xe-words-small" fill="${ink(color)}" text-anchor="middle">${safe(one)}</text>`;
    }).join(""),
  cells: (names, x, y, pitch, columns, codes, levels) => {
    const side = pitch - (pitch > 4 ? 1 : 0); // the gap between two cells
    const cell = (code, i) => {
      const at = `x="${x + (i % columns) * pitch}" y="${y + Math.floor(i / columns) * pitch}"`;
      const opacity = LEVELS.indexOf(levels[i]) / (LEVELS.length - 1);
      return `<rect ${at} width="${side}" height="${side}" fill="${ink(names[LEVELS.indexOf(code)])}" opacity="${opacity}"/>`;
    };
    return [...codes].map(cell).join("");
  },
  image: (png, x, y, width, height) =>
    `<image href="data:image/png;base64,${png}" x="${x}" y="${y}" width="${width}" height="${height}" preserveAspectRatio="none"/>`,
  rest: (words, x, y, pitch, columns) =>
    `<rect class="xe-rest" data-words="${safe(words.join(" "))}" data-columns="${columns}" x="${x}" y="${y}" width="${columns * pitch}" height="${(words.length / columns) * pitch}" fill="transparent"/>`,
  click: (stop, x, y, width, height, words, choices) => {
    const leads = `${stop === null ? "" : ` data-stop="${stop}"`}${choices ? ` data-choices="${safe(JSON.stringify(choices))}"` : ""}`;
    return `<rect class="xe-click"${leads} x="${x}" y="${y}" width="${width}" height="${height}" fill="transparent"><title>${safe(words)}</title></rect>`;
  },
};
const paint = (shapes) => shapes.map(([kind, ...values]) => PAINT[kind](...values)).join("");
// Place of the words in a shape, or of a list of words.
const WORDS_AT = { text: 4, words: 6, click: 6 };
const translated = (shape, say) => {
  const at = WORDS_AT[shape[0]], words = shape[at];
  return at ? [...shape.slice(0, at), Array.isArray(words) ? words.map((one) => say(one)) : say(words), ...shape.slice(at + 1)] : shape;
};
// The table unpacked: packing.py says what is sent.
const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%()*+,-.:;=?@^_{|}~";
const every = (list, count) => Array.from({ length: list.length / count }, (_, i) => list.slice(i * count, (i + 1) * count));
const place = ([one, two]) => DIGITS.indexOf(one) * DIGITS.length + DIGITS.indexOf(two);
// For each mark of a form what takes its place in a shape, of the value that fills it.
const readers = ({ texts, lexicon }) => ({
  "#": (value) => [value],
  "#text": (number) => [texts[number]],
  "#texts": (value) => [(Array.isArray(value) ? value : every(value, 2).map(place)).map((number) => lexicon[number])],
  "#cells": (letters) => {
    const numbers = [...letters].map((one) => DIGITS.indexOf(one));
    return [numbers.map((n) => (n < LEVELS.length ? "0" : "1")).join(""), numbers.map((n) => LEVELS[n % LEVELS.length]).join("")];
  },
  "#frames": (ends) => [every(ends, 4).map(([x, y, right, bottom]) => [x, y, right, y, right, bottom, x, bottom, x, y])],
});
const unpacker = (table) => {
  const read = readers(table);
  const shape = ([form, ...values]) => table.forms[form].flatMap((part) => (part in read ? read[part](values.shift()) : [part]));
  const [columns, panels] = [table.columns.length, table.panels.length];
  const rows = (key) => table.stops[key].map((_, i) => {
    const numbers = table.views[key].map((series) => table.series[series][i]);
    const [short, title, note, ...others] = numbers.slice(0, -panels).map((number) => table.texts[number]);
    return { short, title, note, values: others.slice(0, columns), alts: others.slice(columns), drawings: numbers.slice(-panels) };
  });
  return { rows, drawing: (number) => table.drawings[number].map((one) => shape(table.shapes[one])) };
};

// What the cell says on which the mouse rests, beside it; `inside` has the pictures.
function resting(inside) {
  const tip = make("div", { class: "xe-tip", "aria-hidden": "true", hidden: "" });
  inside.append(tip);
  const hide = () => { tip.hidden = true; };
  inside.addEventListener("pointerleave", hide);
  inside.addEventListener("pointermove", ({ target, clientX, clientY }) => {
    if (!target.classList?.contains("xe-rest")) return hide();
    const box = target.getBoundingClientRect(), around = inside.getBoundingClientRect();
    const words = target.dataset.words.split(" "), columns = Number(target.dataset.columns);
    const column = Math.floor(((clientX - box.left) / box.width) * columns);
    const row = Math.floor(((clientY - box.top) / box.height) * (words.length / columns));
    tip.textContent = words[row * columns + column] ?? "";
    tip.hidden = false;
    tip.style.left = `${Math.min(clientX - around.left + 12, around.width - tip.offsetWidth)}px`;
    tip.style.top = `${clientY - around.top - 30}px`;
  });
  return hide;
}

// One page of the scene: what stands still is painted when a choice changes, the rest at every move.
function panel([width, height]) {
  const least = `style="min-width: ${Math.round(width * 0.85)}px"`; // a little smaller on a phone, then it scrolls
  const size = `width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" ${least}`;
  const element = make("div", { class: "xe-panel", style: `--wide: ${width}` });
  element.innerHTML = `<svg role="img" ${size}><g></g><g></g></svg>`;
  const svg = element.firstChild, [still, moving] = svg.children;
  const show = (below, shapes, alt) => {
    if (below !== null) still.innerHTML = paint(below);
    moving.innerHTML = paint(shapes);
    svg.setAttribute("aria-label", alt);
  };
  // Only a picture that is wider than its place is a stop of the Tab key: the arrows scroll it.
  const isWide = () => element.scrollWidth > element.clientWidth;
  new ResizeObserver(() => (isWide() ? element.setAttribute("tabindex", 0) : element.removeAttribute("tabindex"))).observe(element);
  return { element, show };
}

// The longest of some texts: room is kept for it, so that nothing jumps while the slider moves.
const longest = (texts) => texts.reduce((most, text) => (breadth(text) > breadth(most) ? text : most), "");

function readouts(columns) {
  const values = columns.map(() => make("span"));
  const pairs = columns.map(([label, unit], i) => make("div", {}, make("span", {}, label), make("strong", {}, values[i]), make("small", {}, unit)));
  const show = (row) => row.forEach((value, i) => { values[i].textContent = value; });
  const reserve = (rows) => values.forEach((value, i) => {
    value.parentElement.dataset.room = [...new Set(rows.map((row) => row[i]))].join("\n");
  });
  return { element: make("div", { class: "xe-readouts" }, ...pairs), show, reserve };
}

function build(table, go, say) {
  const [slider, ...choices] = table.controls;
  const title = make("strong"), note = make("span"), head = make("p", { class: "xe-title" }, make("span", {}, title, " ", note));
  const panels = table.panels.map(panel), named = table.columns.map((column) => column.map((words) => say(words)));
  const row = readouts(named);
  const pictures = make("div", { class: "xe-panels" }, ...panels.map((p) => p.element)), frame = make("div", { class: "xe-frame" }, pictures);
  pictures.addEventListener("click", (event) => {
    const { stop, choices: made } = event.target.dataset ?? {};
    if (stop || made) go({ ...(stop && { [slider.name]: Number(stop) }), ...JSON.parse(made ?? "{}") });
  });
  for (const [name, color] of Object.entries(table.palette)) pictures.style.setProperty(`--${name}`, color);
  const leave = resting(frame);
  const keyOf = (s) => choices.map(({ name }) => s[name]).join(" ");
  const columns = [slider.label, ...named.map(([label, unit]) => (unit ? `${label}, ${unit}` : label))];
  let painted = null;
  // The views of a choice in the reader's language, each choice once.
  const said = {}, unpack = unpacker(table);
  const drawing = (number) => unpack.drawing(number).map((shape) => translated(shape, say));
  const spoken = (key) => (said[key] ??= unpack.rows(key).map((view) => ({
    ...view, short: say(view.short), title: say(view.title), note: say(view.note), values: view.values.map((value) => say(value)),
  })));
  return {
    name: "scenes",
    panels: [head, frame, row.element],
    labels: (control) => control.words,
    stops: (s) => table.stops[keyOf(s)],
    draw(s) {
      const key = keyOf(s), views = spoken(key), current = table.stops[key].indexOf(s[slider.name]), view = views[current];
      if (painted !== key) {
        head.dataset.room = longest(views.map((one) => `${one.title} ${one.note}`));
        row.reserve(views.map((one) => one.values));
      }
      leave(); // the number was another position's
      title.textContent = view.title;
      note.textContent = view.note;
      const still = (i) => (painted === key ? null : drawing(table.stills[key][i]));
      panels.forEach((p, i) => p.show(still(i), drawing(view.drawings[i]), say(view.alts[i])));
      row.show(view.values);
      painted = key;
      const rows = () => views.map((one, i) => [integers.format(table.stops[key][i]), ...one.values]);
      const data = { key, title: say("Table of all {count} positions", { count: views.length }), head: columns, current, rows };
      return { short: view.short, longest: longest(views.map((one) => one.short)), long: `${view.title}; ${view.note}`, data };
    },
  };
}

export default { render: (context) => explore(context, build) };
