"""Turns what perf/compare measured into Markdown and two SVG plots; reads RESULTS and FACTS, writes to standard output."""
import collections
import datetime
import os
import statistics

results = [line.rstrip("\n").split("\t") for line in open(os.environ["RESULTS"])]
head, rows = results[0], [dict(zip(results[0], row)) for row in results[1:]]
facts = [line.rstrip("\n").split("\t") for line in open(os.environ["FACTS"])]
cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), "unknown")
memory = int(next(l for l in open("/proc/meminfo") if l.startswith("MemTotal")).split()[1]) // 1048576
loads = [float(r["load_before"]) for r in rows]
titles = {"reused": "64 sessions, reused, 4 KiB", "single": "64 sessions, one message each, 4 KiB", "large": "16 sessions, reused, 10 MiB"}


def spread(values, digits=0):
    values = sorted(values)
    show = lambda v: f"{v:,.{digits}f}"
    return f"{show(values[0])} / **{show(statistics.median(values))}** / {show(values[-1])}"


def numbers(subject, workload, column):
    return [float(r[column]) for r in rows if r["subject"] == subject and r["workload"] == workload and r[column] != "lost"]


def plot(name, title, unit, bars):
    width, row, left = 640, 30, 130
    height = 46 + row * len(bars)
    most = max([v for _, v in bars] + [1e-9])
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="system-ui,sans-serif" font-size="13">',
           f'<rect width="{width}" height="{height}" fill="#fff"/><text x="12" y="24" font-size="15">{title}</text>']
    for i, (label, value) in enumerate(bars):
        y = 38 + i * row
        length = max(1.5, (width - left - 110) * value / most)
        colour = "#0b66c3" if label == "fastrelay" else "#9aa5b8"
        out.append(f'<text x="{left - 8}" y="{y + 15}" text-anchor="end">{label}</text><rect x="{left}" y="{y}" width="{length:.1f}" height="20" fill="{colour}"/>'
                   f'<text x="{left + length + 6:.1f}" y="{y + 15}">{value:,.0f} {unit}</text>')
    open(f"perf/results/{name}.svg", "w").write("\n".join(out) + "\n</svg>\n")


print(f"""# FastRelay beside other mail servers

Made by `perf/compare` on {datetime.date.today()}; how, and how each server is set up and why, is in that script and in
`perf/peers`. Every server relays everything from Postfix's smtp-source to Postfix's smtp-sink, interleaved,
{os.environ['RUNS']} runs each. Cells are least / **median** / most.

- Machine: {cpu}, {os.cpu_count()} cores, {memory} GiB, Linux {os.uname().release}; source, server and sink share the cores, so CPU
  for 1,000 messages is the sturdiest figure.
- Queues: {os.environ['FILESYSTEM']}.
- Load average before the runs: {min(loads):.1f} to {max(loads):.1f}{'. **The machine was not quiet**: rates are lower than it could give, for whoever ran when it was busy; CPU is dearer, too.' if max(loads) > 1.5 else '.'}

## What a 250 means (strace, one session, 4 KiB)

| server | final 250s | with a completed sync before it | syncs a message |
|---|---|---|---|""")
for subject, about, finals, good, syncs in facts:
    print(f"| {subject} ({about}) | {finals} | {good} | {syncs} |")
subjects = list(collections.OrderedDict.fromkeys(r["subject"] for r in rows))
for workload in collections.OrderedDict.fromkeys(r["workload"] for r in rows):
    print(f"\n## {titles[workload]}\n\n| server | messages | sessions | accepted/s | relayed/s | CPU ms for 1,000 | PSS MiB at the last 250 |\n|---|---|---|---|---|---|---|")
    rates, costs = [], []
    for subject in subjects:
        mine = [r for r in rows if r["subject"] == subject and r["workload"] == workload]
        if not mine:
            continue
        relayed, cost = numbers(subject, workload, "relayed_s"), numbers(subject, workload, "cpu_ms_1000")
        lost = sum(r["relayed_s"] == "lost" for r in mine)
        print(f"| {subject} | {int(mine[0]['messages']):,} | {mine[0]['sessions']} | {spread(numbers(subject, workload, 'accepted_s'))} | "
              f"{spread(relayed) if relayed else '-'}{f', {lost} not whole' if lost else ''} | {spread(cost, 1)} | {spread(numbers(subject, workload, 'pss_mib'), 1)} |")
        if relayed:
            rates.append((subject, statistics.median(relayed)))
            costs.append((subject, statistics.median(cost)))
    best = dict(rates)
    durable = {subject: int(good) == int(finals) for subject, _, finals, good, _ in facts}
    if "fastrelay" in best:
        cost = dict(costs)
        for other in best:
            if other != "fastrelay":
                print(f"\nFastRelay relays {best['fastrelay'] / best[other]:.1f} times as many a second as {other} with 1/{cost[other] / max(cost['fastrelay'], 1e-9):.1f} of its CPU for a message"
                      f"{'.' if durable.get(other) else ', and its 250 means that the message is durable, which theirs does not.'}")
    plot(f"{workload}-rate", f"Relayed a second: {titles[workload]}", "/s", rates)
    plot(f"{workload}-cpu", f"CPU for 1,000 messages: {titles[workload]}", "ms", costs)
    print(f"\n![relayed a second](results/{workload}-rate.svg)\n![CPU](results/{workload}-cpu.svg)")
