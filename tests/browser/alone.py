"""A widget of ours in a page of its own, without Jupyter and without a kernel."""

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
