"""The preprocessor: what OpenVAF reads is what the author wrote, and every line knows where it comes from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spicecim.errors import VerilogAError
from spicecim.veriloga.source import read_source


@pytest.fixture
def write(tmp_path):
    """Write a file and return its path."""

    def write(name, text, **options):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode(**options))
        return path

    return write


def words(path):
    return read_source(path).text.split()


def place_of(source, word):
    line = next(number for number, text in enumerate(source.lines, 1) if word in text)
    return str(source.place(line))


def test_includes_are_found_beside_the_file_that_includes_them(write):
    write("sub/b.va", '`include "c.va"\nb1')
    write("sub/c.va", "c1\nc2")
    source = read_source(write("a.va", 'a1\n`include "sub/b.va"\na2'))
    assert source.text.split() == ["a1", "c1", "c2", "b1", "a2"]
    places = {"a1": "a.va:1", "c2": "c.va:2", "b1": "b.va:2", "a2": "a.va:3"}
    assert {word: place_of(source, word) for word in places} == places
    assert {path.name for path in source.files} == {"a.va", "b.va", "c.va"}


def test_a_missing_include_names_file_and_line(write):
    with pytest.raises(VerilogAError, match=r"a\.va:2: .*nothing\.va cannot be read"):
        read_source(write("a.va", '\n`include "nothing.va"'))


def test_an_include_without_quotes_is_refused(write):
    with pytest.raises(VerilogAError, match=r"a\.va:1: `include needs a file name in quotes"):
        read_source(write("a.va", "`include <b.va>"))


def test_a_file_that_includes_itself_is_refused(write):
    write("b.va", '`include "a.va"')
    with pytest.raises(VerilogAError, match="does a file include itself"):
        read_source(write("a.va", '`include "b.va"'))


def test_a_standard_header_stays_unless_it_lies_beside_the_model(write):
    path = write("a.va", '`include "constants.vams"')
    assert words(path) == ["`include", '"constants.vams"']
    write("constants.vams", "mine")
    assert words(path) == ["mine"]


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("`define A 3\n`A + `A", "3 + 3"),
        ("`define A(x) (x*2)\n`A(1+(2,3))", "(1+(2,3)*2)"),
        ("`define A(x,y) x-y\n`A(f(1,2),[3,4])", "f(1,2)-[3,4]"),
        ("`define A(x) x+1\n`define B(x) `A(x)*`A(x)\n`B(`A(0))", "0+1+1*0+1+1"),
        ("`define A \\\n 1 + \\\n 2\n`A", "1 +   2"),
        ("`define A(x) <x>\n`A(1\n,2)".replace(",2", ""), "<1>"),
        ('`define A(x) $strobe("x is %g", x)\n`A(3)', '$strobe("x is %g", 3)'),
        ('`define A(x) x\n`A("a,b)")', '"a,b)"'),
        ("`define A() 7\n`A()", "7"),
        ("`define A 1\n`undef A\n`ifdef A\nyes\n`else\nno\n`endif", "no"),
        ('"no // comment" `define', '"no // comment" '),
        ('"not `A" // `A', '"not `A"  '),
        ("a /* b\nc */ d", "a  \n d"),
        ("`define A /* x */ 2 // y\n`A", "2"),
    ],
)
def test_macros_and_comments(write, text, expanded):
    if text.endswith("`define"):
        with pytest.raises(VerilogAError, match="`define needs a name"):
            read_source(write("a.va", text))
        return
    lines = read_source(write("a.va", text)).lines
    assert " ".join("\n".join(lines).split()) == " ".join(expanded.split())


@pytest.mark.parametrize("defined", [(), ("A",), ("B",), ("A", "B"), ("C",), ("B", "C")])
def test_conditions(write, defined):
    text = "".join(f"`define {name}\n" for name in defined)
    text += "`ifdef A\n`ifdef B\nab\n`else\na\n`endif\n`elsif B\nb\n`else\n`ifndef C\nnone\n`endif\n`endif\nend"
    expected = {(): "none", ("A",): "a", ("B",): "b", ("A", "B"): "ab", ("C",): "", ("B", "C"): "b"}[defined]
    assert words(write("a.va", text)) == [*expected.split(), "end"]


def test_conditions_on_one_line(write):
    assert words(write("a.va", "x `ifdef A a `else b `endif y\n`define A\nx `ifdef A a `else b `endif y")) == [
        *("x", "b", "y"),
        *("x", "a", "y"),
    ]


def test_what_is_left_out_is_not_read(write):
    text = '`ifdef NO\n`include "nothing.va"\n`define A 2\n`B(\n`endif\n`ifdef A\nA\n`endif\nend'
    assert words(write("a.va", text)) == ["end"]


def test_macros_of_openvaf_and_of_its_headers_are_defined(write):
    names = ["__OPENVAF__", "__VAMS__", "__VAMS_COMPACT_MODELING__", "DISCIPLINES_VAMS", "M_PI", "P_K"]
    header = '`include "disciplines.vams"\n`include "constants.vams"\n'
    text = "".join(f"`ifdef {name}\n{name}\n`endif\n" for name in names)
    assert words(write("a.va", header + text))[4:] == names
    assert words(write("b.va", text)) == names[:3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x\n`ifdef A\n", r"a\.va:2: `ifdef without `endif"),
        ("`endif", r"a\.va:1: `endif without `ifdef"),
        ("\n\n`else", r"a\.va:3: `else without `ifdef"),
        ("`ifdef\n`endif", r"a\.va:1: `ifdef needs the name of a macro"),
        ("`define A(x) x\n`A(1", r"a\.va:2: the arguments of a macro do not end"),
        ("`define A(x) x\n`A(1\n`ifdef B\n)\n`endif", r"a\.va:2: the arguments of a macro do not end"),
        ("`define A(x) x\n`A + 1", r"a\.va:2: the macro `A needs arguments"),
        ("`define A(x, y) x\n\n`A(1)", r"a\.va:3: `A takes 2 arguments; it gets 1"),
        ("`define A `A\n`A", r"a\.va:2: a chain of macros"),
        ('`define PHYSICAL_CONSTANTS_SPICE\n`include "constants.vams"', r"a\.va:2: PHYSICAL_CONSTANTS_SPICE"),
    ],
)
def test_what_is_unbalanced_is_refused(write, text, message):
    with pytest.raises(VerilogAError, match=message):
        read_source(write("a.va", text))


def test_lines_keep_their_places_after_macros_and_continuations(write):
    text = "`define A(x) \\\n x + \\\n x\none\n`A(2,\n3)\ntwo".replace("2,\n3", "2\n")
    source = read_source(write("a.va", text))
    assert [place_of(source, word) for word in ("one", "2 +", "two")] == ["a.va:4", "a.va:5", "a.va:7"]


def test_byte_order_mark_and_line_ends_of_windows(write):
    path = write("a.va", "\ufeffone\r\n`define A \\\r\n 2\r\n`A\r\n")
    assert words(path) == ["one", "2"]
    assert all("\r" not in line for line in read_source(path).lines)


def test_a_file_that_is_not_utf_8_is_refused_by_name(write):
    with pytest.raises(VerilogAError, match=r"a\.va:1 is not in UTF-8"):
        read_source(write("a.va", "// \u00b5", encoding="latin-1"))


def test_the_digest_is_that_of_all_files(write):
    write("b.va", "1")
    path = write("a.va", '`include "b.va"')
    before = read_source(path).digest
    write("b.va", "2")
    assert read_source(path).digest != before


LINES = st.lists(st.text("ab ()+*;,=\"'/`\\\n", max_size=20), max_size=6).map("\n".join)


@given(LINES)
def test_any_text_is_read_or_refused(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("any") / "a.va"
    path.write_text(text, encoding="utf-8")
    try:
        source = read_source(path)
    except VerilogAError:
        return
    assert len(source.lines) == len(source.places)
    assert all(1 <= place.line <= text.count("\n") + 1 for place in source.places)
