"""Effective input cycles in fixed-point formats, counted by hand."""

import numpy as np
import pytest
import torch

from spicecim.encodings import WeightSet
from spicecim.networks import constrain
from spicecim.validation.polarized_columns.activations import Activations, layer_activations
from spicecim.validation.polarized_columns.cycles import FORMATS, cycles_of

pytestmark = pytest.mark.torch


@pytest.fixture
def counted():
    """One layer of two inputs of 8 rows, whose largest magnitude is 3."""
    values = np.zeros((2, 8))
    values[0, 0], values[0, 5], values[1, 7] = 3.0, -0.75, 0.375
    return cycles_of({"own": [Activations(values, np.full((2, 8), 2**15))]})


@pytest.mark.parametrize(
    ("form", "four", "eight"),
    [
        # 255 and 64 of 255, 32 of 255: 8 and 7 bits in the two fragments of one vector, 0 and 6 in the other
        ("8 bits, the layer's largest", (8 + 7 + 0 + 6) / 4, (8 + 6) / 2),
        # 65535, 16384, 8192
        ("16 bits, the layer's largest", (16 + 15 + 0 + 14) / 4, (16 + 14) / 2),
        # 3 is below 4, which leaves 14 bits: 12288, 3072, 1536 of 2^14
        ("16 bits, one point with headroom", (14 + 12 + 0 + 11) / 4, (14 + 11) / 2),
        # in units of 1/256: 768, 192, 96
        ("16 bits, 8 of them behind the point", (10 + 8 + 0 + 7) / 4, (10 + 7) / 2),
        ("16 bits, shifted by a zero point", 16.0, 16.0),
    ],
)
def test_cycles_are_those_counted_by_hand(counted, form, four, eight):
    mean = counted["mean_cycles"].sel(network="own", format=form)
    assert float(mean.sel(fragment=4)) == pytest.approx(four)
    assert float(mean.sel(fragment=8)) == pytest.approx(eight)
    assert float(mean.sel(fragment=128)) == pytest.approx(eight)
    reads = counted["reads"].sel(network="own", format=form, fragment=4)
    assert float(reads) == pytest.approx(2 * four)
    assert float(counted["shuffled"].sel(network="own", format=form, fragment=128)) <= 16.0
    assert set(counted["format"].values) == set(FORMATS)


def test_activations_are_what_a_layer_gets():
    """With borders as zeros, and inputs of both signs as they are."""
    torch.manual_seed(0)
    module = torch.nn.Conv2d(1, 2, 3, padding=1)
    model = constrain(torch.nn.Sequential(module), {"0": WeightSet(levels=255)})
    images = torch.randn(1, 1, 5, 5)
    (layer,) = layer_activations(model, images)
    padded = torch.nn.functional.unfold(images, 3, padding=1)[0].T.double().numpy()
    np.testing.assert_allclose(layer.values, padded, atol=1e-4 * np.abs(padded).max())
    assert layer.shifted.min() == 0
    assert layer.shifted.max() == 2**16 - 1
