// Paints the scenes of the table, shape by shape as explorers/scene.py describes them, with readouts below.

const SPECIAL = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const safe = (words) => words.replace(/[&<>"]/g, (character) => SPECIAL[character]);
const ink = (color) => `var(--${color})`;
const rim = (edge) => (edge ? ` stroke="${ink(edge)}"` : "");
const points = (run, begin) => run.map((n, i) => (i % 2 ? `${n}` : `${i ? "L" : begin}${n} `)).join("");
const LEVELS = "0123456789abcdefghijklmnopqrstuvwxyz";

const PAINT = {
  rect: (color, x, y, width, height, opacity, edge) =>
    `<rect x="${x}" y="${y}" width="${width}" height="${height}" fill="${ink(color)}" opacity="${opacity}"${rim(edge)}/>`,
  line: (color, runs, width, opacity, dash) =>
    `<path d="${runs.map((run) => points(run, "M")).join("")}" fill="none" stroke="${ink(color)}" stroke-width="${width}" opacity="${opacity}"${dash ? ' stroke-dasharray="5 4"' : ""}/>`,
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
// Place of a shape's list of texts, each of which is two letters: its place in the table's lexicon, as packing.py has it.
const LISTS_AT = { words: 6, rest: 1 };
const PAIRS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%()*+,-.:;=?@^_{|}~";
const unpacked = (shape, lexicon) => {
  const at = LISTS_AT[shape[0]], pairs = shape[at];
  if (typeof pairs !== "string") return shape;
  const words = pairs.match(/../g) ?? [];
  return [...shape.slice(0, at), words.map(([i, j]) => lexicon[PAIRS.indexOf(i) * PAIRS.length + PAIRS.indexOf(j)]), ...shape.slice(at + 1)];
};
// A drawing of the table, which has every drawing and every picture once and elsewhere their numbers.
const drawing = (table, number, say) =>
  table.drawings[number].map((shape) =>
    shape[0] === "image" ? ["image", table.images[shape[1]], ...shape.slice(2)] : translated(unpacked(shape, table.lexicon), say));

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
  const said = {};
  const spoken = (key) => (said[key] ??= table.views[key].map((view) => ({
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
      const still = (i) => (painted === key ? null : drawing(table, table.stills[key][i], say));
      panels.forEach((p, i) => p.show(still(i), drawing(table, view.shapes[i], say), say(view.alts[i])));
      row.show(view.values);
      painted = key;
      const rows = () => views.map((one, i) => [table.stops[key][i], ...one.values]);
      const data = { key, title: say("Table of all {count} positions", { count: views.length }), head: columns, current, rows };
      return { short: view.short, longest: longest(views.map((one) => one.short)), long: `${view.title}; ${view.note}`, data };
    },
  };
}

export default { render: (context) => explore(context, build) };
