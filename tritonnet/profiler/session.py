"""`profile`: the context that records, and what can be asked of it afterwards."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import pathlib
import socket
import time
import uuid
import warnings

from tritonnet.kernels import runtime
from tritonnet.kernels.lab.telemetry import EVERY, NoTelemetry, watching
from tritonnet.profiler import averages
from tritonnet.profiler.ceilings import Ceilings, measured
from tritonnet.profiler.chrome import trace_of
from tritonnet.profiler.instruments import installed
from tritonnet.profiler.recording import Recorder
from tritonnet.profiler.scheduling import ProfilerAction, ProfilerActivity, always
from tritonnet.profiler.summary import summary_of
from tritonnet.profiler.tables import Averages
from tritonnet.profiler.work import Counter
from tritonnet.serialization.aside import write_aside

_active: list[profile] = []  # profilers under way: `record_function` tells the last
RECORDING = (ProfilerAction.WARMUP, ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)


class profile:
    """Record what happens inside `with`; the names are torch.profiler.profile's.

    activities: `ProfilerActivity.CPU`, `.CUDA`, or both (default: both, CUDA where there is a device).  schedule:
    which steps, from `schedule(…)`; then call `step()` after each.  on_trace_ready: called with this object whenever a
    cycle is recorded.  record_shapes: tell calls of different shapes apart.  ceilings: measure what the machine can do,
    for shares of the roof.  profile_memory, with_flops: always on.  with_stack, with_modules, experimental_config,
    execution_trace_observer, acc_events: nothing follows from them but a warning.  custom_trace_id_callback: gives the
    trace its name, see `get_trace_id`.  post_processing_timeout_s: nothing takes long here, so nothing is given up.
    """

    def __init__(self, *, activities=None, schedule=None, on_trace_ready=None, record_shapes=False, profile_memory=True,
                 with_stack=False, with_flops=True, with_modules=False, experimental_config=None,
                 execution_trace_observer=None, acc_events=False, use_cuda=None, custom_trace_id_callback=None,
                 post_processing_timeout_s=None, ceilings=True):
        ignored = {"with_stack": with_stack, "with_modules": with_modules, "experimental_config": experimental_config,
                   "execution_trace_observer": execution_trace_observer, "acc_events": acc_events}
        if ignored := [name for name, value in ignored.items() if value]:
            warnings.warn(f"profile: {', '.join(ignored)} ignored: no stacks or modules are recorded, name parts with "
                          f"record_function", stacklevel=2)
        if activities is None and use_cuda is False:
            activities = [ProfilerActivity.CPU]
        if isinstance(activities, dict) or any(isinstance(a, dict) for a in activities or ()):
            raise NotImplementedError("profile: single events cannot be chosen; activities are ProfilerActivity.CPU "
                                      "and .CUDA")
        activities = set(supported_activities() if activities is None else activities)
        if not activities or not all(isinstance(a, ProfilerActivity) for a in activities):
            raise ValueError(f"profile: activities must be ProfilerActivity.CPU and .CUDA, got {activities or '{}'}")
        if schedule is not None and not callable(schedule):
            raise TypeError(f"profile: schedule must be a function of the step, as profiler.schedule makes it, got "
                            f"{type(schedule).__name__}")
        self.activities, self.schedule, self.on_trace_ready = activities, schedule or always, on_trace_ready
        self.record_shapes, self.want_ceilings = record_shapes, ceilings
        self.step_num, self.recorder, self.device, self.action = 0, None, None, ProfilerAction.NONE
        self.telemetry, self._open, self.metadata = NoTelemetry("not recorded"), None, {}
        self.trace_id, self._name_trace = None, custom_trace_id_callback or (lambda: uuid.uuid4().hex.upper())

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        """Begin; as entering the context."""
        if _active:
            raise RuntimeError("profile: another profiler is already recording")
        _active.append(self)
        self.trace_id = self._name_trace()
        self._begin(self.schedule(0))

    def prepare_trace(self):
        """Nothing needs to be prepared: for programs that call it before `start_trace`."""

    def start_trace(self):
        """As `start`."""
        self.start()

    def stop(self):
        """End; what was recorded is kept."""
        if self in _active:
            recording = self.action
            self._end()
            _active.remove(self)
            if recording in RECORDING[1:] and self.on_trace_ready:
                self.on_trace_ready(self)

    def stop_trace(self):
        """As `stop`."""
        self.stop()

    def get_trace_id(self) -> str | None:
        """What the recording is called: `custom_trace_id_callback` tells, else it is drawn; None before it began."""
        return self.trace_id

    def set_custom_trace_id_callback(self, callback):
        """Let this function name the recordings to come."""
        self._name_trace = callback

    def toggle_collection_dynamic(self, enable, activities):
        """Not offered: a schedule says which steps are recorded."""
        raise NotImplementedError("toggle_collection_dynamic: recording is not switched in between; say by "
                                  "schedule(wait, warmup, active) which steps are recorded")

    def step(self):
        """Say that a step is done: the schedule decides about the next."""
        if self not in _active:
            raise RuntimeError("profile.step() outside of the profiler's context")
        before, self.step_num = self.action, self.step_num + 1
        action = self.schedule(self.step_num)
        if before is ProfilerAction.RECORD_AND_SAVE or (before is ProfilerAction.WARMUP
                                                        and action is not ProfilerAction.WARMUP):
            self._end()
            if before is ProfilerAction.RECORD_AND_SAVE and self.on_trace_ready:
                self.on_trace_ready(self)
        if self._open is None:
            self._begin(action)
        else:
            self.action = action
            self._step.close()
            self._name_step()

    def _begin(self, action):
        self.action = action
        if action not in RECORDING:
            return
        on_device = ProfilerActivity.CUDA in self.activities and runtime.is_available()
        self.device = runtime.current_device() if on_device else None
        self._open = contextlib.ExitStack()
        if self.device is not None:
            self.device.pool.reset_peak()
            self.telemetry = watching(self.device, EVERY)
        self._open.enter_context(self.telemetry)
        self.recorder = Recorder(self.device)
        if ProfilerActivity.CPU in self.activities:
            self._open.enter_context(installed(self.recorder))
        self.recorder.start()
        self._open.callback(self.recorder.stop)
        self._name_step()
        for cached in ("ceilings", "counter", "summary"):
            self.__dict__.pop(cached, None)

    def _name_step(self):
        """With a schedule each step is a range, as PyTorch names it."""
        self._step = contextlib.ExitStack()
        if self.schedule is not always:
            self._step.enter_context(self.recorder.span(f"ProfilerStep#{self.step_num}"))

    def _end(self):
        if self._open is not None:
            self._step.close()
            self._open.close()
            self._open, self.action = None, ProfilerAction.NONE

    @functools.cached_property
    def ceilings(self) -> Ceilings:
        """What this machine can do, measured when first asked for."""
        return measured(self.device) if self.want_ceilings else Ceilings(None, {}, "not measured")

    @functools.cached_property
    def counter(self) -> Counter | None:
        """Finds out the work of operations on the CPU; None where a device was recorded, whose launches tell theirs."""
        return Counter() if self.device is None else None

    @functools.cached_property
    def summary(self) -> dict:
        """Device, versions, date; totals, gaps, memory, clocks; and warnings where a figure is unreliable."""
        self._recorded()
        return summary_of(self)

    def events(self) -> list:
        """Every `Span` recorded, in the order of their beginning."""
        return self._recorded().spans

    def add_metadata(self, key: str, value: str):
        """Have a text of your own in the trace, under `key`."""
        self.metadata[str(key)] = str(value)

    def add_metadata_json(self, key: str, value: str):
        """Have a JSON text of your own in the trace, under `key`."""
        self.metadata[str(key)] = json.loads(value)

    preset_metadata_json = add_metadata_json

    def launches(self) -> list:
        """Every `LaunchRecord`."""
        return self._recorded().launches

    def _recorded(self) -> Recorder:
        if self.recorder is None:
            raise RuntimeError("profile: nothing was recorded yet")
        if self._open is not None:
            raise RuntimeError("profile: still recording; ask when the context is left, or in on_trace_ready")
        return self.recorder

    def key_averages(self, group_by_input_shape=False, group_by_stack_n=0) -> Averages:
        """Operations and ranges summed by name (and shapes)."""
        return Averages(averages.of_spans(self.events(), self.counter, self.ceilings,
                                          group_by_input_shape or self.record_shapes))

    def kernel_averages(self) -> Averages:
        """Launches summed by kernel, configuration and type."""
        return Averages(averages.of_launches(self.launches(), self.ceilings))

    def export_chrome_trace(self, path):
        """Write a trace for ui.perfetto.dev or chrome://tracing."""
        text = json.dumps(self.metadata | trace_of(self._recorded(), self.summary, self.telemetry.samples))
        write_aside(os.fspath(path), lambda file: file.write(text.encode()))

    def export_stacks(self, path, metric="self_cpu_time_total"):
        """Not offered: no stacks are recorded."""
        raise NotImplementedError("export_stacks: no stacks are recorded; name parts with record_function and look at "
                                  "prof.report(path) or prof.export_chrome_trace(path)")

    def export_memory_timeline(self, path, device=None):
        """Not offered in PyTorch's format: the report and the trace show memory over time."""
        raise NotImplementedError("export_memory_timeline: prof.report(path) and prof.export_chrome_trace(path) show "
                                  "the device's memory over time")

    def report(self, path):
        """Write one self-contained HTML file: timeline, roofline, table."""
        from tritonnet.profiler.page import page_of

        write_aside(os.fspath(path), lambda file: file.write(page_of(self).encode()))

    def _repr_html_(self):
        """In a notebook: the report, in a frame of its own."""
        import html

        from tritonnet.profiler.page import page_of

        return (f'<iframe srcdoc="{html.escape(page_of(self), quote=True)}" '
                f'style="width:100%;height:720px;border:1px solid #ddd"></iframe>')


class record_function(contextlib.ContextDecorator):
    """Name a part of the program in the profile: a context manager, or a decorator."""

    def __init__(self, name: str, args=None):
        self.name, self.args = str(name), args

    def __enter__(self):
        recorder = _active[-1].recorder if _active and _active[-1]._open is not None else None
        self.span = recorder.span(self.name) if recorder else contextlib.nullcontext()
        self.span.__enter__()
        return self

    def __exit__(self, *exc):
        return self.span.__exit__(*exc)

    def _recreate_cm(self):
        return record_function(self.name, self.args)


def kineto_available() -> bool:
    """Whether `profile` records: it always does (Kineto is PyTorch's recorder; programs ask before they profile)."""
    return True


def supported_activities() -> set:
    """What can be recorded here."""
    return {ProfilerActivity.CPU} | ({ProfilerActivity.CUDA} if runtime.is_available() else set())


def tensorboard_trace_handler(dir_name: str, worker_name: str | None = None, use_gzip: bool = False,
                              use_python_export: bool = False):
    """For `on_trace_ready`: writes <worker>.<time>.pt.trace.json into a folder, where TensorBoard looks for it.

    use_python_export: it is Python that writes, in any case.
    """
    def handle(prof):
        folder = pathlib.Path(dir_name)
        folder.mkdir(parents=True, exist_ok=True)
        name = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        path = folder / f"{name}.{time.time_ns()}.pt.trace.json"
        prof.export_chrome_trace(path)
        if use_gzip:
            import gzip

            (folder / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()

    return handle
