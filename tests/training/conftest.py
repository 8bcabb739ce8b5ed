"""What the tests of training share."""

import pytest

from spicecim.training.digits import split_digits
from spicecim.training.stages import run_stages


@pytest.fixture(scope="session")
def digits():
    """Return the digits, split."""
    return split_digits(0)


@pytest.fixture(scope="session", params=["perceptron", "convolutional"])
def stages(request, digits):
    """All stages of either network."""
    return run_stages(request.param, digits, seed=0)
