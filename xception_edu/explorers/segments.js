// The segments explorer's picture: wiring, weight matrix and costs of one position of the table.

const FIELD = 288, TOP = 40, FOOT = 22, SIDE = 22; // pixels: side of the matrix, and the room above, below and left of it
const COLUMN = 12, GAP = 138, LEFT = 4; // pixels: widths of the wiring's columns and of the gaps between them
const COLUMNS = [0, 1, 2].map((i) => LEFT + i * (COLUMN + GAP));
const HUES = 4; // colors of the pieces in segments.css, by turns
const WORDS = {
  kernel_size: (k) => `${k}×${k}`,
  input_side: (n) => `${n}×${n}`,
  order: (order, say) => say({ pointwise_first: "1×1 first", spatial_first: "k×k first" }[order]),
};

const rect = (name, x, y, width, height) => `<rect class="${name}" x="${x}" y="${y}" width="${width}" height="${height}"/>`;
const text = (name, x, y, words) => `<text class="${name}" x="${x}" y="${y}">${words}</text>`;
const path = (name, d) => `<path class="${name}" d="${d}"/>`;
const each = (count, write) => Array.from({ length: count }, (_, i) => write(i)).join("");
const pitchOf = (s) => Math.floor(FIELD / s.channels); // whole pixels, so that the grid is crisp
const kernelOf = (s) => WORDS.kernel_size(s.kernel_size);
const spans = (edges) => edges.slice(1).map((end, i) => ({ start: edges[i], end, hue: `xe-hue${i % HUES}` }));
const density = ({ start, end }) => (end - start < 4 ? " xe-few" : end - start > 16 ? " xe-many" : "");

// An SVG of three layers. Only the middle one changes while the slider moves; the others are made again when a choice
// changes. `still(s, say)` gives { width, height, below, above }, `moving(s, piece, say)` gives { label, parts }.
function picture(className, still, moving, say) {
  const element = make("div", { class: className });
  let made = null, svg, middle;
  const show = (s, piece) => {
    const wanted = `${s.channels} ${s.kernel_size} ${s.order}`;
    if (made !== wanted) {
      const { width, height, below, above } = still(s, say), size = `width="${width}" height="${height}"`;
      const layers = `${below.join("")}<g class="xe-moving"></g>${above.join("")}`;
      element.innerHTML = `<svg role="img" viewBox="0 0 ${width} ${height}" ${size}>${layers}</svg>`;
      svg = element.firstChild;
      middle = svg.querySelector(".xe-moving");
      made = wanted;
    }
    const { label, parts } = moving(s, piece, say);
    middle.innerHTML = parts.join("");
    svg.setAttribute("aria-label", label);
  };
  return { element, show };
}

// ---- wiring: three columns of channels, with the module's two steps in the gaps -------------------------------------

// The gap (0 or 1) of the 1x1, that of the segmented convolution, and the column that only the 1x1 touches.
const stepsOf = (s) => (s.order === "pointwise_first" ? { one: 0, cut: 1, plain: 0 } : { one: 1, cut: 0, plain: 2 });

// Lines from each channel of a span to each channel of it, over one gap.
function wires(gap, { start, end }, pitch) {
  const left = COLUMNS[gap] + COLUMN, y = (channel) => TOP + (channel + 0.5) * pitch;
  let d = "";
  for (let a = start; a < end; a++) for (let b = start; b < end; b++) d += `M${left} ${y(a)}L${left + GAP} ${y(b)}`;
  return d;
}

function stillWiring(s, say) {
  const pitch = pitchOf(s), height = pitch * s.channels, { one, cut, plain } = stepsOf(s);
  const center = (gap) => COLUMNS[gap] + COLUMN + GAP / 2;
  const foot = (word, i) => text(`xe-note xe-at${i}`, COLUMNS[i] + (i * COLUMN) / 2, TOP + height + 16, word);
  const below = [
    text("xe-head", center(one), 13, "1×1"),
    text("xe-note", center(one), 30, say("all to all")),
    text("xe-head", center(cut), 13, kernelOf(s)),
    path("xe-wire xe-pointwise", wires(one, { start: 0, end: s.channels }, pitch)),
    rect("xe-plain", COLUMNS[plain], TOP, COLUMN, height),
    ...[say("input"), say("between"), say("output")].map(foot),
  ];
  const rungs = COLUMNS.map((x) => each(s.channels - 1, (i) => `M${x} ${TOP + (i + 1) * pitch}h${COLUMN}`));
  return { width: COLUMNS[2] + COLUMN + LEFT, height: TOP + height + FOOT, below, above: [path("xe-part", rungs.join(""))] };
}

function movingWiring(s, piece, say) {
  const pitch = pitchOf(s), { cut } = stepsOf(s);
  const columns = [COLUMNS[cut], COLUMNS[cut + 1]];
  const parts = spans(piece.edges).flatMap((span) => [
    path(`xe-wire ${span.hue}${density(span)}`, wires(cut, span, pitch)),
    ...columns.map((x) => rect(span.hue, x, TOP + span.start * pitch, COLUMN, (span.end - span.start) * pitch)),
  ]);
  const heading = text("xe-note", columns[0] + COLUMN + GAP / 2, 30, s.segments > 1 ? say("{count} segments", { count: s.segments }) : say("1 segment"));
  const rule = say("a piece of the output of the {kernel} convolution sees only its own piece of the input", { kernel: kernelOf(s) });
  const label = say("Wiring of {channels} channels, {pieces}: {rule}", { channels: s.channels, pieces: say(piece.words), rule });
  return { label, parts: [heading, ...parts] };
}

// ---- weights: output channels down, input channels across; a filled cell is one k x k kernel, an empty one no weight ----

// The lines between the cells of a square of `count` cells at (x, y).
const cells = (x, y, count, pitch) => each(count - 1, (i) => {
  const step = (i + 1) * pitch, side = count * pitch;
  return `M${x} ${y + step}h${side}M${x + step} ${y}v${side}`;
});

function stillMatrix(s, say) {
  const pitch = pitchOf(s), size = pitch * s.channels, middle = SIDE + size / 2;
  const below = [
    text("xe-head", middle, 13, say("weights of the {kernel}", { kernel: kernelOf(s) })),
    rect("xe-empty", SIDE, TOP, size, size),
    path("xe-part", cells(SIDE, TOP, s.channels, pitch)),
    text("xe-note", middle, TOP + size + 16, say("input channel →")),
    `<g transform="translate(12 ${TOP + size / 2}) rotate(-90)">${text("xe-note", 0, 0, say("← output channel"))}</g>`,
  ];
  return { width: SIDE + size + 2, height: TOP + size + FOOT, below, above: [] };
}

function movingMatrix(s, piece, say) {
  const pitch = pitchOf(s);
  const blocks = spans(piece.edges).map(({ start, end, hue }) => {
    const x = SIDE + start * pitch, y = TOP + start * pitch;
    return { hue, x, y, count: end - start, side: (end - start) * pitch };
  });
  const size = (b) => text(`xe-size ${b.hue}`, b.x + b.side / 2, b.y + b.side / 2, b.side < 48 ? b.count : `${b.count}→${b.count}`);
  const parts = [
    text("xe-note", SIDE + (s.channels * pitch) / 2, 30, say(piece.kept)),
    ...blocks.map((b) => rect(b.hue, b.x, b.y, b.side, b.side)),
    path("xe-part", blocks.map((b) => cells(b.x, b.y, b.count, pitch)).join("")),
    ...blocks.filter((b) => b.side >= 20).map(size),
  ];
  const label = say("Weights, {channels} by {channels} channels: blocks on the diagonal, {pieces}; {kept}", {
    channels: s.channels, pieces: say(piece.words), kept: say(piece.kept),
  });
  return { label, parts };
}

// ---- costs: number, ratio to the plain regular convolution, bar from 0 to 2 times it, and both ends' numbers ----------

const INTENSITY = 4; // the column that is no integer, and no sum of the module's two steps

const number = (value, column) => (column === INTENSITY ? decimals : integers).format(value);

function costTable(table, say) {
  const bars = (...names) => names.map((name) => make("i", { class: name }));
  const head = [say("cost"), say("this module"), say("× regular"), "", say("regular conv."), say("separable")].map((word) => make("th", { scope: "col" }, word));
  head[3].setAttribute("aria-label", say("bar from 0 to 2 times the regular convolution"));
  head[3].append(make("div", { class: "xe-scale", "aria-hidden": "true" }, ...["0", "1×", "2×"].map((tick) => make("span", {}, tick))));
  const lines = table.columns.map(([label, unit]) => {
    const [count, ratio, regular, separable] = ["count", "ratio", "regular", "separable"].map((name) => make("td", { class: `xe-${name}` }));
    const bar = make("div", { class: "xe-bar", "aria-hidden": "true" }, ...bars("xe-all", "xe-first", "xe-one", "xe-end"));
    const name = make("th", { scope: "row" }, say(label), make("small", {}, say(unit)));
    regular.dataset.name = say("regular"); // a narrow page shows them, where it has no heads
    separable.dataset.name = say("separable");
    return { row: make("tr", {}, name, count, ratio, make("td", {}, bar), regular, separable), count, ratio, regular, separable, bar };
  });
  const keys = { "xe-first": "1×1", "xe-all": "k×k", "xe-one": say("plain regular convolution"), "xe-end": say("separable") };
  const legend = Object.entries(keys).map(([name, words]) => make("span", { class: "xe-key" }, ...bars(name), words));
  const rows = make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...lines.map((line) => line.row)));
  const show = ({ row, separable, regular, pointwise }) => lines.forEach((line, i) => {
    const ratio = row[i + lines.length];
    line.count.textContent = number(row[i], i);
    line.ratio.textContent = `${ratio.toFixed(3)}×`;
    line.regular.textContent = number(regular[i], i);
    line.separable.textContent = number(separable[i], i);
    line.bar.style.setProperty("--all", ratio);
    line.bar.style.setProperty("--first", pointwise[i] ?? 0);
    line.bar.style.setProperty("--end", separable[i + lines.length]);
    line.bar.classList.toggle("xe-whole", i === INTENSITY);
  });
  return { element: make("div", { class: "xe-costs" }, rows, make("p", { class: "xe-legend" }, ...legend)), show };
}

// ---- the explorer ---------------------------------------------------------------------------------------------------

function build(table, go, say) {
  const title = make("p", { class: "xe-title" }), costs = costTable(table, say);
  const wiring = picture("xe-wiring", stillWiring, movingWiring, say), matrix = picture("xe-matrix", stillMatrix, movingMatrix, say);
  const head = [say("Segments"), say("Pieces"), ...table.columns.map(([label]) => say(label))];
  return {
    name: "segments",
    panels: [title, make("div", { class: "xe-body" }, wiring.element, matrix.element, costs.element)],
    labels: (control) => control.options.map((option) => WORDS[control.name]?.(option, say) ?? String(option)),
    stops: (s) => table.pieces[s.channels].map((_, i) => i + 1),
    draw(s) {
      const at = `${s.channels} ${s.kernel_size} ${s.input_side}`, key = `${at} ${s.order}`, current = s.segments - 1;
      const rows = table.costs[key], pieces = table.pieces[s.channels], piece = pieces[current];
      const name = say(table.names[`${s.channels} ${s.order}`][current]), words = say(piece.words);
      title.replaceChildren(make("strong", {}, name), ` ${words}`);
      wiring.show(s, piece);
      matrix.show(s, piece);
      costs.show({ row: rows[current], separable: rows.at(-1), regular: table.regular[at], pointwise: table.pointwise[at] });
      const listing = () => rows.map((row, i) => [integers.format(i + 1), say(pieces[i].words), ...table.columns.map((_, column) => number(row[column], column))]);
      const data = { key, title: say("Table of all {count} positions", { count: s.channels }), head, current, rows: listing };
      return { short: say("{at} of {count}", { at: s.segments, count: s.channels }), long: `${name}; ${words}`, data };
    },
  };
}

export default { render: (context) => explore(context, build) };
