"""Profile a program: operations, kernels, launches, memory, clocks, and how far each is from what the machine can do.

    from tritonnet.profiler import profile, record_function

    with profile() as prof:
        with record_function("step"):
            train_step()
    print(prof.key_averages().table(sort_by="cuda_time_total", row_limit=10))
    prof.export_chrome_trace("trace.json")          # for ui.perfetto.dev or chrome://tracing
    prof.report("profile.html")                     # timeline, roofline, table; one file

The names are those of torch.profiler. On the CPU the same report holds host times, bytes and flops per operation.
"""

from tritonnet.profiler.scheduling import ProfilerAction, ProfilerActivity, schedule
from tritonnet.profiler.session import (
    kineto_available,
    profile,
    record_function,
    supported_activities,
    tensorboard_trace_handler,
)

__all__ = ["ProfilerAction", "ProfilerActivity", "kineto_available", "profile", "record_function", "schedule",
           "supported_activities", "tensorboard_trace_handler"]
