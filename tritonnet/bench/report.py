"""What a run found: JSON for programs, Markdown and pictures for people."""

from __future__ import annotations

import json
import os
import pathlib
import re

from tritonnet.serialization.aside import write_aside

BETTER, WORSE, INK = "#2f6fb2", "#d9822b", "#1f2933"


def folder_of(device_name) -> str:
    """A device's name as that of a folder."""
    return re.sub(r"[^A-Za-z0-9]+", "-", device_name).strip("-").lower()


def write(folder, report, stem=None) -> pathlib.Path:
    """Write <date>.json and <date>.md; returns the path of the latter."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem or report['about']['date']}.md"
    for name, text in ((path, markdown(report)), (path.with_suffix(".json"), json.dumps(report, indent=1) + "\n")):
        write_aside(os.fspath(name), lambda file, text=text: file.write(text.encode()))
    return path


def peers_of(rows) -> list[str]:
    """The peers beside ours, in the order in which they first appear."""
    return list(dict.fromkeys(peer for row in rows for peer in row["peers"] if peer != "tritonnet"))


def markdown(report) -> str:
    """The report as a page."""
    about, rows = report["about"], report["rows"]
    lines = [f"# {about.get('device') or about['processor']}, {about['date']}", ""]
    if about.get("simulated"):
        lines += ["**Simulated: the times below say nothing about any GPU.** The run shows that the program works.", ""]
    lines += [f"- {key.replace('_', ' ')}: {value}" for key, value in about.items() if value is not None]
    if samples := report.get("samples"):
        lines += [f"- complete: {report['complete']} ({report['seconds']:.0f} s)", "", "## Kernels against mirrors", "",
                  f"{samples['agree']} of {samples['run']} samples agree; {samples['left_out']} left out for want of "
                  f"time.", ""]
        if samples["failures"]:
            lines += ["| sample | type | what |", "|---|---|---|"]
            lines += [f"| {f['name']} | {f['dtype']} | {brief(f['error'])} |" for f in samples["failures"]] + [""]
    if report.get("captured"):
        lines += ["## Captured steps beside eager ones", "", "| captured step | bit for bit the same | launches |",
                  "|---|---|---|"]
        lines += [f"| {step['name']} | {brief(step['error']) or 'yes'} | {', '.join(map(str, step['launches']))} |"
                  for step in report["captured"]]
    peers = peers_of(rows)
    lines += ["", "## Times", "", "Microseconds per call, medians with quartiles, taken in turns; *again* is our "
              "program a second time: the noise. Ratios are ours / theirs: below 1 we are faster. *eager* includes the "
              "host. Work as the kernels declare it.", ""]
    heads = ["program", "type", "ours", "quartiles", "again",
             *[h for peer in peers for h in (peer, f"ours / {peer}")], "eager", "launches", "TFLOP/s", "GB/s", "MHz",
             "agrees"]
    lines += [f"| {' | '.join(heads)} |", "|---|---|" + "--:|" * (len(heads) - 3) + "---|"]
    for row in rows:
        if row["error"]:
            lines.append(f"| {row['case']} | {row['dtype']} | {brief(row['error'])} |" + " |" * (len(heads) - 3))
            continue
        ours = row["peers"]["tritonnet"]
        cells = [row["case"], row["dtype"], figure(ours["us"]), f"{figure(ours['low'])} – {figure(ours['high'])}",
                 figure(row["again_us"])]
        for peer in peers:
            theirs = row["peers"].get(peer)
            cells += [figure(theirs and theirs["us"]), figure(theirs and ours["us"] / theirs["us"])]
        cells += [figure(ours.get("eager_us")), str(row["launches"]), figure(row["tflops"]), figure(row["gbytes"]),
                  figure(row.get("mhz")), row["agrees"]]
        lines.append(f"| {' | '.join(cells)} |")
    if missing := {f"{peer}: {why}" for row in rows for peer, why in row["left_out"].items() if "no form" not in why}:
        lines += ["", *(f"Left out: {text}." for text in sorted(missing))]
    if report.get("skipped"):
        lines += ["", f"No time was left for: {', '.join(report['skipped'])}."]
    return "\n".join(lines) + "\n"


def line(row) -> str:
    """A row for the terminal."""
    head = f"{row['case'][:62]:62} {row['dtype']:9}"
    if row["error"]:
        return f"{head} {row['error'][:200]}"
    ours = row["peers"]["tritonnet"]["us"]
    others = " ".join(f"{peer} {figure(times['us'])} us ({ours / times['us']:.2f})"
                      for peer, times in row["peers"].items() if peer != "tritonnet")
    rate = f"{figure(row['tflops'])} TFLOP/s " if row["tflops"] else ""
    return f"{head} {figure(ours):>7} us  {rate}{figure(row['gbytes'])} GB/s  {others}" + (
        "" if row["agrees"] != "no" else "  RESULTS DIFFER")


def picture(report, path) -> bool:
    """Draw ours / theirs of every case for each peer as a PNG; False where there is no peer or no matplotlib."""
    rows = [row for row in report["rows"] if not row["error"]]
    peers = [p for p in peers_of(rows) if any(p in row["peers"] for row in rows)]
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    if not peers:
        return False
    drawn = Figure(figsize=(5.4 + 3.2 * len(peers), 1.4 + 0.3 * len(rows)), layout="constrained")
    panels = drawn.subplots(1, len(peers), sharey=True, squeeze=False)[0]
    for peer, axes in zip(peers, panels):
        for i, row in enumerate(rows):
            if peer in row["peers"]:
                ratio = row["peers"]["tritonnet"]["us"] / row["peers"][peer]["us"]
                axes.barh(i, ratio - 1, left=1, height=0.62, color=BETTER if ratio <= 1 else WORSE)
                axes.annotate(f"{ratio:.2f}", (ratio, i), xytext=(4 if ratio > 1 else -4, 0), va="center", fontsize=8,
                              textcoords="offset points", ha="left" if ratio > 1 else "right", color=INK)
        axes.axvline(1, color=INK, linewidth=1)
        axes.set_xscale("log")
        low, high = axes.get_xlim()
        axes.set_xlim(min(low / 1.6, 0.5), max(high * 1.6, 2))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
        axes.set_title(f"time of ours / {peer}", fontsize=10, color=INK)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0, labelsize=8)
    panels[0].set_yticks(range(len(rows)), [f"{row['case']} ({row['dtype']})" for row in rows])
    panels[0].invert_yaxis()
    about = report["about"]
    drawn.suptitle(f"{about.get('device') or about['processor']}, {about['date']}", fontsize=11, color=INK)
    write_aside(os.fspath(path), lambda file: drawn.savefig(file, dpi=130, format="png"))
    return True


def figure(value) -> str:
    """A number with three digits.

    >>> figure(12.345), figure(1234.5), figure(None)
    ('12.3', '1234', '–')
    """
    return "–" if value is None else f"{value:.3g}" if value < 100 else f"{value:.0f}"


def brief(text) -> str:
    """One line of a table."""
    return " ".join(text.replace("|", "/").split())[:300]
