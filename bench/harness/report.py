# SPDX-License-Identifier: MIT
"""Ratios, medians and geometric means; the table as Markdown.

A column is a ratio of two engines' CPU time, taken within a round.
"""
import math
import statistics
from dataclasses import dataclass

from .rows import GOALS, NATIVE64_DIFFERS, TCG_GOALS, TITLES


@dataclass(frozen=True)
class Column:
    title: str
    over: str
    under: str

    @property
    def key(self):
        return f"{self.over}/{self.under}"


def columns(names, baseline):
    """The columns for these engines; BASELINE is one of them or None."""
    made = [Column(n, n, baseline) for n in names if baseline and n != baseline]
    pairs = [Column("tcg/dbtvm", "tcg", "dbtvm"), Column("b/a", "dbtvm-b", "dbtvm")]
    return made + [c for c in pairs if c.over in names and c.under in names]


def geomean(values):
    return math.exp(statistics.fmean(map(math.log, values))) if values else None


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def ratios(over, under):
    """Round by round; None where either has no sample."""
    return [a["cpu"] / b["cpu"] if a and b and b["cpu"] > 0 else None
            for a, b in zip(over, under)]


def least_ratio(over, under):
    """The least CPU time of all rounds against the least of the other's: noise only adds."""
    return min(s["cpu"] for s in over if s) / min(s["cpu"] for s in under if s)


def clock_error(samples):
    """How far a guest's clock and the host's disagree over a row, as a fraction.

    The least of all rounds, because on a busy host the harness is late to read an answer; below
    20 ms it always may be.
    """
    pairs = [(abs(s["guest_wall"] - s["host_wall"]), s["host_wall"])
             for s in samples if s and s["guest_wall"]]
    return min((error / wall if error > 0.02 else 0 for error, wall in pairs), default=0)


def summarise(row, samples, errors, wanted):
    """One row's numbers from its samples: engine -> list of results, one a round."""
    out = {"name": row.name, "group": row.group, "goal": row.goal, "errors": errors,
           "cpu_ms": {}, "clock_error": {}, "ratios": {}}
    for engine, results in samples.items():
        times = [s["cpu"] * 1000 for s in results if s]
        if times and engine not in errors:
            out["cpu_ms"][engine] = spread(times)
            out["clock_error"][engine] = clock_error(results)
    for column in wanted:
        rounds = ratios(samples[column.over], samples[column.under])
        values = [v for v in rounds if v]
        if values and not {column.over, column.under} & errors.keys():
            least = least_ratio(samples[column.over], samples[column.under])
            out["ratios"][column.key] = {**spread(values), "of_least": least, "rounds": rounds}
    return out


def comparable(row, column):
    return column.under != "native64" or row["name"] not in NATIVE64_DIFFERS


def summarise_group(rows, wanted):
    """Geometric means over the rows that have every column (qemu-i386 does not run all); against
    native64 without those that differ.

    A mean's spread is that of the means of single rounds.
    """
    needed = [c.key for c in wanted if "user" not in c.key]
    common = [r for r in rows if all(key in r["ratios"] for key in needed)]
    out = {"rows": len(common), "ratios": {}}
    for column in wanted:
        cells = [r["ratios"][column.key] for r in common
                 if column.key in r["ratios"] and comparable(r, column)]
        if cells:
            rounds = [geomean(t) for t in zip(*(c["rounds"] for c in cells)) if all(t)]
            mean = geomean([c["median"] for c in cells])
            out["ratios"][column.key] = {
                "rows": len(cells), "median": mean, "min": min(rounds + [mean]),
                "max": max(rounds + [mean]), "of_least": geomean([c["of_least"] for c in cells])}
    return out


def number(value):
    """Three digits, or all before the point."""
    if value is None:
        return "-"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def cell(summary, column, mark=""):
    for engine in (column.over, column.under):
        if not summary.get("errors", {}).get(engine, "skip").startswith("skip"):
            return "**error**"
    ratio = summary["ratios"].get(column.key)
    if not ratio:
        return "-"
    # Before and after differ little: show a digit more, and what the quietest rounds say.
    if column.title == "b/a":
        return (f"{mark}{ratio['median']:.3f}{mark} ({ratio['min']:.3f}-{ratio['max']:.3f}); "
                f"{ratio['of_least']:.3f}")
    return (f"{mark}{number(ratio['median'])}{mark} "
            f"({number(ratio['min'])}-{number(ratio['max'])})")


def line(*cells):
    return f"| {' | '.join(cells)} |"


def group_table(group, rows, wanted, timed):
    """TIMED: the engine whose milliseconds are shown."""
    titles = [c.title + ("; of the least" if c.title == "b/a" else "") for c in wanted]
    lines = [line(TITLES[group], f"{timed} ms", "goal", *titles), "|---" * (len(wanted) + 3) + "|"]
    for row in rows:
        time = row["cpu_ms"].get(timed, {}).get("median")
        star = "" if all(comparable(row, c) for c in wanted) else "*"
        lines.append(line(row["name"] + star, number(time), f"{row['goal']:g}",
                          *(cell(row, c) for c in wanted)))
    total = summarise_group(rows, wanted)
    goal = f"{GOALS[group]:g}" if group in GOALS else ""
    cells = [cell(total, c, "**") for c in wanted]
    for i, column in enumerate(wanted):
        if column.title == "tcg/dbtvm" and group in TCG_GOALS:
            cells[i] += f", goal {TCG_GOALS[group]}"
    some = {c["rows"] for key, c in total["ratios"].items() if "user" not in key}
    count = f"{total['rows']}"
    if min(some, default=total["rows"]) < total["rows"]:
        count += f" ({min(some)} against {timed})"
    lines.append(line(f"**geomean of {count}**", "", goal, *cells))
    return lines


def errors_and_doubts(summaries):
    lines, skips = [], {}
    for row in summaries:
        for engine, what in row["errors"].items():
            if what.startswith("skip"):
                skips.setdefault((engine, what), []).append(row["name"])
            else:
                lines.append(f"- {row['name']}, {engine}: {what}")
        for engine, error in row["clock_error"].items():
            if engine in ("dbtvm", "dbtvm-b", "tcg") and error > 0.10:
                lines.append(f"- {row['name']}, {engine}: guest clock off by {error:.0%}")
    return lines + [f"- {', '.join(names)}, {engine}: {what}"
                    for (engine, what), names in skips.items()]


def furthest_from_goal(summaries, baseline, count=10):
    column = Column("dbtvm", "dbtvm", baseline)
    rows = [(r["ratios"][column.key]["median"], r) for r in summaries
            if column.key in r["ratios"] and comparable(r, column)]
    rows.sort(key=lambda pair: pair[0] / pair[1]["goal"], reverse=True)
    return [f"- {r['name']}: {number(value)}, goal {r['goal']:g}"
            for value, r in rows[:count] if value > r["goal"]]


def slower_than_tcg(summaries):
    rows = [(r["name"], r["ratios"].get("tcg/dbtvm")) for r in summaries]
    return [f"- {name}: {number(ratio['median'])} ({number(ratio['min'])}-{number(ratio['max'])})"
            for name, ratio in rows if ratio and ratio["median"] < 1]


def by_group(summaries):
    """(group, its rows) in the table's order."""
    groups = ((g, [r for r in summaries if r["group"] == g]) for g in TITLES)
    return [(group, rows) for group, rows in groups if rows]


def markdown(summaries, wanted, timed, facts):
    lines = [f"- {name}: {value}" for name, value in facts.items()] + [""]
    if timed == "native64":
        lines += ["Rows with a star do other work in 64-bit code: not in means against native64.", ""]
    for group, rows in by_group(summaries):
        lines += group_table(group, rows, wanted, timed) + [""]
    for title, items in (("Furthest from their goals", furthest_from_goal(summaries, timed)),
                         ("Slower than TCG (tcg/dbtvm)", slower_than_tcg(summaries)),
                         ("Errors and doubts", errors_and_doubts(summaries))):
        if items:
            lines += [title + ":", ""] + items + [""]
    return "\n".join(lines)
