// What a screen reader says, where ipywidgets leaves it nothing: words for the picture, names for sliders, for the
// buttons of a player and for a row of toggle buttons, of which one is pressed.
// The figure holds this as its last part, which shows nothing and looks after the parts beside it.

const PLAYER = ["play or pause", "stop", "repeat"];

// Only what is new: a change is seen, and looked at again.
function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (node && node.getAttribute(name) !== value) node.setAttribute(name, value);
  }
}

const described = (part) => part.querySelector(".widget-label")?.textContent ?? "";

function nameAll(box, words) {
  const all = (selector) => box.querySelectorAll(selector);
  for (const picture of all("img.widget-image")) set(picture, { alt: words });
  for (const text of all(".widget-html-content")) set(text, { role: "status" });
  for (const player of all(".widget-play")) {
    player.querySelectorAll("button").forEach((button, n) => set(button, { "aria-label": PLAYER[n] }));
  }
  for (const row of all(".widget-toggle-buttons")) {
    set(row, { role: "group", "aria-label": described(row) });
    for (const button of row.querySelectorAll("button")) {
      set(button, { "aria-pressed": String(button.classList.contains("mod-active")) });
    }
  }
  for (const slider of all(".widget-slider")) {
    const [handle, readout] = [slider.querySelector(".noUi-handle"), slider.querySelector(".widget-readout")];
    set(handle, { "aria-label": described(slider) });
    if (!readout) continue;
    readout.id ||= `lec-${Math.random().toString(36).slice(2)}`;
    // of a slider through a list, the handle knows only the place in it
    set(handle, { "aria-describedby": readout.id });
    if (readout.isContentEditable) set(readout, { role: "textbox", "aria-label": `${described(slider)}, typed` });
  }
}

function render({ model, el }) {
  el.style.display = "none";
  const watching = new MutationObserver(() => look());
  let timer = 0;
  const look = () => el.parentElement && nameAll(el.parentElement, model.get("words"));
  const begin = () => {
    look();
    if (el.parentElement === null) timer = setTimeout(begin, 50); // the figure takes its parts in when all are made
    else watching.observe(el.parentElement, { subtree: true, childList: true, attributeFilter: ["class"] });
  };
  begin();
  model.on("change:words", look);
  return () => {
    clearTimeout(timer);
    watching.disconnect();
    model.off("change:words", look);
  };
}

export default { render };
