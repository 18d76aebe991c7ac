"""Turns what perf/compare measured into Markdown and SVG plots; reads RESULTS and FACTS, writes to standard output."""
import collections
import datetime
import os
import statistics

results = [line.rstrip("\n").split("\t") for line in open(os.environ["RESULTS"])]
rows = [dict(zip(results[0], row)) for row in results[1:]]
facts = [line.rstrip("\n").split("\t") for line in open(os.environ["FACTS"])]
cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), "unknown")
memory = int(next(l for l in open("/proc/meminfo") if l.startswith("MemTotal")).split()[1]) // 1048576
subjects = list(collections.OrderedDict.fromkeys(r["subject"] for r in rows))
workloads = list(collections.OrderedDict.fromkeys(r["workload"] for r in rows))
durable = {subject: int(good) == int(finals) > 0 for subject, _, finals, good, _ in facts}
titles = {
    "reused": "Relay, 64 sessions, connections reused, 4 KiB",
    "single": "Relay, 64 sessions, a connection for every message, 4 KiB",
    "accept": "Accept alone, 64 sessions, connections reused, 4 KiB, nothing delivered",
    "accept2": "Accept alone, two sources with 32 sessions each, connections reused, 4 KiB, nothing delivered",
    "accept1": "Accept alone, 64 sessions, a connection for every message, 4 KiB, nothing delivered",
    "recipients": "Relay, 64 sessions, connections reused, 4 KiB, 50 recipients a message",
    "large": "Relay, 16 sessions, connections reused, 10 MiB",
}


def mine(subject, workload):
    return [r for r in rows if r["subject"] == subject and r["workload"] == workload]


def numbers(subject, workload, column):
    return [float(r[column]) for r in mine(subject, workload) if r["relayed_s"] != "lost"]


def spread(values, digits=0):
    if not values:
        return "-"
    values = sorted(values)
    show = lambda v: f"{v:,.{digits}f}"
    return f"{show(values[0])} / **{show(statistics.median(values))}** / {show(values[-1])}"


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
        mark = "" if durable.get(label, True) else " *"
        out.append(f'<text x="{left - 8}" y="{y + 15}" text-anchor="end">{label}{mark}</text><rect x="{left}" y="{y}" width="{length:.1f}" height="20" fill="{colour}"/>'
                   f'<text x="{left + length + 6:.1f}" y="{y + 15}">{value:,.0f} {unit}</text>')
    open(f"{os.environ['PLOTS']}/{os.environ['NAME']}-{name}.svg", "w").write("\n".join(out) + "\n</svg>\n")


# What FastRelay is to reach beside others: its rate at least, its CPU at most, as a share of theirs.
GOALS = {
    ("postfix", "reused"): {"rate": 15, "cost": 1 / 30}, ("postfix", "single"): {"rate": 15, "cost": 1 / 30},
    ("epoll", "accept"): {"cost": 1.4}, ("epoll", "accept2"): {"rate": 0.95, "cost": 1.4},
}


def judged(other, workload, what, value):
    goal = GOALS.get((other, workload), {}).get(what)
    if goal is None or os.environ["GENERATOR"] == "own":
        return ""
    told = f"at least {goal:g}" if what == "rate" else f"at most {goal:g} times" if goal >= 1 else f"at most 1/{1 / goal:.0f}"
    return f" ({told}: {'reached' if (value >= goal if what == 'rate' else value <= goal) else '**not reached**'})"


def section(workload):
    rate = "accepted_s" if workload.startswith("accept") else "relayed_s"
    relays = "" if workload.startswith("accept") else " relayed/s |"
    print(f"\n## {titles[workload]}\n\n| server | messages | sessions | accepted/s |{relays} CPU ms for 1,000 | RSS MiB at the last 250 | PSS MiB |")
    print("|---|---|---|---|---|---|---|" + ("---|" if relays else ""))
    rates, costs = {}, {}
    for subject in subjects:
        runs = mine(subject, workload)
        if not runs:
            continue
        lost = sum(r["relayed_s"] == "lost" for r in runs)
        relayed = f" {spread(numbers(subject, workload, 'relayed_s'))} |" if relays else ""
        print(f"| {subject}{f' ({lost} of {len(runs)} runs not whole, left out)' if lost else ''} | {int(runs[0]['messages']):,} | {runs[0]['sessions']} | "
              f"{spread(numbers(subject, workload, 'accepted_s'))} |{relayed} {spread(numbers(subject, workload, 'cpu_ms_1000'), 1)} | "
              f"{spread(numbers(subject, workload, 'rss_mib'))} | {spread(numbers(subject, workload, 'pss_mib'))} |")
        if numbers(subject, workload, rate):
            rates[subject] = statistics.median(numbers(subject, workload, rate))
            costs[subject] = statistics.median(numbers(subject, workload, "cpu_ms_1000"))
    verb = "accepted" if workload.startswith("accept") else "relayed"
    if "fastrelay" in rates and len(rates) > 1:
        print(f"\n| FastRelay against | its rate, times | its CPU for a message |\n|---|---|---|")
        for other in rates:
            if other != "fastrelay":
                times, cost = rates["fastrelay"] / rates[other], costs["fastrelay"] / max(costs[other], 1e-9)
                print(f"| {other}{'' if durable.get(other, True) else ' (not durable)'} | {times:.2g}{judged(other, workload, 'rate', times)} | "
                      f"{f'1/{1 / cost:.1f}' if cost < 1 else f'{cost:.2f} times'}{judged(other, workload, 'cost', cost)} |")
    plot(f"{workload}-rate", f"{verb.capitalize()} a second", "/s", list(rates.items()))
    plot(f"{workload}-cpu", "CPU for 1,000 messages", "ms", list(costs.items()))
    print(f"\n![{verb} a second](results/{os.environ['NAME']}-{workload}-rate.svg)\n![CPU for 1,000 messages](results/{os.environ['NAME']}-{workload}-cpu.svg)")


generators = ("Every server takes mail from `fastrelay load`, which pipelines where it may, and passes it to `fastrelay sink --check`, which\nverifies each body."
              if os.environ["GENERATOR"] == "own" else "Every server takes mail from Postfix's smtp-source and passes it to Postfix's smtp-sink.")

print(f"""# FastRelay beside other mail servers

Made by `perf/compare` on {datetime.date.today()}; how, and how each server is set up and why, is in that script and in
`perf/peers`. {generators} Interleaved,
{max(len(mine(s, w)) for s in subjects for w in workloads)} runs each. Cells are least / **median** / most; every run is in `results/{os.environ['NAME']}.tsv`.

- Release: {os.environ['VERSION']}, sync = group (its default: a 250 means that the message is on the disk).
- Machine: {cpu}, {os.cpu_count()} cores, {memory} GiB, Linux {os.uname().release}; source, server and sink share the cores, so CPU
  for 1,000 messages, of all of the server's processes and its log reader, is the sturdiest figure.
- Queues: {os.environ['FILESYSTEM']}.
- Before the first run the machine was {os.environ['BUSY']} % busy{'. **It was not quiet**: every rate is lower than it could give, and CPU is dearer.' if int(os.environ['BUSY']) > 10 else '.'}
- RSS counts pages that processes share each time, and FastRelay's mapped spool; PSS counts them once.

## What a 250 means (strace, one session, 4 KiB)

| server | final 250s | with a completed sync before it | syncs a message, nothing delivered |
|---|---|---|---|""")
for subject, about, finals, good, syncs in facts:
    print(f"| {subject} ({about}) | {finals} | {good} | {syncs} |")
for subject in subjects:
    if subject in ("epoll", "uring"):
        print(f"\n{subject} stores nothing (`perf/peers/{subject}.c`): the least that taking a message can cost.")
    elif not durable.get(subject, True):
        print(f"\nA 250 of {subject} means that the message is in the page cache: its rates do not compare with the durable ones; it is marked * in the plots.")
for workload in workloads:
    section(workload)

# What leaves costs little beside what came in and is on the disk.
whole, accept = numbers("fastrelay", "reused", "cpu_ms_1000"), numbers("fastrelay", "accept", "cpu_ms_1000")
if whole and accept:
    times = statistics.median(whole) / statistics.median(accept)
    print(f"\nRelaying a message end to end costs FastRelay {times:.2f} times the CPU of taking it alone (at most 1.5 times: {'reached' if times <= 1.5 else '**not reached**'}).")
