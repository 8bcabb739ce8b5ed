"""Who may import whom, and what the package must not hold."""

import ast
from pathlib import Path

import spicecim
import spicecim.veriloga.device
from spicecim.device_choice import DeviceSection
from spicecim.devices.device import Device

PACKAGE = Path(spicecim.__file__).parent

LAYERS = [
    {"cli", "__main__"},
    {"report"},
    {"demo", "validation", "doctor"},
    {"runs", "programming_runs", "extensions"},
    {"accelerator", "fitting", "sweeps"},
    {"plotting", "summary"},
    {"networks"},
    {"encodings"},
    {"hysteresis_sweep", "many", "cure", "operations", "retention"},
    {"measurement"},
    {"measure", "engines", "retention", "variation"},
    {"fixed_points"},
    {"estimates"},
    {"ngspice", "reference"},
    {"netlist"},
    {"reached", "physics", "cell_currents"},
    {"waveforms", "variation", "citation"},
    {"testbench"},
    {"cell_choice"},
    {"pdk"},
    {"device_choice"},
    {"accuracy"},
    {"drive_check", "lines"},
    {"amplifiers"},
    {"drives", "fields", "parasitics"},
    {"veriloga"},
    {"devices"},
    {"children", "forked"},
    {"deadline", "private_files"},
    {"registry"},
    {"problems", "resources", "json_text", "yaml_text", "array_files", "spice_names", "netcdf"},
    {"quantities", "version", "files", "images", "outside", "run_log"},
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


def subclasses(cls):
    """Names of a class and of those below it that are in spicecim; other tests define devices, too."""
    own = {cls.__name__} if cls.__module__.startswith("spicecim.") else set()
    return own.union(*map(subclasses, cls.__subclasses__()))


def names_in(*nodes):
    """Names of the classes of a union, a tuple or one class, and last parts of dotted names."""
    found = [part for node in nodes for part in ast.walk(node)]
    return {getattr(part, "id", getattr(part, "attr", "")) for part in found}


def kinds_told_apart(source):
    """Kinds of device in checks of a class and in unions, and devices that are asked for a field they may not have."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(ast.Name("isinstance" | "issubclass"), [_, kind]):
                yield from names_in(kind) & KINDS
            case ast.Call(ast.Name("hasattr"), [device, _]) | ast.Call(ast.Name("getattr"), [device, _, _]):
                yield from names_in(device) & {"device", "choice", "section"}
            case ast.Compare(ast.Call(ast.Name("type"))):
                yield from names_in(*node.comparators) & KINDS
            case ast.BinOp(op=ast.BitOr()) if len(names_in(node) & KINDS) > 1:
                yield from names_in(node) & KINDS


KINDS = (subclasses(Device) | subclasses(DeviceSection)) - {"Device", "DeviceSection"}


def test_kinds_of_devices_are_told_apart_by_the_devices_alone():
    assert {"Memristor", "ModuleDevice", "LibraryDevice", "SubcircuitDevice", "VerilogADevice"} <= KINDS
    for line in (
        "isinstance(choice, SubcircuitDevice)",
        "isinstance(choice, (int, LibraryDevice))",
        "type(device) is ModuleDevice",
        "device: LibraryDevice | VerilogADevice = 1",
        "getattr(bench.device, 'preset', None)",
    ):
        assert list(kinds_told_apart(line)), line
    for path in PACKAGE.rglob("*.py"):
        if path.relative_to(PACKAGE).parts[0] not in ("devices", "veriloga"):
            assert not list(kinds_told_apart(path.read_text())), path
