// Beside the slides: their scale, where they begin and what follows the last one, the panel of the poll with its keys,
// and the run of all cells before the lecture.
// JupyterLab takes this file for an extension that was built: it asks it for the module ./beside.

(() => {
  const KEYS = {F2: 'open', F3: 'show', F4: 'again', F6: 'close'};
  const make = (tag, className, ...inside) => {
    const made = Object.assign(document.createElement(tag), {className});
    made.append(...inside);
    return made;
  };

  /** Slides are laid out in the pixels of a screen of 1920 x 1080, and scaled to the one that is there. */
  function scale() {
    const by = Math.min(innerWidth / 1920, innerHeight / 1080);
    document.documentElement.style.setProperty('--lec-scale', by);
    document.documentElement.style.setProperty('--lec-height', `${innerHeight / by}px`);
  }

  /** What the slide is about: its last prediction, and the measured outcome if that is on the screen already. */
  function slide(notebook, {questions}) {
    const ids = notebook.widgets.map(({model}) => model.id);
    const shown = notebook.widgets.findLastIndex(({node}) => node.classList.contains('jp-deck-mod-visible'));
    const last = Math.max(shown, notebook.activeCellIndex);
    const question = questions.findLast(({cells}) => ids.indexOf(cells[0]) <= last);
    const told = ids.indexOf(question?.cells[1]);
    const outputs = told >= 0 && told <= last ? notebook.widgets[told].model.outputs : null;
    const texts = Array.from({length: outputs?.length ?? 0}, (_, n) => outputs.get(n).data['text/plain']);
    const outcome = String(texts.at(-1) ?? '').match(/Measured: (.*)/s)?.[1] ?? '';
    return {question, outcome};
  }

  function bars({choices, counts, outcome}) {
    const right = outcome.match(/Right was: (.*)\.$/s)?.[1];
    return choices.map((choice, n) => make('div', 'choice',
      make('p', choice === right ? 'right' : '', choice),
      ...counts.map((round, k) => {
        const share = round[n] / Math.max(1, round.reduce((sum, each) => sum + each, 0));
        const bar = make('span', 'bar');
        bar.style.width = `${60 * share}%`;
        return make('p', `round-${k + 1}`, bar, ` ${round[n]} (${Math.round(100 * share)} %)`);
      })));
  }

  function draw(panel, {question, choices, open, shown, voted, counts, round, outcome, link, qr}) {
    const code = make('div', 'qr');
    code.innerHTML = qr;
    const [first, second] = voted;
    const said = round > 1 ? `Round 2: ${second} voted (round 1, striped: ${first})` : `${first} voted`;
    panel.replaceChildren(
      make('h2', '', question),
      ...(shown ? bars({choices, counts, outcome}) : [make('ol', '', ...choices.map((each) => make('li', '', each)))]),
      ...(outcome ? [make('p', 'outcome', `Measured: ${outcome}`)] : []),
      make('p', 'voted', open ? said : `${said}. Closed.`),
      ...(open ? [make('p', 'link', link)] : []),
      ...(open && !shown ? [code] : []),
    );
  }

  function poll(app, {hall}) {
    const panel = make('aside', 'lec-poll');
    panel.setAttribute('aria-label', 'Poll');
    document.body.append(panel);
    let said = '';
    let state = {};
    let here = {};
    let away = false;
    const ask = (what, more) => fetch(hall, {
      method: 'POST', body: JSON.stringify({do: what, name: here.question.name, ...more}),
    }).catch(() => {}); // the server is away for a moment: the key has to be pressed again
    const act = (what) => {
      if (!here.question) return;
      const asked = state.name === here.question.name;
      if (what === 'close' && asked && !state.open) away = true;
      if (what === 'open' || what === 'again') away = false;
      if (what === 'open') ask(what, here.question);
      else if (asked && !away) ask(what);
    };
    const look = () => {
      const notebook = app.shell.currentWidget?.content;
      const about = notebook?.model?.getMetadata('lecture');
      here = about ? slide(notebook, about) : {};
      const asked = state.name !== undefined && state.name === here.question?.name;
      panel.hidden = away || !asked;
      document.body.classList.toggle('lec-polling', !panel.hidden);
      if (asked && here.outcome && here.outcome !== state.outcome) ask('tell', {outcome: here.outcome});
    };
    const listen = () => {
      const source = new EventSource(hall);
      source.onmessage = ({data}) => {
        if (data === said) return;
        said = data;
        state = JSON.parse(data);
        if (state.name) draw(panel, state);
        look();
      };
      source.onerror = () => source.readyState === EventSource.CLOSED && setTimeout(listen, 1000);
    };
    for (const [key, what] of Object.entries(KEYS)) {
      app.commands.addCommand(`lecture:${what}`, {execute: () => act(what)});
      app.commands.addKeyBinding({command: `lecture:${what}`, keys: [key], selector: 'body'});
    }
    listen();
    setInterval(look, 300);
  }

  const told = (panel) => (panel?.context?.isReady && panel.content?.model?.getMetadata('lecture')) || null;
  const start = (panel) => Math.max(0, panel.content.widgets.findIndex(({model}) => model.id === told(panel).at));

  /** Begin each notebook at its slide; at the end of one the keys lead on to the next, and back. */
  function walk(app) {
    const reached = new WeakMap();
    const begin = () => {
      const panel = app.shell.currentWidget;
      if (!told(panel) || reached.has(panel)) return;
      panel.content.activeCellIndex = start(panel);
      reached.set(panel, start(panel));
    };
    app.commands.commandExecuted.connect(async (_, {id, args, result}) => {
      if (!id.startsWith('deck:')) return;
      const panel = app.shell.currentWidget;
      await result;
      if (!reached.has(panel)) return;
      const cell = panel.content.activeCellIndex;
      const stayed = reached.get(panel) === cell;
      reached.set(panel, cell);
      if (!stayed) return;
      const shown = ({model}) => !['skip', 'notes'].includes(model.getMetadata('slideshow')?.slide_type);
      const {before = [], after = []} = told(panel);
      const goes = (way) => args.alternate === way || id === `deck:${way}`;
      let next;
      if (goes('forward') && cell === panel.content.widgets.findLastIndex(shown)) [next] = after;
      if (goes('back') && cell === panel.content.widgets.findIndex(shown)) [next] = before;
      if (!next) return;
      const opened = await app.commands.execute('docmanager:open', {path: next});
      app.shell.activateById(opened.id); // else the keys stay with the notebook that is left
    });
    setInterval(begin, 200);
  }

  async function warm(app, panel) {
    const {content, context} = panel;
    const bar = make('progress', '');
    const said = make('p', '');
    const cover = make('div', 'lec-warm', said, bar);
    cover.setAttribute('role', 'status');
    document.body.append(cover);
    said.textContent = 'Starting Python ...';
    await context.sessionContext.ready;
    await context.sessionContext.session?.kernel?.info;
    await new Promise((done) => setTimeout(done, 2000)); // widgets that are there before the page knows it are lost
    await app.commands.execute('deck:stop'); // the deck skips cells that are on no slide
    const cells = content.widgets.map((cell, n) => [cell, n]).filter(([{model}]) => model.type === 'code');
    const failed = [];
    bar.max = cells.length;
    for (const [done, [, n]] of cells.entries()) {
      bar.value = done;
      said.textContent = `Running everything once: ${done} of ${cells.length} cells`;
      content.activeCellIndex = n;
      if (!await app.commands.execute('notebook:run-cell')) failed.push(n + 1);
    }
    content.activeCellIndex = start(panel);
    await app.commands.execute('deck:start');
    content.model.setMetadata('lecture', {...content.model.getMetadata('lecture'), warm: false});
    await app.commands.execute('docmanager:save');
    if (failed.length) {
      said.textContent = `These cells raised an error: ${failed.join(', ')}.`;
      const go = make('button', '', 'Show the slides');
      await new Promise((done) => { go.onclick = done; cover.append(go); go.focus(); });
    }
    cover.remove();
  }

  function activate(app) {
    scale();
    addEventListener('resize', scale);
    walk(app);
    const waiting = setInterval(() => {
      const widget = app.shell.currentWidget;
      const about = told(widget);
      if (!about) return;
      clearInterval(waiting);
      if (about.hall) poll(app, about);
      if (about.warm) warm(app, widget);
    }, 300);
  }

  const plugin = {id: 'lecture-beside:plugin', autoStart: true, activate};
  window._JUPYTERLAB ??= {};
  window._JUPYTERLAB['lecture-beside'] = {init: () => {}, get: async () => () => ({__esModule: true, default: plugin})};
})();
