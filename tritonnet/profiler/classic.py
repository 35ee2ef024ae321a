"""PyTorch's earlier names, `torch.autograd.profiler`: the same recording behind them.

    with tritonnet.autograd.profiler.profile(use_cuda=True) as prof:
        train_step()
    print(prof.key_averages().table(sort_by="self_cpu_time_total"))
"""

from __future__ import annotations

import warnings

from tritonnet.profiler import session
from tritonnet.profiler.scheduling import ProfilerActivity
from tritonnet.profiler.session import record_function
from tritonnet.profiler.tables import Averages as EventList

__all__ = ["EventList", "emit_itt", "emit_nvtx", "load_nvprof", "parse_nvprof_trace", "profile", "record_function"]


class profile:
    """Record what happens inside `with`; with enabled=False nothing.

    use_cuda, or use_device="cuda": launches, too.  use_cpu: operations of the host.  The other names are
    `tritonnet.profiler.profile`'s; activity_filters raises, as single events cannot be chosen.
    """

    def __init__(self, enabled=True, *, use_cuda=False, use_device=None, record_shapes=False, with_flops=False,
                 profile_memory=False, with_stack=False, with_modules=False, use_kineto=False, use_cpu=True,
                 experimental_config=None, acc_events=False, custom_trace_id_callback=None,
                 post_processing_timeout_s=None, activity_filters=None):
        if use_device not in (None, "cuda"):
            raise ValueError(f"profile: use_device is {use_device!r}; there are None and 'cuda'")
        if activity_filters:
            raise NotImplementedError("profile: activity_filters: single events cannot be chosen")
        on_device = bool(use_cuda) or use_device == "cuda"
        if on_device and ProfilerActivity.CUDA not in session.supported_activities():
            warnings.warn("CUDA is not available, disabling CUDA profiling", stacklevel=2)  # as PyTorch does
            on_device = False
        activities = [ProfilerActivity.CPU] * bool(use_cpu) + [ProfilerActivity.CUDA] * on_device
        if enabled and not activities:
            raise ValueError("profile: neither the CPU nor a device is to be recorded")
        self.enabled, self._within = enabled, session.profile(
            activities=activities, record_shapes=record_shapes, with_stack=with_stack, with_modules=with_modules,
            experimental_config=experimental_config, acc_events=acc_events,
            custom_trace_id_callback=custom_trace_id_callback) if enabled else None

    def __enter__(self):
        if not self.enabled:
            return None
        self._within.start()
        return self

    def __exit__(self, *_):
        if self.enabled:
            self._within.stop()

    def _done(self):
        if not self.enabled:
            raise RuntimeError("Profiler didn't finish running")
        return self._within

    @property
    def function_events(self) -> list:
        """Every `Span` recorded."""
        return self._done().events()

    @property
    def self_cpu_time_total(self) -> float:
        """Microseconds of the host in all operations."""
        return self.key_averages().self_cpu_time_total

    def key_averages(self, group_by_input_shape=False, group_by_stack_n=0) -> EventList:
        """Operations and ranges summed by name (and shapes)."""
        return self._done().key_averages(group_by_input_shape, group_by_stack_n)

    def total_average(self):
        """All of them as one."""
        return self.key_averages().total_average()

    def table(self, sort_by=None, row_limit=100, **kwargs) -> str:
        """Of `key_averages()`; see there."""
        return self.key_averages().table(sort_by, row_limit, **kwargs)

    def export_chrome_trace(self, path):
        """Write a trace for ui.perfetto.dev or chrome://tracing."""
        self._done().export_chrome_trace(path)

    def export_stacks(self, path, metric="self_cpu_time_total"):
        """Not offered: no stacks are recorded."""
        self._done().export_stacks(path, metric)

    def __str__(self):
        return self.table() if self.enabled and self._within.recorder is not None else "<unfinished profile>"


class emit_nvtx:
    """Not offered: ranges for NVIDIA's Nsight, which needs its toolkit. With enabled=False nothing happens."""

    def __init__(self, enabled=True, record_shapes=False):
        self.enabled = enabled

    def __enter__(self):
        if self.enabled:
            raise NotImplementedError(f"{type(self).__name__}: ranges for other profilers are not emitted; use "
                                      f"tritonnet.profiler.profile(), whose traces and reports need no toolkit")

    def __exit__(self, *_):
        return False


class emit_itt(emit_nvtx):
    """Not offered: ranges for Intel's VTune. With enabled=False nothing happens."""


def load_nvprof(path):
    """Not offered: no files of nvprof are read."""
    raise NotImplementedError("load_nvprof: files of nvprof are not read; prof.export_chrome_trace(path) writes traces")


parse_nvprof_trace = load_nvprof
