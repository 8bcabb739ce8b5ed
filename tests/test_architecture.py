"""Who may import whom, and what the package must not hold."""

import ast
from pathlib import Path

import spicecim

PACKAGE = Path(spicecim.__file__).parent

LAYERS = [
    {"cli", "__main__"},
    {"demo", "validation", "doctor"},
    {"runs", "extensions"},
    {"plotting", "summary"},
    {"training"},
    {"encodings"},
    {"hysteresis_sweep"},
    {"measure", "engines"},
    {"fixed_points"},
    {"estimates"},
    {"ngspice", "reference"},
    {"netlist"},
    {"reached", "physics"},
    {"waveforms"},
    {"testbench"},
    {"device_choice"},
    {"accuracy"},
    {"drive_check"},
    {"drives", "fields"},
    {"veriloga"},
    {"devices"},
    {"children"},
    {"deadline", "private_files"},
    {"registry"},
    {"problems", "resources", "json_text", "yaml_text", "array_files", "netcdf"},
    {"quantities", "version", "files", "outside"},
    {"errors", "limits", "places"},
]
"""From the top down: a room imports its own and lower layers only."""


def rooms_imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [node.module]
            if node.module == "spicecim":
                names = [f"spicecim.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        yield from (name.split(".")[1] for name in names if name.startswith("spicecim."))


def test_imports_go_downwards_only():
    level = {room: depth for depth, layer in enumerate(LAYERS) for room in layer}
    files = [path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py"]
    assert {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in files} == set(level)
    for path in files:
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for other in rooms_imported(path):
            assert level[room] <= level[other], f"{path.name} imports {other}"


def test_the_engines_do_not_know_each_other():
    for one, other in (("ngspice", "reference"), ("reference", "ngspice")):
        for path in (PACKAGE / one).glob("*.py"):
            assert other not in set(rooms_imported(path)), path


def test_pyspice_is_imported_in_one_place():
    users = [path.name for path in PACKAGE.rglob("*.py") if "PySpice.Spice" in path.read_text()]
    assert users == ["session.py"]


def test_everything_public_can_be_imported():
    for name in spicecim.__all__:
        assert getattr(spicecim, name) is not None
    assert "simulate" in dir(spicecim)
