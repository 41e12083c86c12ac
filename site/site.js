// Light or dark: as the system has it, or as the reader chose. Before the page is painted, so that nothing flashes.
const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)");
const chosen = () => { try { return localStorage.getItem("theme"); } catch { return null; } }; // a page from disk may keep nothing
function theme(name) {
  root.dataset.theme = name;
  root.dataset.jpThemeLight = name !== "dark"; // the explorers ask for JupyterLab's own sign
  for (const button of document.querySelectorAll("[data-theme-switch]")) button.textContent = name === "dark" ? "Light" : "Dark";
}
theme(chosen() ?? (dark.matches ? "dark" : "light"));
dark.addEventListener("change", () => chosen() ?? theme(dark.matches ? "dark" : "light"));

addEventListener("DOMContentLoaded", () => {
  theme(root.dataset.theme);
  document.querySelector("[data-theme-switch]").addEventListener("click", () => {
    theme(root.dataset.theme === "dark" ? "light" : "dark");
    try { localStorage.setItem("theme", root.dataset.theme); } catch { /* for this page only, then */ }
  });
  // What is wider than its place is scrolled by the arrow keys, and so is a stop of the Tab key.
  const reach = ({ target }) => { target.tabIndex = target.scrollWidth > target.clientWidth ? 0 : -1; };
  const watch = new ResizeObserver((entries) => entries.forEach(reach));
  document.querySelectorAll(".highlight, .output_subarea, .text_cell_render :is(table, pre), main.pdoc pre").forEach((element) => watch.observe(element));
  // One click runs the notebook where a JupyterLab listens; else the page says how to start one.
  for (const link of document.querySelectorAll("[data-run]")) {
    link.addEventListener("click", async (event) => {
      event.preventDefault();
      const hint = document.querySelector(".hint");
      try {
        await fetch(new URL("/api", link.href), { mode: "no-cors" });
        location.href = link.href;
      } catch { hint.hidden = false; }
    });
  }
});
