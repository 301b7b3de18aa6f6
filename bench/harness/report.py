# SPDX-License-Identifier: MIT
"""Ratios, medians and geometric means; the table as Markdown."""
import math
import statistics

from .rows import GOALS, TITLES


def geomean(values):
    return math.exp(statistics.fmean(map(math.log, values))) if values else None


def ratios(samples, base):
    """Round by round, the CPU time of SAMPLES against BASE's; rounds that lack one are left out."""
    return [a["cpu"] / b["cpu"] for a, b in zip(samples, base) if a and b and b["cpu"] > 0]


def clock_error(samples):
    """How far a guest's clock and the host's disagree over a row (median), as a fraction.

    Below 20 ms it is the harness that was late to read an answer.
    """
    errors = [abs(s["guest_wall"] - s["host_wall"]) for s in samples if s and s["guest_wall"]]
    walls = [s["host_wall"] for s in samples if s and s["guest_wall"]]
    late = statistics.median(errors) if errors else 0
    return late / statistics.median(walls) if late > 0.02 else 0


def summarise(row, samples, errors):
    """One row's numbers from its samples: engine -> list of results, one a round."""
    native = samples.get("native", [])
    out = {"name": row.name, "group": row.group, "goal": row.goal, "errors": errors,
           "native_ms": None, "ratio": {}, "clock_error": {}}
    if any(native):
        out["native_ms"] = statistics.median(s["cpu"] for s in native if s) * 1000
    for engine, results in samples.items():
        values = ratios(results, native)
        if engine != "native" and values and engine not in errors:
            out["ratio"][engine] = {"median": statistics.median(values), "min": min(values),
                                    "max": max(values)}
            out["clock_error"][engine] = clock_error(results)
    return out


def number(value):
    return "-" if value is None else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def cell(summary, engine):
    ratio = summary["ratio"].get(engine)
    if engine in summary["errors"]:
        return "**error**" if not summary["errors"][engine].startswith("skip") else "-"
    if not ratio:
        return "-"
    return f"{number(ratio['median'])} ({number(ratio['min'])}-{number(ratio['max'])})"


def advantage(summary):
    ratio = summary["ratio"]
    if "tcg" in ratio and "dbtvm" in ratio:
        return ratio["tcg"]["median"] / ratio["dbtvm"]["median"]
    return None


def group_table(group, rows, engines):
    lines = [f"| {TITLES[group]} | native ms | goal | " + " | ".join(engines) + " | tcg/dbtvm |",
             "|---" * (len(engines) + 4) + "|"]
    for row in rows:
        lines.append(f"| {row['name']} | {number(row['native_ms'])} | {row['goal']:g} | " +
                     " | ".join(cell(row, e) for e in engines) + f" | {number(advantage(row))} |")
    # Only rows that every engine could run count, so that the means compare like with like.
    common = [r for r in rows if all(e in r["ratio"] for e in engines if e != "user")]
    means = [geomean([r["ratio"][e]["median"] for r in common if e in r["ratio"]])
             for e in engines]
    both = geomean([a for a in map(advantage, common) if a])
    goal = f"{GOALS[group]:g}" if group in GOALS else ""
    lines.append(f"| **geomean of {len(common)}** | | {goal} | " +
                 " | ".join(f"**{number(m)}**" for m in means) + f" | **{number(both)}** |")
    return lines


def errors_and_doubts(summaries):
    lines = []
    for row in summaries:
        for engine, what in row["errors"].items():
            lines.append(f"- {row['name']}, {engine}: {what}")
        for engine, error in row["clock_error"].items():
            if engine != "user" and error > 0.10:
                lines.append(f"- {row['name']}, {engine}: guest clock off by {error:.0%}")
    return lines


def furthest_from_goal(summaries, count=10):
    rows = [r for r in summaries if "dbtvm" in r["ratio"]]
    rows.sort(key=lambda r: r["ratio"]["dbtvm"]["median"] / r["goal"], reverse=True)
    return [f"- {r['name']}: {number(r['ratio']['dbtvm']['median'])}, goal {r['goal']:g}"
            for r in rows[:count] if r["ratio"]["dbtvm"]["median"] > r["goal"]]


def markdown(summaries, engines, facts):
    engines = [e for e in engines if e != "native"]
    lines = [f"- {name}: {value}" for name, value in facts.items()] + [""]
    for group in TITLES:
        rows = [r for r in summaries if r["group"] == group]
        if rows:
            lines += group_table(group, rows, engines) + [""]
    for title, items in (("Furthest from their goals", furthest_from_goal(summaries)),
                         ("Errors and doubts", errors_and_doubts(summaries))):
        if items:
            lines += [title + ":", ""] + items + [""]
    return "\n".join(lines)
