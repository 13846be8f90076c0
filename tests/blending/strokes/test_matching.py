"""Matches: found again where they are known, allowed alone, in agreement with their neighbours."""

import pytest
import torch
import torch.nn.functional as F

from blending.strokes import matching
from blending.strokes.matching import Matches, find_matches


def units(noise, *shape, seed=0):
    return F.normalize(noise(*shape, seed=seed) - 0.5, dim=0)


def everywhere(*shape):
    return torch.ones(shape, dtype=torch.bool)


def test_a_part_of_the_target_is_found_where_it_was_cut(noise):
    offered = units(noise, 24, 20, 23)
    wanted = offered[:, 5:14, 8:18]
    found = find_matches(wanted, offered, everywhere(9, 10), everywhere(20, 23))
    rows, columns = torch.meshgrid(torch.arange(5, 14), torch.arange(8, 18), indexing="ij")
    assert found.width == 23
    assert torch.equal(found.places, rows * 23 + columns)


def test_the_likest_by_the_mean_cosine_of_3_x_3_positions(noise, monkeypatch):
    monkeypatch.setattr(matching, "ROUNDS", 0)  # without the neighbours' say
    wanted, offered = units(noise, 6, 7, 8), units(noise, 6, 9, 11, seed=1)
    found = find_matches(wanted, offered, everywhere(7, 8), everywhere(9, 11)).places
    around = [F.pad(x, (1, 1, 1, 1)) for x in (wanted, offered)]
    patches = [x.unfold(1, 3, 1).unfold(2, 3, 1).permute(1, 2, 0, 3, 4) for x in around]
    own, other = (x.reshape(-1, 6 * 9) for x in patches)
    assert torch.equal(found.flatten(), (own @ other.T).argmax(1))


def test_nothing_is_taken_where_it_is_not_free_nor_matched_where_it_is_not_own(noise):
    offered = units(noise, 24, 12, 12)
    own, free = everywhere(12, 12), everywhere(12, 12)
    own[:3], free[4:, 4:] = False, False
    places = find_matches(offered, offered, own, free).places
    assert (places[:3] == -1).all()
    assert free.flatten()[places[3:].flatten()].all()


def test_few_free_positions_are_enough(noise):
    free = torch.zeros(9, 9, dtype=torch.bool)
    free[2, 3] = True
    found = find_matches(units(noise, 4, 5, 5), units(noise, 4, 9, 9), everywhere(5, 5), free)
    assert (found.places == 2 * 9 + 3).all()


def test_an_object_without_positions_has_no_matches(noise):
    own = torch.zeros(5, 5, dtype=torch.bool)
    found = find_matches(units(noise, 4, 5, 5), units(noise, 4, 9, 9), own, everywhere(9, 9))
    assert (found.places == -1).all()


def agreement(found: Matches):
    """The share of neighbours in a row whose matches are neighbours, too."""
    return (found.places[:, 1:] == found.places[:, :-1] + 1).double().mean()


def test_neighbours_agree_more_with_each_round(noise, monkeypatch):
    offered = units(noise, 24, 24, 24)
    wanted = F.normalize(offered[:, 4:20, 3:19] + 3.5 * units(noise, 24, 16, 16, seed=2), dim=0)
    shares = []
    for rounds in (0, 1, 4):
        monkeypatch.setattr(matching, "ROUNDS", rounds)
        found = find_matches(wanted, offered, everywhere(16, 16), everywhere(24, 24))
        shares.append(agreement(found))
    assert shares == sorted(shares)
    assert shares[-1] > shares[0]


@pytest.mark.parametrize("at_once", [1, 3000, 10**9])
def test_how_much_is_compared_at_once_does_not_matter(at_once, noise, monkeypatch):
    wanted, offered = units(noise, 16, 13, 9), units(noise, 16, 10, 12, seed=3)
    arguments = wanted, offered, everywhere(13, 9), everywhere(10, 12)
    expected = find_matches(*arguments)
    monkeypatch.setattr(matching, "AT_ONCE", at_once)
    assert torch.equal(find_matches(*arguments).places, expected.places)
