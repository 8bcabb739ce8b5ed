"""Every operation of the intermediate form: native code and numpy agree, with each other and with the language."""

import math

import numpy as np
import pytest
from osdi import agree, check_slopes, compile_pair, module_text

from spicecim.errors import ModelError, VerilogAError

pytestmark = pytest.mark.compiler


OPERATIONS = {
    # real numbers x and y
    "x + y": lambda x, y, k, m: x + y,
    "x - y": lambda x, y, k, m: x - y,
    "x*y": lambda x, y, k, m: x * y,
    "x/y": lambda x, y, k, m: x / y,
    "-x": lambda x, y, k, m: -x,
    "x**2": lambda x, y, k, m: x**2,
    "pow(abs(x), y)": lambda x, y, k, m: abs(x) ** y,
    "x**k": lambda x, y, k, m: x**k,
    "abs(x)": lambda x, y, k, m: abs(x),
    "min(x, y)": lambda x, y, k, m: min(x, y),
    "max(x, y)": lambda x, y, k, m: max(x, y),
    "sqrt(abs(x))": lambda x, y, k, m: math.sqrt(abs(x)),
    "exp(x)": lambda x, y, k, m: math.exp(x),
    "limexp(x)": lambda x, y, k, m: math.exp(x),
    "ln(abs(x))": lambda x, y, k, m: math.log(abs(x)),
    "log(abs(x))": lambda x, y, k, m: math.log10(abs(x)),
    "floor(x)": lambda x, y, k, m: math.floor(x),
    "ceil(x)": lambda x, y, k, m: math.ceil(x),
    "sin(x)": lambda x, y, k, m: math.sin(x),
    "cos(x)": lambda x, y, k, m: math.cos(x),
    "tan(x)": lambda x, y, k, m: math.tan(x),
    "asin(x/3)": lambda x, y, k, m: math.asin(x / 3),
    "acos(x/3)": lambda x, y, k, m: math.acos(x / 3),
    "atan(x)": lambda x, y, k, m: math.atan(x),
    "sinh(x)": lambda x, y, k, m: math.sinh(x),
    "cosh(x)": lambda x, y, k, m: math.cosh(x),
    "tanh(x)": lambda x, y, k, m: math.tanh(x),
    "asinh(x)": lambda x, y, k, m: math.asinh(x),
    "acosh(1.5 + abs(x))": lambda x, y, k, m: math.acosh(1.5 + abs(x)),
    "atanh(x/3)": lambda x, y, k, m: math.atanh(x / 3),
    "$ln(abs(x)) + $log10(abs(x)) + $pow(abs(x), 2)": lambda x, y, k, m: math.log(abs(x)) + math.log10(abs(x)) + x * x,
    # comparisons and truth values
    "(x < y) + 2*(x <= y) + 4*(x > y) + 8*(x >= y)": lambda x, y, k, m: 3 * (x < y) + 12 * (x > y),
    "(x == y) + 2*(x != y)": lambda x, y, k, m: 2,
    "(x > 0 && y > 0) + 2*(x > 0 || y > 0) + 4*!(x > 0)": lambda x, y, k, m: (
        (x > 0 and y > 0) + 2 * (x > 0 or y > 0) + 4 * (x <= 0)
    ),
    "!x": lambda x, y, k, m: 0,
    "(k && m) + 2*(k || m) + 4*!k": lambda x, y, k, m: bool(k and m) + 2 * bool(k or m) + 4 * (not k),
    "x > 0 ? y : -y": lambda x, y, k, m: y if x > 0 else -y,
    "x > 0 ? (y > 0 ? 1 : x) : (y > 1 ? x : x*y)": lambda x, y, k, m: (
        (1 if y > 0 else x) if x > 0 else (x if y > 1 else x * y)
    ),
    # integers k and m
    "(k < m) + 2*(k <= m) + 4*(k > m) + 8*(k >= m)": lambda x, y, k, m: (
        (k < m) + 2 * (k <= m) + 4 * (k > m) + 8 * (k >= m)
    ),
    "(k == m) + 2*(k != m)": lambda x, y, k, m: 1 if k == m else 2,
    "k + m": lambda x, y, k, m: k + m,
    "k - m": lambda x, y, k, m: k - m,
    "k*m": lambda x, y, k, m: k * m,
    "k/(m*m + 2)": lambda x, y, k, m: int(k / (m * m + 2)),
    "k % (m*m + 2)": lambda x, y, k, m: int(math.fmod(k, m * m + 2)),
    "-k": lambda x, y, k, m: -k,
    "k & m": lambda x, y, k, m: k & m,
    "k | m": lambda x, y, k, m: k | m,
    "k ^ m": lambda x, y, k, m: k ^ m,
    "k ~^ m": lambda x, y, k, m: ~(k ^ m),
    "k << 3": lambda x, y, k, m: k << 3,
    "k >> 1": lambda x, y, k, m: (k % 2**32) >> 1,
    "1 << m*m": lambda x, y, k, m: wrap(1 << m * m) if m * m < 32 else 0,
    "k >> m": lambda x, y, k, m: wrap((k % 2**32) >> m) if 0 <= m < 32 else 0,
    "k*500000000": lambda x, y, k, m: wrap(k * 500000000),
    "abs(k) + min(k, m) + max(k, m)": lambda x, y, k, m: abs(k) + min(k, m) + max(k, m),
    "k > 0 ? m : k": lambda x, y, k, m: m if k > 0 else k,
    # one into the other
    "k/2.0 + x": lambda x, y, k, m: k / 2 + x,
    "k/2 + x": lambda x, y, k, m: int(k / 2) + x,
}
SMOOTH = [text for text in OPERATIONS if not any(part in text for part in ("k", "<", ">", "!"))]
"""Those that have a derivative, if steps are not met."""


def wrap(value):
    return (value + 2**31) % 2**32 - 2**31


def nearest(value):
    return math.floor(abs(value) + 0.5) * (1 if value > 0 else -1)


def module_of(expressions):
    outputs = [f"o{index}" for index in range(len(expressions))]
    lines = ["x = V(a);", "y = V(b);", "k = 3*x;", "m = 2*y;"]
    lines += [f"I({output}) <+ {text};" for output, text in zip(outputs, expressions, strict=True)]
    return module_text("\n".join(lines), "real x, y; integer k, m;", ", ".join(["a", "b", *outputs]))


def write(tmp_path, text, name="m.va"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def operations(tmp_path_factory):
    return compile_pair(write(tmp_path_factory.mktemp("operations"), module_of(OPERATIONS)))


def test_operations_are_those_of_the_language(operations, rng):
    points = np.zeros((60, 2 + len(OPERATIONS)))
    points[:, :2] = rng.uniform(-2.5, 2.5, (60, 2))
    answer = agree(operations, points)
    for column, (text, function) in enumerate(OPERATIONS.items(), start=2):
        expected = [function(x, y, nearest(3 * x), nearest(2 * y)) for x, y in points[:, :2]]
        np.testing.assert_allclose(answer.flow[:, column], expected, rtol=1e-13, atol=0, err_msg=text)


def test_derivatives_are_difference_quotients(tmp_path, rng):
    pair = compile_pair(write(tmp_path, module_of(SMOOTH)))
    points = np.zeros((20, 2 + len(SMOOTH)))
    points[:, :2] = rng.uniform(0.3, 2.0, (20, 2)) * rng.choice([-1, 1], (20, 2))
    agree(pair, points)
    check_slopes(pair, points)


def test_numbers_at_the_ends(tmp_path):
    """Halves away from zero; what no integer can hold is cut; shifts and sums as 32 bits have it."""
    values = [0.5, -0.5, 2.5, -2.5, 0.49999999999999994, 1e300, -1e300, math.inf, math.nan, 2147483646.7, -1e10]
    text = module_text(
        "k = V(a); I(o) <+ k; I(q) <+ k + 1; I(r) <+ k << 31; I(s) <+ k << k; I(t) <+ limexp(V(a)*100);",
        "integer k;",
        "a, o, q, r, s, t",
    )
    points = np.zeros((len(values), 6))
    points[:, 0] = values
    answer = agree(compile_pair(write(tmp_path, text)), points)
    top, bottom = 2**31 - 1, -(2**31)
    assert list(answer.flow[:, 1]) == [1, -1, 3, -3, 0, top, bottom, top, 0, top, bottom]
    assert answer.flow[5, 2] == bottom
    assert answer.flow[0, 3] == bottom
    assert answer.flow[2, 4] == 24
    assert answer.flow[1, 4] == 0
    assert np.isfinite(answer.flow[0, 5])


def test_an_integer_divided_by_zero_is_an_error_and_not_a_crash(tmp_path):
    pair = compile_pair(write(tmp_path, module_text("k = V(p); I(p) <+ 7/k + 7 % k;", "integer k;")))
    with pytest.raises(VerilogAError, match="module m: an integer is divided by zero"):
        pair.evaluation.residuals(np.array([[1.0, 0.0], [0.0, 0.0]]))
    assert pair.evaluation.residuals(np.array([[2.0, 0.0]])).flow[0, 0] == 4.0
    _, returned = pair.device.evaluate(np.array([[0.0, 0.0]]))
    assert returned & 2
    assert pair.device.messages[0] == (5, "an integer is divided by zero")


def test_a_division_by_zero_that_no_point_reaches_is_none(tmp_path):
    text = module_text("k = V(p); if (k != 0) I(p) <+ 7/k; else I(p) <+ 5;", "integer k;")
    answer = agree(compile_pair(write(tmp_path, text)), np.array([[2.0, 0.0], [0.0, 0.0]]))
    assert list(answer.flow[:, 0]) == [3.0, 5.0]


V = "V(p, n)"
CONTROL = {
    "if": (f"if ({V} > 0.5) s = 1; else if ({V} > 0) s = 2*{V}; else s = {V}*{V}; I(p, n) <+ s;", None),
    "if without else": (f"s = {V}; if (s > 1) s = 1 + ln(s); I(p, n) <+ s;", lambda v: 1 + math.log(v) if v > 1 else v),
    "case": (
        f"k = 2*{V}; case (k) 0: s = {V}; 1, 2: s = 2; -1: begin s = 5; end default: s = {V}*k; endcase I(p, n) <+ s;",
        lambda v: {0: v, 1: 2, 2: 2, -1: 5}.get(nearest(2 * v), v * nearest(2 * v)),
    ),
    "case of truth": (
        f"case (1) {V} > 1: s = 1; {V} > 0: s = 2; default: s = 3; endcase I(p, n) <+ s;",
        lambda v: 1 if v > 1 else 2 if v > 0 else 3,
    ),
    "for": (
        f"s = 0; for (k = 0; k < 10; k = k + 1) if (k < 4*{V}) s = s + k*{V}; else s = s - 1; I(p, n) <+ s;",
        lambda v: sum(k * v if k < 4 * v else -1 for k in range(10)),
    ),
    "while": (
        f"s = {V}; k = 0; while (abs(s) > 1e-3 && k < 50) begin s = s/2; k = k + 1; end I(p, n) <+ s + k;",
        None,
    ),
    "loops in loops": (
        f"s = 0; k = 0; while (k < 4*abs({V})) begin j = 0; while (j < k + {V}) begin s = s + sin(k*j*{V}); j = j + 1; "
        "if (j == 3) s = s*1.5; end k = k + 1; end I(p, n) <+ s;",
        None,
    ),
    "swap": (
        f"s = {V}; r = 2; for (k = 0; k < 5*abs({V}); k = k + 1) begin t = s; s = r; r = t; end I(p, n) <+ s;",
        lambda v: v if math.ceil(5 * abs(v)) % 2 == 0 else 2,
    ),
    "ddx": (f"s = sinh({V})*V(p); I(p, n) <+ ddx(s, V(p));", None),
}


@pytest.fixture(scope="module")
def control(tmp_path_factory):
    """All bodies as modules of one file."""
    declarations = "real s, r, t; integer k, j;"
    parts = [
        f"module m{index}(p, n); inout p, n; electrical p, n; {declarations} analog begin {body} end endmodule"
        for index, (body, _) in enumerate(CONTROL.values())
    ]
    return write(tmp_path_factory.mktemp("control"), '`include "disciplines.vams"\n' + "\n".join(parts))


@pytest.mark.parametrize("name", CONTROL)
def test_control_flow_that_differs_from_point_to_point(control, name, rng):
    pair = compile_pair(control, module=f"m{list(CONTROL).index(name)}")
    points = rng.uniform(-1.5, 1.5, (50, 2))
    answer = agree(pair, points)
    for row in (0, 1):  # a point alone gives what it gives among others
        alone = pair.evaluation.residuals(points[row : row + 1])
        np.testing.assert_array_equal(alone.flow[0], answer.flow[row])
    expected = CONTROL[name][1]
    if expected:
        values = [expected(v) for v in points[:, 0] - points[:, 1]]
        np.testing.assert_allclose(answer.flow[:, 0], values, rtol=1e-13, atol=1e-15)
        np.testing.assert_array_equal(answer.flow[:, 1], -answer.flow[:, 0])


def test_a_loop_without_end_is_refused(tmp_path):
    pair = compile_pair(write(tmp_path, module_text("s = V(p); while (s > 0) s = s + 1; I(p) <+ s;", "real s;")))
    assert pair.evaluation.residuals(np.array([[-1.0, 0.0]])).flow[0, 0] == -1.0
    with pytest.raises(VerilogAError, match="module m: a loop does not end"):
        pair.evaluation.residuals(np.array([[1.0, 0.0]]))


FUNCTION = """analog function real f; input a; output b; inout c; real a, b, c;
begin b = 2*a; c = c + a; f = a*a; end endfunction"""
SYSTEMS = {
    "function": ("r = 1; s = f(V(p, n), q, r); I(p, n) <+ s + 10*q + 100*r;", FUNCTION + " real q, r, s;"),
    "temperature": ("I(p, n) <+ V(p, n)/$vt + $vt(310)*$temperature;", ""),
    "multiplicity": ("I(p, n) <+ V(p, n)*$mfactor;", ""),
    "simulator parameters": ('I(p, n) <+ $simparam("gmin")*V(p, n) + $simparam("other", 2.5)*V(p);', ""),
    "ports": ("if ($port_connected(n)) I(p, n) <+ V(p, n); else I(p, n) <+ 9;", ""),
    "limit": ('s = $limit(V(p, n), "pnjlim", $vt, 0.6); I(p, n) <+ 1e-15*limexp(s/$vt) + ddt(s*s);', "real s;"),
    "charge": ("I(p, n) <+ V(p, n) + ddt(1e-9*sin(V(p, n)));", ""),
    "product with ddt": ("I(p, n) <+ V(p, n)*ddt(sin(V(p, n)));", ""),
    "square of ddt": ("s = ddt(V(p, n)); I(p, n) <+ s*s;", "real s;"),
    "idt": ("I(p, n) <+ idt(V(p, n), 0.3);", ""),
    "idt without start": ("I(p, n) <+ idt(V(p, n));", ""),
    "idt of itself": ("s = idt(V(p, n)*(1 - s), 0.1); I(p, n) <+ V(p, n)*s;", "real s;"),
    "idtmod": ("I(p, n) <+ idtmod(V(p, n), 0.2, 1.5, -0.5);", ""),
    "inductor": ("V(l) <+ ddt(1e-3*I(l)) + 2*I(l);", "branch (p, n) l;"),
    "current probe": ("V(b) <+ 0; I(p) <+ 5*I(b);", "branch (p, n) b;"),
    "current of a current branch": ("I(b) <+ 2*V(b); I(p) <+ 5*I(b);", "branch (p, n) b;"),
    "voltage source": ("V(p, n) <+ 3*V(n);", ""),
    "switch branch": ("if (V(p, n) > 0) V(p, n) <+ 0.5; else I(p, n) <+ V(p, n);", ""),
    "internal nodes": ("I(p, x) <+ V(p, x)*(1 + V(x)*V(x)); I(x, n) <+ V(x, n) + ddt(1e-9*V(x, n));", "electrical x;"),
    "ground": ("I(p, g) <+ V(p, g); I(n, g) <+ V(n);", "electrical g; ground g;"),
    "thermal": (
        "I(p, n) <+ V(p, n)*exp(Temp(t)/3); Pwr(t) <+ Temp(t)/1e3 - V(p, n)*V(p, n) + ddt(1e-9*Temp(t));",
        "thermal t;",
    ),
    "noise": ("I(p, n) <+ V(p, n) + white_noise(1e-3*V(p, n)) + flicker_noise(1, 1);", ""),
    "initial block": ("I(p, n) <+ V(p, n)*s;", "real s; analog initial begin s = 3; end"),
    "ddx by temperature": ("s = V(p, n)*$temperature; I(p, n) <+ ddx(s, $temperature)*V(p, n);", "real s;"),
}


@pytest.fixture(scope="module")
def systems(tmp_path_factory):
    texts = [
        f"module m{index}(p, n); inout p, n; electrical p, n; {declarations}\nanalog begin {body} end endmodule"
        for index, (body, declarations) in enumerate(SYSTEMS.values())
    ]
    return write(tmp_path_factory.mktemp("systems"), '`include "disciplines.vams"\n' + "\n".join(texts))


@pytest.mark.parametrize("name", SYSTEMS)
def test_systems_of_equations(systems, name, rng):
    pair = compile_pair(systems, module=f"m{list(SYSTEMS).index(name)}")
    points = rng.uniform(-1.4, 1.4, (20, len(pair.nodes)))
    for integrate in (True, False):
        agree(pair, points, integrate=integrate)
        check_slopes(pair, points, integrate=integrate)


def test_a_current_probe_is_not_collapsed_into_zero(tmp_path):
    """OpenVAF would make one node of p and n, and zero of the current that flows between them."""
    text = module_text("V(b) <+ 0; I(s, n) <+ 5*I(b);", "branch (p, n) b;", "p, n, s")
    pair = compile_pair(write(tmp_path, text))
    assert pair.evaluation.collapsed == []
    answer = agree(pair, np.array([[1.0, 0.25, 3.0, 2.0]]))
    assert list(answer.flow[0]) == [2.0, -12.0, 10.0, -0.75]


COLLAPSE = """if (r > 0) begin I(p, i) <+ V(p, i)/r; if (q > 0) I(i, j) <+ V(i, j)/q; else V(i, j) <+ 0; end
else begin V(p, i) <+ 0; V(i, j) <+ 0; end
if (g) V(t) <+ 0; else I(t) <+ V(t) - V(p);
if (V(p) > 1) begin $strobe("v %g", V(p)); if (V(p) > 5) $fatal(0, "v %g", V(p)); end
if (r < 0) $fatal(0, "r %g", r);
I(j, n) <+ 2*V(j, n)*(1 + V(t));"""


@pytest.mark.parametrize(
    ("given", "collapsed"),
    [
        ({}, {("p", "i"), ("i", "j")}),
        ({"r": 2.0}, {("i", "j")}),
        ({"r": 2.0, "q": 1.0}, set()),
        ({"g": 1}, {("p", "i"), ("i", "j"), ("t", None)}),
    ],
)
def test_nodes_collapse_by_parameters(tmp_path, given, collapsed):
    """Beside messages that look the same to the part that is evaluated once."""
    declarations = "electrical i, j, t; parameter real r = 0; parameter real q = 0; parameter integer g = 0;"
    pair = compile_pair(write(tmp_path, module_text(COLLAPSE, declarations)), given)
    names = {(pair.nodes[one], None if other is None else pair.nodes[other]) for one, other in pair.device.collapsed}
    assert names == collapsed
    agree(pair, np.array([[1.5, -0.5, 1.5, 1.5, 0.0]]))
    assert pair.device.messages == [(1, "v 1.5\n")]


def test_fatal_for_parameters_and_for_points(tmp_path):
    declarations = "electrical i, j, t; parameter real r = 0; parameter real q = 0; parameter integer g = 0;"
    path = write(tmp_path, module_text(COLLAPSE, declarations))
    with pytest.raises(ModelError, match=r"module m ends with \$fatal, \$finish or \$stop for these values"):
        compile_pair(path, {"r": -1.0})
    pair = compile_pair(path)
    points = np.array([[1.5, -0.5, 1.5, 1.5, 0.0], [6.0, 0, 6, 6, 0]])
    flow = pair.evaluation.residuals(points).flow
    assert np.isfinite(flow[0]).all()
    assert np.isnan(flow[1]).all()
    _, returned = pair.device.evaluate(points[1:])
    assert returned & 2


def test_texts(tmp_path):
    body = """if (t == "a") I(p, n) <+ V(p, n); else if (t != "b") I(p, n) <+ 2*V(p, n); else I(p, n) <+ 3*V(p, n);
case (t) "a": I(p) <+ 1; "c": I(p) <+ 2; default: I(p) <+ 3; endcase
if (r > 0) $strobe("r %g %s", r, t);
if (V(p) > 0) $strobe("p");"""
    path = write(tmp_path, module_text(body, 'parameter string t = "a"; parameter real r = 0;'))
    points = np.array([[1.0, 0.5]])
    for text, expected in (("a", 1.5), ("b", 4.5), ("c", 3.0)):
        pair = compile_pair(path, {"t": text, "r": 2.0})
        assert agree(pair, points).flow[0, 0] == expected
        assert pair.device.messages == [(1, f"r 2 {text}\n"), (1, "p\n")]


def test_messages(tmp_path):
    body = """$strobe("%g %e %5.2f %d %% %h", V(p), 1.5, 2.25, 7, 255); $display("d"); $write("w"); $debug("b %d", k);
$warning("w %g", V(n)); $error("e"); $info("i"); k = 3; $strobe(V(p), " and ", k);
if (V(p) > 2) $finish; if (V(p) > 3) $stop; I(p, n) <+ V(p, n);"""
    pair = compile_pair(write(tmp_path, module_text("k = 4;" + body, "integer k;")))
    _, returned = pair.device.evaluate(np.array([[1.5, 0.25]]))
    assert returned == 0
    assert sorted(pair.device.messages) == sorted(
        [
            (1, "1.5 1.500000e+00  2.25 7 % ff\n"),
            *[(1, "d\n"), (1, "w"), (0, "b 4\n"), (3, "w 0.25\n"), (4, "e\n"), (2, "i\n"), (1, " 1.5 and 3\n")],
        ]
    )
    assert [pair.device.evaluate(np.array([[v, 0.0]]))[1] for v in (2.5, 3.5)] == [6, 14]


def test_parameters_that_are_given(tmp_path):
    text = module_text(
        "I(p, n) <+ V(p, n)*($param_given(r) ? r : 3.0) + ($param_given(k) ? k : 0.5);",
        '(* type="instance" *) parameter real r = 1 from (0:inf); parameter integer k = 2;',
    )
    path = write(tmp_path, text)
    points = np.array([[1.0, 0.0]])
    for given, expected in (({}, 3.5), ({"r": 1.0}, 1.5), ({"r": 2.0, "k": 7}, 9.0), ({"k": 2}, 5.0)):
        assert agree(compile_pair(path, given), points).flow[0, 0] == expected


def test_bound_step(tmp_path):
    body = """$bound_step(h); if (V(p) > 1) $bound_step(h/4); if (k) $bound_step(1e-9); I(p, n) <+ V(p, n);"""
    path = write(tmp_path, module_text(body, "parameter real h = 1u; parameter integer k = 0;"))
    steps = {}
    for given in ({}, {"h": 4e-6}, {"k": 1}):
        pair = compile_pair(path, given)
        for v in (0.5, 1.5):
            pair.device.evaluate(np.array([[v, 0.0]]))
            steps[tuple(given), v] = pair.device.bound_step
        assert pair.device.messages == []
    expected = [1e-6, 2.5e-7, 4e-6, 1e-6, 1e-9, 1e-9]
    np.testing.assert_allclose(list(steps.values()), expected, rtol=1e-15)
