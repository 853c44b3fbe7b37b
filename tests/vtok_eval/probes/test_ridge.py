import numpy as np
import torch
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics.pairwise import rbf_kernel

from vtok_eval.data import TokenKind, Tokens
from vtok_eval.probes.features import ClipFeatures, build_table
from vtok_eval.probes.ridge.kernel_ridge import ClipVectors, Kernel, RidgePath, kernels_for


def clip(*groups):
    """Features of one clip from (values, frames, kind) of each group."""
    return ClipFeatures(
        tuple(
            Tokens.of(torch.tensor([values]).half(), frame=torch.tensor(frames), kind=kind)
            for values, frames, kind in groups
        ),
        (None,) * len(groups),
        bits=0.0,
    )


def table_of(*clips):
    return build_table(clips, [str(number) for number in range(len(clips))])


SPATIAL, MOTION = TokenKind.SPATIAL, TokenKind.MOTION


def test_penalties_share_one_decomposition_and_equal_scikit_learns_ridge():
    rng = np.random.default_rng(0)
    rows, targets, others = rng.normal(size=(30, 6)), rng.normal(size=(30, 3)), rng.normal(size=(7, 6))
    path = RidgePath.of(torch.tensor(rbf_kernel(rows, gamma=0.2)), torch.tensor(targets))
    for penalty in (0.01, 0.5, 4.0):
        reference = KernelRidge(alpha=penalty, kernel="rbf", gamma=0.2).fit(rows, targets)
        coefficients = path.coefficients(penalty).numpy()
        assert np.allclose(coefficients, reference.dual_coef_, atol=1e-8)
        assert np.allclose(rbf_kernel(others, rows, gamma=0.2) @ coefficients, reference.predict(others))


def test_vectors_hold_each_token_at_its_place_by_hand():
    table = table_of(
        clip(([[1.0, 2.0], [3.0, 4.0]], [0, 0], SPATIAL), ([[5.0]], [3], MOTION)),
        clip(([[6.0, 7.0], [8.0, 9.0]], [0, 2], SPATIAL), ([[10.0]], [4], MOTION)),
    )
    vectors = ClipVectors.of(table)
    # Spatial places: frame 0 slots 0 and 1, frame 2 slot 0. Motion: frames 3 and 4.
    assert vectors.rows[0, SPATIAL].tolist() == [[1, 2, 3, 4, 0, 0], [6, 7, 0, 0, 8, 9]]
    assert vectors.rows[1, MOTION].tolist() == [[5, 0], [0, 10]]
    distances = vectors.squared_distances(vectors)
    assert distances[1, MOTION].tolist() == [[0, 125], [125, 0]]


def test_places_that_training_clips_do_not_have_are_ignored():
    places = ClipVectors.of(table_of(clip(([[1.0]], [2], SPATIAL)))).places
    other = ClipVectors.of(
        table_of(clip(([[5.0], [4.0]], [1, 2], SPATIAL)), clip(([[7.0]], [9], SPATIAL))), places
    )
    assert other.rows[0, SPATIAL].tolist() == [[4.0], [0.0]]


def test_there_is_a_kernel_for_each_selection_of_sources():
    distances = {(0, 0): torch.tensor([[0.0, 4.0]]), (1, 1): torch.tensor([[0.0, 6.0]])}
    kernels = kernels_for(distances)
    assert [kernel.title for kernel in kernels] == ["spatial", "motion", "spatial and motion"]
    assert kernels[2].widths == (2.0, 3.0)
    both = kernels[2].between(distances, (1, 2))
    assert torch.allclose(both, torch.tensor([[1.0, np.exp(-(4 / 2 + 6 / 3) / 2)]]).double())
    many = {(number, 0): torch.ones(1, 1) for number in range(5)}
    assert [len(kernel.sources) for kernel in kernels_for(many)] == [1] * 5 + [5]


def test_without_tokens_all_clips_are_equal():
    empty = table_of(*[ClipFeatures((Tokens.of(torch.zeros(1, 0, 3).half()),), (None,), bits=0.0)] * 4)
    vectors = ClipVectors.of(empty)
    (kernel,) = kernels_for(vectors.squared_distances(vectors))
    assert kernel == Kernel((), ())
    assert kernel.title == "no tokens"
    assert torch.equal(kernel.between({}, (4, 4)), torch.ones(4, 4).double())
