"""A widget of ours in a page of its own, without Jupyter and without a kernel."""

import math
from typing import Any

# The script is loaded as anywidget does it, beside a model that holds the settings and counts what it would send.
ALONE = """async ([code, css, state, ink]) => {
  document.head.append(Object.assign(document.createElement('style'), {textContent: css}));
  if (ink) document.body.style.setProperty('--jp-content-font-color1', ink);
  const listeners = new Map();
  const of = (event) => listeners.get(event) ?? listeners.set(event, new Set()).get(event);
  window.sent = [];
  window.heard = [];
  document.addEventListener('keydown', (event) => heard.push(event.key + (event.defaultPrevented ? ' used' : '')));
  window.model = {
    get: (name) => state[name],
    set(name, value) {
      if (state[name] === value) return;
      state[name] = value;
      for (const listener of [...of('change:' + name)]) listener();
    },
    on: (event, listener) => of(event).add(listener),
    off: (event, listener) => of(event).delete(listener),
    save_changes: () => { const {data, ...settings} = state; sent.push(settings); },
    listening: () => [...listeners.values()].reduce((sum, each) => sum + each.size, 0),
  };
  const load = () => import(URL.createObjectURL(new Blob([code], {type: 'text/javascript'})));
  window.module = await load();
  window.show = async () => { // each figure loads the script for itself
    const el = document.body.appendChild(document.createElement('div'));
    return (await load()).default.render({model, el});
  };
  window.remove = await show();
}"""
FRAME = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def share(weight: float) -> str:
    """A weight as the page writes it."""
    value = 100 * weight
    return "under 0.1 %" if value < 0.1 else f"{value:.1f} %" if value < 1 else f"{math.floor(value + 0.5)} %"


class Page:
    """A page with one figure, and what a hand does in it."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def frame(self) -> None:
        """Wait until all is drawn."""
        self.page.evaluate(FRAME)

    def status(self, nth: int = 0) -> str:
        """Return the spoken line of a view."""
        self.frame()
        return self.page.locator(".status").nth(nth).inner_text().replace("\xa0", " ")

    def press(self, *keys: str) -> str:
        for key in keys:
            self.page.keyboard.press(key)
        return self.status()

    def get(self, name: str) -> Any:
        return self.page.evaluate("(name) => model.get(name)", name)

    def set(self, **changes: Any) -> None:
        """Change settings as the kernel does."""
        self.page.evaluate("(all) => { for (const [k, v] of Object.entries(all)) model.set(k, v); }", changes)
        self.frame()

    def sent(self) -> list[dict[str, Any]]:
        return self.page.evaluate("sent")

    def away(self) -> str:
        """Move the pointer off the figure."""
        self.page.mouse.move(2, self.page.viewport_size["height"] - 2)
        return self.status()
