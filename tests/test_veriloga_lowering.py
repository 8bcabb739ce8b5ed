"""What the standard allows and OpenVAF does not take, against the same written so that it does."""

import numpy as np
import pytest

from spicecim.errors import ModelError, VerilogAError
from spicecim.veriloga.compiler import compile_verilog_a
from spicecim.veriloga.evaluation import Evaluation
from spicecim.veriloga.parameters import parameter_values
from spicecim.veriloga.selection import pick_module

pytestmark = pytest.mark.compiler


HEAD = "inout p, n; electrical p, n, x;"
PLAIN = "I(x) <+ ddt(V(x)) - V(p, n);"
CASES = {
    # declarations and body as published, and as they mean
    "array of parameters": ("parameter real r[0:1] = '{2.0, 3.0};", "I(p, n) <+ V(p, n)*r[0] + V(x)/r[1];", "",
                            "I(p, n) <+ V(p, n)*2.0 + V(x)/3.0;"),
    "array in braces, downwards": ("parameter real r[1:-1] = {2.0, 3.0, 5.0};", "I(p, n) <+ V(p, n)*r[1] + V(x)*r[-1];",
                                   "", "I(p, n) <+ V(p, n)*2.0 + V(x)*5.0;"),
    "array with its bounds first": ("real [0:1] r, q;", "r[0] = V(x); q[1] = 3*r[0]; I(p, n) <+ q[1];", "",
                                    "I(p, n) <+ 3*V(x);"),
    "array set in a loop": ("real r[0:2]; integer i;",
                            "for (i = 0; i < 3; i = i + 1) r[i] = i*V(x); I(p, n) <+ r[1] + 2*r[2];", "",
                            "I(p, n) <+ 5*V(x);"),
    "nested loops": ("real r[0:3]; integer i, j;",
                     "for (i = 0; i < 2; i = i + 1) for (j = 0; j < 2; j = j + 1) begin "
                     "r[2*i + j] = i + 2*j + V(x); end "
                     "I(p, n) <+ r[1] + 10*r[2] + 100*r[3];", "", "I(p, n) <+ 2 + 10 + 300 + 111*V(x);"),
    "element by a value": ("parameter integer k = 1; real r[0:2];",
                           "r[0] = 0; r[1] = 1; r[2] = 2; r[k + 1] = 5*V(x); I(p, n) <+ r[k] + r[k + 1];",
                           "", "I(p, n) <+ 1 + 5*V(x);"),
    "genvar": ("real r[0:1]; genvar i;", "for (i = 0; i < 2; i = i + 1) r[i] = V(x); I(p, n) <+ r[0] + r[1];", "",
               "I(p, n) <+ 2*V(x);"),
    "nodes in a list": ("electrical [0:1] b;", "I(b[0]) <+ V(b[0]) - V(x); I(b[1]) <+ V(b[1]) - V(b[0]); "
                        "I(p, n) <+ V(b[1]);", "electrical c, d;",
                        "I(c) <+ V(c) - V(x); I(d) <+ V(d) - V(c); I(p, n) <+ V(d);"),
    "underscores": ("", "I(p, n) <+ 1_0.5e-1*V(x);", "", "I(p, n) <+ 1.05*V(x);"),
    "complement": ("integer k, j;", "k = 5; j = ~k; I(p, n) <+ (j + ~(k + 1)*2)*V(x);", "", "I(p, n) <+ -20*V(x);"),
    "first steps": ("real k;", '@(initial_step or initial_step("static")) k = 3; I(p, n) <+ k*V(x);', "",
                    "I(p, n) <+ 3*V(x);"),
    "first steps with a comma": ("real k;", '@(initial_step("ac"), initial_step("tran")) k = 3; I(p, n) <+ k*V(x);', "",
                                 "I(p, n) <+ 3*V(x);"),
    "analysis": ("", 'if (analysis("tran", "ac")) I(p, n) <+ V(x); if (analysis("noise")) I(p, n) <+ 7;', "",
                 "I(p, n) <+ V(x);"),
    "repeat": ("real s;", "s = V(x); repeat (3) begin s = s + 1; repeat (2) s = 2*s; end I(p, n) <+ s;", "",
               "I(p, n) <+ 64*V(x) + 84;"),
    "function with its arguments in its head": (
        "analog function real f(input real a, b, inout real c); begin f = a - b; c = 2*c; end endfunction real c, d;",
        "c = 3; d = f(V(x), 1, c); I(p, n) <+ d + c;", "", "I(p, n) <+ V(x) - 1 + 6;"),
    "case with choices": ("integer k; real s;",
                          "k = 1; s = 0; case (k) 0, 2: s = 7; 1: s = min(V(x), abs(V(p, n))); default: s = 3; endcase "
                          "I(p, n) <+ s;", "", "I(p, n) <+ min(V(x), abs(V(p, n)));"),
    "case with a lone if": ("integer k; real s;",
                            "k = 1; s = 0; case (k) 0: if (V(x) > 9) s = 7; 1: s = V(x); endcase I(p, n) <+ s;", "",
                            "I(p, n) <+ V(x);"),
    "case in a case": ("integer k; real s;",
                       "k = 1; s = 0; case (k) 1: case (2*k) 2: s = abs(V(x)); default s = 4; endcase "
                       "(k > 1 ? 2 : 3): s = 5; endcase I(p, n) <+ s;", "", "I(p, n) <+ abs(V(x));"),
    "case whose default comes first": ("integer k; real s;",
                                       "k = 1; case (k) default: s = 3; 1: s = V(x); endcase I(p, n) <+ s;", "",
                                       "I(p, n) <+ V(x);"),
    "initial block behind": ("real k;", "I(p, n) <+ k*V(x); end analog initial begin k = 3; end analog begin", "",
                             "I(p, n) <+ 3*V(x);"),
    "hypot": ("", "I(p, n) <+ hypot(V(p, n), V(x));", "", "I(p, n) <+ sqrt(V(p, n)*V(p, n) + V(x)*V(x));"),
    "resistor": ("electrical m; resistor #(.r(500)) one(p, m);", "I(m, n) <+ V(m, n)*V(x);",
                 "electrical m;", "I(p, m) <+ V(p, m)/500; I(m, n) <+ V(m, n)*V(x);"),
}  # fmt: skip


def text_of(name, declarations, body, head=HEAD):
    return f"module {name}(p, n); {head} {declarations} analog begin {body} {PLAIN} end endmodule\n"


@pytest.fixture(scope="module")
def lowered(tmp_path_factory):
    """All cases in one file, each as published and as plain Verilog-A."""
    path = tmp_path_factory.mktemp("lowered") / "m.va"
    modules = [
        text_of(f"{kind}{index}", *parts)
        for index, case in enumerate(CASES.values())
        for kind, parts in (("published", case[:2]), ("plain", case[2:]))
    ]
    path.write_text('`include "disciplines.vams"\n' + "".join(modules), encoding="utf-8")
    return compile_verilog_a(path)


def residuals(compilation, name, points=7, potentials=None, **given):
    module = compilation.modules[name]
    values = parameter_values(module, compilation.declarations[name], given)
    count = len(module.nodes)
    if potentials is None:
        potentials = np.random.default_rng(3).uniform(-1.0, 1.0, (points, 10))[:, :count]
    return Evaluation(module, values).residuals(potentials)


@pytest.mark.parametrize("name", CASES)
def test_what_is_written_anew_means_the_same(lowered, name):
    index = list(CASES).index(name)
    for found, right in zip(*(residuals(lowered, f"{kind}{index}") for kind in ("published", "plain")), strict=True):
        assert np.allclose(found, right, rtol=1e-14, atol=1e-14)
    assert np.abs(right).max() == 0.0 or np.abs(residuals(lowered, f"plain{index}").flow).max() > 0.1


def write(tmp_path, text):
    path = tmp_path / "m.va"
    path.write_text('`include "disciplines.vams"\n' + text, encoding="utf-8")
    return path


def test_what_an_initial_block_starts_and_equations_move_is_memory(tmp_path):
    body = "w = w + 1e-9*V(p, n); I(p, n) <+ w*V(p, n);"
    compilation = compile_verilog_a(write(tmp_path, text_of("m", "real w; analog initial w = 0.5;", body)))
    assert compilation.unset("m", {}) == ("w",)


def test_atan2_and_its_derivatives_in_all_quadrants(tmp_path):
    compilation = compile_verilog_a(write(tmp_path, text_of("m", "", "I(p, n) <+ atan2(V(p, n), V(x));")))
    angles = np.linspace(-np.pi, np.pi, 41)[1:]
    y, x = 3.0 * np.sin(angles), 3.0 * np.cos(angles)
    found = residuals(compilation, "m", potentials=np.stack([y, np.zeros_like(y), x], axis=1))
    assert np.allclose(found.flow[:, 0], np.arctan2(y, x), rtol=1e-15, atol=1e-15)
    assert np.allclose(found.flow_jacobian[:, 0, 0], x / 9.0, atol=1e-15)
    assert np.allclose(found.flow_jacobian[:, 0, 2], -y / 9.0, atol=1e-15)


CELL = """module device(p, n); inout p, n; electrical p, n, x;
parameter real g = 1e-3 from (0:inf); parameter real k = 2*g;
branch (p, n) over; real rate; analog function real twice; input a; real a; twice = 2*a; endfunction
analog begin : core
  rate = 100*V(over)*(V(over) > 0 ? 1 - V(x) : V(x)); I(over) <+ twice(k)*V(over)*(0.01 + V(x));
  I(x) <+ ddt(V(x)) - rate; end endmodule
"""
FLAT = """module flat(p, n); inout p, n; electrical p, n, m, x; real rate;
analog begin rate = 100*V(m, n)*(V(m, n) > 0 ? 1 - V(x) : V(x)); I(p, m) <+ V(p, m)/50.0;
  I(m, n) <+ 0.02*V(m, n)*(0.01 + V(x)); I(x) <+ ddt(V(x)) - rate; end endmodule
"""


def test_instances_are_the_equations_of_their_modules(tmp_path):
    part = (
        "module both(a, b); inout a, b; electrical a, b; parameter real h = 1; device #(.g(h)) inner(a, b); endmodule\n"
    )
    whole = (
        "module whole(p, n); inout p, n; electrical p, n, m; parameter real h = 5e-3;\n"
        "resistor #(50.0) r1(p, m); both #(.h(h)) one(.b(n), .a(m)); endmodule\n"
    )
    compilation = compile_verilog_a(write(tmp_path, CELL + part + whole + FLAT))
    assert [node.name for node in compilation.modules["whole"].nodes] == ["p", "n", "m", "one__inner__x"]
    found, right = residuals(compilation, "whole"), residuals(compilation, "flat")
    for one, other in zip(found, right, strict=True):
        assert np.allclose(one, other, rtol=1e-14)
    halved = residuals(compilation, "whole", h=2.5e-3)
    assert not np.allclose(halved.flow, found.flow)
    # two of one module are told apart by their names
    pair = "module pair(p, n); inout p, n; electrical p, n, m; device a(p, m); device b(m, n); endmodule"
    (tmp_path / "other").mkdir()
    compilation = compile_verilog_a(write(tmp_path / "other", CELL + pair))
    assert [node.name for node in compilation.modules["pair"].nodes] == ["p", "n", "m", "a__x", "b__x"]
    # the one that is no part of another is meant
    assert pick_module(compilation, None).name == "pair"


def test_attributes_of_ports_and_other_paths_of_headers(tmp_path):
    text = 'module m((* desc="anode" *) p, (* desc="cathode" *) n); inout p, n; electrical p, n;'
    text += " analog I(p, n) <+ V(p, n);"
    path = tmp_path / "m.va"
    path.write_text(f'`include "std/disciplines.vams"\n{text} endmodule\n', encoding="utf-8")
    assert compile_verilog_a(path).modules["m"].terminals == ("p", "n")
    for name, wanted in (
        ("discipline.vams", "disciplines"),
        ("disciplines.h", "disciplines"),
        ("Constants.va", "constants"),
    ):
        path.write_text(f'`include "{name}"\n{text} endmodule\n', encoding="utf-8")
        with pytest.raises(VerilogAError, match=rf'm\.va:1: there is no {name}; .*`include "{wanted}\.vams"'):
            compile_verilog_a(path)


def test_messages_show_the_lines_of_the_author(tmp_path):
    path = write(tmp_path, text_of("m", "real r[0:1];\n", "\nr[0] = 1;\nI(p, n) <+ nothing*r[0];"))
    with pytest.raises(VerilogAError, match=r"(?s)'nothing' was not found.*--> m\.va:5"):
        compile_verilog_a(path)


def test_a_parameter_of_an_array_is_set_by_its_element(tmp_path):
    text = text_of("m", "parameter real r[0:1] = '{2.0, 3.0} from (0:inf);", "I(p, n) <+ V(p, n)*r[0] + V(x)*r[1];")
    compilation = compile_verilog_a(write(tmp_path, text))
    found = residuals(compilation, "m", potentials=np.array([[1.0, 0.0, 1.0]]), r_1=7.0)
    assert found.flow[0, 0] == 9.0
    with pytest.raises(ModelError, match=r"r_1: .*must be"):
        residuals(compilation, "m", r_1=-1.0)
