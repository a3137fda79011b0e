"""The small puzzles: the answers by definition, and networks that train from several seeds."""

import torch
from torch import nn

from lecturelib.puzzles import answer_loss, fit_seeds, left_neighbor, reversal, right_answers, two_neighbors


def test_the_answers_are_those_that_are_asked_for():
    for make in (left_neighbor, two_neighbors, reversal):
        tokens, answers = make(11, 7, 3)
        assert tokens.shape == (11, 7) and tokens.min() >= 0 and tokens.max() <= 7
        assert torch.equal(make(11, 7, 3)[0], tokens) and not torch.equal(make(11, 7, 4)[0], tokens)
        for row, wanted in zip(tokens.tolist(), answers.tolist(), strict=True):
            if make is left_neighbor:
                assert wanted == [row[max(0, t - 1)] for t in range(7)]
            elif make is two_neighbors:
                assert wanted == [[row[t - 1], row[t - 2]] for t in range(7)]  # Python counts round the circle too
            else:
                assert wanted == row[::-1]


def test_right_answers_and_their_loss():
    tokens, answers = two_neighbors(5, 7, seed=1)
    sure = 100.0 * nn.functional.one_hot(answers, 8)

    class Knows(nn.Module):
        def forward(self, asked):
            return sure if torch.equal(asked, tokens) else 0 * sure

    assert right_answers(Knows(), (tokens, answers)).shape == (5, 7, 2)
    assert right_answers(Knows(), (tokens, answers)).mean() == 1
    assert answer_loss(Knows(), (tokens, answers)) < 1e-6
    assert abs(answer_loss(Knows(), (1 + tokens, answers)) - torch.tensor(8.0).log()) < 1e-6


def test_each_seed_makes_its_own_network_and_it_learns():
    def one_token(width):
        return nn.Sequential(nn.Embedding(8, width), nn.Linear(width, 8))

    tokens = torch.arange(8).repeat(40, 1)
    networks = fit_seeds(one_token, 16, data=(tokens, tokens), lr=0.05, steps=120, seeds=3)
    assert len(networks) == 3 and not torch.equal(networks[0][1].weight, networks[1][1].weight)
    assert all(right_answers(each, (tokens, tokens)).mean() == 1 for each in networks)
