"""Trained networks of a package: a face is one, its landmarks are where they are, photographs otherwise hold none."""

import sys

import numpy as np
import pytest
import torch
from skimage import data
from skimage.transform import resize

from spicecim.encodings import IdealArithmetic, WeightSet
from spicecim.errors import InputError, MissingPackageError
from spicecim.networks import constrain, crossbars, in_integers, mtcnn, photographs
from spicecim.networks.matrices import is_held

pytestmark = pytest.mark.torch


EDGES = {"pnet": 12, "rnet": 24, "onet": 48}


def face(edge):
    """The face of a photograph."""
    window = resize(data.astronaut()[50:200, 150:300] / 255.0, (edge, edge), anti_aliasing=True)
    return torch.from_numpy(window).permute(2, 0, 1)[None].to(torch.float32)


@pytest.mark.parametrize("name", EDGES)
def test_a_face_is_told_from_what_is_none(name):
    model = mtcnn(name)
    with torch.no_grad():
        assert float(model(face(EDGES[name]))[-1].flatten()[1]) > 0.95
        assert float(model(photographs(EDGES[name], 20))[-1].flatten(1)[:, 1].mean()) < 0.1


def test_landmarks_are_where_eyes_nose_and_mouth_are():
    """As shares of the window; read from the picture."""
    with torch.no_grad():
        across, down = mtcnn("onet")(face(48))[1].reshape(2, 5).numpy()
    np.testing.assert_allclose(across, [0.36, 0.64, 0.50, 0.35, 0.62], atol=0.03)
    np.testing.assert_allclose(down, [0.33, 0.34, 0.50, 0.63, 0.63], atol=0.03)


def test_it_runs_on_crossbars_with_inputs_of_both_signs():
    model, images = mtcnn("pnet"), photographs(20, 4)
    largest = {name: float(one.weight.detach().abs().max()) for name, one in model.named_modules() if is_held(one)}
    held = {name: WeightSet(levels=1023, scale=value / 1023) for name, value in largest.items()}
    found = crossbars(constrain(mtcnn("pnet"), held), IdealArithmetic(bits=10, input_bits=16), [images])
    with torch.no_grad():
        (_, faces), (_, wanted) = found(images), model(images)
        assert torch.equal(faces, in_integers(found, images)[-1])
    assert found.trunk[0].inputs.zero > 0
    assert float((faces - wanted).abs().max()) < 0.02


def test_what_is_not_there_is_told(monkeypatch):
    with pytest.raises(InputError, match=r"name: must be one of pnet, rnet, onet \(given: 'qnet'\)"):
        mtcnn("qnet")
    with pytest.raises(InputError, match=r"edge: must be an integer from 1 to 75 \(given: 76\)"):
        photographs(76)
    monkeypatch.setitem(sys.modules, "lz4", None)
    with pytest.raises(MissingPackageError, match="mtcnn and lz4; install the extra"):
        mtcnn("pnet")
