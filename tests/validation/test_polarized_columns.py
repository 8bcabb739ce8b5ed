"""What the validation of polarized columns is made of."""

import subprocess
import sys

import numpy as np
import pytest
from command import spicecim

from spicecim.encodings.bit_sliced import DualCrossbar, Offset, Polarized
from spicecim.validation.polarized_columns.agreement import adversarial_fragments, compare_codes, random_vectors
from spicecim.validation.polarized_columns.crossbars import evenly_drawn, run_in_ngspice

pytestmark = pytest.mark.torch


def test_a_wrong_code_is_counted(rng):
    """Weights that were changed after the run show as codes and products that are off."""
    weights, inputs = rng.integers(1, 256, (8, 2)), rng.integers(128, 256, (1, 8))
    scheme = Polarized(rows=8)
    run, other = run_in_ngspice(scheme, weights, inputs), run_in_ngspice(scheme, weights // 2, inputs)
    right = compare_codes(run)
    assert right[2:5] == (0, 0, 0)
    wrong = compare_codes(run._replace(waveforms=other.waveforms))
    assert min(wrong[2:5]) > 0
    assert wrong.margin > 0.5


@pytest.mark.parametrize("encoding", [Polarized, DualCrossbar, Offset])
def test_adversarial_fragments_reach_the_ends(encoding):
    scheme = encoding(rows=8)
    weights, inputs = adversarial_fragments(scheme)
    assert (weights.min(), weights.max()) == scheme.weight_range
    assert (inputs.min(), inputs.max()) == (0, 255)
    assert not weights[:, 0].any()
    assert not inputs[0].any()
    assert scheme.program(weights).multiply(inputs).products == pytest.approx(inputs @ weights)


def test_vectors_are_drawn_as_they_are(rng):
    inputs = rng.integers(0, 2, (50, 3))
    drawn = random_vectors(inputs, 10)
    assert drawn.any(axis=1).all()
    assert len(evenly_drawn(inputs, 7)) == 7
    assert np.array_equal(evenly_drawn(inputs, 100), inputs)


def test_without_pytorch_the_extra_is_named(tmp_path):
    code = (
        "import sys\n"
        "class NoTorch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'torch': raise ImportError('not there')\n"
        "sys.meta_path.insert(0, NoTorch())\n"
        "from spicecim import validate_polarized_columns\n"
        f"sys.argv = ['spicecim', 'validate', 'polarized-columns', '-o', {str(tmp_path)!r}]\n"
        "from spicecim.cli import main\n"
        "main()"
    )
    (tmp_path / "claims.json").write_text('{"artifacts": ["claims.json"]}')
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert run.returncode == 2
    assert "spicecim[networks]" in run.stderr
    assert (tmp_path / "claims.json").exists()


def test_a_folder_that_is_none_is_refused(tmp_path):
    file = tmp_path / "file"
    file.touch()
    run = spicecim("validate", "polarized-columns", "-o", file)
    assert run.returncode == 2
    assert "file" in run.stderr
