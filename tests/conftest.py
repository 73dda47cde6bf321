"""What all tests share: one thread a process, Ctrl-C as at a terminal, an empty registry, a reason without CUDA."""

from __future__ import annotations

import os
import signal

import pytest

# Set before numpy or torch is imported: tests run in several processes, each of which would otherwise take all cores.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ.setdefault(variable, "1")

# A shell starts background jobs with SIGINT ignored, and so would be every process that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests marked `cuda` where there is no such device."""
    if item.get_closest_marker("cuda") is not None:
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")


@pytest.fixture(autouse=True)
def _empty_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is met by no other test."""
    from mibench import registry

    for catalogue in (registry.estimators, registry.distributions):
        monkeypatch.setattr(catalogue, "_decorated", {})
