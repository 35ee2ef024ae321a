"""Compile many configurations at once: in processes of their own, for Triton compiles one at a time in each.

They only fill the cache of compiled kernels, which all processes share; who asked then finds everything there. They are
plain subprocesses, not multiprocessing's: those would run the user's main program anew.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys

PROGRAM = "import sys; sys.path[:0] = {path!r}; from tritonnet.kernels.lab.compiling import work; work()"


def warm(subject: str, dims: dict, dtype: str, arch: int, kernel: str, configs: list[dict], told=None, workers=None):
    """Compile every configuration of a subject's kernel for an architecture into the cache.

    told: called with the number that is done. workers: processes (default: one per processor). What does not compile is
    left to whoever asks for it.
    """
    workers = min(workers or os.cpu_count() or 1, len(configs))
    program = PROGRAM.format(path=[p or os.getcwd() for p in sys.path])
    running = []
    try:
        for i in range(workers):
            process = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.DEVNULL, text=True)
            running.append(process)
            process.stdin.write(json.dumps([subject, dims, dtype, arch, kernel, configs[i::workers]]))
            process.stdin.close()
        done = 0
        for process in running:
            for _ in process.stdout:
                done += 1
                if told is not None:
                    told(done)
    except OSError:  # no more processes, or one that died: the rest is compiled by whoever asks
        pass
    finally:
        for process in running:
            if process.poll() is None and sys.exc_info()[0]:
                process.kill()
            process.stdout.close()
            process.wait()


def work():
    """In such a process: a line for each configuration that is compiled."""
    from tritonnet.kernels.lab.candidates import Candidate
    from tritonnet.kernels.lab.plan import launches
    from tritonnet.kernels.lab.subjects import dtype_named, subject
    from tritonnet.kernels.runtime.resources import resources

    name, dims, dtype, arch, kernel, configs = json.load(sys.stdin)
    chosen, dtype = subject(name), dtype_named(dtype)
    known = next(p.kernel for p in launches(chosen, dims, dtype, arch) if p.kernel.name == kernel)
    for config in configs:
        candidate = Candidate(config)
        with contextlib.suppress(Exception):  # whoever asks compiles it again and is told
            candidate.plan(chosen, dims, dtype, arch, known)
            resources(candidate.planned.specialisation, candidate.planned.target)
        print(".", flush=True)
