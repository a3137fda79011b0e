// Show interactive figures on a page without Jupyter: each place is a <div data-exhibit="NAME" data-script="FILE"> that
// holds a picture; when a reader comes near, its script is loaded, and the living figure takes the picture's place.
// Everything is a classic script, and modules are made from text, so that a page also works as a file on disk.

"use strict";

// What anywidget calls a model: settings, and who wants to know of their changes.
class ExhibitModel extends EventTarget {
  constructor(state) {
    super();
    this.state = state;
  }

  get(name) {
    return this.state[name];
  }

  set(name, value) {
    if (this.state[name] === value) return;
    this.state[name] = value;
    this.dispatchEvent(new Event(`change:${name}`));
  }

  on(event, listener) {
    this.addEventListener(event, listener);
  }

  off(event, listener) {
    this.removeEventListener(event, listener);
  }

  save_changes() {} // no kernel hears of them
}

async function showExhibit(place, content) {
  const style = document.createElement("style");
  style.textContent = content.style;
  const root = document.createElement("div");
  root.className = "exhibit-root";
  place.append(style, root);
  const model = new ExhibitModel({ ...content.state });
  const address = URL.createObjectURL(new Blob([content.code], { type: "text/javascript" }));
  (await import(address)).default.render({ model, el: root });
  place.querySelector("img").hidden = true;
  place.dataset.alive = "true";
}

// Called by the script of each exhibit.
function exhibit(name, content) {
  for (const place of document.querySelectorAll(`[data-exhibit="${name}"]`)) showExhibit(place, content);
}

document.addEventListener("DOMContentLoaded", () => {
  const places = document.querySelectorAll("[data-exhibit]");
  const near = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      document.head.append(Object.assign(document.createElement("script"), { src: target.dataset.script }));
    }
  }, { rootMargin: "800px" });
  for (const place of places) near.observe(place);
});

// Search shows a piece of each page it found, which it fetches: a browser refuses that where pages are files on disk.
if (location.protocol === "file:" && typeof DOCUMENTATION_OPTIONS !== "undefined") {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}
