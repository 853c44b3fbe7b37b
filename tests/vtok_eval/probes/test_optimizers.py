import pytest
import torch

from vtok_eval.probes.optimizers import StackedMuon, orthogonalised

SHAPES = [(8, 8), (8, 8), (8, 20), (20, 8), (3, 40)]


def matrices(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]


def set_gradients(parameters, seed):
    generator = torch.Generator().manual_seed(seed)
    for parameter in parameters:
        parameter.grad = torch.randn(parameter.shape, generator=generator)


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch before 2.9 has no Muon to compare with")
def test_steps_are_those_of_torchs_muon():
    ours, theirs = matrices(), matrices()
    settings = {"lr": 0.05, "weight_decay": 0.2, "momentum": 0.9}
    first, second = StackedMuon(ours, **settings), torch.optim.Muon(theirs, **settings)
    for step in range(4):
        for parameters, optimizer in ((ours, first), (theirs, second)):
            set_gradients(parameters, step)
            optimizer.step()
    for mine, reference in zip(ours, theirs, strict=True):
        # Both iterate in bfloat16, whose products round by the order of summation.
        assert torch.allclose(mine, reference, atol=2e-3)


def test_a_step_alone_is_the_step_in_a_stack():
    together, alone = matrices(), matrices()
    for parameters, groups in ((together, [together]), (alone, [[each] for each in alone])):
        set_gradients(parameters, 5)
        for group in groups:
            StackedMuon(group, lr=0.1).step()
    for one, other in zip(together, alone, strict=True):
        assert torch.allclose(one, other, atol=2e-3)


def test_singular_values_end_close_to_one():
    found = orthogonalised(torch.randn(5, 16, 30, generator=torch.Generator().manual_seed(2)))
    values = torch.linalg.svdvals(found.float())
    assert values.min() > 0.5
    assert values.max() < 1.4


def test_momentum_and_decay_by_hand():
    # One row: its direction is the normalised gradient, whose length the iteration brings to about .7-1.2.
    weight = torch.nn.Parameter(torch.tensor([[1.0, 0.0]]))
    weight.grad = torch.tensor([[0.0, 2.0]])
    optimizer = StackedMuon([weight], lr=0.1, weight_decay=0.5)
    optimizer.step()
    assert weight[0, 0].item() == pytest.approx(0.95)  # 1 - .1 x .5, and no gradient along it
    assert -0.13 < weight[0, 1].item() < -0.06
    assert torch.allclose(optimizer.state[weight]["momentum"], torch.tensor([[0.0, 0.1]]))  # (1 - .95) x 2


def test_no_gradient_no_step_and_a_zero_gradient_stays_finite():
    without, zero = matrices()[:2]
    before = without.detach().clone()
    zero.grad = torch.zeros_like(zero)
    StackedMuon([without, zero], lr=0.1, weight_decay=0.3).step()
    assert torch.equal(without, before)
    assert zero.isfinite().all()


def test_what_is_no_matrix_and_closures_are_refused():
    with pytest.raises(ValueError, match=r"matrices only, not a parameter of shape \(3,\)"):
        StackedMuon([torch.nn.Parameter(torch.zeros(3))], lr=0.1)
    with pytest.raises(ValueError, match="closure"):
        StackedMuon(matrices(), lr=0.1).step(lambda: 0.0)
