// A field for a guess; then the guess and the answer, one below the other. Nothing here computes but the lengths of the bars:
// both numbers and their texts come from the model, and the guess goes into it.
const made = (tag, attributes, ...children) => {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
};

function render({ model, el }) {
  const id = `xe-guess-${Math.random().toString(36).slice(2)}`;
  const field = made("input", { id, type: "number", step: "any", placeholder: "a number" });
  const button = made("button", { type: "submit" }, "Keep it");
  const form = made("form", {}, made("label", { for: id }, "My guess"), field, button);
  const result = made("div", { class: "xe-guess-result", role: "status" });
  const root = made("div", { class: "xe-guess" }, made("p", {}, model.get("question")), form, result);
  const bar = (name, value, most) => {
    const length = most ? (100 * Math.abs(value)) / most : 0;
    const line = made("span", { class: "xe-guess-bar" }, made("span", { style: `width: ${length}%` }));
    return made("div", {}, made("span", {}, name), line, made("b", {}, Number(value).toLocaleString("en-US", { maximumSignificantDigits: 4 })));
  };
  const draw = () => {
    const guess = model.get("guess"), answer = model.get("answer"), kept = guess !== null;
    form.hidden = kept;
    if (!kept) return;
    const most = Math.max(Math.abs(guess), Math.abs(answer));
    result.replaceChildren(bar("your guess", guess, most), bar("it is", answer, most));
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!Number.isFinite(field.valueAsNumber)) { field.focus(); return; }
    model.set("guess", field.valueAsNumber);
    model.save_changes();
    draw(); // without a kernel, too
  });
  // Else JupyterLab's shortcuts take the keys, on their way down from the window.
  const keep = (event) => {
    if (event.composedPath().includes(root) && !(event.ctrlKey || event.metaKey || event.altKey)) event.stopPropagation();
  };
  window.addEventListener("keydown", keep, true);
  model.on("change:guess", draw);
  draw();
  el.append(root);
  return () => {
    model.off("change:guess", draw);
    window.removeEventListener("keydown", keep, true);
  };
}

export default { render };
