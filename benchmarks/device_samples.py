"""Every sample and exercise of the tests, on a device against the mirror; in several processes on a GPU.

Compiling is most of the work: each process takes whole operations, all of them share the cache of machine code on disk.
"""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import time
import typing

from tritonnet.kernels import runtime


class Outcome(typing.NamedTuple):
    """One sample in one type: `error` is empty where the kernels agree with the mirror."""

    name: str
    dtype: str
    error: str


def groups() -> list[list[tuple]]:
    """[(kind, name, dtype)] of all there is to run, those of one operation together, the largest groups first."""
    from tests.exercises import EXERCISES
    from tests.oracles import dtypes_of, name
    from tritonnet.autograd.samples import every_sample

    found = {}
    for case in every_sample():
        if not case[2].raises and case[2].device:
            found.setdefault(case[0].__name__, []).extend(("sample", name(case), d) for d in dtypes_of(case[2]))
    for label, (_, dtypes) in EXERCISES.items():
        found.setdefault(label, []).extend(("exercise", label, d) for d in dtypes)
    return sorted(found.values(), key=len, reverse=True)


def run_group(group, deadline) -> list[Outcome]:
    """Run some on this process's current device, until the deadline (time.time())."""
    from tests.exercises import EXERCISES
    from tests.oracles import exercise_agrees_with_mirror, kernel_agrees_with_mirror, name
    from tritonnet.autograd.samples import every_sample

    cases, device, done = {name(case): case for case in every_sample()}, runtime.current_device(), []
    for kind, label, dtype in group:
        if time.time() > deadline:
            break
        try:
            if kind == "sample":
                op, _, sample = cases[label]
                kernel_agrees_with_mirror(op, sample, dtype, device)
            else:
                exercise_agrees_with_mirror(EXERCISES[label][0], dtype, device)
            device.synchronize()
            done.append(Outcome(label, dtype, ""))
        except Exception as error:
            done.append(Outcome(label, dtype, f"{type(error).__name__}: {error}"))
            if isinstance(error, runtime.DeviceError) and not device.driver.simulated:
                break  # after a fault nothing more can be learned from this process
    return done


def run_all(seconds, processes=None, chosen=None) -> tuple[list[Outcome], int]:
    """(outcomes, how many there was no time for). processes: 1 runs here; None is one per processor."""
    work = [group for group in groups() if chosen is None or group[0][1] in chosen]
    deadline, outcomes = time.time() + seconds, []
    if processes == 1:
        for group in work:
            outcomes += run_group(group, deadline)
    else:
        spawn = multiprocessing.get_context("spawn")  # a forked process cannot use CUDA
        most = min(processes or os.cpu_count() or 1, 16)
        with concurrent.futures.ProcessPoolExecutor(most, mp_context=spawn) as pool:
            waiting = {pool.submit(run_group, group, deadline): group for group in work}
            for future in concurrent.futures.as_completed(waiting):
                try:
                    outcomes += future.result()
                except Exception as error:  # the process died: whoever it took along is named
                    outcomes += [Outcome(n, d, f"process died: {error!r}") for _, n, d in waiting[future]]
    return sorted(outcomes), sum(map(len, work)) - len(outcomes)
