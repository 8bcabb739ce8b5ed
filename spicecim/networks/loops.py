"""A plain training loop, for those who have none of their own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from spicecim.encodings.integers import check_integer
from spicecim.encodings.layout import Policy
from spicecim.encodings.weight_sets import Constraint
from spicecim.errors import InputError
from spicecim.networks.admm import Admm
from spicecim.networks.pytorch import one_thread, torch

_BATCH = 64


class Batches:
    """Images and labels in batches, in an order that a seed draws anew for every pass.

    Parameters
    ----------
    images, labels
        Tensors whose first dimension counts the images.
    size
        Images of a batch.
    seed
        Of the order; None for the order as it is.
    """

    def __init__(self, images: Any, labels: Any, size: int = _BATCH, seed: int | None = None) -> None:
        self._images, self._labels, self._size = torch.as_tensor(images), torch.as_tensor(labels), size
        _check_counts(self._images, self._labels)
        self._order = None if seed is None else torch.Generator().manual_seed(seed)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        count = len(self._images)
        order = torch.arange(count) if self._order is None else torch.randperm(count, generator=self._order)
        for chosen in order.split(self._size):
            yield self._images[chosen], self._labels[chosen]


def train(
    model: Any,
    loader: Any,
    epochs: int,
    *,
    rate: float = 3e-3,
    penalty: Callable[[], Any] | None = None,
) -> Any:
    """Train a classifier with Adam on the cross entropy; the model is changed and returned, ready for use.

    The learning rate falls to zero as half a cosine.

    D. P. Kingma and J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, arXiv:1412.6980.

    Parameters
    ----------
    model
        A ``torch.nn.Module``.
    loader
        Batches of inputs and labels, gone through once per epoch.
    epochs
        Passes.
    rate
        Learning rate at the start.
    penalty
        What is added to the loss of every batch, such as `Admm.penalty`.
    """
    check_integer(epochs, "epochs", 0)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    for epoch in range(epochs):
        optimizer.param_groups[0]["lr"] = 0.5 * rate * (1.0 + math.cos(math.pi * epoch / epochs))
        _pass(model, loader, optimizer, penalty)
    return model.eval()


def _pass(model: Any, loader: Any, optimizer: Any, penalty: Callable[[], Any] | None) -> None:
    """Go through the batches once."""
    model.train()
    with one_thread():
        for inputs, labels in loader:
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(inputs), labels)
            if penalty is not None:
                loss = loss + penalty()
            loss.backward()
            optimizer.step()


def train_towards(
    model: Any,
    loader: Any,
    constraints: Mapping[str, Constraint],
    *,
    updates: int = 20,
    epochs: int = 1,
    penalty: tuple[float, float] = (0.01, 3.0),
    rate: float = 1e-3,
    policy: Policy = "channel",
    **signs: Any,
) -> Admm:
    """Draw the weights of a trained model to sets, and put them there: `Admm` with the plain loop.

    Parameters
    ----------
    model
        A trained ``torch.nn.Module``; it is changed.
    loader
        Batches of inputs and labels.
    constraints
        Sets by the name of the module.
    updates, epochs
        How often to project, and the passes in between.
    penalty
        At the first and the last update, in between in geometric progression.
    rate
        Learning rate.
    policy
        Order of a convolution's input lines along the rows.
    **signs
        ``signs`` and ``renewal`` of `Admm`.

    Returns
    -------
    Admm
        With the fitted sets and the residuals.
    """
    check_integer(updates, "updates", 1)
    weights = np.geomspace(*penalty, updates)
    check_integer(epochs, "epochs", 0)
    admm = Admm(model, constraints, float(weights[0]), policy=policy, **signs)
    # one for all: with averages of gradients that begin anew after every update, the first steps have the full rate
    # in every weight, and the weights stay away from their sets
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    for weight in [*weights[1:], None]:
        for _ in range(epochs):
            _pass(model, loader, optimizer, admm.penalty)
        admm.update(None if weight is None else float(weight))
    admm.project()
    model.eval()
    return admm


def accuracy(model: Any, images: Any, labels: Any) -> float:
    """Share of the images whose largest output is that of their label."""
    return float(correct(model, images, labels).mean())


def correct(model: Any, images: Any, labels: Any) -> np.ndarray:
    """Whether the largest output for each image is that of its label (image,)."""
    images, labels = torch.as_tensor(images), torch.as_tensor(labels)
    _check_counts(images, labels)
    model.eval()
    with torch.no_grad():
        found = [model(part).argmax(dim=1) for part in images.split(256)]
    return np.asarray((torch.cat(found) == labels).numpy())


def _check_counts(images: Any, labels: Any) -> None:
    if not len(images) or len(images) != len(labels):
        raise InputError(
            f"labels: must be one for each image, and there must be images; {len(images)} images, {len(labels)} labels"
        )
