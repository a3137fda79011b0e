"""Planted bugs: each must be found by a test of this suite, or the suite does not bite.

A bug is an exact replacement in the source of one module. The changed source is executed as a module of its own,
which then takes the place of the true one in the file of tests that is about it; there the test that should find
the bug is called, with all its parameters, in this process. So the tests that hold the library are the ones that
hunt the bugs, and no copy of the package and no second interpreter is needed.

The list cannot rot: the replaced text must stand in the present source exactly once, and each hunting test must
pass on the source executed unchanged. A bug counts as found only if a comparison fails, gradcheck objects (a
RuntimeError), or an error appears that a reader of the library could meet; a NameError, say, would only show that
the replacement is broken.
"""

import importlib
import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import pytest

FOUND = (AssertionError, RuntimeError, IndexError, ValueError, pytest.fail.Exception)
# which file of tests is about which module, and by which name it knows it
FILES = {
    "automata": "tests.test_automata",
    "neural_automata": "tests.test_neural_automata",
    "recurrent": "tests.test_recurrent",
    "lengths": "tests.test_lengths",
    "training": "tests.test_training",
    "data.strings": "tests.data.test_strings",
}


class Bug(NamedTuple):
    """A replacement in a module's source, and the test that must find it (named without its `test_`)."""

    module: str
    old: str
    new: str
    found_by: str


def bugs(module: str, found_by: str, *replacements: tuple[str, str]) -> list[Bug]:
    return [Bug(module, old, new, found_by) for old, new in replacements]


RNN_SUM = "torch.tanh(x @ w_x.T + h @ w_h.T + b)"
MOVES = "(clusters[:, :-1], read, clusters[:, 1:])"
FORGET_ROWS = "slice(lstm.hidden_size, 2 * lstm.hidden_size)"
MEAN = "values[real_steps(lengths, values.shape[1])].mean()"

BUGS = [
    # ---- automata ----
    *bugs(
        "automata",
        "run_multiplies_the_matrices_of_the_symbols",
        ("states = [self.start]", "states = [0]"),
        ("self.step(states[-1], symbol)", "self.step(states[0], symbol)"),
        (
            "return self.run(string)[-1] in self.accepting",
            "return any(s in self.accepting for s in self.run(string))",
        ),
    ),
    *bugs(
        "automata",
        "minimise_keeps_the_language",
        ("int(s in self.accepting) for s in reachable", "0 for s in reachable"),
        ("if len(number) == len(set(group.values())):", "if True:"),
        ("(group[s], *(group", "(0, *(group"),
        ("for t in self.table[s])) for s in reachable", "for t in self.table[s][:1])) for s in reachable"),
        ("if first[k] in self.accepting]", "if k in self.accepting]"),
    ),
    *bugs(
        "automata",
        "minimise_leaves_no_two_equivalent_states_and_none_that_is_unreachable",
        (
            "reachable = self._in_order_of_visit()",
            "reachable = sorted(range(len(self.table)), key=lambda s: s != self.start)",
        ),
        ("(group[s], *(group", "(s, group[s], *(group"),
    ),
    *bugs(
        "automata",
        "minimise_keeps_the_names_of_the_earliest_states",
        ("for s in reversed(reachable)}", "for s in reachable}"),
    ),
    *bugs(
        "automata",
        "equivalent_agrees_with_walking_both_at_once",
        (" and a.accepting == b.accepting", ""),
        ("a, b = self.minimise(), other.minimise()", "a, b = self, other"),
    ),
    *bugs(
        "automata",
        "legal_next_are_the_symbols_after_which_acceptance_can_be_reached",
        ("if int(t) in self._alive)", "if True)"),
        ("if int(t) in self._alive)", "if int(t) in self.accepting)"),
        ("alive |= more", "return alive | more"),
    ),
    *bugs("automata", "counter_counts_the_ones", ("(s + 1) % modulus]", "(s + 2) % modulus]")),
    *bugs(
        "automata",
        "reber_is_the_published_grammar",
        ('{"T": 3, "V": 5}', '{"S": 3, "V": 5}'),
        ('{"X": 3, "S": 6}', '{"X": 2, "S": 6}'),
        ('{"P": 4, "V": 6}', '{"P": 3, "V": 6}'),
        ('{"P": 18}', '{"T": 18}'),
        ("t + 10 for a", "t + 2 for a"),
    ),
    *bugs(
        "automata",
        "bad_input_is_refused_in_words",
        ("not 0 <= t < n", "not -n <= t < n"),
        ("if state not in range(n):", "if state >= n:"),
        ("if self.symbols != other.symbols:", "if len(self.symbols) != len(other.symbols):"),
    ),
    # ---- neural_automata ----
    *bugs(
        "neural_automata",
        "the_compiled_network_is_the_automaton",
        ("if dfa.table[p, a] == s]", "if dfa.table[s, a] == p]"),
        ("* m - 1.5", "* m + 1.5"),
        ("* m - 1.5", "- 1.5"),
        ("* m - 1.5", "* m - 0.5"),
        ("h_0[dfa.start * m] = 1.0", "h_0[dfa.start] = 1.0"),
        ("h_0[dfa.start * m] = 1.0", "h_0[0] = 1.0"),
        ("h_0 = -torch.ones(n * m)", "h_0 = torch.zeros(n * m)"),
        ("w_x[unit, a] = 1.0", "w_x[unit, m - 1 - a] = 1.0"),
        ("unit = s * m + a", "unit = a * n + s"),
        ("p * m : (p + 1) * m] = 0.5", "p * m] = 0.5"),
        ("gain * b, h_0)", "b, h_0)"),
    ),
    *bugs(
        "neural_automata",
        "extraction_undoes_compilation",
        (MOVES, "(clusters[:, 1:], read, clusters[:, :-1])"),
        (MOVES, "(clusters[:, :-1], read[:, ::-1], clusters[:, 1:])"),
        ("votes[s, 1] > votes[s, 0]", "votes[s, 1] < votes[s, 0]"),
        ("start=int(clusters[0, 0])", "start=0"),
    ),
    *bugs(
        "neural_automata",
        "contradictions_are_the_share_of_lost_votes",
        ("np.arange(k)[:, None])", "0)"),
        (" + votes.sum() - votes.max(-1).sum()", ""),
        ("moves.sum() - moves.max(-1).sum() + ", ""),
    ),
    *bugs(
        "neural_automata",
        "tolerance_decides_how_many_clusters",
        ("found.contradictions <= tolerance", "found.contradictions <= 0.01"),
    ),
    *bugs(
        "neural_automata",
        "extraction_takes_the_fewest_clusters_that_will_do",
        ("range(2, most + 1)", "range(most, most + 1)"),
    ),
    *bugs(
        "neural_automata",
        "bad_input_is_refused_in_words",
        ("if not gain >= least", "if gain < least"),
        ("if not torch.isfinite(states).all()", "if torch.isinf(states).any()"),
        ("(b, t + 1) or tuple(accepted", "(b, t) or tuple(accepted"),
    ),
    # ---- recurrent ----
    *bugs(
        "recurrent",
        "run_rnn_is_torchs",
        ("h = h_0.expand(", "h = torch.zeros_like(h_0).expand("),
        (RNN_SUM, "torch.tanh(x @ w_x.T + h @ w_h + b)"),
        (RNN_SUM, "torch.tanh(x @ w_x.T + h @ w_h.T)"),
        (RNN_SUM, "torch.sigmoid(x @ w_x.T + h @ w_h.T + b)"),
        ("torch.stack(states, dim=1)", "torch.stack([h_0.expand_as(h), *states[:-1]], dim=1)"),
        ("torch.stack(states, dim=1)", "torch.stack(states[::-1], dim=1)"),
    ),
    *bugs(
        "recurrent",
        "gradients_flow_through_run_rnn",
        ("h = rnn_step(x[:, t], h, w_x", "h = rnn_step(x[:, t], h.detach(), w_x"),
    ),
    *bugs(
        "recurrent",
        "run_lstm_is_torchs",
        ("i, f, g, o = (x @", "i, g, f, o = (x @"),
        ("i, f, g, o = (x @", "i, f, o, g = (x @"),
        ("i, f, g, o = (x @", "f, i, g, o = (x @"),
        ('"g": torch.tanh(g)', '"g": torch.sigmoid(g)'),
        ('"o": torch.sigmoid(o)', '"o": torch.tanh(o)'),
        ('gate["o"] * torch.tanh(c)', 'gate["o"] * c'),
        ('gate["f"] * c + gate["i"] * gate["g"]', 'gate["i"] * c + gate["f"] * gate["g"]'),
        ('gate["f"] * c + gate["i"] * gate["g"]', 'gate["f"] * c + (1 - gate["f"]) * gate["g"]'),
        ("h @ w_h.T + b).chunk(4", "c @ w_h.T + b).chunk(4"),
        ("h @ w_h.T + b).chunk(4", "h @ w_h.T).chunk(4"),
    ),
    *bugs(
        "recurrent",
        "gradients_flow_through_run_lstm",
        ("lstm_step(x[:, t], h, c, w_x", "lstm_step(x[:, t], h, c.detach(), w_x"),
        ("lstm_step(x[:, t], h, c, w_x", "lstm_step(x[:, t], h.detach(), c, w_x"),
    ),
    *bugs(
        "recurrent",
        "the_trace_holds_the_gates_that_made_the_states",
        ('return h, c, gate["i"], gate["f"]', 'return h, c, gate["f"], gate["i"]'),
        ("steps.append((h, c, *gates))", "steps.append((c, h, *gates))"),
    ),
    *bugs(
        "recurrent",
        "a_forced_gate_has_that_value_everywhere_and_the_others_do_not",
        ("torch.full_like(gate[name], value)", "gate[name] * value"),
        ("w_x, w_h, b, force)", "w_x, w_h, b)"),
    ),
    *bugs(
        "recurrent",
        "open_forget_gate_sets_the_forget_biases_and_nothing_else",
        (FORGET_ROWS, "slice(0, lstm.hidden_size)"),
        (FORGET_ROWS, "slice(2 * lstm.hidden_size, 3 * lstm.hidden_size)"),
        (FORGET_ROWS, "slice(lstm.hidden_size, None)"),
        ("parameter[forget] = 0.0", "pass"),
        ("parameter[forget] = 0.0", "parameter[forget] = bias"),
        ("parameter[forget] = bias", "parameter[forget] += bias"),
        ('name.startswith("bias_ih")', 'name == "bias_ih_l0"'),
        ('name.startswith("bias_ih")', 'name.startswith("weight_ih")'),
    ),
    *bugs(
        "recurrent",
        "a_reader_reads_one_hot_symbols_with_torchs_cell",
        ("self.states(tokens)[:, 1:]", "self.states(tokens)[:, :-1]"),
        ("torch.cat([h_0, self.cell(x)[0]]", "torch.cat([self.cell(x)[0], h_0]"),
    ),
    *bugs(
        "recurrent",
        "a_reader_reads_each_sequence_by_itself",
        ("hidden, batch_first=True)", "hidden)"),
    ),
    *bugs(
        "recurrent",
        "a_reader_does_not_read_ahead",
        ("x = F.one_hot(tokens, self", "x = F.one_hot(tokens.flip(1), self"),
    ),
    *bugs(
        "recurrent",
        "bad_input_is_refused_in_words",
        ("or x.shape[1] == 0", ""),
        ("if not torch.isfinite(x).all()", "if torch.isinf(x).any()"),
        (">= self.symbols:", "> self.symbols:"),
    ),
    # ---- lengths ----
    *bugs(
        "lengths",
        "last_state_is_that_of_the_packed_sequence",
        ("lengths - 1]", "lengths]"),
        ("states[torch.arange(len(states)), lengths - 1]", "states[:, -1]"),
        (
            "states[torch.arange(len(states)), lengths - 1]",
            "states[torch.arange(len(states)), lengths.max() - 1]",
        ),
    ),
    *bugs(
        "lengths",
        "real_steps_are_the_first_ones",
        ("< lengths[:, None]", "<= lengths[:, None]"),
        (
            "torch.arange(steps, device=lengths.device) <",
            "torch.arange(steps, device=lengths.device).flip(0) <",
        ),
    ),
    *bugs(
        "lengths",
        "the_mean_is_that_of_the_packed_sequence",
        (MEAN, "values.mean()"),
        (MEAN, "(values * real_steps(lengths, values.shape[1])).mean()"),
        (MEAN, "((values * real_steps(lengths, values.shape[1])).sum(1) / lengths).mean()"),
    ),
    *bugs(
        "lengths",
        "what_stands_in_the_padding_changes_nothing",
        (MEAN, "(values * real_steps(lengths, values.shape[1])).sum() / lengths.sum()"),
    ),
    *bugs(
        "lengths",
        "pad_fills_up_on_the_right_and_loses_nothing",
        ("padding_value=value", "padding_value=0"),
        ("padding_value=value", 'padding_value=value, padding_side="left"'),
        ("lengths = [len(s) for s in sequences]", "lengths = [len(set(s)) for s in sequences]"),
    ),
    *bugs(
        "lengths",
        "bad_input_is_refused_in_words",
        ("int(lengths.min()) < 1 or", "int(lengths.min()) < 0 or"),
        ("int(lengths.max()) > steps", "int(lengths.max()) > steps + 1"),
        ("if tuple(lengths.shape) != (len(batch),):", "if False:"),
    ),
    # ---- training ----
    *bugs(
        "training",
        "the_weights_with_the_lowest_validation_loss_stay",
        ("model.load_state_dict(best_weights)", "pass"),
        ("(history.valid or history.train)[-1]", "history.train[-1]"),
        ("if now < best_loss:", "if True:"),
        ("copy.deepcopy(model.state_dict()), step", "model.state_dict(), step"),
    ),
    *bugs(
        "training",
        "the_global_generators_are_neither_used_nor_moved",
        ("(batch,), generator=generator)", "(batch,))"),
    ),
    *bugs(
        "training",
        "one_seed_gives_one_history_and_one_network",
        ("generator = torch.Generator().manual_seed(seed)", "generator = torch.Generator().manual_seed(0)"),
    ),
    *bugs(
        "training",
        "each_step_is_one_of_adam_with_the_gradient_cut",
        ("optimizer.zero_grad()", "pass"),
        ("torch.optim.Adam(", "torch.optim.SGD("),
        ("model.parameters(), 1.0)", "model.parameters(), 10.0)"),
    ),
    *bugs(
        "training",
        "rows_are_drawn_together_and_all_of_them",
        ("each[pick] for each in train", "each[pick.roll(k)] for k, each in enumerate(train)"),
        ("torch.randint(rows,", "torch.randint(batch,"),
    ),
    *bugs(
        "training",
        "dropout_is_on_while_training_and_off_while_judging_and_after",
        ("model.train()", "pass"),
        ("with torch.no_grad():", "with torch.enable_grad():"),
    ),
    *bugs(
        "training",
        "the_training_loss_is_the_mean_since_the_last_look",
        ("sum(recent) / len(recent)", "recent[-1]"),
        ("(history.valid or history.train)[-1], []", "(history.valid or history.train)[-1], recent"),
    ),
    *bugs(
        "training",
        "an_interrupted_run_without_a_label_stops_the_loop_around_it",
        ("if not label:", "if label:"),
    ),
    *bugs(
        "training",
        "a_loss_that_is_not_finite_is_named_with_its_step",
        ('_check_finite("loss", value.item(), step, lr)', "pass"),
    ),
    *bugs(
        "training",
        "a_gradient_that_is_not_finite_never_reaches_the_weights",
        ('_check_finite("length of the gradient", length.item(), step, lr)', "pass"),
    ),
    # ---- data.strings ----
    *bugs(
        "data.strings",
        "spoilt_strings_are_rejected_but_one_symbol_away_from_legal",
        ("if not automaton.accepts(spoilt):", "if True:"),
        ("+ string[place + 1 :]", "+ string[place + 2 :]"),
    ),
    *bugs(
        "data.strings",
        "each_legal_symbol_comes_equally_often",
        ("symbol = legal[rng.integers(len(legal))]", "symbol = legal[-1]"),
    ),
    *bugs(
        "data.strings",
        "first_symbol_shows_the_key_first_and_noise_after",
        ("keys + noise, size=(n, delay)", "keys + noise - 1, size=(n, delay)"),
        ("answers = rng.integers(keys, size=n)", "answers = rng.integers(1, keys, size=n)"),
        ("[answers[:, None], rng", "[answers[::-1, None], rng"),
    ),
    *bugs(
        "data.strings",
        "one_key_stands_in_noise_at_a_place_that_something_follows",
        ("rng.integers(3 * length // 4, size=n)", "rng.integers(length, size=n)"),
        ("tokens[np.arange(n), places] = answers", "tokens[np.arange(n), places - 1] = answers"),
        ("keys + noise, size=(n, length)", "keys + noise - 1, size=(n, length)"),
    ),
    *bugs(
        "data.strings",
        "a_seed_says_all",
        ("picks = np.random.default_rng(seed).integers(", "picks = np.random.randint("),
    ),
]


def source_of(module: str) -> str:
    return inspect.getsource(importlib.import_module(f"lecturelib.{module}"))


def put_in_place(monkeypatch: pytest.MonkeyPatch, module: str, source: str) -> None:
    """Execute a source as that module and let the file of tests about it know no other."""
    true = importlib.import_module(f"lecturelib.{module}")
    stand_in = ModuleType(true.__name__)
    stand_in.__file__ = true.__file__
    exec(compile(source, f"<{module}, changed>", "exec"), stand_in.__dict__)
    tests = importlib.import_module(FILES[module])
    name = module.split(".")[-1]
    assert getattr(tests, name) is true
    monkeypatch.setattr(tests, name, stand_in)


def call_with_all_parameters(test: Callable[..., None]) -> None:
    """Call a test as pytest does: once for each combination of its parameters."""
    cases: list[dict[str, Any]] = [{}]
    for mark in getattr(test, "pytestmark", []):
        names, values = mark.args
        if isinstance(names, str):
            cases = [case | {names: value} for case in cases for value in values]
        else:
            cases = [case | dict(zip(names, value, strict=True)) for case in cases for value in values]
    for case in cases:
        test(**case)


def hunter(bug: Bug) -> Callable[..., None]:
    return getattr(importlib.import_module(FILES[bug.module]), f"test_{bug.found_by}")


def short(text: str) -> str:
    return text if len(text) < 40 else text[:37] + "..."


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: f"{bug.module}: {short(bug.old)} -> {short(bug.new)}")
def test_a_planted_bug_is_found(bug: Bug, monkeypatch: pytest.MonkeyPatch) -> None:
    source = source_of(bug.module)
    assert source.count(bug.old) == 1, "the source has changed: write the bug anew"
    put_in_place(monkeypatch, bug.module, source.replace(bug.old, bug.new))
    with pytest.raises(FOUND):
        call_with_all_parameters(hunter(bug))


@pytest.mark.parametrize("module", FILES)
def test_the_hunters_find_nothing_in_the_true_source(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    put_in_place(monkeypatch, module, source_of(module))
    for test in {bug.found_by: hunter(bug) for bug in BUGS if bug.module == module}.values():
        call_with_all_parameters(test)


def test_no_bug_is_planted_twice() -> None:
    assert len({bug[:3] for bug in BUGS}) == len(BUGS)
