// Interactive figures on a page without Jupyter: each place is a <figure data-exhibit="NAME"> with a picture and a
// script, which calls `exhibit`; the living figure takes the place of the picture.
// Everything is a classic script, and modules are made from text, so that a page also works as a file on disk.

"use strict";

// What anywidget calls a model: settings, and who wants to know of their changes.
function exhibitModel(state) {
  const changes = new EventTarget();
  return {
    get: (name) => state[name],
    set(name, value) {
      if (state[name] === value) return;
      state[name] = value;
      changes.dispatchEvent(new Event(`change:${name}`));
    },
    on: (event, listener) => changes.addEventListener(event, listener),
    off: (event, listener) => changes.removeEventListener(event, listener),
    save_changes() {}, // no kernel hears of them
  };
}

// Called by the script of each exhibit.
async function exhibit(name, { code, style, state }) {
  const place = document.querySelector(`[data-exhibit="${name}"]`);
  const sheet = document.createElement("style");
  sheet.textContent = style;
  const root = document.createElement("div");
  root.className = "exhibit-root";
  place.append(sheet, root);
  const address = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  (await import(address)).default.render({ model: exhibitModel(state), el: root });
  place.querySelector("img").hidden = true;
  place.dataset.alive = "true";
}

// Search shows a piece of each page it found, which it fetches: a browser refuses that where pages are files on disk.
if (location.protocol === "file:" && typeof DOCUMENTATION_OPTIONS !== "undefined") {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}
