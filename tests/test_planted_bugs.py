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
    "attention": "tests.test_attention",
    "scaling": "tests.test_scaling",
    "kv_cache": "tests.test_kv_cache",
    "chunked": "tests.test_chunked",
    "timing": "tests.test_timing",
    "transformer": "tests.test_transformer",
    "language": "tests.test_language",
    "translation": "tests.test_translation",
    "vision": "tests.test_vision",
    "mae": "tests.test_mae",
    "transfer": "tests.test_transfer",
    "fine_tuning": "tests.test_fine_tuning",
    "label_efficiency": "tests.test_label_efficiency",
    "baselines": "tests.test_baselines",
    "data.strings": "tests.data.test_strings",
    "data.text": "tests.data.test_text",
    "data.dates": "tests.data.test_dates",
    "data.vocabulary": "tests.data.test_vocabulary",
    "data.digits": "tests.data.test_digits",
    "data.photos": "tests.data.test_photos",
    "data.glyphs": "tests.data.test_glyphs",
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
SCALE = "/ math.sqrt(q.shape[-1])"
FILL = "scores = scores.masked_fill(~mask, -math.inf)"
HEADS = "else attend(q, k, v, mask, self.map)[0]"
THREE = "self.split(self.query(x)), self.split(self.key(y)), self.split(self.value(y))"
SPLIT = "x.unflatten(-1, (self.heads, -1)).transpose(1, 2)"
HEAD = "attend(self.query(x), self.key(y), self.value(y), mask, self.map)[0]"
TABLE = "self.table[: tokens.shape[1]]"
LOOK = "x = x + self.attention(self.norm_attention(x), mask=mask)"
CROSS = "x = x + self.cross(self.norm_cross(x), context, context_mask)"
WORK = "x + self.feed_forward(self.norm_feed_forward(x))"
LANGUAGE_MASK = "mask = causal_mask(tokens.shape[1]).to(tokens.device)"
CUT = "images.unflatten(3, (-1, side)).unflatten(2, (-1, side))"
TO_PATCHES, TO_IMAGES = "cut.permute(0, 2, 4, 1, 3, 5)", "cut.permute(0, 3, 1, 4, 2, 5)"
# the pixels of every patch transposed, in patchify too, so that the two still undo each other
BOTH_WAYS = """cut.permute(0, 3, 1, 5, 2, 4).flatten(4).flatten(2, 3)

right = patchify

def patchify(images, side):
    return right(images, side).unflatten(2, (-1, side, side)).mT.flatten(2)
"""
PLACED = "patchify(images, self.side)) + self.positions"
CLASS_FIRST = "torch.cat([self.class_token.expand(len(tokens), 1, -1), tokens], dim=1)"
POOL = "tokens[:, 0] if self.class_token is not None else tokens.mean(dim=1)"
ROLL = "(weights.mean(dim=1) + eye) / 2 @ flow"
COVERED = "model(unpatchify(covered, side, *images.shape[2:])).softmax(dim=-1)"
WEIGHTS = "if not ((each >= 0).all() and ((sums - 1).abs() <= 1e-3).all()):"
DRAWN = "order = torch.rand(n, rows, columns, generator=generator)"
RANK = ".argsort(dim=1).argsort(dim=1)"
AWAY = "torch.maximum((torch.arange(rows)[:, None] - row).abs(), (torch.arange(columns) - column).abs())"
CORNER = "corner = torch.randint(64, (n, 2), generator=generator)"
SEEN = "tokens[~masked].unflatten(0, (len(images), -1))"
READ = "return self.encoder.encode(visible)"
FRONT = "if extra:\n            tokens = torch.cat([narrow[:, :extra], tokens], dim=1)"
PLACE = "tokens[~masked] = narrow[:, extra:].flatten(0, 1)"
PIXELS = "return self.out(self.norm(tokens[:, extra:]))"
PAINT = "torch.where(masked[..., None], self(images, masked).clamp(0, 1), patchify(images, side))"
ERROR = "return error[masked].mean()"
OF_A_CLASS = "torch.cat([shuffled[labels[shuffled] == c][:each] for c in range(classes)])"
ENCODER = "target.load_state_dict(target.state_dict() | given)"
WITHOUT_HEAD = 'for k, v in source.state_dict().items() if head or not k.startswith("out.")'
LEARN = "self.learned.fit(features(encoder, images).numpy(), labels.numpy())"
ANSWER = "self.learned.predict(features(self.encoder, images).numpy())"
LERP = "torch.lerp(one[k], two[k], share)"
UPDATE = "x @ self.down.mT @ self.up.mT"
LOSS = "losses.mean(dim=1).sum()"
DRAW = "_draw(each, own, batch, rehearsal) for each, own in zip(sets, generators, strict=True)"
OLD = "old = batch // 2 if rehearsal else 0"
BELOW = 'layers - int(name.split(".")[2])'
LENGTHS = "torch.stack([each.flatten(1).square().sum(dim=1) for each in gradients]).sum(dim=0).sqrt()"
DRAWN_SETS = "rows = draw_labelled(pool[1], each, seed=seed)"
SET = "sets.append((pool[0][rows], pool[1][rows]))"
EACH_ARM = "arm.accuracies(sets, test, of)"
PIXEL_FIT = ".fit(images.flatten(1).numpy(), labels.numpy())"
PROBED = "LinearProbe(encoder, images, labels).accuracy(*test)"
STARTED = "return model if self.rank is None else add_low_rank(model, self.rank, seed=seed)"
TUNED = "fine_tune(models, sets, seeds=seeds, **self.how)"
HALF = "values.std(dim=0) * float(t.ppf(0.975, n - 1)) / n**0.5"
HARMS = "enumerate((mean + half < 0).tolist())"
CHOSEN = "outlines[fonts * len(symbols) + labels]"
LIMITS = "torch.tensor([0.2, 0.3, 0.15, 0.1, 0.15, 0.05])"
SUMMARY = "(read * real).sum(1) / lengths[:, None]"
CHOICE = "fused = q.shape[-2] >= LONG and self.map.plain"
KERNEL = "scaled_dot_product_attention(q, k, v, attn_mask=mask)"
FUSED_MIX = "mix = attend_fused(q, k, v, mask) if fused"
PLAIN = "return type(self) is AttentionMap and not any(hooks)"
KEPT = "kept = 5 * tokens + batch * heads * length * (1 if fused else length)"
DEPTH = "max((depth[each] for each in before), default=0) + node.name().startswith(PRODUCTS)"
NO_PARAMETER = "if not isinstance(tensor if tensor._base is None else tensor._base, nn.Parameter):"
PLACES = "model.embedding.table[old:new]"
CACHED = "attend(q, keys[:, :, :new], values[:, :, :new], mask, layer.map)"
LARGEST = "torch.maximum(self.largest, scores.detach().amax(dim=-1, keepdim=True))"
SAFE = "safe = largest.masked_fill(largest == -math.inf, 0.0)"
PIECE = "row.add(k[..., part, :], v[..., part, :], None if mask is None else mask[..., part])"
AGAIN = "checkpoint(rows, q[..., part, :], k, v, seen, use_reentrant=False, preserve_rng_state=False)"
IN_TURN = "for name in list(functions)[:: 1 if turn % 2 == 0 else -1]:"

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
    # ---- attention ----
    *bugs(
        "attention",
        "attend_is_torchs",
        (SCALE, ""),
        (SCALE, "/ q.shape[-1]"),
        (SCALE, "* math.sqrt(q.shape[-1])"),
        (SCALE, "/ math.sqrt(v.shape[-1])"),
        (SCALE, "/ math.sqrt(k.shape[-2])"),
        ("scores.softmax(dim=-1)", "scores.softmax(dim=-2)"),
        ("scores.softmax(dim=-1)", "scores.sigmoid()"),
        (FILL, "pass"),
        (FILL, "scores = scores.masked_fill(mask, -math.inf)"),
        (FILL, "scores = scores.masked_fill(~mask, 0.0)"),
        (FILL, "scores = scores.masked_fill(~mask, -1.0)"),
        (FILL, "return scores.softmax(dim=-1) * mask"),
        ("return weights @ v, weights", "return weights.softmax(dim=-1) @ v, weights"),
        ("return weights @ v, weights", "return weights @ v, scores"),
    ),
    *bugs(
        "attention",
        "what_may_not_be_seen_changes_no_bit",
        (FILL, "scores = scores + torch.where(mask, 0.0, -1e3)"),
        (FILL, "scores = scores.softmax(dim=-1).masked_fill(~mask, -math.inf)"),
    ),
    *bugs(
        "attention",
        "to_weights_stands_between_the_scores_and_the_mix",
        ("weights = to_weights(scores, mask)", "weights = attention_weights(scores, mask)"),
        ("weights = to_weights(scores, mask)", "weights = to_weights(scores, None)"),
    ),
    *bugs(
        "attention",
        "gradients_flow_through_attend",
        ("scores = q @ k.mT", "scores = q.detach() @ k.mT"),
        ("scores = q @ k.mT", "scores = q @ k.mT.detach()"),
        ("return weights @ v, weights", "return weights.detach() @ v, weights"),
        ("return weights @ v, weights", "return weights @ v, weights.detach()"),
    ),
    *bugs(
        "attention",
        "a_causal_mask_shows_the_past_and_the_present",
        (".tril()", ".triu()"),
        (".tril()", ".tril(diagonal=1)"),
        (".tril()", ".tril(diagonal=-1)"),
    ),
    *bugs(
        "attention",
        "a_padding_mask_shows_the_real_tokens_to_every_query",
        ("return real_steps(lengths, longest)[:, None]", "return ~real_steps(lengths, longest)[:, None]"),
        ("return real_steps(lengths, longest)[:, None]", "return real_steps(lengths, longest)[..., None]"),
    ),
    *bugs(
        "attention",
        "a_head_looks_up_its_own_queries_keys_and_values",
        (HEAD, "attend(self.query(x), self.key(x), self.value(y), mask, self.map)[0]"),
        (HEAD, "attend(self.query(x), self.key(y), self.value(y), None, self.map)[0]"),
        (HEAD, "attend(self.key(x), self.query(y), self.value(y), mask, self.map)[0]"),
        ("nn.Linear(width, d_k, bias=False)", "nn.Linear(width, d_k)"),
    ),
    *bugs(
        "attention",
        "several_heads_at_themselves_are_torchs",
        (HEADS, "else attend(q / math.sqrt(self.heads), k, v, mask, self.map)[0]"),  # the root of D
        (HEADS, "else attend(q, k, v, None, self.map)[0]"),
        (HEADS, "else attend(q, k, v, mask, lambda *each: self.map(*each).mean(1, keepdim=True))[0]"),
        (THREE, "self.split(self.query(x)), self.split(self.value(y)), self.split(self.key(y))"),
        (THREE, "self.split(self.key(x)), self.split(self.query(y)), self.split(self.value(y))"),
        (THREE, "self.split(self.query(x)), self.split(self.query(y)), self.split(self.value(y))"),
        ("return self.out(self.merge(mix))", "return self.merge(mix)"),
        ("return self.out(self.merge(mix))", "return x + self.out(self.merge(mix))"),
        (SPLIT, "x.view(x.shape[0], self.heads, x.shape[1], -1)"),
        (SPLIT, "x.unflatten(-1, (-1, self.heads)).movedim(-1, 1)"),
        ("x.transpose(1, 2).flatten(2)", "x.reshape(x.shape[0], x.shape[2], -1)"),
        ("mask = mask[:, None]  #", "mask = mask[:1, None]  #"),
        ("mask = mask[:, None]  #", "mask = mask[None]  #"),
        ("mask = mask[:, None]  #", "mask = mask.any(1)[:, None, None]  #"),
    ),
    *bugs(
        "attention",
        "several_heads_at_others_are_torchs",
        (THREE, "self.split(self.query(x)), self.split(self.key(x)), self.split(self.value(x))"),
        (THREE, "self.split(self.query(y)), self.split(self.key(x)), self.split(self.value(x))"),
        ("self.value = nn.Linear(context_width, width)", "self.value = nn.Linear(width, width)"),
    ),
    *bugs(
        "attention",
        "merge_undoes_split_and_each_head_has_its_own_columns",
        ("x.transpose(1, 2).flatten(2)", "x.movedim(1, -1).flatten(2)"),
    ),
    *bugs(
        "attention",
        "gradients_flow_through_the_heads",
        (HEADS, "else attend(q, k, v.detach(), mask, self.map)[0]"),
        (HEADS, "else attend(q, k.detach(), v, mask, self.map)[0]"),
    ),
    *bugs(
        "attention",
        "maps_have_the_paths_of_their_layers_and_only_the_edited_one_changes",
        (HEADS, "else attend(q, k, v, mask)[0]"),  # a map that is not on the way
        (HEAD, "attend(self.query(x), self.key(y), self.value(y), mask)[0]"),
        ('name.rpartition(".")[0] or', "name or"),
        ('name.rpartition(".")[0] or', 'name.partition(".")[0] or'),
        ("            return changed\n", "            return None\n"),
        ("used = weights if changed is None else changed", "used = weights"),
    ),
    *bugs(
        "attention",
        "the_recorded_scores_and_mask_made_the_weights",
        ("mask = given[1] if len(given) > 1 else None", "mask = None"),
        ("Recorded(given[0].detach()", "Recorded(used.detach()"),
    ),
    *bugs(
        "attention",
        "a_head_taken_out_is_missing_from_the_output",
        ("            return changed\n", "            return weights\n"),
    ),
    *bugs(
        "attention",
        "what_is_recorded_is_a_copy_and_the_next_run_replaces_it",
        ("used.detach().clone()", "used.clone()"),
        ("given[0].detach().clone()", "given[0].clone()"),
        ("maps[path] = Recorded(", "maps[path] = maps.get(path) or Recorded("),
    ),
    *bugs("attention", "nothing_is_watched_after_the_block", ("handle.remove()", "pass")),
    *bugs(
        "attention",
        "an_edit_in_place_changes_nothing",
        ("edit(path, weights.clone())", "edit(path, weights)"),
    ),
    *bugs(
        "attention",
        "nothing_is_watched_after_an_error",
        ("    finally:\n", "    except ZeroDivisionError:\n        pass\n    else:\n"),
    ),
    *bugs(
        "attention",
        "bad_input_is_refused_in_words",
        ("if mask.dtype != torch.bool:", "if mask.is_floating_point():"),
        ("all(side in (1, expected) for", "any(side in (1, expected) for"),
        ("if mask.ndim > len(scores) or not", "if not"),
        ("if blind.any():", "if blind.all():"),
        ("if blind.any():", "if False:"),
        ("if width % heads:", "if heads > width:"),
        ("if k.shape[-2] == 0 or q.shape[-1] == 0:", "if k.shape[-2] == 0:"),
        ("if changed is not None and changed.shape != weights.shape:", "if False:"),
        ("if not taps:", "if False:"),
    ),
    *bugs(
        "attention",
        "the_fused_kernel_gives_the_mix_and_the_gradients_of_attend",
        (KERNEL, "scaled_dot_product_attention(q, k, v)"),
        (KERNEL, "scaled_dot_product_attention(q, k, v, attn_mask=None if mask is None else ~mask)"),
        (KERNEL, "scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=1.0)"),
        (KERNEL, "scaled_dot_product_attention(q, k, v, is_causal=True)"),
        (KERNEL, "scaled_dot_product_attention(q, k.detach(), v, attn_mask=mask)"),
        ("        mask = torch.atleast_2d(mask)\n", ""),
    ),
    *bugs(
        "attention",
        "the_fused_kernel_refuses_what_attend_refuses_in_the_same_words",
        (
            "check_mask(mask, (*torch.broadcast_shapes(q.shape[:-2], k.shape[:-2]), q.shape[-2], k.shape[-2]))",
            "pass",
        ),
        (
            "torch.broadcast_shapes(q.shape[:-2], k.shape[:-2]), q.shape[-2]",
            "torch.broadcast_shapes(q.shape[:-2], k.shape[:-2], v.shape[:-2]), q.shape[-2]",
        ),
    ),
    *bugs(
        "attention",
        "the_fused_kernel_makes_no_table_of_weights",
        (
            "return torch.nn.functional." + KERNEL,
            "return attend(q, k, v, mask)[0]",
        ),
    ),
    *bugs(
        "attention",
        "watched_or_not_the_output_is_the_same",
        (FUSED_MIX, "mix = attend_fused(q, k, v) if fused"),
        (FUSED_MIX, "mix = attend_fused(q, k, v, causal_mask(len(q[0, 0]))) if fused"),
        (FUSED_MIX, "mix = attend_fused(q, k, v.roll(1, 1), mask) if fused"),
        (FUSED_MIX, "mix = attend_fused(q, k, v.detach(), mask) if fused"),
        (CHOICE, "fused = q.shape[-2] >= LONG"),
    ),
    *bugs(
        "attention",
        "from_64_queries_on_nobody_makes_weights_that_nobody_watches",
        (CHOICE, "fused = False"),
        (CHOICE, "fused = self.map.plain"),
        (CHOICE, "fused = q.shape[-2] > LONG and self.map.plain"),
        (CHOICE, "fused = k.shape[-2] >= LONG and self.map.plain"),
        ("LONG = 64", "LONG = 65"),
    ),
    *bugs(
        "attention",
        "an_edit_takes_effect_in_long_sequences",
        (PLAIN, "return type(self) is AttentionMap"),
    ),
    *bugs(
        "attention",
        "a_map_of_another_kind_is_used_in_long_sequences",
        (PLAIN, "return True"),
        (PLAIN, "return not any(hooks)"),
        (PLAIN, "return isinstance(self, AttentionMap) and not any(hooks)"),
    ),
    *bugs(
        "attention",
        "whoever_hangs_on_the_map_is_asked_also_in_long_sequences",
        ("hooks = (self._forward_hooks, self._forward_pre_hooks,", "hooks = (self._forward_hooks,"),
        ("self._forward_pre_hooks, self._backward_hooks, ", "self._forward_pre_hooks, "),
        ("self._backward_hooks, self._backward_pre_hooks)", "self._backward_hooks)"),
    ),
    *bugs(
        "attention",
        "a_mask_of_a_part_of_the_keys_may_hide_them_all_but_has_to_fit",
        ("    if part:\n        return\n", ""),
        ("if mask.dtype != torch.bool:", "if part:\n        return\n    if mask.dtype != torch.bool:"),
    ),
    # ---- scaling ----
    *bugs(
        "scaling",
        "rnn_cost_is_what_torch_counts",
        ("Cost(2 * batch * length * hidden * (width + hidden),", "Cost(batch * length * hidden * (width + hidden),"),
        ("Cost(2 * batch * length * hidden * (width + hidden),", "Cost(2 * batch * length * hidden * width,"),
        ("kept = batch * length * (width + hidden) + hidden", "kept = batch * (length * (width + hidden) + hidden)"),
        ("kept = batch * length * (width + hidden) + hidden", "kept = batch * length * (width + hidden)"),
    ),
    *bugs(
        "scaling",
        "lstm_cost_is_what_torch_counts",
        ("return Cost(8 * batch", "return Cost(4 * batch"),
        ("(length * (width + 7 * hidden) - hidden)", "length * (width + 7 * hidden)"),
        ("(length * (width + 7 * hidden) - hidden)", "(length * (width + 6 * hidden) - hidden)"),
        ("FLOAT * kept, length)\n\n\ndef attention_cost", "FLOAT * kept, 2 * length)\n\n\ndef attention_cost"),
    ),
    *bugs(
        "scaling",
        "attention_cost_is_what_torch_counts",
        ("fused = length >= LONG if fused is None else fused", "fused = length >= LONG"),
        (KEPT, "kept = 4 * tokens + batch * heads * length * (1 if fused else length)"),
        (KEPT, "kept = 5 * tokens + batch * length * (1 if fused else length)"),
        (KEPT, "kept = 5 * tokens + batch * heads * (1 if fused else length * length)"),
        (KEPT, "kept = 5 * tokens + 2 * batch * heads * length * (1 if fused else length)"),
        ("length * length * (FLOAT if fused else 1) if causal", "length * length if causal"),
        (
            "length * length * (FLOAT if fused else 1) if causal",
            "batch * length * length * (FLOAT if fused else 1) if causal",
        ),
        ("8 * tokens * width + 4 * tokens * length", "8 * tokens * width + 2 * tokens * length"),
        ("8 * tokens * width + 4 * tokens * length", "6 * tokens * width + 4 * tokens * length"),
        ("4 * tokens * length, FLOAT", "4 * tokens * length // (1 + causal), FLOAT"),
        ("3 if fused else 4", "4"),
        ("3 if fused else 4", "5 if fused else 6"),  # queries, keys and values side by side
    ),
    *bugs(
        "scaling",
        "a_layer_and_its_cost_change_the_kernel_at_the_same_length",
        ("fused = length >= LONG if", "fused = length > LONG if"),
        ("fused = length >= LONG if", "fused = length + 1 >= LONG if"),
        ("fused = length >= LONG if", "fused = batch * length >= LONG if"),
    ),
    *bugs(
        "scaling",
        "block_cost_is_what_torch_counts",
        (
            "Cost(16 * tokens * width, FLOAT * 9 * tokens + norms, 2)",
            "Cost(8 * tokens * width, FLOAT * 9 * tokens + norms, 2)",
        ),
        (
            "Cost(16 * tokens * width, FLOAT * 9 * tokens + norms, 2)",
            "Cost(16 * tokens * width, FLOAT * 8 * tokens + norms, 2)",
        ),
        (
            "Cost(16 * tokens * width, FLOAT * 9 * tokens + norms, 2)",
            "Cost(16 * tokens * width, FLOAT * 9 * tokens + norms, 1)",
        ),
        ("norms = 2 * _norm_bytes", "norms = _norm_bytes"),
        ("length * (width + 2)", "length * width + 2"),
        ("heads, causal=causal, fused=fused)\n    tokens", "heads, causal=causal)\n    tokens"),
        ("heads, causal=causal, fused=fused)\n    tokens", "heads, fused=fused)\n    tokens"),
    ),
    *bugs(
        "scaling",
        "language_model_cost_is_what_torch_counts",
        ("looked_up = Cost(0, 8 * tokens, 0)", "looked_up = Cost(0, FLOAT * tokens, 0)"),
        ("looked_up.then(block, layers)", "looked_up.then(block)"),
        ("causal=True, fused=fused)", "fused=fused)"),
        ("causal=True, fused=fused)", "causal=True)"),
        ("Cost(2 * tokens * width * symbols,", "Cost(2 * tokens * width * width,"),
    ),
    *bugs(
        "scaling",
        "vit_cost_is_what_torch_counts",
        (
            "Cost(2 * batch * width * classes, FLOAT * batch * width, 1)",
            "Cost(2 * batch * patches * width * classes, FLOAT * batch * width, 1)",
        ),
        ("Cost(2 * batch * width * classes, FLOAT * batch * width, 1)", "Cost(2 * batch * width * classes, 0, 1)"),
        ("embed = Cost(2 * batch * patches * pixels * width,", "embed = Cost(2 * batch * patches * width,"),
        ("FLOAT * batch * patches * pixels, 1)", "FLOAT * batch * patches * width, 1)"),
        (".then(Cost(0, _norm_bytes(batch, read, width), 0))", ""),
    ),
    *bugs(
        "scaling",
        "mae_cost_is_what_torch_counts",
        ("_encoder_cost(batch, patches, visible, pixels,", "_encoder_cost(batch, patches, patches, pixels,"),
        ("_encoder_cost(batch, patches, visible, pixels,", "_encoder_cost(batch, visible, visible, pixels,"),
        ("narrow = Cost(2 * batch * visible", "narrow = Cost(2 * batch * patches"),
        ("masks = Cost(0, 2 * batch * patches, 0)", "masks = Cost(0, batch * patches, 0)"),
        ("paint = block_cost(batch, patches,", "paint = block_cost(batch, visible,"),
        (".then(paint, layers).then(out)", ".then(paint, encoder[2]).then(out)"),
    ),
    *bugs(
        "scaling",
        "then_adds_each_number_and_repeats_the_second",
        ("mine + times * theirs", "times * (mine + theirs)"),
        ("mine + times * theirs", "mine + theirs"),
    ),
    *bugs(
        "scaling",
        "branches_side_by_side_take_the_steps_of_the_longest",
        (DEPTH, "sum(depth[each] for each in before) + node.name().startswith(PRODUCTS)"),
        (DEPTH, "min((depth[each] for each in before), default=0) + node.name().startswith(PRODUCTS)"),
        (DEPTH, "max((depth[each] for each in before), default=0) + 1"),
    ),
    *bugs(
        "scaling",
        "products_of_all_kinds_are_steps",
        ('PRODUCTS = ("Mm", "Bmm", "Addmm", "ScaledDotProduct")', 'PRODUCTS = ("Bmm", "Addmm", "ScaledDotProduct")'),
        ('PRODUCTS = ("Mm", "Bmm", "Addmm", "ScaledDotProduct")', 'PRODUCTS = ("Mm", "Addmm", "ScaledDotProduct")'),
        ('PRODUCTS = ("Mm", "Bmm", "Addmm", "ScaledDotProduct")', 'PRODUCTS = ("Mm", "Bmm", "ScaledDotProduct")'),
        ('PRODUCTS = ("Mm", "Bmm", "Addmm", "ScaledDotProduct")', 'PRODUCTS = ("Mm", "Bmm", "Addmm")'),
        ("FlopCounterMode(display=False, custom_mapping=known)", "FlopCounterMode(display=False)"),
    ),
    *bugs(
        "scaling",
        "what_autograd_keeps_is_counted_once_and_no_parameter",
        ("kept[tensor.untyped_storage().data_ptr()] = tensor", "kept[len(kept)] = tensor"),
        (NO_PARAMETER, "if True:"),
        (NO_PARAMETER, "if not isinstance(tensor, nn.Parameter):"),
        (NO_PARAMETER, "if not tensor.is_leaf:"),
    ),
    *bugs(
        "scaling",
        "a_kept_view_counts_as_the_memory_that_it_holds",
        ("sum(each.untyped_storage().nbytes() for", "sum(each.nbytes for"),
    ),
    *bugs(
        "scaling",
        "the_function_runs_once_and_as_it_always_does",
        ("        result = function()\n", "        function()\n        result = function()\n"),
        ("saved_tensors_hooks(keep, lambda t: t)", "saved_tensors_hooks(keep, torch.zeros_like)"),
    ),
    *bugs(
        "scaling",
        "a_size_that_is_no_whole_number_above_0_is_refused_by_name",
        (
            "if isinstance(value, bool) or not isinstance(value, int) or value < 1:",
            "if not isinstance(value, int) or value < 1:",
        ),
        ("not isinstance(value, int) or value < 1:", "not isinstance(value, int) or value < 0:"),
        ("    _check(symbols=symbols, layers=layers)\n", "    _check(symbols=symbols)\n"),
        ("    _check(classes=classes)\n", ""),
        ("_check(batch=batch, patches=patches, pixels=pixels,", "_check(batch=batch, patches=patches,"),
    ),
    *bugs(
        "scaling",
        "bad_input_is_refused_in_words",
        ("if width % heads:", "if heads > width:"),
        ("if visible > patches:", "if visible > patches + 1:"),
        ("_check(patches=patches, visible=visible, layers=decoder[2])", "_check(patches=patches, visible=visible)"),
        ("_check(patches=patches, visible=visible, layers=decoder[2])", "_check(patches=patches, layers=decoder[2])"),
    ),
    # ---- kv_cache ----
    *bugs(
        "kv_cache",
        "read_on_gives_the_scores_of_the_whole_model",
        (PLACES, "model.embedding.table[: new - old]"),
        (PLACES, "model.embedding.table[new - 1]"),
        ("causal_mask(new)[old:]", "causal_mask(new)[: new - old]"),
        ("if tokens.shape[1] > 1 else None", "if old == 0 else None"),
        ("if tokens.shape[1] > 1 else None", "if old > 0 else None"),
        (CACHED, "attend(q, keys[:, :, :new], values[:, :, :new], None, layer.map)"),
        (CACHED, "attend(q, keys[:, :, old:new], values[:, :, old:new], mask and mask[:, old:], layer.map)"),
        ("keys[:, :, old:new] = layer.split(layer.key(normed))", "keys[:, :, old:new] = layer.split(layer.key(x))"),
        (
            "keys[:, :, old:new] = layer.split(layer.key(normed))",
            "keys[:, :, : new - old] = layer.split(layer.key(normed))",
        ),
        ("x = x + layer.out(layer.merge(mix))", "x = x + layer.merge(mix)"),
        ("x = x + layer.out(layer.merge(mix))", "x = layer.out(layer.merge(mix))"),
        ("block.feed_forward(block.norm_feed_forward(x))", "block.feed_forward(block.norm_attention(x))"),
        ("    cache.length = new\n", ""),
        ("    cache.length = new\n", "    cache.length += 1\n"),
        ("return model.out(model.norm(x))", "return model.out(x)"),
        (
            "self.values = [weight.new_zeros(shape) for _ in model.blocks]",
            "self.values = [weight.new_zeros(shape)] * len(model.blocks)",
        ),
    ),
    *bugs(
        "kv_cache",
        "columns_that_are_not_filled_are_not_read",
        (
            CACHED,
            "attend(q, keys, values, torch.arange(keys.shape[2]) <= old + torch.arange(new - old)[:, None], layer.map)",
        ),
    ),
    *bugs(
        "kv_cache",
        "a_cache_holds_the_keys_and_values_of_each_layer",
        ("layer.split(layer.value(normed))", "layer.split(layer.key(normed))"),
        (
            "self.keys = [weight.new_zeros(shape) for _ in model.blocks]",
            "self.keys = [weight.new_ones(shape) for _ in model.blocks]",
        ),
    ),
    *bugs(
        "kv_cache",
        "only_new_tokens_are_worked_on",
        (
            "q = layer.split(layer.query(normed))",
            "q = layer.split(layer.query(normed.expand(len(x), -1, -1).repeat(1, 2, 1)))[:, :, -(new - old):]",
        ),
    ),
    *bugs(
        "kv_cache", "reading_makes_no_graph_and_leaves_gradients_on", ("@torch.no_grad()\ndef read_on(", "def read_on(")
    ),
    *bugs(
        "kv_cache",
        "the_maps_are_those_of_the_whole_model_at_its_last_rows",
        (CACHED, "attend(q, keys[:, :, :new], values[:, :, :new], mask)"),
    ),
    *bugs(
        "kv_cache",
        "the_text_is_that_of_generate",
        ("manual_seed(seed)\n    cache", "manual_seed(0)\n    cache"),
        ("draw(scores, temperature, top_k, generator)", "draw(scores, temperature, None, generator)"),
        ("draw(scores, temperature, top_k, generator)", "draw(scores, 1.0, top_k, generator)"),
        ("read_on(model, tokens, cache)[:, -1]", "read_on(model, tokens, cache)[:, 0]"),
        ("        tokens = drawn[:, None]\n", "        tokens = tokens[:, -1:]\n"),
        ("        prompt,\n        *(", "        *("),
        (
            "temperature=temperature, top_k=top_k, seed=seed)\n        ),",
            "temperature=temperature, top_k=top_k)\n        ),",
        ),
    ),
    *bugs(
        "kv_cache",
        "a_seed_says_all",
        ("torch.Generator(prompt.device).manual_seed(seed)", "torch.manual_seed(seed)"),
    ),
    *bugs(
        "kv_cache",
        "each_token_is_read_once",
        (
            "        tokens = drawn[:, None]\n",
            "        tokens = torch.cat([tokens, drawn[:, None]], dim=1)\n        cache.length = 0\n",
        ),
    ),
    *bugs(
        "kv_cache",
        "the_text_is_that_of_generate_up_to_the_last_position_and_one_token_more",
        ("steps > model.longest + 1:", "steps > model.longest:"),
    ),
    *bugs(
        "kv_cache",
        "a_text_may_fill_every_position",
        ("if cache.length + tokens.shape[1] > model.longest:", "if cache.length + tokens.shape[1] >= model.longest:"),
    ),
    *bugs(
        "kv_cache",
        "cache_bytes_are_those_of_its_tensors",
        ("return 2 * batch * length * width * layers * size", "return batch * length * width * layers * size"),
        ("return 2 * batch * length * width * layers * size", "return 2 * batch * length * width * layers * 4"),
        ("layers: int, size: int = 4)", "layers: int, size: int = 8)"),
    ),
    *bugs(
        "kv_cache",
        "bad_input_is_refused_in_words",
        ("    if found != expected:\n", "    if False:\n"),
        ("    if found != expected:\n", "    if found[:2] != expected[:2]:\n"),
        ("    if kinds[0] != kinds[1]:\n", "    if False:\n"),
        ("if cache.length + tokens.shape[1] > model.longest:", "if False:"),
        ("steps > model.longest + 1:", "steps > model.longest + 9:"),
        ("    check_tokens(tokens, model.embedding.symbols, model.longest)\n", ""),
        ("    check_prompt(prompt, steps)\n", ""),
        ("    check_draw(temperature, top_k)\n", ""),
    ),
    *bugs(
        "kv_cache",
        "a_refusal_leaves_the_cache_as_it_was_and_of_use",
        (
            "    _check_fit(model, tokens, cache)\n",
            "    cache.length += 1\n    _check_fit(model, tokens, cache)\n    cache.length -= 1\n",
        ),
    ),
    # ---- chunked ----
    *bugs(
        "chunked",
        "chunks_give_the_mix_and_the_gradients_of_attend",
        ("/ math.sqrt(self.q.shape[-1])", "/ math.sqrt(k.shape[-2])"),
        ("/ math.sqrt(self.q.shape[-1])", ""),
        ("scores.masked_fill(~mask, -math.inf)", "scores.masked_fill(mask, -math.inf)"),
        ("scores.masked_fill(~mask, -math.inf)", "scores.masked_fill(~mask, 0.0)"),
        ("self.total = self.total * shrink + exp", "self.total = self.total + exp"),
        ("self.sum = self.sum * shrink + exp @ v", "self.sum = self.sum + exp @ v"),
        ("self.sum = self.sum * shrink + exp @ v", "self.sum = self.sum * shrink + exp.detach() @ v"),
        ("exp.sum(dim=-1, keepdim=True)", "exp.detach().sum(dim=-1, keepdim=True)"),
        ("        self.largest = largest\n", ""),
        ("return self.sum / self.total", "return self.sum"),
        (PIECE, "row.add(k[..., part, :], v[..., part, :])"),
        ("for start in range(0, keys, chunk):", "for start in range(0, keys - chunk + 1, chunk):"),
        ("for start in range(0, keys, chunk):", "for start in range(0, length, chunk):"),
        (
            "seen = None if mask is None else mask[..., part, :]",
            "seen = None if mask is None else mask[..., :chunk, :]",
        ),
    ),
    *bugs(
        "chunked",
        "every_chunk_gives_the_same_under_every_mask",
        ("mask = mask.expand(*mask.shape[:-2], length, keys)", "pass"),
        (PIECE, "row.add(k[..., part, :], v[..., part, :], None if mask is None else mask[..., :chunk])"),
    ),
    *bugs(
        "chunked",
        "a_query_may_see_nothing_in_the_first_chunks",
        (SAFE, "safe = largest"),
        ("check_mask(mask, tuple(scores.shape), part=True)", "check_mask(mask, tuple(scores.shape))"),
    ),
    *bugs(
        "chunked",
        "scores_as_large_as_they_come_overflow_nowhere",
        (LARGEST, "torch.zeros_like(self.largest)"),
        (LARGEST, "torch.maximum(torch.zeros_like(self.largest), scores.detach().amax(dim=-1, keepdim=True))"),
    ),
    *bugs(
        "chunked",
        "no_tensor_is_larger_than_a_chunk_by_a_chunk_forward_and_backward",
        (
            "for start in range(0, keys, chunk):\n            part = slice(start, start + chunk)",
            "for start in [0]:\n            part = slice(None)",
        ),
        (
            "for start in range(0, max(length, 1), chunk):\n        part = slice(start, start + chunk)",
            "for start in [0]:\n        part = slice(None)",
        ),
    ),
    *bugs(
        "chunked",
        "random_numbers_are_left_alone",
        ("    mixes = []\n", "    torch.rand(1)\n    mixes = []\n"),
    ),
    *bugs(
        "chunked",
        "128_rows_and_columns_at_a_time_unless_told",
        ("chunk: int = 128\n", "chunk: int = 256\n"),
    ),
    *bugs(
        "chunked",
        "no_query_gets_no_answer",
        ("range(0, max(length, 1), chunk)", "range(0, length, chunk)"),
    ),
    *bugs(
        "chunked",
        "pieces_may_come_in_any_order_and_size",
        (LARGEST, "scores.detach().amax(dim=-1, keepdim=True)"),
        ("shrink, exp = (self.largest - safe).exp()", "shrink, exp = (safe - self.largest).exp()"),
    ),
    *bugs(
        "chunked",
        "bad_input_is_refused_in_words",
        ("        if (self.largest == -math.inf).any():\n", "        if False:\n"),
        ("        check_attend(self.q, k, v)\n", ""),
        ("            check_mask(mask, tuple(scores.shape), part=True)\n", ""),
        ("    check_attend(q, k, v)\n", ""),
        ("        check_mask(mask, (*torch.broadcast_shapes(q.shape[:-2], k.shape[:-2]), length, keys))\n", ""),
        (
            "if isinstance(chunk, bool) or not isinstance(chunk, int) or chunk < 1:",
            "if not isinstance(chunk, int) or chunk < 1:",
        ),
    ),
    # ---- timing ----
    *bugs(
        "timing",
        "each_function_runs_once_a_round_and_every_other_round_backwards",
        (IN_TURN, "for name in functions:"),
        (IN_TURN, "for name in list(functions)[:: 1 if turn % 2 else -1]:"),
        (IN_TURN, "for name in list(functions)[:: 1 if turn < 1 else -1]:"),
        ("range(-warmup, rounds)", "range(-1, rounds)"),
        ("range(-warmup, rounds)", "range(rounds)"),
        ("            if turn >= 0:\n                seconds", "            if True:\n                seconds"),
    ),
    *bugs(
        "timing",
        "seven_rounds_after_one_unless_told",
        ("rounds: int = 7", "rounds: int = 5"),
        ("warmup: int = 1", "warmup: int = 0"),
    ),
    *bugs(
        "timing",
        "seconds_are_those_between_begin_and_end_of_each_call",
        ("seconds[name].append(read() - began)", "seconds[name].append(began - read())"),
        (
            "            began = read()\n            functions[name]()\n",
            "            functions[name]()\n            began = read()\n",
        ),
        ("            if turn >= 0:\n                seconds", "            if turn >= 1:\n                seconds"),
        ("read = CLOCKS[clock]", 'read = CLOCKS["cpu"]'),
    ),
    *bugs(
        "timing",
        "the_clocks_are_the_processors_seconds_and_the_walls",
        ('{"cpu": time.process_time if', '{"cpu": time.thread_time if'),
        ('"wall": time.perf_counter}', '"wall": time.process_time}'),
    ),
    *bugs("timing", "processor_seconds_are_read_unless_told", ('clock: str = "cpu"', 'clock: str = "wall"')),
    *bugs(
        "timing",
        "the_gpu_is_waited_for_before_and_after_each_call",
        ("            functions[name]()\n            _wait()\n", "            functions[name]()\n"),
        ("            _wait()\n            began = read()\n", "            began = read()\n"),
        ("            _wait()\n            began = read()\n", "            began = read()\n            _wait()\n"),
    ),
    *bugs(
        "timing",
        "waiting_is_for_a_gpu_that_was_used",
        ("torch.cuda.is_available() and torch.cuda.is_initialized()", "torch.cuda.is_available()"),
        (
            "torch.cuda.is_available() and torch.cuda.is_initialized()",
            "torch.cuda.is_available() or torch.cuda.is_initialized()",
        ),
    ),
    *bugs(
        "timing",
        "the_ratio_is_the_median_of_each_rounds_ratio",
        (
            "ratios = [a / b for a, b in pairs]",
            "ratios = [statistics.median(seconds[over]) / statistics.median(seconds[under])]",
        ),
        ("ratios = [a / b for a, b in pairs]", "ratios = [b / a for a, b in pairs]"),
        ("ratios = [a / b for a, b in pairs]", "ratios = [sum(seconds[over]) / sum(seconds[under])]"),
        ("zip(seconds[over], seconds[under],", "zip(sorted(seconds[over]), sorted(seconds[under]),"),
        ("return Ratio(median, low, high)", "return Ratio(statistics.mean(ratios), low, high)"),
    ),
    *bugs(
        "timing",
        "low_and_high_are_the_quarters_of_the_rounds",
        ('method="inclusive"', 'method="exclusive"'),
        ("return Ratio(median, low, high)", "return Ratio(median, high, low)"),
        ("return Ratio(median, low, high)", "return Ratio(median, min(ratios), max(ratios))"),
    ),
    *bugs(
        "timing",
        "the_exponent_of_a_power_law_is_its_power",
        ("statistics.linear_regression(x, y).slope", "statistics.linear_regression(y, x).slope"),
        ("statistics.linear_regression(x, y).slope", "max(y) / max(x)"),
        (
            "math.log(each) for each in sizes], [math.log(each) for",
            "math.log2(each) for each in sizes], [math.log(each) for",
        ),
    ),
    *bugs(
        "timing",
        "the_exponent_is_the_slope_by_least_squares_on_logarithmic_axes",
        (
            "statistics.linear_regression(x, y).slope",
            "statistics.median([(b - y[0]) / (a - x[0]) for a, b in zip(x[1:], y[1:])])",
        ),
        ("statistics.linear_regression(x, y).slope", "statistics.linear_regression(x, y, proportional=True).slope"),
    ),
    *bugs(
        "timing",
        "a_crossing_lies_where_the_lines_meet",
        ("if gap[i - 1] < 0 <= gap[i]:", "if gap[i] < 0 <= gap[i - 1]:"),
        ("if gap[i - 1] < 0 <= gap[i]:", "if gap[i - 1] < 0 < gap[i]:"),
        ("share = -gap[i - 1] / (gap[i] - gap[i - 1])", "share = 0.5"),
        ("x = [math.log(each) for each in sizes]\n    gap", "x = list(sizes)\n    gap"),
    ),
    *bugs(
        "timing",
        "the_last_of_several_crossings_counts",
        ("for i in range(len(x) - 1, 0, -1):", "for i in range(1, len(x)):"),
    ),
    *bugs(
        "timing",
        "what_is_held_at_one_time_is_added_and_what_is_gone_is_not",
        ("peak = max(peak, held)", "peak = held"),
        ("peak = max(peak, held)", "peak = max(peak, event.nbytes())"),
        ("held += event.nbytes()", "held += max(0, event.nbytes())"),
        ("held += event.nbytes()", "held = event.nbytes()"),
    ),
    *bugs(
        "timing",
        "one_tensor_takes_its_bytes",
        ("profile_memory=True", "profile_memory=False"),
        ('event.name() == "[memory]" and', "event.nbytes() > 0 and not"),
    ),
    *bugs(
        "timing",
        "bad_input_is_refused_in_words",
        ("or not functions or not all", "or not all"),
        ('("rounds", rounds, 1)', '("rounds", rounds, 0)'),
        ('("warmup", warmup, 0)', '("warmup", warmup, -1)'),
        ("positive = all(0 < each < math.inf", "positive = all(not each <= 0"),
        ("or len(set(sizes)) < 2 or not", "or not"),
        ("if list(sizes) != sorted(set(sizes)):", "if list(sizes) != sorted(sizes):"),
    ),
    *bugs(
        "timing",
        "a_refusal_runs_nothing",
        ("    if clock not in CLOCKS:\n", "    [each() for each in functions.values()]\n    if clock not in CLOCKS:\n"),
    ),
    # ---- transformer ----
    *bugs(
        "transformer",
        "sinusoidal_positions_are_the_formula",
        ("[angle.sin(), angle.cos()], dim=-1", "[angle.cos(), angle.sin()], dim=-1"),
        ("[angle.sin(), angle.cos()], dim=-1", "[angle.sin(), angle.cos()], dim=1"),
        ("10_000 ** (", "1_000 ** ("),
        ("torch.arange(0, width, 2) / width", "torch.arange(width // 2) / width"),
        ("torch.arange(0, width, 2) / width", "2 * torch.arange(0, width, 2) / width"),
        ("t = torch.arange(length)", "t = 1 + torch.arange(length)"),
    ),
    *bugs(
        "transformer",
        "a_token_becomes_its_vector_and_that_of_its_position",
        (TABLE, "self.table[: tokens.shape[0], None]"),
        (TABLE, "self.table[-tokens.shape[1] :]"),
        (TABLE, "self.table[:1]"),
        (f" + {TABLE}", ""),
        (f"self.tokens(tokens) + {TABLE}", f"self.tokens(tokens) * {TABLE}"),
        (f"self.tokens(tokens) + {TABLE}", f"self.tokens(tokens) * self.table.shape[1] ** 0.5 + {TABLE}"),
    ),
    *bugs(
        "transformer",
        "the_kinds_of_positions_are_what_they_are_called",
        ('if positions == "sinusoidal" else', 'if positions == "none" else'),
        ("persistent=False", "persistent=True"),
        ("nn.Parameter(torch.randn(longest, width))", "nn.Parameter(torch.randn(1, width).repeat(longest, 1))"),
    ),
    *bugs(
        "transformer",
        "both_tables_learn_and_the_fixed_one_does_not",
        (TABLE, f"{TABLE}.detach()"),
        (f"self.tokens(tokens) + {TABLE}", f"self.tokens(tokens).detach() + {TABLE}"),
    ),
    *bugs(
        "transformer",
        "only_positions_tell_the_order",
        (f"self.tokens(tokens) + {TABLE}", f"self.tokens(tokens) + {TABLE}.mean(0)"),
    ),
    *bugs(
        "transformer",
        "feed_forward_is_the_formula_for_each_token_alone",
        ("nn.GELU()", "nn.ReLU()"),
        ("nn.GELU()", 'nn.GELU("tanh")'),
        ("nn.GELU()", "nn.Identity()"),
        ("inner = 4 * width if inner is None else inner", "inner = 4 * width"),
    ),
    *bugs(
        "transformer",
        "a_block_is_torchs_encoder_layer",
        (LOOK, LOOK.replace("x + ", "")),
        (LOOK, LOOK.replace("mask=mask", "mask=None")),
        (LOOK, "x = x + self.attention(x, mask=mask)"),
        (LOOK, "x = self.norm_attention(x + self.attention(x, mask=mask))"),
        (LOOK, "x = self.norm_attention(x)\n        x = x + self.attention(x, mask=mask)"),
        (LOOK, LOOK.replace("norm_attention", "norm_feed_forward")),
        (WORK, WORK.replace("x + ", "")),
        (WORK, "x + self.feed_forward(x)"),
        (WORK, "self.norm_feed_forward(x + self.feed_forward(x))"),
        (WORK, "x + self.norm_feed_forward(self.feed_forward(x))"),
    ),
    *bugs(
        "transformer",
        "a_block_with_cross_attention_is_torchs_decoder_layer",
        (CROSS, "pass"),
        (CROSS, CROSS.replace("x + ", "")),
        (CROSS, CROSS.replace("context, context_mask", "None, mask")),
        (CROSS, CROSS.replace(", context_mask", "")),
        (CROSS, CROSS.replace("self.norm_cross(x)", "x")),
        (CROSS, CROSS.replace("context, ", "self.norm_cross(context), ")),
        (CROSS, CROSS.replace("norm_cross", "norm_attention")),
        (CROSS, CROSS.replace("self.cross(", "self.attention(")),
    ),
    *bugs(
        "transformer",
        "gradients_flow_through_a_block",
        (WORK, WORK.replace("(x))", "(x.detach()))")),
        (LOOK, LOOK.replace("_attention(x)", "_attention(x.detach())")),
        (CROSS, CROSS.replace(" context,", " context.detach(),")),
    ),
    *bugs(
        "transformer",
        "an_encoder_is_torchs_stack",
        ("mask = None if lengths is None else padding_mask(lengths, tokens.shape[1])", "mask = None"),
        ("x = block(x, mask)\n        return self.norm(x)", "x = block(x)\n        return self.norm(x)"),
        (
            "x = block(x, mask)\n        return self.norm(x)",
            "x, mask = block(x, mask), None\n        return self.norm(x)",
        ),
        ("        return self.norm(x)", "        return x"),
    ),
    *bugs(
        "transformer",
        "a_language_model_is_torchs_stack_under_a_causal_mask",
        ("x = block(x, mask)\n        return self.out(self.norm(x))", "x = block(x, mask)\n        return self.out(x)"),
    ),
    *bugs(
        "transformer",
        "a_language_model_does_not_look_ahead",
        (LANGUAGE_MASK, "mask = None"),
        (LANGUAGE_MASK, LANGUAGE_MASK + ".T"),
        (WORK, "x + self.feed_forward(self.norm_feed_forward(x - x.mean(1, keepdim=True)))"),
        (LANGUAGE_MASK, "mask = causal_mask(tokens.shape[1] + 1)[1:, :-1]"),
        (
            "x = block(x, mask)\n        return self.out(",
            "x, mask = block(x, mask), None\n        return self.out(",
        ),
    ),
    *bugs(
        "transformer",
        "an_encoder_decoder_is_torchs",
        ("context = self.encoder(source, lengths)", "context = self.encoder(source)"),
        ("context = self.encoder(source, lengths)", "context = self.encoder.embedding(source)"),
        ("source_mask = None if lengths is None else padding_mask(lengths, source.shape[1])", "source_mask = None"),
        ("x = block(x, mask, context, source_mask)", "x = block(x, None, context, source_mask)"),
        ("x = block(x, mask, context, source_mask)", "x = context = block(x, mask, context, source_mask)"),
    ),
    *bugs(
        "transformer",
        "a_decoder_sees_all_of_the_source_and_nothing_ahead",
        ("mask = causal_mask(target.shape[1]).to(target.device)", "mask = None"),
        ("mask = causal_mask(target.shape[1]).to(target.device)", "mask = causal_mask(target.shape[1]).T"),
    ),
    *bugs(
        "transformer",
        "each_layer_has_a_block_of_its_own",
        (
            "[Block(width, heads, cross=cross) for _ in range(layers)]",
            "[Block(width, heads, cross=cross)] * layers",
        ),
    ),
    *bugs(
        "transformer",
        "bad_input_is_refused_in_words",
        (
            'if (context is not None) != hasattr(self, "cross"):',
            'if context is not None and not hasattr(self, "cross"):',
        ),
        ("int(tokens.max()) >= symbols:", "int(tokens.max()) > symbols:"),
        ("if int(tokens.min()) < 0 or", "if"),
        ("if tokens.shape[1] > longest:", "if tokens.shape[1] > longest + 1:"),
        ("or tokens.dtype == torch.bool:", "or False:"),
        ("if length < 1 or width < 2 or width % 2:", "if length < 1 or width < 2:"),
    ),
    # ---- language ----
    *bugs(
        "language",
        "next_token_loss_is_the_mean_surprise",
        ("tokens[:, 1:].flatten())", "tokens[:, :-1].flatten())"),
        ("tokens[:, 1:].flatten())", 'tokens[:, 1:].flatten(), reduction="sum")'),
        ("model(tokens[:, :-1]).flatten(0, 1)", "model(tokens[:, 1:]).flatten(0, 1)"),
        ("model(tokens[:, :-1]).flatten(0, 1)", "model(tokens[:, :-1]).transpose(0, 1).flatten(0, 1)"),
    ),
    *bugs(
        "language",
        "the_losses_agree_for_an_honest_model",
        ("[:, -1], tokens[:, t])", "[:, -1], tokens[:, t - 1])"),
        ("[:, -1], tokens[:, t])", "[:, 0], tokens[:, t])"),
        ("range(1, tokens.shape[1])]", "range(2, tokens.shape[1])]"),
    ),
    *bugs(
        "language",
        "the_losses_part_for_a_model_that_looks_ahead",
        ("model(tokens[:, :t])[:, -1]", "model(tokens[:, : t + 1])[:, -2]"),
        ("model(tokens[:, :t])[:, -1]", "model(tokens)[:, t - 1]"),
    ),
    *bugs(
        "language",
        "one_loss_trains_and_the_other_only_looks",
        ("return F.cross_entropy(model(tokens[:, :-1])", "return F.cross_entropy(model(tokens[:, :-1]).detach()"),
    ),
    *bugs(
        "language",
        "temperature_zero_takes_the_likeliest_by_hand",
        ("if temperature == 0:", "if False:"),
        ("scores.argmax(dim=-1)", "scores.argmin(dim=-1)"),
        ("else tokens)[:, -1]", "else tokens)[:, 0]"),
    ),
    *bugs(
        "language",
        "tokens_come_as_often_as_the_scores_say",
        ("(scores / temperature)", "(scores * temperature)"),
        ("(scores / temperature)", "scores"),
        ("scores.topk(top_k)", "scores.topk(top_k, largest=False)"),
        ("torch.full_like(scores, -torch.inf)", "torch.full_like(scores, -3.0)"),
        ("top_k < scores.shape[-1]:", "top_k < 0:"),
    ),
    *bugs(
        "language",
        "a_seed_says_all",
        (".manual_seed(seed)", ".manual_seed(0)"),
        ("1, generator=generator)", "1)"),
    ),
    *bugs(
        "language",
        "the_model_sees_the_last_tokens_that_fit",
        ("tokens[:, -longest:] if", "tokens[:, :longest] if"),
        ("tokens[:, -longest:] if", "tokens[:, -longest - 1 :] if"),
        ("tokens[:, -longest:] if", "tokens[:, -1:] if"),
    ),
    *bugs(
        "language",
        "writing_waits_to_be_asked_and_leaves_gradients_on",
        ("@torch.no_grad()\ndef _write(", "def _write("),
    ),
    # ---- translation ----
    *bugs(
        "translation",
        "a_recurrent_encoder_reads_each_sequence_by_itself_in_both_directions",
        ("lengths.cpu(), batch_first=True", "torch.full_like(lengths, tokens.shape[1]), batch_first=True"),
    ),
    *bugs(
        "translation",
        "a_translator_is_its_equation",
        (SUMMARY, "read.mean(1)"),
        (SUMMARY, "(read * real).mean(1)"),
        (SUMMARY, "read.sum(1) / lengths[:, None]"),
        (SUMMARY, "read[:, -1]"),
        ("self.start(summary).tanh()", "self.start(summary)"),
        ("self.start(summary).tanh()[None]", "torch.zeros_like(summary)[None]"),
        ("h, read, padding_mask(lengths, source.shape[1])", "h, read"),
        ("torch.cat([h, looked]", "torch.cat([looked, h]"),
        ("torch.cat([h, looked]", "torch.cat([h, h]"),
    ),
    *bugs(
        "translation",
        "translate_begins_at_the_start_and_goes_on_from_what_it_wrote",
        ("(len(source), 1), start,", "(len(source), 1), 0,"),
        ("lengths)[:, -1].argmax(", "lengths)[:, 0].argmax("),
        ("return written[:, 1:]", "return written[:, :-1]"),
        ("torch.cat([written, following[:, None]]", "torch.cat([written[:, :1], following[:, None], written[:, 1:]]"),
        ("@torch.no_grad()\n", ""),
    ),
    *bugs(
        "translation",
        "bad_input_is_refused_in_words",
        ("int(tokens.max()) >= symbols:", "int(tokens.max()) > symbols:"),
        ("if width < 2 or width % 2:", "if width < 2:"),
    ),
    # ---- baselines ----
    *bugs(
        "baselines",
        "visible_pixels_stay_and_hidden_ones_are_not_looked_at",
        ("images.masked_fill(hidden, 0.0).sum(", "images.sum("),
        ("torch.where(hidden, self.mean.to(images.dtype), images)", "self.mean.to(images.dtype).expand_as(images)"),
        ("torch.where(hidden, filled.view_as(images), images)", "filled.view_as(images)"),
        ("torch.stack(expected).clamp(0, 1)", "torch.stack(expected)"),
        ("(image - self.mean)[seen, None]", "(image - self.mean)[seen, None] + 1e-9 * image.mean()"),
        ("images.flatten(1).masked_fill(~visible, 0.0).to(", "images.flatten(1).to("),
        ("torch.stack(painted).clamp(0, 1).to(images.dtype)", "torch.stack(painted).clamp(0, 1).double()"),
    ),
    *bugs(
        "baselines",
        "the_visible_mean_is_that_of_each_colour_of_each_image",
        (".sum(dim=(2, 3), keepdim=True)  # (B, C, 1, 1)", ".sum(dim=(0, 2, 3), keepdim=True)"),
        (".sum(dim=(2, 3), keepdim=True)  # (B, C, 1, 1)", ".sum(dim=(1, 2, 3), keepdim=True) / images.shape[1]"),
        ("visible / (~hidden).sum(dim=(2, 3), keepdim=True)", "visible / images[0, 0].numel()"),
        ("visible / (~hidden).sum(dim=(2, 3), keepdim=True)", "visible / hidden.sum(dim=(2, 3), keepdim=True)"),
        (
            "cells.repeat_interleave(side, dim=2).repeat_interleave(side, dim=3)",
            "cells.repeat(1, 1, side, side)",
        ),
        (
            "masked.view(-1, 1, rows, columns)",
            "masked.view(-1, 1, columns, rows).mT",
        ),
        (
            "return cells.repeat_interleave(side, dim=2)",
            "cells = cells[:1].expand_as(cells)\n    return cells.repeat_interleave(side, dim=2)",
        ),
    ),
    *bugs(
        "baselines",
        "the_mean_image_is_that_of_the_training_images",
        ("train.mean(dim=0)", "train.median(dim=0).values"),
        ("train.mean(dim=0)", "train.mean(dim=(0, 1)).expand(train.shape[1:])"),
    ),
    *bugs(
        "baselines",
        "gaussian_fill_is_the_conditional_mean",
        ("pixels.T.cov()", "pixels.T @ pixels / len(pixels)"),
        ("pixels.T.cov()", "torch.diag(pixels.var(dim=0))"),
        ("(image - self.mean)[seen, None]", "image[seen, None]"),
        ("+ self.ridge * torch.eye(", "+ self.ridge**2 * torch.eye("),
        ("return self.mean + (across", "return (across"),
        ("torch.cholesky_solve(surprise, root)", "torch.cholesky_solve(surprise, root @ root.T)"),
        ("torch.cholesky_solve(surprise, root)", "torch.linalg.solve(root, surprise)"),
    ),
    *bugs(
        "baselines",
        "neighbours_are_the_nearest_on_the_visible_pixels",
        ("visible.to(seen.dtype) @ self.train.square().T", "self.train.square().sum(dim=1)"),
        ("- 2 * seen @ self.train.T", "- seen @ self.train.T"),
        ("largest=False", "largest=True"),
        ("near.mean(dim=1)", "near[:, 0]"),
        ("near.mean(dim=1)", "near.median(dim=1).values"),
        ("away.topk(self.k,", "away.topk(1,"),
    ),
    *bugs(
        "baselines",
        "biharmonic_continues_a_slope",
        ("inpaint_biharmonic(image.numpy(), hole[0].numpy(), channel_axis=0)", "image.numpy()"),
        ("channel_axis=0)", "channel_axis=0) / 2"),
    ),
    *bugs(
        "baselines",
        "wrong_labels_are_counted_as_wrong",
        (".score(asked, test_labels.numpy())", ".score(rows, train_labels.numpy())"),
    ),
    *bugs(
        "baselines",
        "the_network_has_the_layers_that_it_names",
        ("self.norm_second(self.second(x)).relu()", "self.norm_second(self.second(x))"),
        ("self.norm_first(self.first(images)).relu()", "self.norm_first(self.first(images).relu())"),
        ("x.mean(dim=(2, 3))", "x.amax(dim=(2, 3))"),
        ("stride=2, padding=1)", "stride=2)"),
    ),
    *bugs(
        "baselines",
        "what_cannot_be_painted_is_refused_in_words",
        ("masked.shape != (len(images), rows * columns)", "masked.shape[1:] != (rows * columns,)"),
        ("if masked.all(dim=1).any():", "if masked.all():"),
        ("if not torch.isfinite(images).all():", "if torch.isinf(images).any():"),
        ("or height % side or width % side:", "or height % side:"),
    ),
    *bugs(
        "baselines",
        "bad_input_is_refused_in_words",
        ("if train.min() < 0 or train.max() > 1:", "if train.max() > 1:"),
        ("if not 0 < ridge < math.inf:", "if not 0 <= ridge < math.inf:"),
        ("not 1 <= k <= len(train):", "not 1 <= k:"),
        ("or labels.is_floating_point():", "or labels.is_complex():"),
        ("tuple(images.shape[1:]) != tuple(image)", "tuple(images.shape[2:]) != tuple(image[1:])"),
    ),
    # ---- vision ----
    *bugs(
        "vision",
        "patch_n_is_that_square_of_the_image",
        (TO_PATCHES, "cut.permute(0, 2, 4, 1, 5, 3)"),
        (TO_PATCHES, "cut.permute(0, 2, 4, 3, 5, 1)"),
        (TO_PATCHES, "cut.permute(0, 4, 2, 1, 3, 5)"),
        (TO_PATCHES, "cut"),
        (CUT, "images.unflatten(3, (side, -1)).unflatten(2, (side, -1)).permute(0, 1, 3, 2, 5, 4)"),
        (TO_IMAGES + ".flatten(4).flatten(2, 3)", BOTH_WAYS),
    ),
    *bugs(
        "vision",
        "unpatchify_puts_each_patch_into_its_square",
        (TO_IMAGES, "cut.permute(0, 3, 1, 5, 2, 4)"),
        (TO_IMAGES, "cut.permute(0, 3, 4, 1, 5, 2)"),
        ("(height // side, -1)", "(-1, height // side)"),
    ),
    *bugs(
        "vision",
        "grid_positions_tell_the_row_and_then_the_column",
        ("torch.cat([row, column], dim=-1)", "torch.cat([column, row], dim=-1)"),
        ("torch.cat([row, column], dim=-1)", "torch.stack([row, column], dim=-1).flatten(-2)"),
        ("torch.cat([row, column], dim=-1)", "torch.cat([row + column, row + column], dim=-1)"),
        ("row = sinusoidal_positions(rows,", "row = sinusoidal_positions(rows + 1,"),
        ("dim=-1).flatten(0, 1)", "dim=-1).transpose(0, 1).flatten(0, 1)"),
    ),
    *bugs(
        "vision",
        "it_is_a_strided_convolution_and_torchs_stack",
        (PLACED, "patchify(images, self.side))"),
        (PLACED, PLACED + ".mean(0)"),
        (PLACED, PLACED + ".flip(0)"),
        (PLACED, PLACED + "[: len(images), None]"),
        (PLACED, "patchify(images, self.side) + self.positions.mean())"),
        (CLASS_FIRST, "torch.cat([tokens, self.class_token.expand(len(tokens), 1, -1)], dim=1)"),
        (CLASS_FIRST, "torch.cat([torch.zeros_like(tokens[:, :1]), tokens], dim=1)"),
        (POOL, "tokens.mean(dim=1)"),
        (POOL, POOL.replace("mean", "sum")),
        (POOL, POOL.replace("tokens.mean(dim=1)", "tokens.amax(dim=1)")),
        (POOL, POOL.replace("[:, 0]", "[:, -1]")),
        ("return self.norm(tokens)", "return tokens"),
        ("tokens = block(tokens)", "tokens = self.blocks[0](tokens)"),
        ("tokens = block(tokens)", "tokens = tokens + block(tokens)"),
        ("self.encode(self.embed(images))", "self.embed(images)"),
    ),
    *bugs(
        "vision",
        "the_kinds_of_positions_and_summaries_are_what_they_are_called",
        ('fixed = positions == "sinusoidal"', 'fixed = positions == "none"'),
        ("else torch.zeros(1, width)", "else torch.ones(1, width)"),
        ("persistent=False", "persistent=True"),
        ('if summary == "class" else None', "if True else None"),
        ("nn.Parameter(torch.randn(1, 1, width) * 0.02)", "nn.Parameter(torch.zeros(1, 1, width))"),
        ("nn.Parameter(torch.randn(1, 1, width) * 0.02)", "nn.Parameter(torch.randn(1, 1, width) * 0.2)"),
        ("self.columns, width) * 0.2)", "self.columns, width) * 0.02)"),
        ("if classes is not None else nn.Identity()", "if classes is not None else nn.Linear(width, width)"),
    ),
    *bugs(
        "vision",
        "gradients_flow_through_the_network",
        ("tokens = block(tokens)", "tokens = block(tokens.detach())"),
        (PLACED, PLACED + ".detach()"),
        (CLASS_FIRST, CLASS_FIRST.replace("class_token", "class_token.detach()")),
    ),
    *bugs(
        "vision",
        "each_layer_has_a_block_of_its_own",
        ("Block(width, heads) for _ in range(layers)", "[Block(width, heads)] * layers"),
        ("Block(width, heads) for _ in range(layers)", "Block(width, heads) for _ in range(1)"),
    ),
    *bugs(
        "vision",
        "rollout_is_the_loop",
        (ROLL, "flow @ ((weights.mean(dim=1) + eye) / 2)"),
        (ROLL, "weights.mean(dim=1) @ flow"),
        (ROLL, "(weights.mean(dim=1) + eye) @ flow"),
        (ROLL, "(weights.mean(dim=1).mT + eye) / 2 @ flow"),
        (ROLL, "(weights.amax(dim=1) + eye) / 2 @ flow"),
        (ROLL, "(weights[:, 0] + eye) / 2 @ flow"),
        (ROLL, "(weights.mean(dim=(0, 1)) + eye) / 2 @ flow"),
        ("for weights in listed:", "for weights in listed[-1:]:"),
    ),
    *bugs("vision", "rollout_starts_at_the_first_layer", ("for weights in listed:", "for weights in listed[::-1]:")),
    *bugs(
        "vision",
        "occlusion_is_the_loop",
        ("(whole - left)", "(left - whole)"),
        ("(whole - left)", "left"),
        ("covered = patches.clone()", "covered = patches"),
        ("covered[:, n] = fill", "covered[:, n] = 0.0"),
        ("covered[:, n] = fill", "covered[:, : n + 1] = fill"),
        ("covered[:, n] = fill", "covered[:, n] += fill"),
        (COVERED, COVERED.replace(".softmax(dim=-1)", "")),
        ("whole = scores.softmax(dim=-1)", "whole = scores.softmax(dim=0)"),
        ("whole.argmax(dim=-1", "whole.argmin(dim=-1"),
        ("gather(1, named)", "gather(1, left.argmax(dim=-1, keepdim=True))"),
        ("@torch.no_grad()\n", ""),
        ("return torch.cat(drops, dim=1)", "return torch.cat(drops, dim=1).abs()"),
    ),
    *bugs(
        "vision",
        "occlusion_finds_the_one_patch_that_counts",
        ("gather(1, named)", "gather(1, named[:1].expand_as(named))"),
    ),
    *bugs(
        "vision",
        "occlusion_leaves_the_model_as_it_was",
        ("    scores = model(images)", "    scores = model.train(not model.training)(images)"),
        ("if any(each.training for each in model.modules()):", "if False:"),
    ),
    *bugs(
        "vision",
        "bad_input_is_refused_in_words",
        ("height % side or width % side:", "height % side:"),
        ("height % side or width % side:", "width % side:"),
        ("isinstance(side, bool) or not isinstance(side, int)", "not isinstance(side, int)"),
        ("if not images.is_floating_point():", "if images.dtype == torch.uint8:"),
        ("if not torch.isfinite(images).all():", "if torch.isinf(images).any():"),
        ("if not torch.isfinite(images).all():", "if images.isnan().any():"),
        ("tuple(images.shape[1:]) != tuple(image)", "images.shape[2:] != image[1:]"),
        ("patches.shape[2] == 0 or patches.shape[2] % side**2", "patches.shape[2] == 0"),
        ("patches.shape[2] == 0 or patches.shape[2] % side**2", "patches.shape[2] % side**2"),
        ("if len(shapes) != 1 or any(", "if len(shapes) > 1 or any("),
        ("or shape[-1] != shape[-2] for", "for"),
        ("if width < 4 or width % 4:", "if width < 4 or width % 2:"),
        ("or len(image) != 3:", "or len(image) < 3:"),
        ("or tokens.shape[1] == 0 or", "or"),
        ("or tokens.shape[2] != self.width:", "or tokens.shape[2] > self.width:"),
        ("in enumerate(listed):", "in enumerate(listed[:1]):"),
        ("if not ((each >= 0).all() and (", "if not (("),
        ("((sums - 1).abs() <= 1e-3).all()):", "((sums - 1).abs() <= 2e-2).all()):"),
        (WEIGHTS, "if (each < 0).any() or ((sums - 1).abs() > 1e-3).any():"),
        ("sums = each.sum(dim=-1)", "sums = each.sum(dim=-2)"),
        ("if any(each.training for each in model.modules()):", "if model.training:"),
        ("if scores.ndim != 2 or", "if"),
        ("len(scores) != len(images) or", ""),
        ("or scores.shape[1] < 2:", "or scores.shape[1] < 1:"),
    ),
    # ---- mae ----
    *bugs(
        "mae",
        "each_image_has_the_same_number_of_hidden_patches",
        ("return rank >= patches - hidden", "return rank > patches - hidden"),
        ("return rank >= patches - hidden", "return rank < patches - hidden"),
        ("return rank >= patches - hidden", "return order.flatten(1) >= 1 - ratio"),
        ("ratio * patches + 0.5", "ratio * patches"),
    ),
    *bugs(
        "mae",
        "the_generator_says_all_and_each_image_has_a_mask_of_its_own",
        (DRAWN, "order = torch.rand(1, rows, columns, generator=generator).expand(n, -1, -1)"),
        (DRAWN, "order = torch.rand(n, rows, columns)"),
        (DRAWN, "order = torch.rand(n, rows, columns, generator=torch.Generator().manual_seed(0))"),
        (CORNER, "corner = torch.randint(64, (n, 2))"),
        (CORNER, CORNER.replace("(n, 2)", "(1, 2)") + ".expand(n, 2)"),
        ("row = torch.rand(n, 1, 1, generator=generator)", "row = torch.rand(n, 1, 1)"),
    ),
    *bugs(
        "mae",
        "random_hides_every_patch_equally_often_and_independently",
        (DRAWN, DRAWN + " + 0.1 * torch.arange(columns)"),
        (DRAWN, "order = torch.rand(n, rows, columns, generator=generator).sort(dim=-1).values"),
        ("ratio: float = 0.75", "ratio: float = 0.5"),
        ('kind: str = "random", *', 'kind: str = "grid", *'),
    ),
    *bugs(
        "mae",
        "a_block_is_one_hole_of_the_nearest_patches",
        (RANK, ".argsort(dim=1)"),
        ("return rank >= patches - hidden", "return rank < hidden"),
        ('if kind == "block":', "if False:"),
        (AWAY, AWAY.replace("maximum", "minimum")),
        (AWAY, AWAY.replace("maximum", "add")),
        ("order = order * 1e-3 - away", "order = order * 1e-3 + away"),
        ("order = order * 1e-3 - away", "order = order * 5 - away"),
    ),
    *bugs(
        "mae",
        "a_block_opens_anywhere_equally_often",
        ("* rows - 0.5", "* rows"),
        ("* columns - 0.5", "* rows - 0.5"),
        ("* columns - 0.5", "* (columns - 1)"),
    ),
    *bugs(
        "mae",
        "a_grid_leaves_equally_many_visible_in_each_square",
        ('elif kind == "grid":', "elif False:"),
        ('if kind == "block":', 'if kind in ("block", "grid"):'),
        ("for bit in range(6):", "for bit in range(1):"),
        ("for bit in range(6):", "for bit in reversed(range(6)):"),
        ("_evenly(i[:, :, None], j[:, None, :])", "_evenly(j[:, :, None], i[:, None, :])"),
    ),
    *bugs(
        "mae",
        "half_a_grid_is_a_chessboard",
        ("(i >> bit ^ j >> bit) & 1", "(i >> bit) & 1"),
        ("2 * ((i >> bit ^ j >> bit) & 1) + (j >> bit & 1)", "((i >> bit ^ j >> bit) & 1) + 2 * (j >> bit & 1)"),
    ),
    *bugs(
        "mae",
        "a_grid_starts_at_any_corner_equally_often",
        (CORNER, "corner = torch.zeros(n, 2, dtype=torch.long)"),
        (CORNER, CORNER.replace("randint(64", "randint(3")),
        ("torch.arange(columns) + corner[:, 1:]", "torch.arange(columns) + corner[:, :1]"),
    ),
    *bugs(
        "mae",
        "it_paints_as_the_loops_over_torchs_layers",
        (SEEN, "tokens[masked].unflatten(0, (len(images), -1))"),
        (SEEN, SEEN + ".flip(1)"),
        (SEEN, "tokens[~masked].unflatten(0, (-1, len(images))).transpose(0, 1)"),
        (SEEN, "tokens * ~masked[..., None]"),
        (READ, "return visible"),
        ("narrow = self.narrow(latents)", "narrow = latents"),
        ("narrow = self.narrow(latents)", "narrow = self.narrow(latents).relu()"),
        ("self.mask_token.expand(", "torch.zeros_like(self.mask_token).expand("),
        ("tokens = tokens + self.positions", "pass"),
        ("tokens = tokens + self.positions", "tokens = tokens + self.positions[: len(tokens), None]"),
        ("tokens = tokens + self.positions", "tokens = tokens + self.positions * masked[..., None]"),
        ("tokens = tokens + self.positions", "tokens = tokens + self.positions * ~masked[..., None]"),
        ("grid_positions(encoder.rows, encoder.columns,", "grid_positions(encoder.columns, encoder.rows,"),
        (FRONT, "if extra:\n            tokens = torch.cat([tokens, narrow[:, :extra]], dim=1)"),
        (FRONT, "if extra:\n            tokens = torch.cat([0 * narrow[:, :extra], tokens], dim=1)"),
        ("for block in self.blocks:", "for block in self.blocks[:1]:"),
        (PIXELS, "return self.out(tokens[:, extra:])"),
        (PIXELS, "return self.out(self.norm(tokens[:, : masked.shape[1]]))"),
        (PIXELS, "return self.norm(tokens[:, extra:])"),
    ),
    *bugs(
        "mae",
        "hidden_pixels_change_no_bit",
        (READ, "return self.encoder.encode(tokens)[:, -tokens.shape[1] :][~masked].unflatten(0, (len(images), -1))"),
        (READ, "return self.encoder.encode(visible) + tokens.mean()"),
        ("self.encoder.embed(images)", "self.encoder.embed(images - images.mean())"),
        ("self.encoder.embed(images)", "self.encoder.embed(images) * (1 + 1e-9 * images.amax())"),
    ),
    *bugs(
        "mae",
        "each_image_has_its_own_mask",
        (SEEN, "tokens[:, ~masked[0]]"),
        (PLACE, "tokens[:, ~masked[0]] = narrow[:, extra:]"),
    ),
    *bugs(
        "mae",
        "the_encoder_works_on_the_visible_patches_alone",
        (SEEN, "tokens"),
        (SEEN, "(tokens * ~masked[..., None])"),
    ),
    *bugs(
        "mae",
        "the_encoder_gets_the_visible_tokens_in_their_order",
        (SEEN, "tokens[~masked].unflatten(0, (len(images), -1)).roll(1, dims=1)"),
        (SEEN, "torch.stack([t[~m].sort(0).values for t, m in zip(tokens, masked)])"),
    ),
    *bugs(
        "mae",
        "the_decoder_puts_latents_where_their_patches_stood",
        (PLACE, "tokens[:, : narrow.shape[1] - extra] = narrow[:, extra:]"),
        (PLACE, "tokens[~masked] = narrow[:, extra:].flip(1).flatten(0, 1)"),
        (PLACE, "tokens[~masked] = narrow[:, extra:].transpose(0, 1).flatten(0, 1)"),
        (PLACE, "tokens[~masked] = narrow[:, : narrow.shape[1] - extra].flatten(0, 1)"),
        (PLACE, "tokens[masked] = narrow[:, extra:].flatten(0, 1)"),
    ),
    *bugs(
        "mae",
        "gradients_reach_everything_but_the_hidden_pixels",
        ("self.mask_token.expand(", "self.mask_token.detach().expand("),
        ("self.narrow(latents)", "self.narrow(latents.detach())"),
        (FRONT, FRONT.replace("narrow[:, :extra]", "narrow[:, :extra].detach()").replace("if extra", "if True")),
        (READ, "return self.encoder.encode(visible.detach())"),
    ),
    *bugs(
        "mae",
        "the_state_is_that_of_a_vision_transformer_and_of_a_decoder",
        ("persistent=False", "persistent=True"),
        ("Block(width, heads) for _ in range(layers)", "Block(width, heads) for _ in range(layers + 1)"),
        ("normalised: bool = False", "normalised: bool = True"),
        ("nn.Parameter(torch.randn(width) * 0.02)", "nn.Parameter(torch.zeros(width))"),
    ),
    *bugs(
        "mae",
        "paint_keeps_the_visible_pixels_and_cuts_the_predicted",
        (PAINT, PAINT.replace("masked[..., None]", "~masked[..., None]")),
        (PAINT, PAINT.replace(".clamp(0, 1)", "")),
        (PAINT, PAINT.replace(".clamp(0, 1)", ".clamp(min=0)")),
        (PAINT, PAINT.replace(".clamp(0, 1)", ".sigmoid()")),
        (PAINT, PAINT.replace(".clamp(0, 1)", "") + ".clamp(0, 1)"),
        (PAINT, "self(images, masked).clamp(0, 1)"),
        ("return unpatchify(patches, side, height, width)", "return unpatchify(patches, side, width, height)"),
    ),
    *bugs(
        "mae",
        "the_target_is_the_patches_or_the_normalised_patches",
        ("normalise(patches)[0] if self.normalised else patches", "patches"),
        ("normalise(patches)[0] if self.normalised else patches", "normalise(patches)[0]"),
        ("normalise(patches)[0] if self.normalised", "normalise(patches)[1] if self.normalised"),
    ),
    *bugs(
        "mae",
        "normalise_takes_mean_and_spread_from_each_patch_alone",
        ("patches.mean(dim=-1, keepdim=True)", "patches.mean(dim=1, keepdim=True)"),
        ("patches.mean(dim=-1, keepdim=True)", "patches.mean(dim=(1, 2), keepdim=True)"),
        ("patches.var(dim=-1, keepdim=True)", "patches.var(dim=1, keepdim=True)"),
        ("patches.var(dim=-1, keepdim=True)", "patches.var(dim=-1, keepdim=True, correction=0)"),
        ("(variance + 1e-6).sqrt()", "variance + 1e-6"),
        ("(variance + 1e-6).sqrt()", "(variance + 1e-2).sqrt()"),
        ("(patches - mean) / spread, mean, spread", "(patches - mean) / spread, mean, variance"),
        ("(patches - mean) / spread, mean, spread", "patches / spread - mean, mean, spread"),
    ),
    *bugs(
        "mae",
        "normalised_patches_have_mean_0_and_variance_1_and_a_flat_one_stays_finite",
        ("(variance + 1e-6).sqrt()", "variance.sqrt()"),
    ),
    *bugs(
        "mae",
        "the_loss_is_the_mean_over_the_pixels_of_the_hidden_patches",
        (ERROR, "return error[~masked].mean()"),
        (ERROR, "return error[masked].sum()"),
        (ERROR, "return (error * masked).mean()"),
        (ERROR, "return ((error * masked).sum(1) / masked.sum(1).clamp(min=1)).mean()"),
        (".square().mean(dim=-1)", ".abs().mean(dim=-1)"),
        (".square().mean(dim=-1)", ".square().sum(dim=-1)"),
        (".square().mean(dim=-1)", ".mean(dim=-1).square()"),
        ('if on == "all":', 'if on == "hidden":'),
        ('on: str = "hidden"', 'on: str = "all"'),
    ),
    *bugs(
        "mae",
        "the_loss_is_blind_to_visible_patches",
        (ERROR, "return error.mean()"),
        (ERROR, "return (error * masked).sum() / error.detach().sum() * error.detach().mean()"),
        (ERROR, "return error[masked].mean().detach() + error.mean() - error.mean().detach()"),
    ),
    *bugs(
        "mae",
        "bad_input_is_refused_in_words",
        ("if not 0 < ratio < 1:", "if not 0 < ratio <= 1:"),
        ("if not 0 < ratio < 1:", "if ratio <= 0 or ratio >= 1:"),
        ("if masked.dtype != torch.bool or masked.shape", "if masked.shape"),
        ("masked.shape != (images, patches)", "masked.shape[-1] != patches"),
        ("if int(visible.min()) == 0:", "if int(visible.max()) == 0:"),
        ("if int(visible.min()) != int(visible.max()):", "if False:"),
        ("if not masked.any():", "if False:"),
        ("if predicted.shape != target.shape or", "if"),
        ('if on not in ("hidden", "all"):', "if False:"),
        ("        if self.normalised:", "        if False:"),
        ("if rows * columns < 2:", "if rows * columns < 1:"),
        ("if not 0 < hidden < patches:", "if not 0 < hidden <= patches:"),
        ("if not 0 < hidden < patches:", "if not 0 <= hidden < patches:"),
        ("if layers < 1:", "if layers < 0:"),
        ("if layers < 1:", "if layers == 0:"),
        ("_check_mask(masked, len(latents), len(self.positions))", "pass"),
        ('extra = 1 if self.encoder.summary == "class" else 0', "extra = latents.shape[1] - int((~masked[0]).sum())"),
        ("if latents.shape != expected:", "if latents.shape[1] > expected[1]:"),
        ("if latents.shape != expected:", "if latents.shape[1] < expected[1]:"),
        ("if latents.shape != expected:", "if latents.shape[1] != expected[1]:"),
        ("_check_images(images, self.encoder.image)", "pass"),
        ("or not patches.is_floating_point():", ":"),
        ("predicted.is_floating_point() and target.is_floating_point()", "predicted.is_floating_point()"),
        ("predicted.is_floating_point() and target.is_floating_point()", "target.is_floating_point()"),
        ("or predicted.ndim != 3 or", "or"),
        ("or predicted.numel() == 0:", ":"),
        ("    if images == 0:", "    if False:"),
    ),
    # ---- transfer ----
    *bugs(
        "transfer",
        "of_each_class_as_many_are_drawn_as_were_asked_for",
        (OF_A_CLASS, "shuffled[: classes * each]"),
        (OF_A_CLASS, OF_A_CLASS.replace("[:each]", "[: each - 1]")),
        (OF_A_CLASS, OF_A_CLASS.replace("shuffled[labels[shuffled] == c]", "(labels == c).nonzero()[:, 0]")),
        (OF_A_CLASS, OF_A_CLASS.replace("[:each]", "[torch.randint(each, (each,), generator=generator)]")),
        (OF_A_CLASS, OF_A_CLASS.replace("labels[shuffled] == c", "labels == c")),
        (
            "torch.Generator().manual_seed(seed)\n    shuffled",
            "torch.Generator().manual_seed(seed + each)\n    shuffled",
        ),
    ),
    *bugs(
        "transfer",
        "every_row_is_drawn_equally_often",
        ("torch.Generator().manual_seed(seed)\n    shuffled", "torch.Generator().manual_seed(0)\n    shuffled"),
        ("torch.randperm(len(labels), generator=generator)", "torch.randperm(len(labels))"),
    ),
    *bugs(
        "transfer",
        "the_encoder_is_copied_and_the_head_only_if_asked",
        (ENCODER, "target.load_state_dict(target.state_dict())"),
        (ENCODER, "source.load_state_dict(target.state_dict())"),
        (WITHOUT_HEAD, "for k, v in source.state_dict().items()"),
        (WITHOUT_HEAD, 'for k, v in source.state_dict().items() if not k.startswith("out.")'),
        (WITHOUT_HEAD, WITHOUT_HEAD.replace('k.startswith("out.")', '"out." in k')),
        (
            ENCODER,
            ENCODER.replace("| given", "| {k: v for k, v in given.items() if k in dict(target.named_buffers())}"),
        ),
        ("return target\n", "return copy.deepcopy(target)\n"),
    ),
    *bugs(
        "transfer",
        "what_happens_to_the_copy_does_not_happen_to_the_source",
        (ENCODER, ENCODER.replace("given)", "given, assign=True)")),
        (ENCODER, f"{ENCODER}\n    target.blocks = source.blocks"),
        (ENCODER, f"{ENCODER}\n    target.norm = source.norm"),
    ),
    *bugs(
        "transfer",
        "another_build_is_refused_and_nothing_copied",
        ("if misfits or builds[0] != builds[1]:", "if misfits:"),
        ("builds = [build_of(each) for each in (source, target)]", f"{ENCODER}\n    builds = ['', '']"),
    ),
    *bugs(
        "transfer",
        "fixed_positions_of_another_kind_are_refused_and_a_target_that_is_no_network",
        (", positions {positions!r}", ""),
        ("if head and not source.state_dict().keys()", "if False and not source.state_dict().keys()"),
    ),
    *bugs(
        "transfer",
        "features_are_what_the_network_says_without_its_head",
        ("encoder.summarise(encoder.encode(encoder.embed(images)))", "encoder(images)"),
        ("encoder.summarise(encoder.encode(encoder.embed(images)))", "encoder.summarise(encoder.embed(images))"),
        ("encoder.summarise(encoder.encode(encoder.embed(images)))", "encoder.encode(encoder.embed(images))[:, 0]"),
        ("        encoder.train(was)", "        pass"),
        ("        encoder.train(was)", "        encoder.train()"),
        ("@torch.no_grad()\ndef features", "def features"),
    ),
    *bugs("transfer", "dropout_rests_while_features_are_taken", ("    encoder.eval()\n", "    pass\n")),
    *bugs(
        "transfer",
        "a_probe_is_logistic_regression_on_standardised_features",
        ("make_pipeline(StandardScaler(), ", "make_pipeline("),
        (ANSWER, f"self.learned[1].predict(self.learned[0].fit_transform({ANSWER[21:-1]}))"),
        (ANSWER, f"self.learned[1].predict({ANSWER[21:-1]})"),
        (LEARN, LEARN.replace("labels.numpy()", "labels[torch.randperm(len(labels))].numpy()")),
        (LEARN, LEARN.replace("labels.numpy()", "labels.flip(0).numpy()")),
        (LEARN, LEARN.replace("features(encoder, images)", "images.flatten(1)")),
        ("LogisticRegression(C=strength,", "LogisticRegression(C=1 / strength,"),
        ("LogisticRegression(C=strength,", "LogisticRegression("),
        ("(self.predict(images) == labels)", "(self.predict(images) != labels)"),
    ),
    *bugs("transfer", "the_strength_is_1_unless_told", ("strength: float = 1.0", "strength: float = 0.5")),
    *bugs(
        "transfer",
        "a_probe_leaves_the_encoder_as_it_was",
        (
            LEARN,
            f"""step = torch.optim.SGD(encoder.parameters(), 0.1)
        torch.nn.functional.cross_entropy(encoder(images), labels).backward()
        step.step()
        step.zero_grad()
        {LEARN}""",
        ),
        (LEARN, f"{LEARN}\n        encoder(images).sum().backward()"),
        (LEARN, f"{LEARN}\n        encoder.requires_grad_(False)"),
        ("encoder.train(was)", "pass"),
    ),
    *bugs(
        "transfer",
        "mixed_weights_lie_between",
        (LERP, "torch.lerp(two[k], one[k], share)"),
        (LERP, "(one[k] + two[k]) / 2"),
        (LERP, "one[k] + share * two[k]"),
        ("share) for k in one}", "share if two[k].ndim > 1 else 1) for k in one}"),
        ("mixed = copy.deepcopy(after)", "mixed = after"),
        ("mixed = copy.deepcopy(after)", "mixed = before"),
    ),
    *bugs("transfer", "the_ends_of_the_mix_are_the_networks_bit_for_bit", (LERP, "one[k] + share * (two[k] - one[k])")),
    *bugs(
        "transfer",
        "low_rank_is_the_dense_layer_with_b_a_added",
        ("torch.zeros(self.out_features, rank", "torch.ones(self.out_features, rank"),
        ("linear.requires_grad_(False)", "linear"),
        (UPDATE, f"{UPDATE} / self.down.shape[0]"),
        (f"self.linear(x) + {UPDATE}", UPDATE),
        (UPDATE, "(x @ self.down.mT).detach() @ self.up.mT"),
        ("self.down = nn.Parameter(", "self.down = torch.Tensor("),
        (
            "self.in_features, self.out_features = linear.in_features, linear.out_features",
            "self.out_features, self.in_features = linear.in_features, linear.out_features",
        ),
        ("generator=generator, dtype=kind)", "generator=generator)"),
    ),
    *bugs(
        "transfer",
        "a_starts_as_random_numbers_that_keep_the_size_of_x",
        ("random / self.in_features**0.5", "random"),
        ("random / self.in_features**0.5", "random / rank**0.5"),
        ("random / self.in_features**0.5", "random * 0"),
    ),
    *bugs(
        "transfer",
        "the_seed_of_the_updates_says_all",
        ("rank, self.in_features, generator=generator,", "rank, self.in_features,"),
        ("LowRank(getattr(layer, name), rank, generator)", "LowRank(getattr(layer, name), rank, torch.Generator())"),
        ("torch.Generator().manual_seed(seed)\n    changed", "torch.Generator().manual_seed(0)\n    changed"),
    ),
    *bugs(
        "transfer",
        "add_low_rank_trains_a_copys_queries_values_and_head",
        ("copy.deepcopy(model).requires_grad_(False)", "copy.deepcopy(model)"),
        ("copy.deepcopy(model).requires_grad_(False)", "model.requires_grad_(False)"),
        ("changed.out.requires_grad_(True)", "pass"),
        ("changed.out.requires_grad_(True)", "changed.requires_grad_(True)"),
        ('("query", "value")', '("query", "key")'),
        ('("query", "value")', '("query", "key", "value")'),
        ("each.numel() * each.element_size()", "each.numel()"),
    ),
    *bugs(
        "transfer",
        "stored_bytes_counts_numbers_by_their_size",
        ("each.numel() * each.element_size()", "each.numel() * 4"),
        ("each.numel() * each.element_size()", "len(each) * each.element_size()"),
    ),
    *bugs(
        "transfer",
        "bad_input_is_refused_in_words",
        ("if counts.min() < each:", "if False:"),
        ("if counts.min() < each:", "if counts[counts > 0].min() < each:"),
        ("minlength=classes)", "minlength=1)"),
        ("if labels.max() >= classes:", "if labels.max() > classes:"),
        ("or not isinstance(each, int) or each < 1", ""),
        ("if len(labels.unique()) < 2:", "if len(labels) < 2:"),
        ("if not torch.isfinite(images).all():", "if torch.isnan(images).any():"),
        ("if len(images) != len(labels):", "if len(images) < len(labels):"),
        ("if not 0 <= share <= 1:", "if share > 1:"),
        ("if not 0 <= share <= 1:", "if share < 0 or share > 1:"),
        ("if labels.min() < 0:", "if False:"),
        ("1 <= rank <= most", "1 <= rank"),
        ("1 <= rank <= most", "rank <= most"),
        ("if classes is not None and labels.max() >= classes:", "if classes is not None and labels.max() > classes:"),
        ("or labels.dtype != torch.int64", ""),
    ),
    # ---- fine_tuning ----
    *bugs(
        "fine_tuning",
        "a_stack_says_what_its_networks_say_and_has_their_gradients",
        (
            "tokens = model.patches(patchify(images, model.side)) + model.positions",
            "tokens = model.patches(patchify(images, model.side))",
        ),
        ("model.out(model.summarise(model.encode(tokens)))", "model.out(model.encode(tokens).mean(dim=1))"),
        (
            "model.out(model.summarise(model.encode(tokens)))",
            "model.out(model.summarise(model.encode(tokens)).detach())",
        ),
        ("own = 0 if images.ndim == 5 else None", "own = None"),
        ("[each[k].detach() for each in named]", "[named[0][k].detach() for each in named]"),
        ("[each[k] for each in fixed]", "[each[k] * 0 for each in fixed]"),
    ),
    *bugs(
        "fine_tuning",
        "write_back_gives_each_network_its_own_weights",
        ("parameter.copy_(self.weights[name][s])", "parameter.copy_(self.weights[name][0])"),
        ("parameter.copy_(self.weights[name][s])", "parameter.data = self.weights[name][s]"),
        ("parameter.copy_(self.weights[name][s])", "pass"),
    ),
    *bugs(
        "fine_tuning",
        "accuracy_is_the_share_named_rightly_of_as_many_as_there_are",
        (
            "torch.cat(right, dim=1).float().mean(dim=1)",
            "torch.stack([r.float().mean(dim=1) for r in right]).mean(dim=0)",
        ),
        ("torch.cat(right, dim=1).float().mean(dim=1)", "right[0].float().mean(dim=1)"),
        ("torch.cat(right, dim=1).float().mean(dim=1)", "torch.cat(right, dim=1).float().mean(dim=0)"),
    ),
    *bugs(
        "fine_tuning",
        "it_is_the_loop_written_out_for_each_network",
        (LOSS, "losses.sum()"),
        (DRAW, DRAW.replace("_draw(each, own,", "_draw(sets[0], own,")),
        (
            "[torch.Generator().manual_seed(seed) for seed in seeds]",
            "[torch.Generator().manual_seed(seeds[0]) for _ in seeds]",
        ),
        ("lambda step: 1 - step / steps", "lambda step: 1"),
        ("lambda step: 1 - step / steps", "lambda step: 1 - (step + 1) / steps"),
        ("        schedule.step()\n", ""),
        ("torch.optim.Adam(groups, fused=True)", "torch.optim.SGD(groups, lr)"),
        ("torch.optim.Adam(groups, fused=True)", "torch.optim.AdamW(groups, fused=True)"),
        ("        optimizer.zero_grad()\n", ""),
        ("lr * decay**below", "lr * decay * below"),
        ("lr * decay**below", "lr"),
        ("frozen = last is not None and below > last", "frozen = last is not None and below < last"),
        ("frozen = last is not None and below > last", "frozen = last is not None and below >= last"),
        ("frozen = last is not None and below > last", "frozen = False"),
        (OLD, "old = (batch + 1) // 2 if rehearsal else 0"),
        (
            "rehearsal[0][pick]]), torch.cat([drawn[1], rehearsal[1][pick]])",
            "rehearsal[0][pick]]), torch.cat([drawn[1], examples[1][pick % len(examples[1])]])",
        ),
        ("drawn = (examples[0][pick], examples[1][pick])", "drawn = (examples[0][pick], examples[1][pick.flip(0)])"),
        ("    stack.write_back()", "    pass"),
    ),
    *bugs(
        "fine_tuning",
        "gradients_are_cut_network_by_network",
        (LENGTHS, LENGTHS.replace("sum(dim=0).sqrt()", "amax(dim=0).sqrt()")),
        (LENGTHS, LENGTHS.replace(".sqrt()", "")),
        (".clamp(max=1)", ""),
        ("        _cut_to_one(trained)\n", ""),
    ),
    *bugs(
        "fine_tuning",
        "a_network_does_not_feel_its_neighbours",
        (LENGTHS, f"{LENGTHS}.norm().expand(len(gradients[0]))"),
        (DRAW, DRAW.replace("_draw(each, own,", "_draw(each, generators[0],")),
        (LOSS, "losses.mean()"),
    ),
    *bugs(
        "fine_tuning",
        "the_seeds_say_all",
        ("[torch.Generator().manual_seed(seed) for seed in seeds]", "[torch.default_generator for seed in seeds]"),
        ("[torch.Generator().manual_seed(seed) for seed in seeds]", "[torch.Generator() for seed in seeds]"),
        ("range(len(models)) if seeds is None", "[0] * len(models) if seeds is None"),
    ),
    *bugs(
        "fine_tuning",
        "last_leaves_what_lies_deeper_bit_for_bit_and_trains_the_rest",
        ('part in ("out", "norm")', 'part == "out"'),
        ("frozen = last is not None and below > last", "frozen = last is not None and part not in ('out', 'norm')"),
    ),
    *bugs(
        "fine_tuning",
        "the_first_step_of_a_layer_is_as_long_as_its_depth_says",
        ("lr * decay**below", "lr * decay ** (layers + 1 - below)"),
        ("else layers + 1\n", "else 0\n"),
        ("else layers + 1\n", "else layers\n"),
        (BELOW, 'int(name.split(".")[2]) + 1'),
    ),
    *bugs(
        "fine_tuning",
        "steps_fall_from_lr_to_almost_0_in_a_line",
        ("lambda step: 1 - step / steps", "lambda step: (1 - step / steps) ** 2"),
        ("lambda step: 1 - step / steps", "lambda step: 1 - step / (2 * steps)"),
    ),
    *bugs(
        "fine_tuning",
        "what_is_frozen_in_the_networks_stays_frozen",
        ("weight.requires_grad and not frozen", "not frozen"),
        (".requires_grad_(first.requires_grad)", ".requires_grad_(True)"),
    ),
    *bugs(
        "fine_tuning",
        "half_of_each_batch_is_rehearsal",
        (OLD, "old = 0"),
        (OLD, "old = batch if rehearsal else 0"),
        (OLD, "old = 1 if rehearsal else 0"),
        ("(batch - old,)", "(batch,)"),
        ("pick = torch.randint(len(rehearsal[1]), (old,), generator=generator)", "pick = torch.arange(old) % 2"),
    ),
    *bugs(
        "fine_tuning",
        "without_rehearsal_a_batch_is_of_its_own_set_with_replacement",
        (
            "torch.randint(len(examples[1]), (batch - old,), generator=generator)",
            "torch.randint(len(examples[1]), (1,), generator=generator).expand(batch)",
        ),
        (
            "torch.randint(len(examples[1]), (batch - old,), generator=generator)",
            "torch.arange(batch) % len(examples[1])",
        ),
        (
            "torch.randint(len(examples[1]), (batch - old,), generator=generator)",
            "torch.randint(max(1, len(examples[1]) - 1), (batch,), generator=generator)",
        ),
    ),
    *bugs(
        "fine_tuning",
        "watch_looks_at_the_start_every_so_often_and_at_the_end",
        ("        watch(0, stack)", "        pass"),
        ("step % every == 0 or step == steps", "step % every == 0"),
        ("step % every == 0 or step == steps", "step == steps"),
        ("            watch(step, stack)", "            watch(step, stack), stack.write_back()"),
    ),
    *bugs(
        "fine_tuning",
        "an_interruption_leaves_the_networks_as_they_were",
        ("        optimizer.step()\n", "        optimizer.step()\n        stack.write_back()\n"),
    ),
    *bugs(
        "fine_tuning",
        "a_loss_that_is_not_finite_is_refused_and_leaves_the_networks_as_they_were",
        ("if not math.isfinite(loss.item()):", "if False:"),
        ("if not math.isfinite(loss.item()):", "if loss.item() == math.inf:"),
    ),
    *bugs(
        "fine_tuning",
        "bad_input_is_refused_in_words",
        ("if build != builds[0] or own != weights[0]:", "if own != weights[0]:"),
        ("if build != builds[0] or own != weights[0]:", "if build != builds[0]:"),
        ("not 0 <= last <= layers", "not 0 <= last"),
        ("if weight.requires_grad:\n", "if True:\n"),
        ("not 0 < value < math.inf", "not 0 <= value < math.inf"),
        ("not 0 < value < math.inf", "not 0 < value"),
        ("if len({id(each) for each in models}) < len(models):", "if False:"),
        ("if rehearsal is not None and numbers", "if False and numbers"),
        ("[*sets, *([rehearsal] if rehearsal is not None else [])]", "sets"),
        ("        _check_fits(self.models[0], examples)\n", ""),
    ),
    # ---- label_efficiency ----
    *bugs(
        "label_efficiency",
        "every_arm_sees_the_same_draws_and_no_more",
        (SET, "sets.append((pool[0][rows], pool[1][rows.flip(0)]))"),
        (SET, "sets.append((pool[0][rows], pool[1][rows[torch.randperm(len(rows))]]))"),
        (SET, "sets.append((pool[0], pool[1]))"),
        (DRAWN_SETS, "rows = draw_labelled(pool[1], each, seed=int(torch.randint(1000, ())))"),
        (DRAWN_SETS, "rows = torch.randperm(len(pool[1]), generator=torch.Generator().manual_seed(seed))[: 3 * each]"),
        (DRAWN_SETS, "rows = draw_labelled(test[1], each, seed=seed)"),
        (EACH_ARM, "arm.accuracies(sets[::-1], test, of[::-1])"),
        (EACH_ARM, "arm.accuracies([(x, y.roll(len(measured))) for x, y in sets], test, of)"),
        (EACH_ARM, "arm.accuracies(sets, pool, of)"),
        ("of.append(seed)", "of.append(seeds[0])"),
        ("found.view(len(seeds), len(labels))", "found.view(len(labels), len(seeds)).T"),
        (
            "    for seed in seeds:\n        for each in labels:",
            "    for seed in seeds:\n        for each in sorted(labels):",
        ),
    ),
    *bugs(
        "label_efficiency",
        "more_labels_hold_the_fewer_and_each_seed_draws_anew",
        (DRAWN_SETS, "rows = draw_labelled(pool[1], each, seed=seed + each)"),
        (DRAWN_SETS, "rows = draw_labelled(pool[1], each, seed=0)"),
    ),
    *bugs(
        "label_efficiency",
        "no_test_image_is_learned_from",
        (SET, "sets.append((torch.cat([pool[0][rows], test[0]]), torch.cat([pool[1][rows], test[1]])))"),
        (TUNED, "fine_tune(models, [test for _ in sets], seeds=seeds, **self.how)"),
    ),
    *bugs(
        "label_efficiency",
        "what_is_not_drawn_is_not_read",
        (SET, "sets.append((pool[0][rows] - pool[0].mean(), pool[1][rows]))"),
        (SET, "sets.append((pool[0][rows], pool[1][rows] * 0 + pool[1].roll(1)[rows]))"),
    ),
    *bugs(
        "label_efficiency",
        "an_arm_that_spoils_the_pool_spoils_no_other",
        (EACH_ARM, "arm.accuracies([(pool[0][:9] + 0 * x[0], pool[1][:9]) for x, _ in sets], test, of)"),
    ),
    *bugs(
        "label_efficiency",
        "an_arm_alone_is_the_arm_among_others",
        (EACH_ARM, "arm.accuracies(sets, test, [seed + len(measured) for seed in of])"),
        (EACH_ARM, "arm.accuracies(sets[len(measured) % 2 :] + sets[: len(measured) % 2], test, of)"),
    ),
    *bugs(
        "label_efficiency",
        "pixels_are_told_apart_by_plain_logistic_regression",
        ("LogisticRegression(C=self.strength,", "LogisticRegression("),
        (PIXEL_FIT, ".fit(images.flatten(1).numpy(), labels.flip(0).numpy())"),
        (PIXEL_FIT, ".fit(test[0].flatten(1).numpy(), test[1].numpy())"),
    ),
    *bugs(
        "label_efficiency",
        "a_probe_is_one_on_the_encoder_or_on_one_for_each_seed",
        ("self.encoder(seed)", "self.encoder(0)"),
        (PROBED, "LinearProbe(encoder, *test).accuracy(*test)"),
        (PROBED, "LinearProbe(encoder, images, labels).accuracy(images, labels)"),
    ),
    *bugs(
        "label_efficiency",
        "tune_starts_where_it_should_and_trains_each_network_on_its_set",
        ("copy_encoder(self.source, model, head=self.keep_head)", "copy_encoder(self.source, model, head=True)"),
        ("copy_encoder(self.source, model, head=self.keep_head)", "copy_encoder(self.source, model)"),
        (
            "copy_encoder(self.source, model, head=self.keep_head)",
            "copy_encoder(model, self.source, head=self.keep_head)",
        ),
        ("copy_encoder(self.source, model, head=self.keep_head)", "model = self.source"),
        ("copy_encoder(self.source, model, head=self.keep_head)", "pass"),
        ("model = self.build(seed)", "model = self.build(0)"),
        (TUNED, "fine_tune(models, sets, **self.how)"),
        (TUNED, "fine_tune(models, sets, seeds=seeds)"),
        (TUNED, "pass"),
        ("Stack(models).accuracy(test)", "Stack(models).accuracy(sets[0])"),
    ),
    *bugs(
        "label_efficiency",
        "with_a_rank_only_updates_of_low_rank_and_the_head_are_trained",
        (STARTED, "return model"),
        (STARTED, STARTED.replace(", seed=seed", "")),
        (STARTED, STARTED.replace("(model, self.rank", "(model, 1")),
    ),
    *bugs(
        "label_efficiency",
        "the_interval_is_students",
        (HALF, "values.std(dim=0) * 1.96 / n**0.5"),
        (HALF, HALF.replace(" / n**0.5", "")),
        (HALF, HALF.replace("n - 1", "n")),
        (HALF, HALF.replace("0.975", "0.95")),
        (HALF, HALF.replace("values.std(dim=0)", "values.std(dim=0, correction=0)")),
        (HALF, HALF.replace("n**0.5", "n")),
        (HALF, f"2 * {HALF}"),
        ("if n < 2:", "if n < 3:"),
        (HALF, HALF.replace("values.std(dim=0)", "values.std()")),
    ),
    *bugs(
        "label_efficiency",
        "the_harm_ends_behind_the_last_harm",
        (
            "labels[harms[-1] + 1] if harms[-1] + 1 < len(labels) else None",
            "labels[harms[0] + 1] if harms[0] + 1 < len(labels) else None",
        ),
        ("labels[harms[-1] + 1] if harms[-1] + 1 < len(labels) else None", "labels[harms[-1]]"),
        (
            "return labels[harms[-1] + 1] if harms[-1] + 1 < len(labels) else None",
            "return labels[min(harms[-1] + 1, len(labels) - 1)]",
        ),
        (HARMS, "enumerate((mean - half < 0).tolist())"),
        (HARMS, "enumerate((mean - half > 0).tolist())"),
        ("        return labels[0]", "        return None"),
    ),
    *bugs(
        "label_efficiency",
        "it_harms_only_where_the_whole_interval_lies_below_0",
        (HARMS, "enumerate((mean < 0).tolist())"),
        (HARMS, "enumerate((mean + half / 2 < 0).tolist())"),
        (HARMS, "enumerate((differences < 0).all(dim=0).tolist())"),
    ),
    *bugs(
        "label_efficiency",
        "bad_input_is_refused_in_words",
        ("    check_apart(pool[0], test[0])", "    pass"),
        ("both = sum(image.numpy().tobytes() in seen for image in test)", "both = int(torch.equal(pool, test))"),
        ("or len(set(seeds)) < len(seeds)", ""),
        ("    check_examples(test)\n", ""),
        ("    check_examples(pool)\n", ""),
        ("if found.shape != (len(sets),):", "if False:"),
        ("if self.keep_head and self.source is None:", "if False:"),
        ("differences.ndim != 2 or", ""),
        ("if any(a >= b", "if any(a > b"),
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
    # ---- data.text ----
    *bugs(
        "data.text",
        "paragraphs_are_the_prose",
        ("text.translate(_PLAIN)", "text"),
        ('or "::=" in block', ""),
        ('or "----" in block', ""),
        ('or lines[0].lstrip().startswith(("+", "|"))', ""),
        ('not lines[0].startswith(" ") or _reads_like_prose(paragraph)', "True"),
        ('not lines[0].startswith(" ") or _reads_like_prose(paragraph)', 'not lines[0].startswith(" ")'),
        ("len(paragraph.split()) >= 6", "len(paragraph.split()) >= 2"),
        (" if c in ALPHABET)", ")"),
    ),
    *bugs(
        "data.text",
        "topics_hold_each_paragraph_in_one_topic_and_in_the_alphabet",
        ("dict.fromkeys(paragraphs(raw[name])) if", "paragraphs(raw[name]) if"),
        (" if each not in seen]", "]"),
        ("if kept[name]}", "if True}"),
    ),
    *bugs(
        "data.text",
        "a_shared_paragraph_is_held_out",
        ("names = sorted(raw, key=lambda name: (name not in HELD_OUT, name))", "names = sorted(raw)"),
    ),
    *bugs("data.text", "no_paragraph_is_in_both_parts", ("seen.update(fresh)", "pass")),
    *bugs(
        "data.text",
        "the_parts_are_whole_topics_and_all_of_them",
        ("parts[name in HELD_OUT]", "parts[name not in HELD_OUT]"),
        ("parts[name in HELD_OUT]", "parts[len(name) % 10 == 0]"),
    ),
    *bugs(
        "data.text",
        "windows_begin_at_every_place_equally_often",
        ("integers(len(numbers) - length + 1,", "integers(len(numbers) - length,"),
        ("integers(len(numbers) - length + 1,", "integers(length,"),
    ),
    *bugs(
        "data.text",
        "pieces_are_the_text_one_after_the_other",
        ("reshape(whole, length)", "reshape(length, whole).T"),
        ("text[: whole * length]", "text[-whole * length :]"),
    ),
    *bugs(
        "data.text",
        "ngram_entropy_is_the_mean_surprise_of_the_best_table",
        ("joint - _entropy(before)", "joint"),
        ("joint - _entropy(before)", "joint / n"),
        ("np.unique(grams[:, :-1]", "np.unique(grams[:, 1:]"),
        ("-(p * np.log(p))", "-(p * np.log2(p))"),
    ),
    *bugs("data.text", "a_seed_says_all", ("np.random.default_rng(seed)", "np.random.default_rng()")),
    # ---- data.dates ----
    *bugs(
        "data.dates",
        "the_two_parts_are_all_days_of_the_range",
        ("% 10 == 0) == held_out", "% 10 == 0) != held_out"),
        ("% 10 == 0) == held_out", "% 9 == 0) == held_out"),
        ("LAST.toordinal() + 1)", "LAST.toordinal())"),
        ("(n * _MIX % 1009 % 10 == 0)", "(n < FIRST.toordinal() + 3652)"),
    ),
    *bugs(
        "data.dates",
        "what_is_drawn_keeps_to_its_part",
        ("days = _days(held_out)", "days = _days(False)"),
        ("days = _days(held_out)", "days = _days(True) + _days(held_out)"),
        ("rng.integers(len(days), size=n)", "rng.integers(len(days) // 2, size=n)"),
    ),
    *bugs(
        "data.dates",
        "what_is_drawn_is_what_it_says",
        ("rng.integers(len(locales), size=n)", "rng.integers(len(locales) - 1, size=n)"),
        ("rng.integers(len(FORMATS), size=n)", "rng.integers(1, len(FORMATS), size=n)"),
        (
            "locale, name = days[k], locales[place], FORMATS[form]",
            "locale, name = days[k], locales[place], FORMATS[-1]",
        ),
    ),
    *bugs(
        "data.dates",
        "a_day_is_written_as_the_locale_does",
        ("format_date(day, form, locale=locale)", "format_date(day, form)"),
        ('form: str = "long"', 'form: str = "medium"'),
    ),
    *bugs(
        "data.dates",
        "every_character_of_every_day_is_in_the_alphabet",
        ("for month in range(1, 13)", "for month in range(1, 7)"),
        ("for form in FORMATS for c", "for form in FORMATS[:1] for c"),
        ('found | set("0123456789/")', "found"),
    ),
    *bugs("data.dates", "a_seed_says_all", ("np.random.default_rng(seed)", "np.random.default_rng(0)")),
    *bugs(
        "data.dates",
        "bad_input_is_refused_in_words",
        ('if not re.fullmatch(r"\\d{4}-\\d\\d-\\d\\d", str(iso)):', "if len(iso) != 10:"),
        ("if locale not in LOCALES:", "if locale[:2] not in LOCALES:"),
        ("_check_locale(locale)  # also those", "pass  # also those"),
        ("if form not in FORMATS:", "if False:"),
    ),
    # ---- data.vocabulary ----
    *bugs(
        "data.vocabulary",
        "the_numbers_are_the_places_in_the_alphabet",
        ("for n, symbol in enumerate(symbols)", "for n, symbol in enumerate(sorted(symbols))"),
    ),
    *bugs(
        "data.vocabulary",
        "decode_undoes_encode",
        ("self._number[symbol] for symbol in text]", "self._number[symbol] for symbol in sorted(text)]"),
    ),
    *bugs(
        "data.vocabulary",
        "bad_input_is_refused_in_words",
        ("if not 0 <= n < len(self)", "if not n < len(self)"),
        ("if not 0 <= n < len(self)", "if not 0 <= n <= len(self)"),
        ("or len(set(symbols)) != len(symbols)", ""),
    ),
    # ---- data.digits ----
    *bugs(
        "data.digits",
        "the_parts_are_all_digits_and_share_none",
        ("order[:-test], order[-test:]", "order[:-test], order[:test]"),
        ("order[:-test], order[-test:]", "order, order[-test:]"),
        ("order[:-test], order[-test:]", "order[-test:], order[:-test]"),
        ("labels[held_out])", "labels[train][: len(held_out)])"),
        ("raw.images[:, None]", "raw.images.transpose(0, 2, 1)[:, None]"),
        ("images[train], labels[train]", "images[train], labels[train[::-1]]"),
        (".permutation(len(images))", ".integers(len(images), size=len(images))"),
    ),
    *bugs(
        "data.digits",
        "pixels_are_sixteenths_from_0_to_1",
        ("[:, None] / 16)", "[:, None] / 15)"),
        ("[:, None] / 16)", "[:, None] / 255)"),
        (".astype(np.float32)", ".astype(np.float64)"),
        ("test: int = 500", "test: int = 450"),
    ),
    *bugs(
        "data.digits",
        "halves_are_the_beginning_and_the_end_of_the_file",
        ('if split == "shuffled":', "if True:"),
        ("order = np.arange(len(images))", "order = np.arange(len(images))[::-1]"),
    ),
    *bugs("data.digits", "shuffled_mixes_the_writers", ('if split == "shuffled":', 'if split == "halves":')),
    *bugs(
        "data.digits",
        "a_seed_says_all",
        ("np.random.default_rng(seed)", "np.random.default_rng(0)"),
        ("np.random.default_rng(seed)", "np.random.default_rng()"),
        ("np.random.default_rng(seed)", "np.random"),
        ("int | np.integer", "int"),
    ),
    *bugs(
        "data.digits",
        "what_is_written_into_the_digits_does_not_come_back",
        ("train, held_out = order[:-test], order[-test:]", "train, held_out = slice(-test), slice(-test, None)"),
    ),
    *bugs(
        "data.digits",
        "bad_input_is_refused_in_words",
        ("if not 1 <= test < len(images):", "if not 0 <= test < len(images):"),
        ("if not 1 <= test < len(images):", "if not 1 <= test <= len(images):"),
        ("if split not in SPLITS:", "if False:"),
        ("_check_whole(seed=seed, test=test)", "_check_whole(test=test)"),
        ("_check_whole(seed=seed, test=test)", "_check_whole(seed=seed)"),
        ("if isinstance(number, bool) or", "if"),
        ("if seed < 0:", "if False:"),
    ),
    # ---- data.glyphs ----
    *bugs(
        "data.glyphs",
        "the_label_is_the_symbol_that_is_seen",
        (CHOSEN, "outlines[fonts * len(symbols) + (labels + 1) % len(symbols)]"),
        (CHOSEN, "outlines[labels * len(FONTS) + fonts]"),
        ("labels.numpy(), fonts.numpy())", "fonts.numpy() % len(symbols), labels.numpy())"),
        ("return F.avg_pool2d(ink, 4)", "return F.avg_pool2d(ink, 4).flip(2)"),
        ("return F.avg_pool2d(ink, 4)", "return F.avg_pool2d(ink, 4).flip(3)"),
        ("return F.avg_pool2d(ink, 4)", "return F.avg_pool2d(ink, 4).mT"),
        ("return F.avg_pool2d(ink, 4)", "return 1 - F.avg_pool2d(ink, 4)"),
        ("return F.avg_pool2d(ink, 4)", "return F.avg_pool2d(ink, 4).roll(1, 0)"),
        (LIMITS, f"8 * {LIMITS}"),
        ("bend = 0.12 *", "bend = 0.4 *"),
    ),
    *bugs(
        "data.glyphs",
        "the_font_is_the_one_that_is_seen",
        (CHOSEN, "outlines[labels]"),
        (CHOSEN, "outlines[(len(FONTS) - 1 - fonts) * len(symbols) + labels]"),
        ("labels.numpy(), fonts.numpy())", "labels.numpy(), fonts.flip(0).numpy())"),
    ),
    *bugs(
        "data.glyphs",
        "a_label_is_the_place_in_the_symbols_that_were_asked_for",
        ("for font in FONTS for symbol in symbols])", "for font in FONTS for symbol in sorted(symbols)])"),
        ("for font in FONTS for symbol in symbols])", "for symbol in symbols for font in FONTS])"),
    ),
    *bugs(
        "data.glyphs",
        "every_symbol_and_font_comes_equally_often_and_each_with_each",
        (
            "torch.randint(len(FONTS), (n,), generator=generator)",
            "torch.randint(len(FONTS) - 1, (n,), generator=generator)",
        ),
        ("torch.randint(len(FONTS), (n,), generator=generator)", "labels * 2"),
        (
            "torch.randint(len(symbols), (n,), generator=generator)",
            "torch.randint(1, len(symbols), (n,), generator=generator)",
        ),
        ("torch.randint(len(symbols), (n,), generator=generator)", "torch.arange(n) * len(symbols) // n"),
    ),
    *bugs(
        "data.glyphs",
        "an_outline_is_the_glyph_as_high_or_wide_as_the_square",
        ("whole[top : top + size[0], left : left + size[1]] = small", "whole[: size[0], : size[1]] = small"),
        ("scale = _FINE / max(ink.shape)", "scale = _FINE / 60"),
        ("    return whole\n", "    return whole.flip(0)\n"),
        ("    ink = ink[rows][:, columns]\n", ""),
        ("/ 255  # (height, width)", "/ 100  # (height, width)"),
    ),
    *bugs(
        "data.glyphs",
        "glyphs_are_moved_turned_bent_and_made_bold_and_thin",
        ("* 2 - 1) * limits", "* 2 - 1) * 0 * limits"),
        (LIMITS, "torch.tensor([0.2, 0.0, 0.15, 0.1, 0.15, 0.05])"),
        (LIMITS, "torch.tensor([0.0, 0.3, 0.15, 0.1, 0.15, 0.05])"),
        (LIMITS, "torch.tensor([0.2, 0.3, 0.15, 0.1, 0.0, 0.05])"),
        ("bend = 0.12 *", "bend = 0.0 *"),
        ("0.25 + 0.4 * torch.rand", "0.45 + 0.0 * torch.rand"),
        ("torch.rand(n, 6, generator=generator)", "torch.rand(1, 6, generator=generator).expand(n, -1)"),
    ),
    *bugs(
        "data.glyphs",
        "there_is_about_as_much_ink_as_in_handwriting",
        ("level = 0.25 + 0.4", "level = 0.6 + 0.4"),
        ("level = 0.25 + 0.4", "level = 0.05 + 0.2"),
    ),
    *bugs(
        "data.glyphs",
        "a_seed_says_all",
        ("manual_seed(int(seed))", "manual_seed(0)"),
        ("torch.Generator().manual_seed(int(seed))", "torch.manual_seed(int(seed))"),
        ("torch.randn(n, 2, 4, 4, generator=generator)", "torch.randn(n, 2, 4, 4)"),
    ),
    *bugs(
        "data.glyphs",
        "another_number_of_glyphs_are_other_glyphs",
        (
            "    return Glyphs(_distort(plain, generator)",
            "    if n < 100:\n        return Glyphs(*[each[:n] for each in glyphs(100, seed=seed, symbols=symbols)])\n"
            "    return Glyphs(_distort(plain, generator)",
        ),
    ),
    *bugs(
        "data.glyphs",
        "bad_input_is_refused_in_words",
        ("if n < 1 or not 0 <= seed < 2**63:", "if not 0 <= seed < 2**63:"),
        ("if n < 1 or not 0 <= seed < 2**63:", "if n < 1 or seed < 0:"),
        ("if strange or len(set(symbols)) < len(symbols):", "if strange:"),
        ("if strange or len(set(symbols)) < len(symbols):", "if len(set(symbols)) < len(symbols):"),
        ("if isinstance(number, bool) or not", "if not"),
    ),
    # ---- data.photos ----
    *bugs(
        "data.photos",
        "a_photo_is_that_of_its_library",
        ("pixels.transpose(2, 0, 1)", "pixels[..., ::-1].transpose(2, 0, 1)"),
        ("pixels.transpose(2, 0, 1)", "pixels.transpose(2, 1, 0)"),
        ("dtype=np.float32) / 255", "dtype=np.float32) / 256"),
        ("found.flags.writeable = False\n    return found\n\n\n@", "return found\n\n\n@"),
        ('"china": "china.jpg"', '"china": "flower.jpg"'),
    ),
    *bugs(
        "data.photos",
        "no_photo_is_in_both_parts",
        ('TRAINING = ("astronaut",', 'TRAINING = ("chelsea", "astronaut",'),
        ('HELD_OUT = ("chelsea", "flower")', 'HELD_OUT = ("chelsea", "camera")'),
    ),
    *bugs(
        "data.photos",
        "a_reduced_photo_is_the_mean_of_each_square",
        (".mean(axis=(2, 4))", "[:, :, 0, :, 0]"),
        (".mean(axis=(2, 4))", ".max(axis=(2, 4))"),
        (
            "reshape(3, height // factor, factor, width // factor, factor).mean(axis=(2, 4))",
            "reshape(3, factor, height // factor, factor, width // factor).mean(axis=(1, 3))",
        ),
        ("cut = whole[:, : height // factor * factor,", "cut = whole[:, -(height // factor * factor) :,"),
        (
            "axis=(2, 4))\n    found.flags.writeable = False",
            "axis=(2, 4))",
        ),
    ),
    *bugs(
        "data.photos",
        "crops_are_of_their_part_and_of_all_of_it_equally_often",
        ("HELD_OUT if held_out else TRAINING", "TRAINING if held_out else HELD_OUT"),
        ("names[rng.integers(len(names))]", "names[rng.integers(len(names) - 1)]"),
        ("names[rng.integers(len(names))]", "names[rng.integers(len(names)) // 2 * 2]"),
    ),
    *bugs(
        "data.photos",
        "no_held_out_pixel_is_in_a_training_crop",
        ("HELD_OUT if held_out else TRAINING", "TRAINING + HELD_OUT"),
        ("HELD_OUT if held_out else TRAINING", "HELD_OUT if held_out else TRAINING + HELD_OUT"),
    ),
    *bugs(
        "data.photos",
        "every_square_of_every_reduction_is_drawn_and_nothing_else",
        ("rng.integers(side - size + 1)", "rng.integers(max(1, side - size))"),
        ("for side in picture.shape[1:])", "for side in [min(picture.shape[1:])] * 2)"),
        ("rng.integers(1, coarsest + 1)", "rng.integers(1, max(2, coarsest))"),
        ("rng.integers(1, coarsest + 1)", "1"),
        ("j : j + size]", "i : i + size]"),
        ("if varied:", "if True:"),
    ),
    *bugs(
        "data.photos",
        "varied_mirrors_turns_and_exchanges_colours_half_of_the_time_each",
        ("square[:, :, ::-1] if mirrored", "square[:, ::-1] if mirrored"),
        ("square[:, :, ::-1] if mirrored", "square[:, :, ::-1] if turned"),
        ("square.transpose(0, 2, 1) if turned", "square if turned"),
        ("square[rng.permutation(3)] if exchanged", "square[::-1] if exchanged"),
        ("square[rng.permutation(3)] if exchanged", "square[[0, 0, 0]] if exchanged"),
        ("rng.random(3) < 0.5", "rng.random(3) < 0.25"),
        ("rng.random(3) < 0.5", "[rng.random() < 0.5] * 3"),
        ("if varied:", "if False:"),
    ),
    *bugs(
        "data.photos",
        "a_seed_says_all",
        ("np.random.default_rng(seed)", "np.random.default_rng()"),
        ("np.random.default_rng(seed)", "np.random.default_rng(0)"),
    ),
    *bugs(
        "data.photos",
        "bad_input_is_refused_in_words",
        ("if not 1 <= factor <= min(height, width):", "if not 1 <= factor <= max(height, width):"),
        ("if not 1 <= size <= smallest:", "if not 0 <= size <= smallest:"),
        ("if not 1 <= size <= smallest:", "if not 1 <= size <= smallest + 1:"),
        ("if n < 1 or seed < 0:", "if seed < 0:"),
        ("if n < 1 or seed < 0:", "if n < 1:"),
        ("if not 1 <= coarsest <= shortest:", "if not 1 <= coarsest:"),
        ("if not 1 <= coarsest <= shortest:", "if not coarsest <= shortest:"),
        ("maxsize=None, typed=True", "maxsize=None"),
        ("_check_whole(n=n, size=size, seed=seed, coarsest=coarsest)", "pass"),
        ("if isinstance(number, bool) or", "if"),
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
