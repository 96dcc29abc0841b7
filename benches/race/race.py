"""Runs the audit and its rivals in turn, compares their figures, and writes a table of ratios.

Every run is a process of its own: its time and greatest memory are what the kernel says of it. Ratios are of medians of
processor time (user and system), which other work on the machine disturbs least; the clock's are beside them.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent
BEGIN, END = "<!-- race: begin -->", "<!-- race: end -->"


def run(command):
    """Seconds by the clock and of the processors, MiB at most, and what it printed."""
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    said = process.stdout.read()
    faults = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    clock = time.monotonic() - started
    # An audit that fails its gate ends with 1.
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        sys.exit(f"{' '.join(map(str, command))}\n{faults}")
    return clock, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, said


def audited(record):
    """The figures of the audit that the rivals work out, too."""
    facts = json.loads(record.read_text())["facts"]
    needs = {"user.behavior.browsing_history": "web", "user.behavior.purchase_history": "store"}
    consent, parity, exposure = {}, {}, {}
    for fact in facts:
        if fact["kind"] in ("data_use", "join"):
            need = needs[fact["category"]] if fact["kind"] == "data_use" else "+".join(fact["contexts"])
            counts = ["events", "events_permitted", "events_without_consent", "subjects_without_consent"]
            consent[fact["strategy"], need] = [fact[name] for name in counts]
        elif fact["kind"] == "outcome_parity" and fact["metric"] == "click" and not fact["within"]:
            [(attribute, value)] = fact["segment"].items()
            rate = fact["rate"] and fact["rate"]["estimate"]
            parity[attribute, fact["strategy"], value] = [fact["subjects"], fact["impressions"], rate]
        elif fact["kind"] == "exposure_parity" and not fact["segment"]:
            share = fact["share"] and fact["share"]["estimate"]
            exposure[fact["strategy"], fact["item_group"]] = [fact["impressions"], share]
    return {"consent": consent, "parity": parity, "exposure": exposure}


def compare(name, audit, rival):
    """Ends the race where two contestants do not say the same."""
    keys = {"consent": 2, "parity": 3, "exposure": 2}
    compared = 0
    for part, size in keys.items():
        for row in rival.get(part, []):
            key, figures = tuple(row[:size]), row[size:]
            known = audit[part].get(key)
            if known is None:
                sys.exit(f"{name} has {part} of {key}, and the audit has not")
            for ours, theirs in zip(known, figures, strict=True):
                if ours is None:
                    continue  # The audit does not tell what is of too few people.
                if abs(ours - theirs) > 1e-9 * max(1, abs(ours)):
                    sys.exit(f"{part} of {key}: the audit says {known}, {name} says {figures}")
                compared += 1
    return compared


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--probity", type=pathlib.Path, required=True)
    parser.add_argument("--profile", required=True)
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    parser.add_argument("--runs", type=int, required=True)
    parser.add_argument("--memory", type=int, default=0)
    parser.add_argument("--part", type=int, required=True)
    parser.add_argument("--size", required=True, help="what the log is, in words")
    parser.add_argument("--table", type=pathlib.Path, required=True)
    args = parser.parse_args()
    out = args.folder / "out"
    memory = ["--memory", str(args.memory)] if args.memory else []

    def audit(manifest):
        return [args.probity, "audit", args.folder / manifest, "--out", out / manifest, "--quiet", *memory]

    def rival(name, *more):
        return [sys.executable, HERE / "rivals.py", name, args.folder, *memory, "--part", str(args.part), *more]

    contestants = {
        "audit": audit("audit.yaml"),
        "audit, everything on": audit("audit-all.yaml"),
        "scan": rival("scan"),
        "DuckDB by hand": rival("duckdb"),
        "Polars, its share": rival("polars"),
        f"fairlearn, {args.part:,} rows": rival("fairlearn"),
    }
    if (args.folder / "impressions.csv").exists():
        contestants["audit, CSV"] = audit("audit-csv.yaml")
        contestants["DuckDB by hand, CSV"] = rival("duckdb", "--log", "impressions.csv")
    runs = {name: [] for name in contestants}
    compared = {}
    for nth in range(args.runs):
        said = {}
        for name, command in contestants.items():
            *measured, said[name] = run([str(word) for word in command])
            runs[name].append(measured)
            took = f"{measured[0]:.2f} s, {measured[1]:.2f} s of processors"
            print(f"{nth + 1}/{args.runs} {name}: {took}", file=sys.stderr)
        for name, manifest in [("DuckDB by hand", "audit.yaml"), ("DuckDB by hand, CSV", "audit-csv.yaml"),
                               ("Polars, its share", "audit.yaml")]:
            if name in said:
                found = audited(out / manifest / "audit.json")
                compared[name] = compare(name, found, json.loads(said[name]))
    table(args, runs, compared)


def table(args, runs, compared):
    medians = {name: [statistics.median(of) for of in zip(*measured)] for name, measured in runs.items()}
    spread = {name: [max(of) / min(of) for of in zip(*measured)] for name, measured in runs.items()}
    lines = [
        f"{args.size}; profile `{args.profile}`; medians of {args.runs}; {os.cpu_count()} processors.",
        "",
        "| contestant | processor time, audit = 1 | by the clock, audit = 1 | seconds of processors | largest ÷ smallest run "
        "| peak memory, MiB |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name, (clock, cpu, peak) in medians.items():
        whole = medians["audit, CSV" if name.endswith("CSV") else "audit"]
        lines.append(
            f"| {name} | {cpu / whole[1]:.3f} | {clock / whole[0]:.3f} | {cpu:.2f} | {spread[name][1]:.2f} | {peak:.0f} |"
        )
    lines += ["", "Figures compared and equal: " + ", ".join(f"{n} with {name}" for name, n in compared.items()) + "."]
    text = args.table.read_text()
    head, rest = text.split(BEGIN)
    args.table.write_text(f"{head}{BEGIN}\n{chr(10).join(lines)}\n{END}{rest.split(END)[1]}")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
