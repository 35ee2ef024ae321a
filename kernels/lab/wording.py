"""An inspection in words: what the terminal and the page show."""

from __future__ import annotations

from tritonnet.kernels.lab.roofline import UNITS

SHOWN = 9  # names of instructions


def title(found) -> str:
    """matmul M=64 N=64 K=64 float16 -> gemm_kernel on sm_90."""
    dims = " ".join(f"{name}={told_dim(size)}" for name, size in found.dims.items())
    typed = f" {found.dtype}" if found.dims else ""
    return f"{found.subject}{' ' * bool(dims)}{dims}{typed}: {found.kernel} on sm_{found.arch}"


def told_dim(size) -> str:
    """4096, or 4096x1024."""
    return "x".join(map(str, size)) if isinstance(size, tuple) else str(size)


def told_config(config: dict) -> str:
    """BLOCK_M=128,num_warps=4, as --config takes it."""
    return ",".join(f"{name}={value}" for name, value in config.items())


def rows(found) -> list[tuple[str, str]]:
    """(name, text) of each line."""
    planned, line = found.planned, found.roofline
    told = [("configuration", f"{told_config(found.config)} ({planned.origin if planned.kernel.space else 'fixed'})")]
    if planned.grid:
        told.append(("grid", f"{' x '.join(map(str, planned.grid))} programs of {found.threads} threads"))
    else:
        told.append(("block", f"{found.threads} threads"))
    told += [
        ("registers", f"{found.registers} per thread, " + (
            f"{found.spills} B SPILLED" if found.spills else "none spilled") + (
            f", {found.resources.stack - found.spills} B of arrays in local memory"
            if found.resources.stack > found.spills else "")),
        ("shared memory", f"{amount(found.shared)}B per block" + (
            "" if found.shared <= planned.gpu.max_shared else
            f": MORE than the {amount(planned.gpu.max_shared)}B of a {planned.gpu.name}")),
        ("occupancy", str(found.occupancy)),
    ]
    if found.waves is not None:
        filled = found.waves / -(-found.waves // 1)
        told.append(("waves", f"{found.waves:.2f} on {planned.gpu.multi_processor_count} multiprocessors, "
                              f"{100 * filled:.0f} % of their slots used"))
    for what, bits in found.accesses.items():
        told.append((what, ", ".join(f"{n} x {b} bit" for b, n in bits.items())))
    told.append(("tensor cores", ", ".join(f"{n} x {what}" for what, n in found.tensor_cores.items()) or "not used"))
    told.append(("pipelining", pipelined(found.pipelining)))
    census = list(found.census.items())
    told.append(("instructions", f"{found.instructions}: {', '.join(f'{n} {k}' for k, n in census[:SHOWN])}" + (
        ", …" if len(census) > SHOWN else "")))
    told.append(("compile time", f"{found.compile_seconds:.2f} s without caches, {amount(len(found.resources.cubin))}B "
                                 f"of machine code"))
    if line is None:
        told.append(("roofline", "not known: the kernel declares no flops and bytes, or has no shapes here"))
    else:
        told.append(("roofline", roofline(line)))
        told.append(("at least", f"{duration(line.seconds)} on an {line.gpu}, bound by {line.bound} "
                                 f"(predicted from data sheets)"))
    return told


def roofline(line) -> str:
    """Work, intensity and ridge."""
    work = f"{amount(line.bytes, 1000)}B"
    if line.flops is None:
        return f"{work}, no operations declared"
    told = f"{amount(line.flops, 1000)}FLOP, {work}: {ratio(line.intensity)} FLOP/B" if line.bytes else work
    return told + (f"; ridge at {ratio(line.ridge)} ({UNITS[line.unit]}, {line.peak / 1e12:.3g} TFLOP/s, "
                   f"{line.bandwidth / 1e12:.3g} TB/s)" if line.ridge else "")


def ratio(x: float) -> str:
    """0.625, 181, 1365."""
    return f"{x:.0f}" if x >= 100 else f"{x:.3g}"


def pipelined(found: dict) -> str:
    """LDGSTS x 36 through 3 buffers."""
    copies = ", ".join(f"{n} x {name}" for name, n in found.items() if name != "buffers")
    if not copies:
        return "none: loads go to registers"
    return copies + (f" through {found['buffers']} buffers" if "buffers" in found else "")


def amount(n, base=1024) -> str:
    """1.5 K, 3 G: with a space before the unit that follows."""
    sizes = ("", "Ki", "Mi", "Gi", "Ti") if base == 1024 else ("", "k", "M", "G", "T", "P")
    for prefix in sizes:
        if abs(n) < base or prefix == sizes[-1]:
            break
        n /= base
    return f"{round(n) if abs(n) >= 1000 else f'{n:.4g}'} {prefix}"


def duration(seconds) -> str:
    """12.3 us, 4.56 ms."""
    for unit, factor in (("ns", 1e9), ("us", 1e6), ("ms", 1e3)):
        if seconds * factor < 1000:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds:.3g} s"


def told(found) -> str:
    """The whole report of a launch."""
    lines = rows(found)
    wide = max(len(name) for name, _ in lines)
    return "\n".join([title(found), *(f"  {name:<{wide}}  {text}" for name, text in lines)])
