// The page of a student: the question on the slide, its choices, and one vote that may be changed until it is closed.

const link = location.pathname.replace(/\/$/, '');
const at = (id) => document.getElementById(id);
const say = (id, text) => { if (at(id).textContent !== text) at(id).textContent = text; };
let now = {};
let wanted = null; // a choice that the server has not confirmed
let sending = false;
let problem = '';

function draw() {
  const {number, question, choices = [], round, open, shown, counts = [], outcome, mine} = now;
  say('question', question ?? 'Wait for the question');
  say('round', round === 2 ? 'Asked again, after the discussion' : '');
  say('outcome', outcome ? `Measured: ${outcome}` : '');
  if (at('choices').dataset.number !== String(number)) {
    at('choices').dataset.number = number;
    at('choices').replaceChildren(...choices.map((text, n) => {
      const button = document.createElement('button');
      button.append(text, document.createElement('small'));
      button.addEventListener('click', () => vote(n));
      return button;
    }));
  }
  const chosen = wanted ?? mine;
  [...at('choices').children].forEach((button, n) => {
    button.disabled = !open;
    button.setAttribute('aria-pressed', String(n === chosen));
    const said = shown ? counts.map((each, k) => `round ${k + 1}: ${each[n]}`).join(', ') : '';
    if (button.lastChild.textContent !== said) button.lastChild.textContent = said;
  });
  const text = choices[chosen];
  if (problem) say('status', problem);
  else if (question === undefined) say('status', 'The first question comes soon.');
  else if (wanted !== null) say('status', 'Sending ...');
  else if (!open) say('status', text ? `Closed. You chose: ${text}.` : 'Closed.');
  else say('status', text ? `Counted: ${text}. You can change it until the poll is closed.` : 'Choose one.');
}

async function vote(choice) {
  wanted = choice;
  problem = '';
  draw();
  if (sending) return;
  sending = true;
  for (let wait = 300; wanted !== null; wait = Math.min(2 * wait, 5000)) {
    const [number, asked] = [now.number, wanted];
    let status = 0;
    try {
      const body = JSON.stringify({number, choice: asked});
      ({status} = await fetch(`${link}/vote`, {method: 'POST', body, signal: AbortSignal.timeout(5000)}));
    } catch { /* the server is away for a moment, or the network: once more */ }
    if (status === 200 && number === now.number) now.mine = asked;
    if (status === 403) problem = 'This page needs cookies. Allow them, and load it again.';
    if ([200, 403, 409].includes(status) && wanted === asked) wanted = null;
    if (wanted !== null && status !== 200) await new Promise((done) => setTimeout(done, wait));
  }
  sending = false;
  draw();
}

function see(state) {
  if (state.number !== now.number) wanted = null;
  now = state;
  problem = '';
  draw();
}

function listen() {
  const source = new EventSource(`${link}/now`);
  source.onmessage = ({data}) => see(JSON.parse(data));
  source.onerror = () => {
    problem = 'Not connected. This page tries again.';
    draw();
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 3000);
  };
}

listen();
