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

async function play(script) {
  const state = JSON.parse(script.textContent), figure = document.getElementById(script.dataset.explorer);
  const style = document.createElement("style");
  style.textContent = state._css;
  document.head.append(style);
  const source = URL.createObjectURL(new Blob([state._esm], { type: "text/javascript" }));
  const { default: widget } = await import(source);
  URL.revokeObjectURL(source);
  figure.replaceChildren();
  widget.render({ model: modelOf(state), el: figure });
}

document.querySelectorAll("script[data-explorer]").forEach(play);
