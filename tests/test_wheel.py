"""The wheel carries templates and models, and works where there is no checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

USE = """
import spicecim as sc
from spicecim.resources import resource_folder
bench = sc.Testbench(
    device={"model": "yakopcic", "preset": "jo"}, crossbar={"state": [[0.1]]},
    drive={"kind": "sine", "amplitude": 4, "frequency": 0.2}, analysis={"points_per_period": 50},
)
assert sc.simulate(bench, "ngspice").sizes["column"] == sc.simulate(bench, "reference").sizes["column"] == 1
print(resource_folder("models"))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
    return next(folder.glob("*.whl"))


def test_it_holds_templates_models_and_types(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for name in ("crossbar.cir.j2", "devices/_behavioral.cir.j2"):
        assert f"spicecim/netlist_templates/{name}" in names
    assert "spicecim/models/linear_drift.yaml" in names
    assert "spicecim/designs/forms_8.yaml" in names
    assert "spicecim/__init__.pyi" in names
    assert "spicecim/py.typed" in names
    assert not any(name.startswith("tests") for name in names)


@pytest.mark.ngspice
def test_it_works_outside_the_checkout(wheel, tmp_path):
    site = tmp_path / "site"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", site, wheel]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    # -S leaves the editable installation of the checkout out; its dependencies come by the path
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), packages])}
    run = subprocess.run(
        [sys.executable, "-S", "-c", USE], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr
    assert Path(run.stdout.strip()) == site / "spicecim" / "models"
