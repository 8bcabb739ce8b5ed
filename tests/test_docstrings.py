"""The examples in the docstrings of public names run by themselves, as a reader would run them."""

import doctest
import inspect

import pytest

import spicecim as sc

SLOW = {"sc.fit", "sc.fit_each", "sc.posterior", "sc.program", "sc.write_report"}
"""Those that take more than a second of processor time."""


def public_names():
    """Return functions and classes of `sc`, `sc.measure` and `sc.operations` by name, each once."""
    found = {}
    for place, module in (("sc", sc), ("sc.measure", sc.measure), ("sc.operations", sc.operations)):
        for name in module.__all__:
            value = getattr(module, name)
            if (inspect.isfunction(value) or inspect.isclass(value)) and value not in found.values():
                found[f"{place}.{name}"] = value
    return found


NAMES = public_names()
WITH_EXAMPLES = [name for name, value in NAMES.items() if ">>>" in (value.__doc__ or "")]


def test_functions_have_examples():
    # what registers would stay registered, docs/extending.md shows it; validations take minutes
    left_out = {
        name for name, value in NAMES.items()
        if inspect.isfunction(value) and name not in WITH_EXAMPLES
        and not name.startswith(("sc.validate_", "sc.register_", "sc.measure.register_"))
    }  # fmt: skip
    assert not left_out


def marks(name):
    needed = {"sc.check_model": ["compiler"], "sc.write_netlist": ["ngspice"]}.get(name, [])
    return [getattr(pytest.mark, each) for each in needed + ["slow"] * (name in SLOW)]


@pytest.mark.parametrize("name", [pytest.param(name, marks=marks(name)) for name in WITH_EXAMPLES])
def test_examples(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runner = doctest.DocTestRunner(optionflags=doctest.FAIL_FAST)
    # no names of the module that holds it: a reader has imported spicecim alone
    for test in doctest.DocTestFinder(recurse=False).find(NAMES[name], name, globs={}):
        report = []
        runner.run(test, out=report.append)
        assert not runner.failures, "".join(report)
