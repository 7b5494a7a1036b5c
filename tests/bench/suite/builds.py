"""keepwarm against another build of it: ratios of what both need for the same."""

import statistics

from .compare import Comparison
from .report import OURS, number, table

NOTICEABLE = 0.01  # system calls for each exchange: less is the turn of a loop more or less


def _counted(result: Comparison, build: str, what: str):
    return result.counting.get(build, {}).get(what)


def _calls_that_differ(result: Comparison, base: str) -> dict[str, float]:
    """By name, how many more of them ours makes for each exchange."""
    ours, theirs = (_counted(result, build, "system_calls") or {} for build in (OURS, base))
    names = sorted({*ours, *theirs} - {"total"})
    more = {name: ours.get(name, 0) - theirs.get(name, 0) for name in names}
    return {name: difference for name, difference in more.items() if abs(difference) >= NOTICEABLE}


def against(base: str, result: Comparison) -> dict:
    """keepwarm / base; what was not measured or counted is missing."""
    found = {}
    if cpu := result.ratios(OURS, base):
        found["cpu"] = {"median": statistics.median(cpu), "least": min(cpu), "greatest": max(cpu)}
    if all(_counted(result, build, "instructions") for build in (OURS, base)):
        found["instructions"] = _counted(result, OURS, "instructions") / _counted(result, base, "instructions")
    if all(_counted(result, build, "system_calls") for build in (OURS, base)):
        totals = [_counted(result, build, "system_calls")["total"] for build in (OURS, base)]
        found["system_calls"] = totals[0] / totals[1]
        found["more_calls"] = _calls_that_differ(result, base)
    return found


def _row(base: str, result: Comparison) -> list[str]:
    found = against(base, result)
    cpu = found.get("cpu")

    def both(what, digits):
        return [number(what(result.counting.get(build, {})), digits) for build in (base, OURS)]

    return [result.scenario.name,
            f"{number(cpu['median'])} ({number(cpu['least'])}–{number(cpu['greatest'])})" if cpu else "–",
            *both(lambda counts: counts.get("instructions"), 0), number(found.get("instructions"), 3),
            *both(lambda counts: counts.get("system_calls", {}).get("total"), 2), number(found.get("system_calls"), 3),
            ", ".join(f"{name} {more:+.2f}" for name, more in found.get("more_calls", {}).items())]


def report(base: str, results: list[Comparison]) -> str:
    header = ["scenario", "CPU ÷", f"instructions {base}", OURS, "÷", f"system calls {base}", OURS, "÷", "difference"]
    return (f"### {OURS} ÷ {base}\n\n{table(header, [_row(base, result) for result in results])}\n\n"
            "CPU: the median of the ratios, paired by repetition, and in brackets the least and the greatest; with 7 that "
            "count, the true\nmedian lies between these with a probability of 98 %. Instructions (user mode) and system "
            "calls: for each exchange.\n")
