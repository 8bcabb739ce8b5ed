"""Testbenches that many tests share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spicecim.testbench import Testbench

MakeBench = Callable[..., Testbench]


def bench_dict(**sections: Any) -> dict[str, Any]:
    """A small valid testbench as plain values; the sections given replace its own."""
    return {
        "device": {"model": "yakopcic", "preset": "oblea"},
        "crossbar": {"state": [[0.1, 0.9], [0.9, 0.1], [0.5, 0.5]]},
        "drive": {"kind": "sine", "amplitude": 0.45, "frequency": [100, 200, 300]},
        "analysis": {"points_per_period": 50},
        **sections,
    }


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With ``-m "not torch"``, leave out the files of that marker: they import PyTorch, which may be missing."""
    if "not torch" not in config.option.markexpr or collection_path.suffix != ".py":
        return None
    text = collection_path.read_text(encoding="utf-8")
    return bool(re.search(r"^pytestmark = .*pytest\.mark\.torch", text, re.MULTILINE)) or None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the cases whose parameter is the engine `ngspice`."""
    for item in items:
        case = getattr(item, "callspec", None)
        if case and any(isinstance(value, str) and value == "ngspice" for value in case.params.values()):
            item.add_marker("ngspice")


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what tests compile out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPICECIM_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def make_bench() -> MakeBench:
    """Build a small testbench whose sections can be replaced."""
    return lambda **sections: Testbench.from_dict(bench_dict(**sections))


@pytest.fixture
def rng() -> np.random.Generator:
    """A seeded random generator."""
    return np.random.default_rng(20261122)
