"""Results as tables and as JSON."""

import dataclasses
import os
import platform
import re
import subprocess
import time
from pathlib import Path

from .compare import Comparison
from .process import program

OURS = "keepwarm"
VERSIONS = {
    "haproxy": ("haproxy", "-v"), "nginx": ("nginx", "-v"), "squid": ("squid", "-v"), "tinyproxy": ("tinyproxy", "-v"),
    "trafficserver": ("traffic_server", "-V"),
}


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table that is readable as it stands: the first column to the left, the others to the right."""
    widths = [max(3, *(len(row[i]) for row in [header, *rows])) for i in range(len(header))]
    lines = [header, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])], *rows]
    return "\n".join("| " + " | ".join(
        cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(zip(line, widths))
    ) + " |" for line in lines)


def number(value: float | None, digits: int = 2) -> str:
    return "–" if value is None or value != value else f"{value:,.{digits}f}"


def compared(result: Comparison) -> str:
    scenario, counted = result.scenario, result.counted()
    header = ["peer", scenario.unit(), "keepwarm ÷", "relay ×", "MB/s" if scenario.bodies else "per second", "p50 µs",
              "p99 µs", "p99.9 µs", "reuse %", "PSS MiB", "failed"]
    if result.counting:
        header += ["system calls", "instructions"]
    if scenario.threads:
        header.append("busiest thread %")
    rows = []
    for peer, done in result.rows.items():
        def median(what, peer=peer):
            return result.median(peer, what)

        speed = (lambda row: (row.measured.bytes_in + row.measured.bytes_out) / row.measured.seconds / 1e6) \
            if scenario.bodies else (lambda row: row.measured.exchanges / row.measured.seconds)
        line = [peer, number(median(lambda row: row.cost)),
                number(result.ratio(OURS, peer)), number(result.ratio(peer, "relay")), number(median(speed), 0),
                number(median(lambda row: row.measured.p50), 0), number(median(lambda row: row.measured.p99), 0),
                number(median(lambda row: row.measured.p999), 0),
                "–" if scenario.bodies else number(100 * median(lambda row: row.reused), 1),
                number(max(row.memory for row in done) / 2**20, 1), str(sum(row.measured.failed for row in done))]
        if result.counting:
            line += _counts(result, peer)
        if scenario.threads:
            line.append(number(100 * median(lambda row: row.busiest), 0))
        rows.append(line)
    total = len(next(iter(result.rows.values())))
    note = f"\n{scenario.note}\n" if scenario.note else ""
    return f"### {scenario.title}\n\n{len(counted)} of {total} repetitions count.\n\n{table(header, rows)}\n{note}"


def _counts(result: Comparison, peer: str) -> list[str]:
    counting = result.counting.get(peer, {})
    return [number(counting.get("system_calls", {}).get("total")), number(counting.get("instructions"), 0)]


def counted(result: Comparison) -> str:
    """The counts alone, of a scenario that was not measured otherwise."""
    rows = [[peer, *_counts(result, peer)] for peer in result.counting]
    return f"### {result.scenario.title}\n\n{table(['peer', 'system calls', 'instructions'], rows)}\n"


def as_json(result: Comparison) -> dict:
    return {
        "title": result.scenario.title, "unit": result.scenario.unit(), "load": result.scenario.load,
        "counted": result.counted() if result.rows else [],
        "peers": {peer: {**_measured(result, peer), **result.counting.get(peer, {})}
                  for peer in {**result.rows, **result.counting}},
    }


def _measured(result: Comparison, peer: str) -> dict:
    if peer not in result.rows:
        return {}
    return {
        "cost": result.median(peer, lambda row: row.cost),
        "keepwarm_ratio": result.ratio(OURS, peer),
        "repetitions": [dataclasses.asdict(row) for row in result.rows[peer]],
    }


def machine() -> dict:
    """Where and when this was measured, and with what."""
    model = re.search(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    versions = {}
    for peer, command in VERSIONS.items():
        run = subprocess.run([program(command[0]), command[1]], capture_output=True, text=True, check=False)
        found = re.search(r"\d+\.\d+[\w.+-]*", run.stdout + run.stderr)
        versions[peer] = found[0] if found else "?"
    return {"date": time.strftime("%Y-%m-%d"), "cpu": model[1] if model else platform.machine(), "cpus": os.cpu_count(),
            "kernel": platform.release(), "versions": versions}
