"""Inputs that are wrong, damaged or hostile, and what must be said of each: error class, and a piece of its message.

A row is a name, the input, the class of the error and a piece of its message, which names the field or the line. What
an input is, and how it reaches spicecim, is said at each table. Whoever finds another input adds a row.
"""

from __future__ import annotations

import io
import itertools
import struct
import zipfile
from typing import Any

import numpy as np

from spicecim.errors import (
    InputError,
    SubcircuitError,
    TestbenchError,
    VerilogAError,
    WaveformError,
)

Row = tuple[str, Any, type[Exception], str]

YAML = """\
device: {model: MODEL, parameters: PARAMETERS}
crossbar: {state: STATE, wire_row: WIRE}
drive: {kind: sine, amplitude: AMPLITUDE, frequency: FREQUENCY}
"""
VALUES = {"MODEL": "resistor", "PARAMETERS": "{Ron: 1k, Roff: 1meg}", "STATE": "[[0.5]]", "WIRE": "0",
          "AMPLITUDE": "0.1", "FREQUENCY": "1k"}  # fmt: skip


def yaml_text(**values: str) -> str:
    """The testbench above with some of its values replaced."""
    text = YAML
    for name, value in {**VALUES, **values}.items():
        text = text.replace(name, value)
    return text


def bomb(levels: int, each: int = 10) -> str:
    """A list of lists by aliases, which stands for each**levels numbers."""
    text = "&a0 [" + ", ".join("0" * each) + "]"
    for level in range(1, levels):
        text = f"&a{level} [{text}" + f", *a{level - 1}" * (each - 1) + "]"
    return text


MERGES = "".join(
    f"x{i}: &x{i} {{<<: [{', '.join([f'*x{i - 1}'] * 10)}]}}\n" if i else "x0: &x0 {k: 1}\n" for i in range(9)
)
CHAIN = "\n".join(f"- &b{i} [*b{i - 1}]" if i else "- &b0 [1]" for i in range(5000))

# The text of a testbench in YAML, its bytes, or how many zero bytes it has.
TEXTS: list[Row] = [
    ("aliases in a text", yaml_text(MODEL=bomb(8)), TestbenchError, "more than 2,000,000 values (spicecim.limits.YAML_NODES)"),
    ("aliases in an array", yaml_text(STATE=bomb(7)), TestbenchError, "with aliases counted as what they stand for"),
    ("aliases of merges", MERGES + yaml_text(), TestbenchError, "more than 2,000,000 values"),
    ("aliases that nest", CHAIN, TestbenchError, "more than 32 levels"),
    ("alias within itself", yaml_text(STATE="&a [*a]"), TestbenchError, "line 2: *a stands within what it names"),
    ("unknown alias", yaml_text(STATE="*nobody"), TestbenchError, "line 2, column 19: found undefined alias"),
    ("brackets that nest", "[" * 100_000, TestbenchError, "more than 32 levels"),
    ("braces that nest", "{a: " * 50_000, TestbenchError, "more than 32 levels"),
    ("dashes that nest", "- " * 50_000, TestbenchError, "more than 32 levels"),
    ("indents that nest", "".join(" " * i + "a:\n" for i in range(2000)), TestbenchError, "more than 32 levels"),
    ("a text without end", yaml_text(MODEL="x" * 5_000_000), TestbenchError, "device.model: unknown model 'xxx"),
    ("a file without end", 50_000_001, TestbenchError, "more than 50,000,000 bytes (spicecim.limits.TESTBENCH_BYTES)"),
    ("spaces without end", " " * 3_000_000 + "\x01", TestbenchError, "is no valid YAML"),
    ("a tag of Python", yaml_text(MODEL="!!python/object/apply:os.system [id]"), TestbenchError, "the tag"),
    ("a tag of a time", yaml_text(AMPLITUDE="!!timestamp 2020-99-99"), TestbenchError, "line 3: the tag"),
    ("a tag of bytes", yaml_text(MODEL="!!binary ____"), TestbenchError, "write the value without it"),
    ("a tag of a set", yaml_text(MODEL="!!set {a}"), TestbenchError, "the tag tag:yaml.org,2002:set is refused"),
    ("a tag of a number", yaml_text(AMPLITUDE="!!float abc"), TestbenchError, "the tag tag:yaml.org,2002:float is refused"),
    ("no UTF-8", b"device: \xff\xfe", TestbenchError, "no text in UTF-8: byte 8 is 0xff"),
    ("UTF-16", yaml_text().encode("utf-16"), TestbenchError, "no text in UTF-8"),
    ("a zero byte", "device: \0", TestbenchError, "is no valid YAML"),
    ("an escape character", "device: \x1b[31m", TestbenchError, "is no valid YAML"),
    ("nothing", "", TestbenchError, "must be a section with the keys device, crossbar; it is empty"),
    ("a list", "[1, 2]", TestbenchError, "must be a section with the keys"),
    ("a number", "1e5", TestbenchError, "must be a section with the keys"),
    ("two documents", yaml_text() + "---\n" + yaml_text(), TestbenchError, "expected a single document in the stream, but found"),
    ("a key twice", "device: 1\ndevice: 2\n", TestbenchError, "line 2, column 1: key 'device' stands twice"),
    ("a list as key", "? [1, 2]\n: 3\n", TestbenchError, "unhashable key"),
    ("a number as key", yaml_text(PARAMETERS="{1: 2}"), TestbenchError, "device.parameters"),
    ("no as key", yaml_text(PARAMETERS="{no: 2}"), TestbenchError, "device.parameters"),
    ("cut off", yaml_text()[:90], TestbenchError, "is no valid YAML: line 3"),
    ("a tabulator", "device:\n\tmodel: yakopcic", TestbenchError, "line 2, column 1: while scanning for the next token, found character"),
    ("merge of a number", "<<: 3\n" + yaml_text(), TestbenchError, "mapping"),
    ("an integer of 9999 digits", yaml_text(AMPLITUDE="9" * 9999), TestbenchError, "drive.amplitude"),
    ("a fraction of 99999 digits", yaml_text(AMPLITUDE="'0." + "1" * 99999 + "'"), TestbenchError, "drive.amplitude"),
    ("octal and sexagesimal numbers", yaml_text(AMPLITUDE="1:30"), TestbenchError, "drive.amplitude"),
    ("infinity of YAML", yaml_text(AMPLITUDE=".inf"), TestbenchError, "drive.amplitude: '.inf' is not a quantity in V"),
    ("NaN of YAML", yaml_text(STATE="[[.nan]]"), TestbenchError, "crossbar.state: element [0, 0]"),
    ("an underscore", yaml_text(AMPLITUDE="1_0"), TestbenchError, "drive.amplitude: '1_0' is not a quantity in V"),
    ("a truth value", yaml_text(AMPLITUDE="yes"), TestbenchError, "drive.amplitude: True is not a number"),
    ("null", yaml_text(STATE="~"), TestbenchError, "crossbar.state: None is not a number"),
]  # fmt: skip


def sine(**changes: Any) -> dict[str, Any]:
    """A section `drive` with other values."""
    return {"drive": {"kind": "sine", "amplitude": 0.1, "frequency": 1e3, **changes}}


def crossbar(state: Any = 0.5, **changes: Any) -> dict[str, Any]:
    """A section `crossbar` with other values."""
    return {"crossbar": {"state": [[state]], **changes}}


def pulse(**changes: Any) -> dict[str, Any]:
    """A section `drive` of pulses with other values."""
    return {"drive": {"kind": "pulse", "high": 1, "rise": 1, "fall": 1, "width": 1, "period": 9, **changes}}


def samples(time: Any, voltages: Any) -> dict[str, Any]:
    """A section `drive` of samples."""
    return {"drive": {"kind": "samples", "time": time, "voltages": voltages}}


def drift(**parameters: Any) -> dict[str, Any]:
    """A section `device` with other parameters."""
    return {"device": {"model": "linear_drift", "preset": "hp", "parameters": parameters}}


class Awkward:
    """What no field can hold, and what even says nothing of itself."""

    def __repr__(self) -> str:
        return "awkward\n" * 1000


nested: list[Any] = []
nested.append(nested)
deep: Any = 0.5
for _ in range(500):
    deep = [deep]

# Sections of a testbench, as Python values, that replace those of a valid one.
SECTIONS: list[Row] = [
    ("amplitude 1e999999k", sine(amplitude="1e999999k"), TestbenchError, "drive.amplitude: '1e999999k' is too large"),
    ("amplitude 1e-999999999999999999k", sine(amplitude="1e-999999999999999999999k"), TestbenchError, "drive.amplitude"),
    ("amplitude 1e400", sine(amplitude="1e400"), TestbenchError, "drive.amplitude: '1e400' is not finite"),
    ("amplitude 1e-400", sine(amplitude="1e-400"), TestbenchError, "drive.amplitude: '1e-400' is too small"),
    ("denormal number", sine(amplitude=5e-324), TestbenchError, "drive.amplitude: 5e-324 is too small"),
    ("denormal text", sine(amplitude="4e-320"), TestbenchError, "drive.amplitude: '4e-320' is too small"),
    ("denormal array", sine(amplitude=np.array([1e-310])), TestbenchError, "drive.amplitude: must be 0 or a normal number"),
    ("Arabic digits", sine(amplitude="\u0661\u0662"), TestbenchError, "drive.amplitude: '\u0661\u0662' is not a quantity"),
    ("full-width digits", sine(amplitude="\uff11"), TestbenchError, "drive.amplitude"),
    ("superscript digits", sine(amplitude="\u00b2"), TestbenchError, "drive.amplitude"),
    ("no-break space", sine(amplitude="1\u00a0V"), TestbenchError, "drive.amplitude"),
    ("no-break space around", sine(amplitude="\u00a01"), TestbenchError, "drive.amplitude"),
    ("minus sign of typography", sine(amplitude="\u22121"), TestbenchError, "drive.amplitude"),
    ("decimal comma", sine(amplitude="0,45"), TestbenchError, "drive.amplitude: '0,45' is not a quantity in V"),
    ("other unit", sine(amplitude="1A"), TestbenchError, "drive.amplitude: '1A' is not a quantity in V"),
    ("expression", sine(amplitude="1+1"), TestbenchError, "drive.amplitude: '1+1'"),
    ("braces of SPICE", sine(amplitude="{a}"), TestbenchError, "drive.amplitude: '{a}'"),
    ("line feed in a number", sine(amplitude="1\n.include /etc/passwd"), TestbenchError, "drive.amplitude: '1\\n.inc"),
    ("a text of a megabyte", sine(amplitude="1" * 1_000_000), TestbenchError, "drive.amplitude: '1111"),
    *(
        (f"{text!r} as number", sine(amplitude=text), TestbenchError, f"drive.amplitude: {text!r} is not a quantity in V")
        for text in ("inf", "Infinity", "-INF", "nan", "NaN", "1e", "0x10", "e5", "--1", "1 2", "")
    ),
    ("infinite float", sine(amplitude=float("inf")), TestbenchError, "drive.amplitude: inf is not finite"),
    ("NaN in an array", sine(amplitude=np.array([np.nan])), TestbenchError, "drive.amplitude: must be finite"),
    ("truth value", sine(amplitude=True), TestbenchError, "drive.amplitude: True is not a number"),
    ("truth value of numpy", sine(amplitude=np.True_), TestbenchError, "drive.amplitude: np.True_ is not a number"),
    ("truth values", crossbar() | {"crossbar": {"state": np.array([[True]])}}, TestbenchError, "crossbar.state: element [0, 0]"),
    ("complex number", sine(amplitude=1j), TestbenchError, "drive.amplitude: 1j is not a number"),
    ("complex array", {"crossbar": {"state": np.array([[0.5 + 0j]])}}, TestbenchError, "crossbar.state: element [0, 0]"),
    ("complex text", sine(amplitude="1+2j"), TestbenchError, "drive.amplitude: '1+2j'"),
    ("bytes", sine(amplitude=b"1"), TestbenchError, "drive.amplitude: b'1' is not a number"),
    ("date", sine(amplitude=np.datetime64("2020-01-01")), TestbenchError, "drive.amplitude"),
    ("dates", sine(amplitude=np.array(["2020-01-01"], "M8[D]")), TestbenchError, "drive.amplitude: element [0]"),
    ("records", {"crossbar": {"state": np.zeros((1, 1), [("a", float)])}}, TestbenchError, "crossbar.state: "),
    ("set", {"crossbar": {"state": {1, 2}}}, TestbenchError, "crossbar.state: {1, 2} is not a number"),
    ("dictionary as number", sine(amplitude={"a": 1}), TestbenchError, "drive.amplitude: {'a': 1} is not a number"),
    ("awkward object", sine(amplitude=Awkward()), TestbenchError, "drive.amplitude: awkward awkwa"),
    ("integer of 9999 digits", sine(amplitude=10**9999), TestbenchError, "drive.amplitude: the number is too large"),
    ("masked array", {"crossbar": {"state": np.ma.array([[0.3, 77.0]], mask=[[0, 1]])}}, TestbenchError, "crossbar.state: is an array with masked entries"),
    ("masked times", samples(np.ma.array([0, 1, 2.0], mask=[0, 1, 0]), [[0, 1, 0]]), TestbenchError, "drive.time: is an array with masked"),
    ("masked value", crossbar(np.ma.masked), TestbenchError, "crossbar.state: "),
    ("list within itself", {"crossbar": {"state": nested}}, TestbenchError, "crossbar.state: is nested"),
    ("list 500 deep", {"crossbar": {"state": deep}}, TestbenchError, "crossbar.state: is nested"),
    ("ragged rows", {"crossbar": {"state": [[0.5, 0.5], [0.5]]}}, TestbenchError, "crossbar.state: the rows do not have"),
    ("no rows", {"crossbar": {"state": np.empty((0, 3))}}, TestbenchError, "crossbar.state: must be a list of rows"),
    ("too many cells", {"crossbar": {"state": np.broadcast_to(0.5, (3000, 3000))}}, TestbenchError, "crossbar.state: has more than 4,000,000 cells (spicecim.limits.CELLS)"),
    ("state beyond rounding", crossbar(1.00001), TestbenchError, "crossbar.state: must be between 0 and 1"),
    ("resistance that ngspice replaces", crossbar(wire_row=1e-13), TestbenchError, "crossbar.wire_row: must be 0 or at least 1e-12 ohm"),
    ("sense below ngspice's least", crossbar(sense_resistance="1e-15"), TestbenchError, "crossbar.sense_resistance: must be 0 or at least"),
    ("resistance 1e300", crossbar(source_resistance=1e300), TestbenchError, "crossbar.source_resistance: must be between 0 and 1e+18"),
    ("capacitance 1e-60", crossbar(wire_capacitance=1e-60), TestbenchError, "crossbar.wire_capacitance: must be 0 or at least 1e-24 F"),
    ("capacitance 1e60", crossbar(wire_capacitance=1e60), TestbenchError, "crossbar.wire_capacitance: must be between"),
    ("negative resistance", crossbar(wire_column=-1), TestbenchError, "crossbar.wire_column: must be between 0"),
    ("frequency 1e-300", sine(frequency=1e-300), TestbenchError, "drive.frequency: must be between 1e-18"),
    ("frequency 1e300", sine(frequency=1e300), TestbenchError, "drive.frequency: must be between 1e-18"),
    ("phase 1e300", sine(phase=1e300), TestbenchError, "drive.phase: must be between -1e+06"),
    ("amplitude 1e300", sine(amplitude=1e300), TestbenchError, "drive.amplitude: must be between -1e+06"),
    ("rise 1e-300", pulse(rise=1e-300), TestbenchError, "drive.rise: must be between 1e-18"),
    ("period 1e300", pulse(period=1e300), TestbenchError, "drive.period: must be between 1e-18"),
    ("pulses longer than their period", pulse(width=8), TestbenchError, "drive.period: is shorter than rise + width + fall"),
    ("times that stand still", samples([0, 1, 1], [[0, 1, 2]]), TestbenchError, "drive.time: must start at 0 and increase"),
    ("times apart by nothing", samples([0, 1e-300, 1], [[0, 1, 2]]), TestbenchError, "drive.time"),
    ("times of texts", samples(["a", "b"], [[0, 1]]), TestbenchError, "drive.time: element [0]: 'a' is not a quantity in s"),
    ("one instant", samples([0], [[0]]), TestbenchError, "drive.time: must start at 0"),
    ("duration 1e300", {"analysis": {"duration": 1e300}}, TestbenchError, "analysis.duration: must be between"),
    ("a billion periods", {"analysis": {"periods": 1e9}}, TestbenchError, "analysis.points_per_period"),
    ("frequencies far apart", sine(frequency=[1e-18]) | {"analysis": {"periods": 1e17}}, TestbenchError, "analysis.points_per_period"),
    ("points in Arabic", {"analysis": {"points_per_period": "\u0662\u0660\u0660"}}, TestbenchError, "analysis.points_per_period"),
    ("points as a truth value", {"analysis": {"points_per_period": True}}, TestbenchError, "analysis.points_per_period"),
    ("points as a fraction", {"analysis": {"points_per_period": 20.5}}, TestbenchError, "analysis.points_per_period"),
    ("points 1e30", {"analysis": {"points_per_period": 10**30}}, TestbenchError, "analysis.points_per_period"),
    ("tolerance NaN", {"analysis": {"tolerance": float("nan")}}, TestbenchError, "analysis.tolerance: nan is not finite"),
    ("Ron 1e-300", drift(Ron=1e-300), TestbenchError, "device.parameters: Ron: must be 0, or between 1e-30 and 1e+30"),
    ("Roff 1e300", drift(Roff=1e300), TestbenchError, "device.parameters: Roff: must be 0, or between"),
    ("D 1e-200", drift(D="1e-200"), TestbenchError, "device.parameters: D: must be 0, or between"),
    ("Ron NaN", drift(Ron=float("nan")), TestbenchError, "device.parameters: nan is not finite"),
    ("Ron above Roff", drift(Ron="1meg"), TestbenchError, "Roff: must be above Ron"),
    ("p 1e300", drift(p=1e300), TestbenchError, "device.parameters: p: "),
    ("a parameter as list", drift(Ron=[100]), TestbenchError, "device.parameters.Ron: must be a list of rows"),
    ("parameters as a list", {"device": {"model": "resistor", "parameters": [1]}}, TestbenchError, "device.parameters"),
    ("a model as list", {"device": {"model": ["resistor"]}}, TestbenchError, "device.model"),
    ("a model of a path", {"device": {"model": "../../etc/passwd"}}, TestbenchError, "device.model: unknown model"),
    ("a preset of a path", {"device": {"model": "resistor", "preset": "../x"}}, TestbenchError, "device.preset: unknown preset"),
    ("a device of a text", {"device": "resistor"}, TestbenchError, "device: must be a dictionary"),
    ("two kinds of device", {"device": {"model": "resistor", "verilog_a": "a.va"}}, TestbenchError, "device: has both"),
    ("a file of many letters", {"device": {"verilog_a": "x" * 5000}}, InputError, "x"),
    ("a file with a zero byte", {"device": {"verilog_a": "a\0b"}}, TestbenchError, "device.verilog_a: must be the name of a file"),
    ("a file in a loop", {"device": {"verilog_a": "loop"}}, InputError, "loop"),
    ("a subcircuit in a loop", {"device": {"subcircuit": "loop", "ports": ["row", "column"]}}, InputError, "loop"),
    ("an array in a loop", {"crossbar": {"state": "loop/a.npy"}}, TestbenchError, "crossbar.state: "),
    ("an array with a zero byte", {"crossbar": {"state": "a\0.npy"}}, TestbenchError, "crossbar.state: "),
    ("unknown section", {"surprise": {}}, TestbenchError, "surprise: unknown key"),
    ("unknown key", {"analysis": {"x" * 1000: 1}}, TestbenchError, "unknown key"),
]  # fmt: skip


def npy(header: str, content: bytes = b"", magic: bytes = b"\x93NUMPY\1\0") -> bytes:
    """A .npy file with a header of one's own."""
    text = header.encode("latin-1") + b"\n"
    return magic + struct.pack("<H", len(text) & 0xFFFF) + text + content


def header(shape: object, kind: object = "'<f8'") -> str:
    """The text of a header."""
    return f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}, }}"


def saved(values: Any, **options: Any) -> bytes:
    """A .npy file as numpy writes it."""
    file = io.BytesIO()
    np.save(file, values, **options)
    return file.getvalue()


def zipped(compression: int = zipfile.ZIP_STORED, entries: dict[str, bytes] | None = None) -> bytearray:
    """A .npz file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in (entries or {"a.npy": saved(np.full((9, 9), 0.5))}).items():
            archive.writestr(name, content)
    return bytearray(file.getvalue())


def edited(content: bytearray, place: int | bytes, new: bytes) -> bytes:
    """A .npz file with other bytes at a place, or behind where these bytes stand."""
    start = place if isinstance(place, int) else content.find(place)
    content[start : start + len(new)] = new
    return bytes(content)


def encrypted() -> bytes:
    """A .npz file that says it is encrypted."""
    content = zipped()
    content[6] |= 1
    content[content.find(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


# A file of that name, from which the state of a crossbar is read.
ARRAYS: list[Row] = [
    ("empty.npy", b"", TestbenchError, "is no array, or damaged"),
    ("text.npy", b"0.5 0.5\n", TestbenchError, "is no array, or damaged"),
    ("magic.npy", b"\x93NUMPY", TestbenchError, "is no array, or damaged"),
    ("version.npy", npy(header("(1, 1)"), magic=b"\x93NUMPY\x09\0"), TestbenchError, "is no array, or damaged"),
    ("cut-header.npy", npy(header("(1, 1)"))[:30], TestbenchError, "is no array, or damaged"),
    ("unbalanced.npy", npy("{'descr': ('<f8', "), TestbenchError, "is no array, or damaged"),
    ("code.npy", npy(header("__import__('os').getpid()")), TestbenchError, "is no array, or damaged"),
    ("parentheses.npy", npy("(" * 9000), TestbenchError, "is no array, or damaged"),
    ("long-header.npy", npy(header("(1, 1)") + " " * 60_000), TestbenchError, "is no array, or damaged"),
    ("no-type.npy", npy(header("(1, 1)", "()")), TestbenchError, "is no array, or damaged"),
    ("unknown-type.npy", npy(header("(1, 1)", "'<q9'")), TestbenchError, "is no array, or damaged"),
    ("no-shape.npy", npy("{'descr': '<f8', 'fortran_order': False}"), TestbenchError, "is no array, or damaged"),
    ("negative.npy", npy(header("(-1, 1)")), TestbenchError, "has the shape (-1, 1)"),
    ("rows-2-70.npy", npy(header(f"({2**70}, 1)")), TestbenchError, "more than 50,000,000 values (spicecim.limits.ARRAY_VALUES)"),
    ("values-1e10.npy", npy(header("(100000, 100000)")), TestbenchError, "more than 50,000,000 values"),
    ("nothing-times-2-70.npy", npy(header(f"(0, {2**70})")), TestbenchError, "more than 50,000,000 values"),
    ("dimensions.npy", npy(header("(1,) * 99".replace(" * 99", ""))[:-1].replace("(1,)", str((1,) * 99)) + "}"), TestbenchError, "has the shape (1, 1, 1"),
    ("cut.npy", saved(np.full((9, 9), 0.5))[:-1], TestbenchError, "holds less than its header says"),
    ("more.npy", saved(np.full((9, 9), 0.5)) + b"\0", TestbenchError, "holds more than its header says"),
    ("objects.npy", saved(np.array([[None]], dtype=object), allow_pickle=True), TestbenchError, "holds Python objects"),
    ("truth.npy", saved(np.array([[True]])), TestbenchError, "holds truth values where real numbers"),
    ("complex.npy", saved(np.array([[0.5j]])), TestbenchError, "holds complex numbers"),
    ("texts.npy", saved(np.array([["0.5"]])), TestbenchError, "holds texts"),
    ("records.npy", saved(np.zeros((1, 1), [("a", float)])), TestbenchError, "holds records"),
    ("infinite.npy", saved(np.array([[np.inf]])), TestbenchError, "crossbar.state: must be finite"),
    ("nothing.npy", saved(np.empty((0, 0))), TestbenchError, "crossbar.state: must be a list of rows"),
    ("line.npy", saved(np.full(3, 0.5)), TestbenchError, "its shape is (3,)"),
    ("beyond.npy", saved(np.array([[2.0]])), TestbenchError, "crossbar.state: must be between 0 and 1"),
    ("pickle.npy", b"\x80\x04\x95cos\nsystem\n.", TestbenchError, "is no array, or damaged"),
    ("no-zip.npz", b"PK\x03\x04 cut off", TestbenchError, "is damaged or encrypted"),
    ("cut.npz", bytes(zipped()[:-30]), TestbenchError, "is damaged or encrypted"),
    ("checksum.npz", edited(zipped(), 400, b"\1\2\3"), TestbenchError, "is no array, or damaged"),
    ("deflate.npz", edited(zipped(zipfile.ZIP_DEFLATED), 60, b"\xff" * 10), TestbenchError, "is no array, or damaged"),
    ("bzip2.npz", edited(zipped(zipfile.ZIP_BZIP2), 50, b"\xff" * 10), TestbenchError, "is no array, or damaged"),
    ("lzma.npz", edited(zipped(zipfile.ZIP_LZMA), 60, b"\xff" * 10), TestbenchError, "is no array, or damaged"),
    ("encrypted.npz", encrypted(), TestbenchError, "is encrypted, password required"),
    ("method.npz", edited(zipped(), zipped().find(b"PK\1\2") + 10, b"\x63"), TestbenchError, "is damaged or encrypted"),
    ("empty.npz", bytes(zipped(entries={"readme": b""})), TestbenchError, "is no array, or damaged"),
    ("two.npz", bytes(zipped(entries={"a.npy": saved([[0.5]]), "b.npy": saved([[0.5]])})), TestbenchError, "name one of the arrays in"),
    ("bomb.npz", bytes(zipped(zipfile.ZIP_DEFLATED, {"a.npy": npy(header("(100000, 100000)"), b"\0" * 10_000_000)})), TestbenchError, "more than 50,000,000 values"),
    ("long.npz", bytes(zipped(zipfile.ZIP_DEFLATED, {"a.npy": npy(header("(2, 2)"), b"\0" * 10_000_000)})), TestbenchError, "holds more than its header says"),
]  # fmt: skip


def subcircuit(*lines: str, before: str = "", dialect: str = "ngspice", head: str = "") -> tuple[str, str]:
    """A file with these lines in a subcircuit, from line 2 on, and its dialect."""
    return before + "\n".join([f".subckt m p n x{head}", *lines, "Ri p n 1k", "Cx x 0 1", ".ends", ""]), dialect


def functions(last: str) -> str:
    """Thirty functions of which each calls the one before twice."""
    return ".func f0(x) {x}\n" + "".join(f".func f{i}(x) {{f{i - 1}(x)+f{i - 1}(2*x)}}\n" for i in range(1, 31)) + last


def called(depth: int, each: int) -> str:
    """Subcircuits m, s1, s2 and so on, of which each calls the next one so often."""
    names = ["m", *(f"s{i}" for i in range(1, depth + 1))]
    texts = [
        f".subckt {name} p n x\n" + "".join(f"X{k} p n x {after}\n" for k in range(each)) + "C1 x 0 1\n.ends\n"
        for name, after in itertools.pairwise(names)
    ]
    return "".join(texts) + f".subckt {names[-1]} p n x\nR1 p n 1\n.ends\n"


# The text of a SPICE file and its dialect; the subcircuit m is made into a netlist.
SPICE: list[Row] = [
    ("chance in a model", subcircuit("R9 p n rm", ".model rm r(r={aunif(1k,500)})"), SubcircuitError, "line 3: aunif: a model must not depend on chance"),
    ("chance in a model by limit", subcircuit("R9 p n rm", ".model rm r(r={limit(1k,500)})"), SubcircuitError, "line 3: limit() does not"),
    ("chance without braces", subcircuit("R9 p n R=agauss(1k,500,1)"), SubcircuitError, "line 2: agauss"),
    ("chance in a default", subcircuit("R9 p n {val}", head=" val=agauss(1k,500,1)"), SubcircuitError, "line 1: agauss"),
    ("chance in a capacitor", subcircuit("C9 p n C=agauss(1u,.5u,1)"), SubcircuitError, "line 2: agauss"),
    ("chance in a parameter", subcircuit("R9 p n {q}", before=".param q=unif(1k,0.5)\n"), SubcircuitError, "line 1: unif"),
    ("chance in a function", subcircuit("R9 p n {f(1)}", before=".func f(x) {gauss(x,1,1)}\n"), SubcircuitError, "line 1: gauss"),
    ("chance in an instance", subcircuit("X9 p n s q=rnd(1)", ".subckt s a b q=1", "R1 a b {q}", ".ends"), SubcircuitError, "line 2: rnd"),
    ("chance in a start", subcircuit(".ic v(q)={white(1)}"), SubcircuitError, "line 2: white"),
    ("chance in a source", subcircuit("V9 q 0 TRNOISE(1 1u 0 0)"), SubcircuitError, "line 2: trnoise"),
    ("chance in capitals and spaces", subcircuit("R9 p n R = AUNIF (1k, 500)"), SubcircuitError, "line 2: aunif"),
    ("chance over lines", subcircuit("R9 p n R=a", "+ gauss(1k,500,1)"), SubcircuitError, "line 2"),
    ("chance by another name", subcircuit("R9 p n 1", before=".func gauss(x) {x}\n.param q={gauss(1)}\n", head=" a={q}"), SubcircuitError, "line 1: the function name gauss is refused"),
    ("a power of LTspice in a model", subcircuit("R9 p n rm", ".model rm r(r={1000*2^3})", dialect="ltspice"), SubcircuitError, "line 3: ^ is an exclusive or"),
    ("a power of PSpice without braces", subcircuit("R9 p n R=2^3", dialect="pspice"), SubcircuitError, "line 2: ^ is an exclusive or"),
    ("a control block", subcircuit(".control", "shell touch owned", ".endc"), SubcircuitError, "line 2: .control is refused in a subcircuit"),
    ("a control block without end", subcircuit(before=".control\n"), SubcircuitError, "line 1: .control has no .endc"),
    ("a shell command", subcircuit(before=".shell touch owned\n"), SubcircuitError, "line 1: .shell: commands are refused"),
    ("an include of a device", subcircuit(".include /dev/urandom"), SubcircuitError, "line 2: /dev/urandom is outside"),
    ("an include of a link to a device", subcircuit(".include random"), SubcircuitError, "line 2: random is outside"),
    ("an include of a FIFO", subcircuit(".include fifo"), SubcircuitError, "fifo is a FIFO; it must be a regular file"),
    ("an include of a folder", subcircuit(".include folder"), SubcircuitError, "folder is a folder"),
    ("an include of itself", subcircuit(".include m.sub"), SubcircuitError, "line 2: m.sub includes itself"),
    ("a library of itself", subcircuit(".lib m.sub"), SubcircuitError, "line 2: m.sub includes itself"),
    ("a section of a library", subcircuit(".lib m.sub typical"), SubcircuitError, "line 2: must name one file"),
    ("an include with a zero byte", subcircuit(".include a\0b"), SubcircuitError, "line 2: has a control character"),
    ("an include in a loop of links", subcircuit(".include loop"), SubcircuitError, "line 2: loop"),
    ("subcircuits that multiply", (called(20, 2), "ngspice"), SubcircuitError, "more than 10,000 elements"),
    ("1500 subcircuits deep", (called(1500, 1), "ngspice"), SubcircuitError, "more than 32 subcircuits that call each other in a chain"),
    ("subcircuits within each other", (".subckt m p n x\n" + "".join(f".subckt s{i} a\n" for i in range(99)), "ngspice"), SubcircuitError, "more than 32 subcircuits within each other"),
    ("a subcircuit that calls itself", subcircuit("X9 p n x m"), SubcircuitError, "line 2: the subcircuit m calls itself"),
    ("functions that multiply", subcircuit("R9 p n {f30(1)}", before=functions("")), SubcircuitError, "more than 100,000 characters"),
    ("a function that calls itself", subcircuit("R9 p n {f(1)}", before=".func f(x) {f(x)}\n"), SubcircuitError, "line 1: the function f calls itself"),
    ("functions that call each other", subcircuit("R9 p n {f(1)}", before=".func f(x) {g(x)}\n.func g(x) {f(x)}\n"), SubcircuitError, "calls itself"),
    ("a parameter of its own name", subcircuit(".param Vset={vset}", head=" vset=1"), SubcircuitError, "line 2: sets Vset, which is the parameter vset"),
    ("a parameter that is missing", subcircuit("R9 p n {q}"), SubcircuitError, "line 2: the parameter q is missing"),
    ("a word of 200,000 letters", subcircuit("R9 p n {" + "a" * 200_000 + "}"), SubcircuitError, "line 2: the parameter aaa"),
    ("200,000 braces", subcircuit("R9 p n " + "{" * 200_000), SubcircuitError, "line 2: has braces that do not match"),
    ("200,000 quotes and equals", subcircuit("R9 p n " + "'= " * 70_000 + "{"), SubcircuitError, "line 2: has braces"),
    ("a file of zero bytes", ("\0" * 1000, "ngspice"), SubcircuitError, "line 1: has a control character"),
    ("a file of 5 MB", ("*" * 5_000_000, "ngspice"), SubcircuitError, "more than 4,000,000 bytes (spicecim.limits.SPICE_FILE_BYTES)"),
    ("a continuation of nothing", ("+" * 1000, "ngspice"), SubcircuitError, "line 1: continues no line"),
    ("no end", (".subckt m p n x\nR1 p n 1", "ngspice"), SubcircuitError, "line 1: m has no .ends"),
    ("a back quote", subcircuit("B9 0 x I=`id`"), SubcircuitError, "line 2: the character '`'"),
    ("an XSPICE model", subcircuit("A1 p n f"), SubcircuitError, "line 2: a1 is refused in a subcircuit; it is an XSPICE"),
    ("a source that reads a file", subcircuit("V9 q 0 PWL file=/etc/passwd"), SubcircuitError, "line 2: a file that is read"),
    ("an option that scales", subcircuit(before=".options scale=1u\n"), SubcircuitError, "line 1: the option scale"),
]  # fmt: skip

MODULE = """\
`include "disciplines.vams"
module m(p, n);
  inout p, n; electrical p, n, x;
  parameter real q = DEFAULT;
  analog begin
    BODY
    I(p, n) <+ 1e-6*(1 + V(x))*V(p, n);
    I(x) <+ ddt(V(x)) - V(p, n);
  end
endmodule
"""


def module(body: str = "", default: str = "1", before: str = "") -> str:
    """A module with other text in these places; `before` is at its top."""
    return before + MODULE.replace("BODY", body).replace("DEFAULT", default)


# The text of a Verilog-A file, which is checked.
VERILOG_A: list[Row] = [
    ("empty file", "", VerilogAError, "module"),
    ("no module", "`define a 1\n", VerilogAError, "module"),
    ("a macro of itself", module(before="`define A `A\nreal `A;\n"), VerilogAError, "m.va"),
    ("an include of itself", module(before='`include "m.va"\n'), VerilogAError, "include"),
    ("an include of a FIFO", module(before='`include "fifo"\n'), VerilogAError, "fifo is a FIFO"),
    ("an include of a device", module(before='`include "/dev/urandom"\n'), VerilogAError, "/dev/urandom"),
    ("an include of a folder", module(before='`include "folder"\n'), VerilogAError, "folder"),
    ("an include that is missing", module(before='`include "absent.vams"\n'), VerilogAError, "absent.vams"),
    ("a condition without end", "`ifdef A\n" + module(), VerilogAError, "m.va"),
    ("cut off", module()[:150], VerilogAError, "m.va"),
    ("zero bytes", "\0" * 100, VerilogAError, "m.va:1 holds a zero byte"),
    ("2000 minus signs", module(default="-" * 2000 + "1"), VerilogAError, "VERILOG_A_NESTING"),
    ("3000 choices", module(default="1 ? 2 : " * 3000 + "1"), VerilogAError, "VERILOG_A_NESTING"),
    ("3000 powers", module(default="9**" * 3000 + "9"), VerilogAError, "VERILOG_A_NESTING"),
    ("5000 digits", module(default="9" * 5000), VerilogAError, "m.va"),
    ("parentheses without end", module(default="(" * 5000), VerilogAError, "VERILOG_A_NESTING"),
    ("parentheses", module(default="(" * 3000 + "1" + ")" * 3000), VerilogAError, "VERILOG_A_NESTING"),
    ("macros that multiply", module(before="".join(f"`define A{i} `A{i - 1}`A{i - 1}\n" for i in range(30, 0, -1)) + "`define A0 x\nreal `A30;\n"), VerilogAError, "VERILOG_A_EXPANSION"),
    ("arguments that multiply", module(before="`define D(x) x x\n`define E(x) `D(`D(`D(`D(x))))\n`define F(x) `E(`E(`E(`E(x))))\nreal `F(`F(y));\n"), VerilogAError, "VERILOG_A_EXPANSION"),
    ("a macro call in itself", module(before="`define D(x) x\n" + "`D(" * 2000 + "x" + ")" * 2000 + "\n"), VerilogAError, "VERILOG_A_DEPTH"),
    ("a macro call without end", module(before="`define D(x) x\n`D(\n" + "a\n" * 20_000), VerilogAError, "the arguments of a macro do not end"),
    ("200,000 backticks", "`" * 200_000 + "\n" + module(), VerilogAError, "stands alone"),
]  # fmt: skip

BENCH = yaml_text()

# Arguments of the command line, where BENCH is a valid testbench and FOLDER a new folder, its exit status, and a piece of
# what it says.
COMMANDS: list[tuple[str, list[str], int, str]] = [
    ("a testbench of a FIFO", ["netlist", "fifo"], 2, "fifo is a FIFO; it must be a regular file"),
    ("a testbench of a device", ["netlist", "/dev/zero"], 2, "/dev/zero is a device"),
    ("a testbench of a folder", ["netlist", "folder"], 2, "folder is a folder"),
    ("a testbench in a loop", ["netlist", "loop"], 2, "loop cannot be read"),
    ("no testbench", ["netlist", "absent.yaml"], 2, "absent.yaml cannot be read: No such file"),
    ("a testbench of a long name", ["netlist", "x" * 5000], 2, "cannot be read: File name too long"),
    ("a testbench of no name", ["netlist", ""], 2, "is a folder"),
    ("a netlist into a folder", ["netlist", "BENCH", "-o", "folder"], 2, "folder"),
    ("a netlist into nowhere", ["netlist", "BENCH", "-o", "absent/a.cir"], 2, "absent/a.cir"),
    ("an unknown engine", ["run", "BENCH", "-o", "FOLDER", "--engine", "spectre"], 2, "unknown engine 'spectre'"),
    ("results into a file", ["run", "BENCH", "-o", "BENCH"], 2, "bench.yaml"),
    ("results into a FIFO", ["run", "BENCH", "-o", "fifo"], 2, "fifo"),
    ("a time limit of NaN", ["run", "BENCH", "-o", "FOLDER", "--time-limit", "nan"], 2, "nan"),
    ("a time limit below zero", ["run", "BENCH", "-o", "FOLDER", "--time-limit", "-1"], 2, "-1"),
    ("a tolerance of NaN", ["run", "BENCH", "-o", "FOLDER", "--tolerance", "nan"], 2, "--tolerance"),
    ("a tolerance of a text", ["run", "BENCH", "-o", "FOLDER", "--tolerance", "much"], 2, "--tolerance"),
    ("a state of NaN", ["hysteresis", "resistor", "-o", "FOLDER", "--frequency", "1k", "--x0", "nan"], 2, "--x0"),
    ("an unknown model", ["hysteresis", "resister", "-o", "FOLDER", "--frequency", "1k"], 2, "did you mean 'resistor'"),
    ("a frequency of a text", ["hysteresis", "resistor", "-o", "FOLDER", "--frequency", "fast"], 2, "'fast'"),
    ("a frequency in Arabic", ["hysteresis", "resistor", "-o", "FOLDER", "--frequency", "\u0661"], 2, "is not a quantity in Hz"),
    ("an amplitude of infinity", ["hysteresis", "resistor", "-o", "FOLDER", "--frequency", "1k", "--amplitude", "inf"], 2, "inf"),
    ("a module that is missing", ["model", "check", "absent.va"], 2, "absent.va"),
    ("a module of a folder", ["model", "check", "folder"], 2, "folder"),
    ("a parameter without a value", ["model", "check", "MODULE", "--parameter", "q"], 2, "must be NAME=VALUE"),
    ("a parameter of a text", ["model", "check", "MODULE", "--parameter", "q=much"], 2, "much"),
    ("a voltage of NaN", ["model", "check", "MODULE", "--voltage", "nan"], 2, "nan"),
    ("a state from NaN", ["model", "check", "MODULE", "--initial", "nan", "nan"], 2, "nan"),
    ("a model that is unknown", ["models", "nobody"], 2, "unknown model 'nobody'"),
    ("markup in a name", ["models", "[bold]x[/bold]"], 2, "unknown model '[bold]x[/bold]'"),
    ("an escape in a name", ["models", "\x1b[31mx"], 2, "unknown model"),
]  # fmt: skip

# Environment variables of a process that makes a testbench into a netlist, its exit status, and a piece of what it says.
ENVIRONMENTS: list[tuple[str, dict[str, str], int, str]] = [
    ("an unknown backend", {"SPICECIM_BACKEND": "spectre"}, 2, "SPICECIM_BACKEND"),
    ("a cache in a file", {"SPICECIM_CACHE": "/etc/passwd/cache", "SPICECIM_BACKEND": "osdi"}, 0, "cannot be written"),
    ("a compiler with a quote", {"CC": 'gcc "', "SPICECIM_BACKEND": "osdi"}, 2, "CC: is no command line"),
]  # fmt: skip

# A file, from which waveforms are loaded.
DATASETS: list[Row] = [
    ("empty", b"", WaveformError, "cannot read waveforms from"),
    ("text", b"time,i\n0,0\n", WaveformError, "cannot read waveforms from"),
    ("HDF5 cut off", b"\x89HDF\r\n\x1a\n" + b"\0" * 100, WaveformError, "cannot read waveforms from"),
    ("netCDF 3", b"CDF\1" + b"\0" * 100, WaveformError, "cannot read waveforms from"),
]
