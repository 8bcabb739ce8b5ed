"""What is read from the source itself: parameters, constant expressions, hidden state, and what is refused."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from osdi import module_text

from spicecim.errors import ModelError, VerilogAError
from spicecim.veriloga.compiler import compile_native, compile_verilog_a
from spicecim.veriloga.declarations import read_declarations, tokenize
from spicecim.veriloga.evaluation import Evaluation
from spicecim.veriloga.expressions import CONSTANTS, Expression, ExpressionError, number
from spicecim.veriloga.parameters import parameter_values
from spicecim.veriloga.source import read_source


@pytest.fixture
def compiled(tmp_path):
    """Compile the module of a text."""

    def compiled(text):
        path = tmp_path / "m.va"
        path.write_text(text, encoding="utf-8")
        return compile_verilog_a(path)

    return compiled


@pytest.mark.parametrize(
    "header",
    [
        "m(p, n, t); inout p, n, t; electrical p, n; thermal t",
        "m(inout electrical p, n, inout thermal t)",
        'm((* desc="row" *) p, n, t)',
        'm(p, (* desc = "column", units = "V" *) inout electrical n, t)',
    ],
)
def test_terminals_are_the_names_of_the_header(header, tmp_path):
    path = tmp_path / "m.va"
    path.write_text(f"module {header};\nendmodule\n", encoding="utf-8")
    assert read_declarations(read_source(path))["m"].ports == ("p", "n", "t")


def evaluated(text, tmp_path, **names):
    path = tmp_path / "expression.va"
    path.write_text(text, encoding="utf-8")
    return Expression(tuple(token.text for token in tokenize(read_source(path)))).evaluate(names)


POWERS = (12, 9, 6, 3, 3, -3, -6, -9, -12, -15, -18)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("1_000", 1000),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1e3),
        ("1.5E-3", 1.5e-3),
        *[(f"2{suffix}", 2 * 10.0**power) for suffix, power in zip("TGMKkmunpfa", POWERS, strict=True)],
    ],
)
def test_numbers(text, value):
    assert number(text) == pytest.approx(value, rel=1e-15)


EXPRESSIONS = (
    """
1/2; 7 % 3/2; -7 % 3; -7/2; 2**3; 2**3/3; 2**-1; -2**2; 2**3**2; abs(-3)/2; min(3, 4)/8; max(3, 2)/2;
floor(2.5)/2; ceil(2.5)/2; 3 > 2; (3 > 2)/2; !3; 5 & 3; 5 | 3; 5 ^ 3; 5 ~^ 3; 5 ^~ 3; 1 << 4; 256 >> 2;
1 + 2 << 3; 5 & 3 == 3; 6 & 3 | 8 ^ 1; 1 ? 2 : 3; 1 ? 2 : 3.5; (1 ? 2 : 3)/4; (1 ? 2 : 3.0)/4;
0 ? 1 : 0 ? 2 : 3; 1 || 0 && 0; 2 + 3*4 - 1; 10 - 4 - 3; 64/4/2; 3.7 - 2; 1.5k; 2M; 3u; 4n; 5p; 6f; 7a; 1T;
2G; 3K; 1.5e-3; -5/2.0; 2147483647 + 1; hypot(3, 4); pow(2, 3)/3; atan2(1, 2); ln(10); log(100); exp(1);
sqrt(2); asinh(1); acosh(2); atanh(0.5); sin(1); cos(1); tan(1); asin(0.5); acos(0.5); atan(3); sinh(1);
cosh(1); tanh(1); 1 < 2 < 3; 3 == 3 == 1; !0 + 1; -(-3); - -3; +3; 1.0 == 1; 1.5 && 0; 7/2*2.0; 2*7/2;
abs(-2.5); -1 > 0; 2**0.5; 4 >> 1 >> 1; 2 > 1 == 1; $ln(2); $pow(2, 3); $floor(2.5)/2; $log10(5)
""".replace("\n", " ")
    .strip()
    .split(";")
)


def as_openvaf_has_it(compiled, texts):
    """Value of each default, by this package and, from the equations, by OpenVAF."""
    ports = ", ".join(f"o{index}" for index in range(len(texts)))
    declared = "\n".join(f"parameter real q{index} = {text};" for index, text in enumerate(texts))
    body = "\n".join(f"I(o{index}) <+ {text};" for index, text in enumerate(texts))
    compilation = compiled(module_text(body, declared, ports))
    module = compilation.modules["m"]
    values = parameter_values(module, compilation.declarations["m"])
    flow = Evaluation(module, values).residuals(np.zeros((1, len(module.nodes)))).flow[0]
    return [values[f"q{index}"] for index in range(len(texts))], flow[: len(texts)]


@pytest.mark.compiler
def test_defaults_are_what_openvaf_makes_of_them(compiled):
    texts = [text for text in (*EXPRESSIONS, *CONSTANTS) if "hypot" not in text and "atan2" not in text]
    ours, theirs = as_openvaf_has_it(compiled, texts)
    different = [item for item in zip(texts, ours, theirs, strict=True) if item[1] != item[2]]
    # the last digit of a constant, and of a number with a scale factor, is OpenVAF's own: it multiplies
    assert all(abs(one / other - 1) < 4e-16 for _, one, other in different), different
    assert all(text.strip()[0] == "`" or text.strip()[-1] in "TGMKkmunpfa" for text, _, _ in different), different


def as_number(words):
    """A truth value as an integer: of a number and a truth value, OpenVAF's `?:` makes a truth value."""
    return f"(({' '.join(words)}) + 0)"


LEAVES = st.one_of(
    st.integers(0, 50).map(str),
    st.floats(0.01, 100).map(lambda value: f"{value:.6e}"),
    st.sampled_from(["1.5k", "2u", "0.3M", "`M_PI"]),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*"), inner).map(" ".join),
        st.tuples(inner, st.sampled_from(["<", "<=", ">", ">=", "==", "!=", "&&", "||"]), inner).map(as_number),
        st.tuples(inner, inner, inner).map(lambda parts: "({} ? {} : {})".format(*parts)),
        inner.map(lambda text: f"({text})"),
        inner.map(lambda text: f"-({text})"),
        inner.map(lambda text: f"(!({text}) + 0)"),
        st.tuples(st.sampled_from(["tanh", "atan", "sin", "abs", "floor"]), inner).map(lambda p: f"{p[0]}({p[1]})"),
        st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(lambda p: f"{p[0]}({p[1]}, {p[2]})"),
    ),
    max_leaves=8,
)


@pytest.mark.compiler
@settings(
    max_examples=10, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(texts=st.lists(TREES, min_size=60, max_size=60))
def test_any_expression_is_what_openvaf_makes_of_it(compiled, texts):
    ours, theirs = as_openvaf_has_it(compiled, texts)
    for text, one, other in zip(texts, ours, theirs, strict=True):
        assert one == pytest.approx(other, rel=1e-12, abs=1e-300), text


@pytest.mark.parametrize(
    "text", ["1 +", "(1", "1/0", "ln(-1)", "f(2)", "x", "min(1 2)", '"a" & 1', "1 2", "exp(1e9)", ""]
)
def test_what_is_no_constant_expression(tmp_path, text):
    with pytest.raises(ExpressionError):
        evaluated(text, tmp_path)


def test_names_and_texts(tmp_path):
    assert evaluated("2*r + `M_PI", tmp_path, r=3.0) == 6 + math.pi
    assert evaluated('t == "a" ? 1 : 2', tmp_path, t="a") == 1
    assert evaluated("-inf", tmp_path) == -math.inf


PARAMETERS = """parameter real low = 1 from [0:inf);
(* desc="x (a:b]",
   units="V" *) parameter real x = 2 * low from (low:10*low] exclude 5 exclude (6:7), y = x/low;
parameter integer k = 7/2 from [-inf:8] exclude -1;
parameter integer half = 2.5;
parameter string t = "lin" from '{"lin", "sq"};
parameter z = 3;
aliasparam other = x;
localparam real w = x + y;
real unused;"""


@pytest.fixture
def values(compiled):
    """Values of the parameters of `PARAMETERS`."""
    compilation = compiled(module_text('I(p, n) <+ V(p, n)*w*k*low*half*z; unused = t == "sq";', PARAMETERS))
    return lambda **given: parameter_values(compilation.modules["m"], compilation.declarations["m"], given)


@pytest.mark.compiler
def test_defaults(values):
    expected = {"low": 1.0, "x": 2.0, "y": 2.0, "k": 3, "half": 3, "t": "lin", "z": 3.0, "w": 4.0}
    assert values() == expected
    assert {name: type(value) for name, value in values().items()} == {name: type(v) for name, v in expected.items()}


@pytest.mark.compiler
def test_defaults_follow_what_is_given(values):
    assert values(low=0.5) | {"t": ""} == {
        "low": 0.5,
        "x": 1.0,
        "y": 2.0,
        "k": 3,
        "half": 3,
        "t": "",
        "z": 3.0,
        "w": 3.0,
    }
    assert values(other="3 V")["x"] == 3.0
    assert values(x=10.0, low=1)["w"] == 20.0


@pytest.mark.compiler
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"low": -1}, r"low: must be from \[0:inf\); it is -1"),
        (
            {"x": 1},
            r"x: must be from \(low:10\*low\] \(low = 1\) \(10\*low = 10\) exclude 5 exclude \(6:7\).*; it is 1",
        ),
        ({"x": 10.5}, "x: must be .*; it is 10.5"),
        ({"other": 5}, "x: must be .*; it is 5"),
        ({"x": 6.5}, "x: must be .*; it is 6.5"),
        ({"low": 3, "x": 2}, r"\(low = 3\)"),
        ({"k": 9}, r"k: must be from \[-inf:8\] exclude -1; it is 9"),
        ({"k": -1}, "k: must be .*; it is -1"),
        ({"k": 1.5}, "k: must be an integer; it is 1.5"),
        ({"t": "no"}, "t: must be one of 'lin', 'sq'; it is 'no'"),
        ({"t": 3}, "t: must be a text; it is 3"),
        ({"x": "fast"}, "x: "),
        ({"w": 3}, "w: module m has no such parameter"),
        ({"lo": 3}, "lo: module m has no such parameter; it has low, x, y, k, half, t, z.*low"),
        ({"x": 3, "other": 3}, "x is given twice"),
        ({"low": math.nan}, "low: "),
    ],
)
def test_what_is_out_of_bounds_is_refused(values, given, message):
    with pytest.raises(ModelError, match=message):
        values(**given)


@pytest.mark.compiler
@pytest.mark.parametrize("given", [{"x": 6}, {"x": 7}, {"x": 10}, {"low": 0.4, "x": 4}, {"k": -1000}, {"k": 8}])
def test_ends_of_ranges(values, given):
    assert values(**given).items() >= given.items()


DECLARATIONS = "real w = 0, u, s; integer k; parameter real r = 1;"
HIDDEN = {
    "kept": ("if (V(p, n) > 1) u = 2; I(p, n) <+ u;", ["u"]),
    "added to": ("u = u + V(p, n); I(p, n) <+ u;", ["u"]),
    "counted": ("k = k + 1; I(p, n) <+ k*V(p, n);", ["k"]),
    "started and added to": ("@(initial_step) u = 0.5; u = u + V(p, n); I(p, n) <+ u;", ["u"]),
    "a block started": ("@(initial_step) begin u = 0.5; s = 1; end u = u + V(p, n); I(p, n) <+ u*s;", ["u"]),
    "one branch only": ("if (V(p) > 0) u = 1; else s = 2; I(p, n) <+ u + s;", ["u", "s"]),
    "a loop": ("for (k = 0; k < 3; k = k + 1) u = u + V(p); I(p, n) <+ u;", ["u"]),
    "in a block": ("begin : inner real v; if (V(p) > 0) v = 1; I(p, n) <+ v; end", ["v"]),
    "in the charge": ("if (V(p) > 0) u = 1; I(p, n) <+ ddt(u*V(p, n));", ["u"]),
    "by a condition": ("if (u > 0) I(p, n) <+ V(p, n); u = V(p);", ["u"]),
    # and these are fine
    "set on every path": ("if (V(p) > 0) u = 1; else u = 2; I(p, n) <+ u;", []),
    "never used": ("if (V(p) > 0) u = 1; I(p, n) <+ V(p, n);", []),
    "constant from its declaration": ("I(p, n) <+ w + V(p, n);", []),
    "constant from the first step": ("@(initial_step) u = 2*r; I(p, n) <+ u*V(p, n);", []),
    "constants from an if of the first step": (
        "@(initial_step) if (r > 1) u = 2; else u = 3; I(p, n) <+ u*V(p, n);",
        [],
    ),
    "loop variable": ("u = 0; for (k = 0; k < 3; k = k + 1) u = u + V(p); I(p, n) <+ u;", []),
    "set in a block": ("begin : inner real v; v = V(p); I(p, n) <+ v; end", []),
    "set before it is added to": ("u = V(p); u = u*u; I(p, n) <+ u;", []),
}


@pytest.fixture(scope="module")
def hidden(tmp_path_factory):
    """The bodies of `HIDDEN` as modules of one file."""
    path = tmp_path_factory.mktemp("hidden") / "m.va"
    modules = [
        f"module m{index}(p, n); inout p, n; electrical p, n; {DECLARATIONS} analog begin {body} end endmodule"
        for index, (body, _) in enumerate(HIDDEN.values())
    ]
    path.write_text('`include "disciplines.vams"\n' + "\n".join(modules), encoding="utf-8")
    return compile_verilog_a(path)


@pytest.mark.compiler
@pytest.mark.parametrize("name", HIDDEN)
def test_hidden_state_is_found(hidden, name):
    assert sorted(hidden.unset(f"m{list(HIDDEN).index(name)}", {})) == sorted(HIDDEN[name][1])


REFUSED = [
    ("I(p, n) <+ absdelay(V(p, n), 1n);", r"m\.va:6: absdelay is not supported: OpenVAF drops the delay"),
    ('I(p, n) <+ V(p, n) + ac_stim("ac", 1);', r"m\.va:6: ac_stim is not supported"),
    ('if (analysis("static")) I(p, n) <+ V(p, n);', r"m\.va:6: analysis is not supported"),
    ("I(p, n) <+ $clog2(5, 1)*V(p, n);", r"m\.va:6: \$clog2 is not supported"),
    ("I(p, n) <+ V(p) % V(n);", r"m\.va:6: % of real numbers is not supported"),
    ('I(p, n) <+ $simparam("nothing")*V(p, n);', r'm\.va:6: \$simparam\("nothing"\) is not known .*give a default'),
    ("@(final_step) u = 1; I(p, n) <+ V(p, n);", r"m\.va:6: @\(final_step\) is not supported"),
    ("@(initial_step) u = V(p, n); I(p, n) <+ u;", r"m\.va:6: @\(initial_step\) takes V, which changes"),
    ("I(p, n) <+ V(p, n); $strobe(\"%g\", I(<p>));", r"m\.va:6: the current of a port, \(<p>\), is not supported"),
    ("I(p, n) <+ ddt(ddt(V(p, n)));", r"m\.va:6: ddt of ddt is not supported.*a node of its own"),
    ("I(p, n) <+ $xposition*V(p, n);", "xposition is not supported"),
    ("I(p, n) <+ transition(V(p, n), 0, 1n);", r"m\.va:6: transition is not supported: .*let a node follow its input"),
    ("@(cross(V(p), 0)) u = 1; I(p, n) <+ u;", r"m\.va:6: @\(cross\) is not supported.*let a node hold"),
    ("@(timer(0, 1m)) u = 1; I(p, n) <+ u;", r"m\.va:6: @\(timer\) is not supported.*let the drive"),
    ("@(initial_step or cross(V(p))) u = 1; I(p, n) <+ u;", r"m\.va:6: events joined by or are not supported"),
    ("I(p, n) <+ $realtime*V(p, n);", r"m\.va:6: \$realtime is not supported: .*write \$abstime"),
    ("I(p, n) <+ $random*V(p, n);", r"m\.va:6: \$random draws at every evaluation here"),
    ("@(timer(0, 1m)) u = $rdist_normal(k, 0, 1); I(p, n) <+ u;", r"m\.va:6: .* draws anew at every @\(timer\) here"),
    ("if (V(p) > 0) @(initial_step) u = 1; I(p, n) <+ u;", r"m\.va:6: @\(\.\.\.\) in a condition that asks for V is"),
    ("I(p, n) <+ V(p, n;", r"(?s)OpenVAF refuses the file.*m\.va:6:18"),
    ("I(p, n) <+ V(p, n)*unknown;", "(?s)OpenVAF refuses the file.*'unknown' was not found"),
    ('$strobe("%b", k); I(p, n) <+ V(p, n);', "%b and %r are not supported"),
]  # fmt: skip


@pytest.mark.compiler
@pytest.mark.parametrize(("body", "message"), REFUSED, ids=[body.split(";")[0] for body, _ in REFUSED])
def test_what_is_not_supported_is_refused_by_name(compiled, body, message):
    with pytest.raises(VerilogAError, match=message):
        compile_native(compiled(module_text(body, "\nreal u; integer k;")).modules["m"], {})


@pytest.mark.compiler
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("module a(p, n); inout p, n; electrical p, n; b x(p, n); endmodule", r"m\.va:2: an instance of module b"),
        (
            "module a(p, n); inout p, n; electrical p, n;\ninductor #(.l(3)) x(p, n); endmodule",
            r"m\.va:3: an instance of module inductor: no such module is in the file",
        ),
        (
            'module a(p, n); inout p, n; electrical p, n;\nstring s; analog begin s = "x"; I(p, n) <+ 1; end endmodule',
            r"m\.va:3: variable s: variables that hold a text are not supported",
        ),
        ("module a; electrical p; analog I(p) <+ V(p); endmodule", "module a has no terminals"),
        ("", "no module in the file"),
        (
            "module a(p, n); inout p, n; electrical p, n;\nreal w[0:3]; analog I(p, n) <+ w*V(p, n); endmodule",
            r"m\.va:3: w is an array; only its elements",
        ),
        (
            "module a(p, n); inout p, n; electrical p, n;\nreal w[0:3]; analog I(p, n) <+ w[4]*V(p, n); endmodule",
            r"m\.va:3: w has no element 4",
        ),
        (
            "module a(p, n); inout p, n; electrical p, n; integer k;\nreal w[0:k]; analog I(p) <+ w[0]; endmodule",
            r"m\.va:3: .*the bounds of an array must be constants",
        ),
        (
            "module a(p, n); inout p, n; electrical p, n; a #(.r(3)) x(p, n); endmodule",
            r"m\.va:2: module a holds itself",
        ),
        (
            "module a(p, n); inout p, n; electrical p, n; analog I(p, n) <+ V(p, n); endmodule\n"
            "module b(p, n); inout p, n; electrical p, n; a #(.r(3)) x(p, n); endmodule",
            r"m\.va:3: module a takes 0|has no r",
        ),
    ],
)
def test_modules_that_are_refused(compiled, text, message):
    with pytest.raises(VerilogAError, match=message):
        compiled(f'`include "disciplines.vams"\n{text}')


@pytest.mark.compiler
def test_a_death_of_openvaf_is_an_error_that_names_the_file(compiled, monkeypatch):
    monkeypatch.setattr("spicecim.veriloga.frontend.refuse_unsupported", lambda *_: None)
    with pytest.raises(VerilogAError, match=r"m\.va: OpenVAF fails on the file"):
        compiled(module_text('I(p, n) <+ V(p, n) + ac_stim("ac", 1);'))


def test_places_point_into_the_file_that_declares(tmp_path):
    (tmp_path / "b.va").write_text("\nparameter real\n  r = 1;\nreal u;\n", encoding="utf-8")
    path = tmp_path / "m.va"
    path.write_text(module_text("I(p, n) <+ V(p, n)/r;", '\n`include "b.va"\n'), encoding="utf-8")
    module = read_declarations(read_source(path))["m"]
    assert str(module.parameters["r"].place) == "b.va:3"
    assert str(module.variables[0].place) == "b.va:4"
    assert str(module.place) == "m.va:3"


def test_all_ends_of_ranges_are_read(tmp_path):
    for opening, closing in itertools.product("([", ")]"):
        path = tmp_path / "m.va"
        text = f"module m(p); parameter real r = 1 from {opening}0:2{closing}; endmodule"
        path.write_text(text, encoding="utf-8")
        (found,) = read_declarations(read_source(path))["m"].parameters["r"].ranges
        assert (found.lower_closed, found.upper_closed) == (opening == "[", closing == "]")
        assert str(found) == f"from {opening}0:2{closing}"
