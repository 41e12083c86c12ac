// What every explorer shares: controls, state, data table, line of code. Nothing here or in an explorer's own script
// computes: every number and every sentence is looked up in the table that Python sent; sums are of pixels only.

const integers = new Intl.NumberFormat("en-US");
const decimals = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

// An HTML element with attributes and children, which are elements or text.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// `say(text)` in the reader's language: `words` are what Python sends for it, none for English. A text of a script's own
// may have fields in braces.
const speaker = (words = {}) => (text, fields = {}) => (words[text] ?? text).replace(/\{(\w+)\}/g, (_, name) => fields[name]);
// How wide a text is, about: a Korean letter is as wide as two others.
const breadth = (text) => [...text].reduce((sum, letter) => sum + (letter < "\u1100" ? 1 : 2), 0);

// A name that is free in the page; it never enters the widget's state.
const unique = (name) => `xe-${name}-${Math.random().toString(36).slice(2)}`;

// Copies text where that is allowed, else leaves it selected in `element` for Ctrl+C; says for a moment which.
function copies(button, element, text, say) {
  const words = button.textContent;
  button.addEventListener("click", async () => {
    try { await navigator.clipboard.writeText(text()); button.textContent = say("Copied"); } catch {
      if (element) getSelection().selectAllChildren(element);
      button.textContent = element ? say("Selected") : say("See the address");
    }
    setTimeout(() => { button.textContent = words; }, 1500);
  });
}

// Radio buttons that look like one switch: the keyboard and screen readers know what they are.
function choice(control, labels, pick) {
  const group = make("fieldset", { class: "xe-choice" }, make("legend", {}, control.label));
  const name = unique(control.name);
  const inputs = control.options.map((option, i) => {
    const input = make("input", { type: "radio", name, value: option });
    input.addEventListener("change", () => pick(option));
    group.append(make("label", {}, input, make("span", {}, labels[i])));
    return input;
  });
  const show = (value) => inputs.forEach((input, i) => { input.checked = control.options[i] === value; });
  return { group, show };
}

// The slider over a list of stops, a button at each end, and a readout that is also spoken. Its own value is the number of
// the stop, from 1, so that arrows, Home, End and the Page keys go from stop to stop.
function slider(control, pick, say) {
  const id = unique(control.name);
  const input = make("input", { id, type: "range", min: 1, step: 1 });
  const fewer = make("button", { type: "button", "aria-label": say("{label}: previous", control) }, "−");
  const more = make("button", { type: "button", "aria-label": say("{label}: next", control) }, "+");
  const output = make("output", { for: id, "aria-live": "polite" });
  const bar = make("div", { class: "xe-slider" }, make("label", { for: id }, control.label), fewer, input, more, output);
  let stops = [];
  const picked = () => pick(stops[input.valueAsNumber - 1]);
  input.addEventListener("input", picked);
  fewer.addEventListener("click", () => { input.stepDown(); picked(); }); // at the ends they go nowhere
  more.addEventListener("click", () => { input.stepUp(); picked(); });
  const hush = (quiet) => output.setAttribute("aria-live", quiet ? "off" : "polite");
  const show = (value, now, words) => {
    stops = now;
    input.max = stops.length;
    input.valueAsNumber = stops.indexOf(value) + 1;
    input.setAttribute("aria-valuetext", words.long);
    output.textContent = words.short;
    output.style.setProperty("--longest", breadth(words.longest ?? ""));
    fewer.setAttribute("aria-disabled", value === stops[0]); // not `disabled`, which would throw the focus out of the explorer
    more.setAttribute("aria-disabled", value === stops.at(-1));
  };
  return { bar, input, show, hush };
}

// The numbers of every slider position behind a toggle: filled when opened, and again when another choice is made.
function dataTable(say) {
  const body = make("div", { class: "xe-scroll", tabindex: 0, role: "group", "aria-label": say("Data table") });
  const summary = make("summary");
  const details = make("details", { class: "xe-data" }, summary, body);
  const line = (tag, cells) => make("tr", {}, ...cells.map((cell) => make(tag, {}, cell)));
  let wanted = null, filled = null, marked = null;
  const fill = () => {
    if (!details.open) return;
    if (filled !== wanted.key) {
      const rows = wanted.rows().map((row) => line("td", row));
      body.replaceChildren(make("table", {}, make("thead", {}, line("th", wanted.head)), make("tbody", {}, ...rows)));
      filled = wanted.key;
    }
    marked?.removeAttribute("aria-current");
    marked = body.querySelector("tbody").rows[wanted.current];
    marked.setAttribute("aria-current", "true");
  };
  details.addEventListener("toggle", fill);
  const show = (data) => { wanted = data; summary.textContent = data.title; fill(); };
  return { details, show };
}

// The state as a line of code, to paste into a cell; and as a link, where the page keeps it in its address.
function codeLine(say, link) {
  const code = make("code"), copy = make("button", { type: "button" }, say("Copy"));
  copies(copy, code, () => code.textContent, say);
  const element = make("div", { class: "xe-code" }, make("span", {}, say("This state as code")), code, copy);
  if (link) {
    const share = make("button", { type: "button" }, say("Copy link"));
    copies(share, null, link, say);
    element.append(share);
  }
  return { element, show: (text) => { code.textContent = text; } };
}

// Wire an explorer. `build(table, go, say)` gives its own part: its `name`, under which its styles are; `panels`, elements to show;
// `labels(control)`, words for the options of a choice; `stops(state)`, the slider's values in ascending order; and
// `draw(state)`, which shows a state and returns its words, `short`, the `longest` of these and `long`, and its `data` table.
// `go(change)` is for clicks in the picture, with a value for each control that changes: the keys go on from there. Whoever changes the state, here, by `go` or in Python,
// draw follows the model.
function explore({ model, el }, build) {
  const table = JSON.parse(model.get("_table")), say = speaker(table.words);
  const [first, ...choices] = table.controls = table.controls.map((control) => ({ ...control, label: say(control.label), words: control.words?.map((words) => say(words)) }));
  const data = dataTable(say), code = codeLine(say, model.address && (() => model.address.link(state())));
  const state = () => Object.fromEntries(table.controls.map(({ name }) => [name, model.get(name)]));
  const set = (change) => {
    const next = { ...state(), ...change };
    const stops = own.stops(next); // another choice may have other stops: the nearest one below
    next[first.name] = stops.findLast((stop) => stop <= next[first.name]) ?? stops[0];
    for (const [name, value] of Object.entries(next)) model.set(name, value);
    model.save_changes();
  };
  const take = (change) => { // by the reader's hand, which stops a walk
    walk.stop();
    set(change);
  };
  const range = slider(first, (value) => take({ [first.name]: value }), say);
  const own = build(table, (change) => {
    take(change);
    range.input.focus({ preventScroll: true });
  }, say);
  const switches = choices.map((control) => choice(control, own.labels(control), (value) => take({ [control.name]: value })));
  const row = make("div", { class: "xe-choices" }, ...switches.map((s) => s.group));
  let words = null;
  const place = () => {
    const stops = own.stops(state());
    return { stops, at: stops.indexOf(model.get(first.name)) };
  };
  const walk = player(place, (stop) => set({ [first.name]: stop }), range.hush, say);
  const start = table.start ?? state(), reset = button(say("Reset"), say("Go back to the first state"));
  reset.addEventListener("click", () => take(start));
  const told = () => {
    const now = state(), { head, rows, current } = words.data, values = rows()[current];
    const chosen = choices.map((control) => [control.label, own.labels(control)[control.options.indexOf(now[control.name])]]);
    return [[head[0], words.short], ...chosen, ...head.slice(1).map((label, i) => [label, String(values[i + 1])])];
  };
  const pin = pinning(make("div", { class: "xe-now" }, ...own.panels), told, say);
  const tools = make("div", { class: "xe-tools" }, walk.element, reset, pin.element, ...saving(pin.stage, () => words.code, say));
  const root = make("div", { class: `xe xe-${own.name}`, lang: table.words ? "ko" : "en" }, row, range.bar, tools, pin.stage, data.details, code.element);
  // Else JupyterLab's shortcuts take the arrow keys, and "d d" deletes the cell. Stopped at the window, on the way down: at the
  // explorer it would be too late in Notebook 7. What the browser itself does with the key stays; Ctrl+S and its kin go on.
  const keep = (event) => {
    if (event.composedPath().includes(root) && !(event.ctrlKey || event.metaKey || event.altKey)) event.stopPropagation();
  };
  window.addEventListener("keydown", keep, true);
  const draw = () => {
    const now = state(), stops = own.stops(now), drawn = JSON.stringify(now);
    if (!stops.includes(now[first.name]) || root.dataset.state === drawn) return; // half of a change, or nothing new
    words = own.draw(now);
    words.code = table.call.join(Object.entries(now).map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(", "));
    range.show(now[first.name], stops, words);
    switches.forEach((s, i) => s.show(now[choices[i].name]));
    data.show(words.data);
    code.show(words.code);
    pin.draw();
    reset.setAttribute("aria-disabled", Object.entries(start).every(([name, value]) => now[name] === value));
    if (root.dataset.state) model.address?.write(now); // not before something moves
    root.dataset.state = drawn;
  };
  const events = table.controls.map(({ name }) => `change:${name}`);
  // What a link asks for, as far as there is such a state.
  const visit = () => {
    const asked = model.address?.read() ?? {}, found = {};
    for (const { name, options } of choices) {
      const option = options.find((one) => String(one) === asked[name]);
      if (option !== undefined) found[name] = option;
    }
    if (asked[first.name]?.trim() && Number.isFinite(Number(asked[first.name]))) found[first.name] = Number(asked[first.name]);
    if (Object.keys(found).length) take(found);
  };
  events.forEach((event) => model.on(event, draw));
  draw();
  el.append(root);
  visit();
  model.address?.follow(visit);
  return () => {
    walk.stop();
    events.forEach((event) => model.off(event, draw));
    window.removeEventListener("keydown", keep, true);
  };
}
