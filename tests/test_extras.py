"""What needs a package of an extra names the extra where the package is missing."""

import re
import subprocess
import sys
from pathlib import Path

WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, *_):
        if name in ("torch", "sklearn", "skimage", "bokeh", "distributed", "emcee"):
            raise ModuleNotFoundError(f"No module named '{name}'")

sys.meta_path.insert(0, Missing())
import spicecim

def attempt(action):
    try:
        action()
    except spicecim.errors.MissingPackageError as error:
        print(error)
    else:
        print("nothing is missing")

def fragments():
    import spicecim.validation.forms_architecture.fragments

def photograph():
    from spicecim.images import photograph
    photograph("camera")

def cluster():
    from spicecim.sweeps.cluster import dask_executor
    dask_executor("tcp://127.0.0.1:1")

bench = spicecim.Testbench(
    device={"model": "resistor"}, crossbar={"state": [[1]]}, drive={"kind": "sine", "amplitude": 1, "frequency": 1}
)

def report():
    from spicecim.runs import run_testbench
    run_testbench(bench, "out", engine="reference")
    spicecim.write_report("out")

def posterior():
    spicecim.posterior(None)

for action in (lambda: spicecim.networks.crossbars, fragments, photograph, cluster, report, posterior):
    attempt(action)
"""


def test_the_extra_is_named(tmp_path):
    result = subprocess.run([sys.executable, "-c", WITHOUT], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    named = re.findall(r"^(.*); install the extra: pip install 'spicecim\[(\w+)\]'$", result.stdout, re.MULTILINE)
    said, extras = zip(*named, strict=True)
    assert extras == ("networks", "validations", "demo", "cluster", "report", "posterior")
    assert [re.search("PyTorch|scikit-learn|scikit-image|Dask|Bokeh|emcee", text)[0] for text in said] == [
        "PyTorch", "scikit-learn", "scikit-image", "Dask", "Bokeh", "emcee",
    ]  # fmt: skip
    project = (Path(__file__).parents[1] / "pyproject.toml").read_text()
    assert all(re.search(rf"^{extra} = \[", project, re.MULTILINE) for extra in extras)
