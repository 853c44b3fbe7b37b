"""The weights that a user's object holds, as one hash."""

from __future__ import annotations

from vtok_eval.environments.worker.weights import weights_sha256


def state_facts(subject: object) -> dict[str, object]:
    """`state_sha256` of the weights that an object holds; nothing where it holds none.

    Weights are the `state_dict` of the object, where it is a `torch.nn.Module`, and of its attributes that
    are modules, and attributes that are tensors or numpy arrays. Files that a constructor reads by a path of
    its own are thus seen by what was read.

    Example:
        >>> import torch
        >>> class Mine:
        ...     def __init__(self, fill):
        ...         self.weight = torch.full((2, 2), fill)
        >>> state_facts(Mine(0.0)) == state_facts(Mine(0.0)), state_facts(Mine(0.0)) == state_facts(Mine(1.0))
        (True, False)
    """
    found = weights_sha256(subject)
    return {"state_sha256": found} if found else {}
