"""Jobs in a fork beside this process."""

import multiprocessing
import os
import signal
import time
import warnings

import pytest

from spicecim import forked
from spicecim.errors import InputError, WorkerCrashError
from spicecim.forked import Beside, run_forked


def fails():
    raise InputError("cells: must be 1 at least; they are 0")


def warns():
    warnings.warn("a cell carries 1 A", UserWarning, stacklevel=1)
    return os.getpid()


@pytest.mark.parametrize("can", [pytest.param(True, marks=pytest.mark.skipif(not forked.CAN_FORK, reason="")), False])
def test_a_job_beside_returns_raises_and_warns_as_here(can, monkeypatch):
    monkeypatch.setattr(forked, "CAN_FORK", can)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        job = Beside(warns)
    with pytest.warns(UserWarning, match="1 A"):
        assert (job.result() != os.getpid()) == can
    with pytest.raises(InputError, match="cells: must be 1 at least"):
        Beside(fails).result()
    assert not multiprocessing.active_children()


@pytest.mark.skipif(not forked.CAN_FORK, reason="runs in this process")
def test_a_job_beside_goes_on_while_this_process_does_and_ends_when_told():
    both = multiprocessing.get_context("fork").Event()
    job = Beside(lambda: both.wait(60))
    both.set()
    assert job.result()
    endless = Beside(lambda: time.sleep(600))
    endless.end()
    assert not multiprocessing.active_children()


@pytest.mark.skipif(not forked.CAN_FORK, reason="runs in this process")
def test_a_job_beside_whose_process_dies_is_told_and_one_may_have_forks_of_its_own():
    with pytest.raises(WorkerCrashError, match="status -9"):
        Beside(lambda: os.kill(os.getpid(), signal.SIGKILL)).result()
    found = Beside(lambda: sorted(run_forked(lambda number: 2 * number, range(4), 2))).result()
    assert found == [(number, 2 * number) for number in range(4)]
