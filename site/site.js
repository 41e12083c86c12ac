// Light or dark, English or Korean: as the reader chose, or else as the system has it and in English. Before the page is
// painted, so that nothing flashes.
const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)");
const kept = (name) => { try { return localStorage.getItem(name); } catch { return null; } }; // a page from disk may keep nothing
const keep = (name, value) => { try { localStorage.setItem(name, value); } catch { /* for this page only, then */ } };
const chosen = () => kept("theme");
const LABELS = { en: { light: "Dark", dark: "Light" }, ko: { light: "어둡게", dark: "밝게" } };
const label = () => {
  for (const button of document.querySelectorAll("[data-theme-switch]")) button.textContent = LABELS[root.lang][root.dataset.theme];
};
function theme(name) {
  root.dataset.theme = name;
  root.dataset.jpThemeLight = name !== "dark"; // the explorers ask for JupyterLab's own sign
  label();
}
// Pages in both languages have each text twice, and the style shows one; the library's pages are English.
function language(name) {
  root.lang = "bilingual" in root.dataset && name === "ko" ? "ko" : "en";
  for (const button of document.querySelectorAll("[data-language-switch]")) {
    button.textContent = root.lang === "ko" ? "English" : "한국어";
    button.lang = root.lang === "ko" ? "en" : "ko"; // that of the button's word
  }
  for (const picture of document.querySelectorAll("img[data-korean]")) {
    const korean = root.lang === "ko" && picture.dataset.korean; // empty where there are no words
    picture.dataset.english ??= picture.alt;
    picture.alt = korean || picture.dataset.english;
    picture.lang = korean ? "ko" : "en";
  }
  label();
}
language(kept("language"));
theme(chosen() ?? (dark.matches ? "dark" : "light"));
dark.addEventListener("change", () => chosen() ?? theme(dark.matches ? "dark" : "light"));

addEventListener("DOMContentLoaded", () => {
  theme(root.dataset.theme);
  document.querySelector("[data-theme-switch]").addEventListener("click", () => {
    theme(root.dataset.theme === "dark" ? "light" : "dark");
    keep("theme", root.dataset.theme);
  });
  language(root.lang);
  document.querySelector("[data-language-switch]")?.addEventListener("click", () => {
    language(root.lang === "ko" ? "en" : "ko");
    keep("language", root.lang);
    dispatchEvent(new Event("language")); // for the explorers
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
