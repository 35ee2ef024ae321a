"""What `make gpu-check` found, as JSON for programs and Markdown for people."""

from __future__ import annotations

import json
import pathlib
import re


def folder_of(device_name) -> str:
    """A device's name as that of a folder."""
    return re.sub(r"[^A-Za-z0-9]+", "-", device_name).strip("-").lower()


def write(folder, report) -> pathlib.Path:
    """Write <date>.json and <date>.md; returns the path of the latter."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / report["about"]["date"]
    stem.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
    path = stem.with_suffix(".md")
    path.write_text(markdown(report))
    return path


def markdown(report) -> str:
    """The report as a page."""
    about, samples, rows = report["about"], report["samples"], report["benchmarks"]
    lines = [f"# {about['device']}, {about['date']}", ""]
    if about["simulated"]:
        lines += ["**Simulated: the times below say nothing about any GPU.** The run shows that the program works.", ""]
    lines += [f"- {key.replace('_', ' ')}: {value}" for key, value in about.items() if value is not None]
    lines += [f"- complete: {report['complete']} ({report['seconds']:.0f} s)", "",
              "## Kernels against mirrors", "",
              f"{samples['agree']} of {samples['run']} samples agree; {samples['left_out']} left out for want of time.",
              ""]
    if samples["failures"]:
        lines += ["| sample | type | what |", "|---|---|---|"]
        lines += [f"| {f['name']} | {f['dtype']} | {brief(f['error'])} |" for f in samples["failures"]] + [""]
    lines += ["## Times", "",
              "Median of replayed graphs, warm cache, in microseconds per call, with quartiles; *again* is the same "
              "program a second time: the noise. *eager* includes the host. Work as the kernels declare it.", "",
              "| program | type | ours | quartiles | again | torch | ours / torch | eager | torch eager | launches "
              "| TFLOP/s | GB/s | MHz | agrees |", "|---|---|" + "--:|" * 11 + "---|"]
    for row in rows:
        if row.get("error"):
            lines.append(f"| {row['program']} | {row['dtype']} | {brief(row['error'])} |" + " |" * 11)
            continue
        lines.append("| " + " | ".join([
            row["program"], row["dtype"], _n(row["us"]), f"{_n(row['low'])} – {_n(row['high'])}", _n(row["again_us"]),
            _n(row["torch_us"]), _n(row["ratio"]), _n(row["eager_us"]), _n(row["torch_eager_us"]), str(row["launches"]),
            _n(row["tflops"]), _n(row["gbytes"]), _n(row["mhz"]), row["agrees"]]) + " |")
    if report["skipped"]:
        lines += ["", f"No time was left for: {', '.join(report['skipped'])}."]
    return "\n".join(lines) + "\n"


def line(row) -> str:
    """A row for the terminal."""
    head = f"{row['program'][:60]:60} {row['dtype']:9}"
    if row.get("error"):
        return f"{head} {row['error'][:200]}"
    return (f"{head} {_n(row['us']):>7} us, torch {_n(row['torch_us']):>7} us, {_n(row['tflops']):>6} TFLOP/s "
            f"{_n(row['gbytes']):>6} GB/s, {row['launches']} launches, agrees: {row['agrees']}")


def _n(value) -> str:
    return "–" if value is None else f"{value:.3g}" if value < 100 else f"{value:.0f}"


def brief(text) -> str:
    """One line of a table."""
    return " ".join(text.replace("|", "/").split())[:300]
