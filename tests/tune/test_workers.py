"""Workers that share a study: a Ctrl-C that comes while one of them is started is not lost."""

from __future__ import annotations

import os
import signal

import pytest

from shelfwise.tune.workers import _interrupts_held_back


def test_an_interrupt_that_comes_meanwhile_is_raised_at_the_end() -> None:
    before, reached = signal.getsignal(signal.SIGINT), []

    def interrupted() -> None:
        with _interrupts_held_back():
            os.kill(os.getpid(), signal.SIGINT)
            reached.append("the end")

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert reached == ["the end"]
    assert signal.getsignal(signal.SIGINT) is before
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_without_one_nothing_is_raised() -> None:
    with _interrupts_held_back():
        assert signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())
