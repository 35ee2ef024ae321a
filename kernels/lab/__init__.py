"""The kernel lab: measure, inspect, tune and debug kernels. Stands on the runtime and the kernel families."""
