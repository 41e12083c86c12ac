// Jupyter's half of an explorer, without Jupyter: a model that holds the saved state and tells of changes (anywidget's
// protocol: get, set, save_changes, on, off). Each explorer's own script is in its state.
function modelOf(state) {
  const listeners = {};
  return {
    get: (name) => state[name],
    set(name, value) {
      if (state[name] === value) return;
      state[name] = value;
      for (const tell of listeners[`change:${name}`] ?? []) tell();
    },
    save_changes() {},
    on: (event, tell) => { (listeners[event] ??= []).push(tell); },
    off: (event, tell) => { listeners[event] = (listeners[event] ?? []).filter((other) => other !== tell); },
  };
}

// The state of an explorer in the page's address, "#explorer-3?segments=8": to share and to keep. The present entry of the
// history is rewritten, so that Back leads to the page before; not at every move, which browsers refuse.
const WAIT = 300; // milliseconds
function addressOf(name) {
  let timer = null, followed = null;
  const link = (state) => new URL(`#${name}?${new URLSearchParams(state)}`, location.href).href;
  return {
    read() {
      const [where, asked] = decodeURI(location.hash.slice(1)).split("?");
      return where === name && asked !== undefined ? Object.fromEntries(new URLSearchParams(asked)) : null;
    },
    write(state) {
      clearTimeout(timer);
      timer = setTimeout(() => history.replaceState(history.state, "", link(state)), WAIT);
    },
    follow(visit) { // the one that is shown now
      removeEventListener("hashchange", followed);
      followed = visit;
      addEventListener("hashchange", visit);
    },
    link,
  };
}

// What the explorers of this page show in Korean: loaded when a reader first wants it.
const { korean } = document.currentScript.dataset;
let loading = null;
const words = () => (loading ??= new Promise((resolve) => {
  globalThis.speakKorean = resolve;
  const script = document.createElement("script");
  script.src = korean;
  document.head.append(script);
}));

async function play(script) {
  const state = JSON.parse(script.textContent), figure = document.getElementById(script.dataset.explorer);
  const style = document.createElement("style");
  style.textContent = state._css;
  document.head.append(style);
  const source = URL.createObjectURL(new Blob([state._esm], { type: "text/javascript" }));
  const { default: widget } = await import(source);
  URL.revokeObjectURL(source);
  if (!("_table" in state)) { // a field for a guess: it has one language, and no address
    figure.replaceChildren();
    widget.render({ model: modelOf(state), el: figure });
    return;
  }
  const address = addressOf(figure.id), model = { ...modelOf(state), address };
  const english = JSON.parse(state._table);
  let stop = () => {};
  const show = async () => {
    const spoken = root.lang === "ko" ? { words: await words() } : {};
    stop();
    state._table = JSON.stringify({ ...english, ...spoken });
    figure.replaceChildren();
    stop = widget.render({ model, el: figure });
  };
  await show();
  addEventListener("language", show);
  if (address.read()) figure.scrollIntoView({ block: "center" });
}

document.querySelectorAll("script[data-explorer]").forEach(play);
