using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using FastRelay.Load;

namespace FastRelay.Host.Commands;

/// <summary>The report as one self-contained page: figures, charts, machine, and the report itself for programs.</summary>
internal static class BenchPage
{
    private const string Style = """
        :root { --ink:#1c2330; --soft:#5b6678; --line:#d9dee7; --ground:#f6f7f9; --card:#fff; --a:#0b66c3; --b:#c2410c; --c:#15803d; --d:#7c3aed }
        @media (prefers-color-scheme: dark) { :root { --ink:#e6e9ef; --soft:#9aa5b8; --line:#323a48; --ground:#12161d; --card:#1a202a; --a:#5aa9f5; --b:#f59056; --c:#5fcf87; --d:#b794f6 } }
        * { box-sizing:border-box } body { margin:0; padding:24px; background:var(--ground); color:var(--ink); font:15px/1.5 system-ui,sans-serif }
        main { max-width:1360px; margin:0 auto } h1 { font-size:26px; margin:0 } h2 { font-size:16px; margin:0 0 8px } .about { color:var(--soft); margin:4px 0 20px }
        .tiles { display:grid; grid-template-columns:repeat(auto-fit,minmax(170px,1fr)); gap:12px; margin-bottom:16px }
        .card { background:var(--card); border:1px solid var(--line); border-radius:10px; padding:14px 16px } .tile b { display:block; font-size:24px; font-variant-numeric:tabular-nums }
        .tile span, .tile small { color:var(--soft) } .tile small { display:block } .charts { display:grid; grid-template-columns:repeat(auto-fit,minmax(min(100%,520px),1fr)); gap:16px; margin-bottom:16px }
        svg { width:100%; height:auto; display:block } svg text { fill:var(--soft); font-size:11px } .grid { stroke:var(--line) } .line { fill:none; stroke-width:2; stroke:currentColor }
        .dot { fill:currentColor; opacity:0 } .dot:hover { opacity:1 } .a { color:var(--a) } .b { color:var(--b) } .c { color:var(--c) } .d { color:var(--d) }
        .legend { margin:6px 0 0; font-size:13px } .legend span::before { content:"\25CF\00A0" } .legend span { margin-right:14px }
        table { border-collapse:collapse; width:100%; font-variant-numeric:tabular-nums } td, th { text-align:right; padding:4px 10px; border-bottom:1px solid var(--line) } th { color:var(--soft); font-weight:500 }
        td:first-child, th:first-child { text-align:left } .wide { overflow-x:auto; margin-bottom:16px } .warn { border-color:var(--b); margin-bottom:16px } .none { color:var(--soft) }
        """;

    /// <summary>Writes the page.</summary>
    public static string Write(BenchReport report)
    {
        int middle = Middle(report);
        BenchRunReport shown = report.Runs[middle];
        var page = new StringBuilder();
        page.Append(CultureInfo.InvariantCulture, $"<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>fastrelay bench {Text(report.Scenario)}</title><style>{Style}</style></head><body><main>");
        page.Append(CultureInfo.InvariantCulture, $"<h1>{Text(report.Scenario)}: {Text(report.Subject)}</h1><p class=\"about\">{Text(report.About)} {report.Started:yyyy-MM-dd HH:mm} UTC, sync = {Text(report.Sync)}, spool on {Text(report.Machine.FileSystem)}{Journal(report.Machine)}.</p>");
        Warnings(page, report);
        page.Append("<div class=\"tiles\">");
        foreach ((string name, string unit, Func<BenchRunReport, double?> value) in Figures(report))
        {
            double[] values = [.. report.Runs.Select(value).OfType<double>().Order()];
            string range = values.Length > 1 ? $"<small>median of {values.Length} runs, {BenchChart.Number(values[0])} to {BenchChart.Number(values[^1])}</small>" : "";
            page.Append(CultureInfo.InvariantCulture, $"<div class=\"card tile\"><span>{name}</span><b>{BenchChart.Number(Median(values))}{unit}</b>{range}</div>");
        }
        page.Append("</div>");
        if (report.Runs.Count > 1)
        {
            page.Append(CultureInfo.InvariantCulture, $"<p class=\"about\">The charts show run {middle + 1}.</p>");
        }
        page.Append("<div class=\"charts\">");
        Card(page, "Messages a second", BenchChart.OverTime("", Rate("accepted", "a", shown.LoadSamples), Rate("arrived at the sink", "b", shown.SinkSamples)));
        Card(page, "Latency", BenchChart.Percentiles(Curve("source: start to 250", "a", shown.Load?.MessageCurve), Curve("source to sink", "b", shown.Sink?.EndToEndCurve), Curve("source to slow sink", "d", shown.SlowSink?.EndToEndCurve)));
        Card(page, "CPU, cores", BenchChart.OverTime("", Cpu(shown), Own("source", "a", shown.LoadSamples), Own("sink", "b", shown.SinkSamples)));
        Card(page, "Memory of the subject", BenchChart.OverTime(" MiB",
            new ChartLine("its own (RssAnon)", "c", [.. shown.Subject.Select(s => (s.Seconds, s.AnonKiB / 1024.0))]),
            new ChartLine("resident", "d", [.. shown.Subject.Select(s => (s.Seconds, s.RssKiB / 1024.0))])));
        page.Append("</div>");
        Runs(page, report);
        Machine(page, report);
        // "</" would end the script; JSON may write it as "<\/".
        page.Append("<script type=\"application/json\" id=\"report\">").Append(JsonSerializer.Serialize(report, BenchJson.Default.BenchReport).Replace("</", "<\\/", StringComparison.Ordinal)).Append("</script></main></body></html>\n");
        return page.ToString();
    }

    /// <summary>The run that the charts show, from 0: the middle one by the figure that the scenario is about, of two the lower.</summary>
    private static int Middle(BenchReport report) =>
        Enumerable.Range(0, report.Runs.Count).OrderBy(i => report.Runs[i].RelayedPerSecond ?? report.Runs[i].AcceptedPerSecond).ElementAt((report.Runs.Count - 1) / 2);

    /// <summary>The middle of sorted values; of an even number the mean of the two in the middle.</summary>
    internal static double Median(double[] sorted) => (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;

    /// <summary>The figures of the scenario that were measured: one that was not is left out, never shown as 0.</summary>
    private static IEnumerable<(string Name, string Unit, Func<BenchRunReport, double?> Value)> Figures(BenchReport report) =>
        Candidates(report).Where(figure => report.Runs.Any(run => figure.Value(run) is not null));

    private static IEnumerable<(string Name, string Unit, Func<BenchRunReport, double?> Value)> Candidates(BenchReport report)
    {
        bool holds = report.Runs.All(r => r.Load?.Loop == "hold");
        if (holds)
        {
            yield return ("sessions held", "", r => r.Load!.Held);
            yield return ("answered at the end", "", r => r.Load!.HeldAnswered);
            yield return ("memory a session", " KiB", r => r.Load!.Held == 0 ? null : (r.AnonPeakKiB - r.AnonBeforeKiB) / (double)r.Load.Held);
        }
        else
        {
            yield return ("accepted", "/s", r => r.AcceptedPerSecond);
            yield return ("arrived at the sink", "/s", r => r.RelayedPerSecond);
            yield return ("CPU for 1,000 messages", " ms", r => r.CpuMsPerThousand);
            yield return ("syncs for 1,000 messages", "", r => r.SyncsPerThousand);
            yield return ("median latency to 250", " ms", r => (r.Load?.Message.P50 ?? 0) / 1000.0);
            yield return ("p99 latency to 250", " ms", r => (r.Load?.Message.P99 ?? 0) / 1000.0);
            yield return ("missing", "", r => r.Missing);
            yield return ("duplicates", "", r => r.Duplicates);
        }
        yield return ("own memory at most", " MiB", r => r.AnonPeakKiB / 1024.0);
        yield return ("start to banner", " ms", r => r.StartMs);
    }

    private static void Warnings(StringBuilder page, BenchReport report)
    {
        foreach (string warning in report.Runs.SelectMany(r => new[] { r.Problem, r.Load?.Bottleneck }).Prepend(report.Problem).OfType<string>().Distinct())
        {
            page.Append(CultureInfo.InvariantCulture, $"<p class=\"card warn\">{Text(warning)}</p>");
        }
        if (report.Machine.LoadAverage > 0.5)
        {
            page.Append(CultureInfo.InvariantCulture, $"<p class=\"card warn\">The machine was not quiet: load average {report.Machine.LoadAverage:F1} before the first run.</p>");
        }
    }

    private static void Runs(StringBuilder page, BenchReport report)
    {
        page.Append("<div class=\"card wide\"><h2>Runs</h2><table><tr><th>run</th>");
        var figures = Figures(report).ToList();
        figures.ForEach(f => page.Append(CultureInfo.InvariantCulture, $"<th>{f.Name}{f.Unit}</th>"));
        page.Append("<th>source CPU share</th></tr>");
        for (int i = 0; i < report.Runs.Count; i++)
        {
            page.Append(CultureInfo.InvariantCulture, $"<tr><td>{i + 1}</td>");
            figures.ForEach(f => page.Append(CultureInfo.InvariantCulture, $"<td>{(f.Value(report.Runs[i]) is { } value ? BenchChart.Number(value) : "")}</td>"));
            page.Append(CultureInfo.InvariantCulture, $"<td>{report.Runs[i].Load?.CpuShare:F2}</td></tr>");
        }
        page.Append("</table></div>");
    }

    private static void Machine(StringBuilder page, BenchReport report)
    {
        MachineFacts m = report.Machine;
        page.Append(CultureInfo.InvariantCulture, $"""
            <div class="card wide"><h2>Where</h2><table>
            <tr><td>machine</td><td>{Text(m.Cpu)}, {m.Cores} cores, {m.MemoryMiB:N0} MiB, Linux {Text(m.Kernel)}</td></tr>
            <tr><td>spool</td><td>{Text(m.FileSystem)}{Journal(m)}; sync = {Text(report.Sync)}</td></tr>
            <tr><td>load</td><td>{report.Messages:N0} {(report.Runs[0].Load?.Loop == "hold" ? "sessions held" : "messages")}, {report.Sessions} sessions; source, subject and sink on this machine{(m.Cores < 4 ? ", sharing its cores" : "")}</td></tr>
            <tr><td>release</td><td>{Text(m.Version)}</td></tr></table></div>
            """);
    }

    private static string Journal(MachineFacts machine) => machine.Journalled switch { true => " (with a journal)", false => " (without a journal, which flatters appends)", _ => "" };

    private static ChartLine Rate(string name, string colour, IReadOnlyList<LoadSample> samples)
    {
        var points = new List<(double, double)>();
        for (int i = 1; i < samples.Count; i++)
        {
            double length = samples[i].Seconds - samples[i - 1].Seconds;
            points.Add((samples[i].Seconds, length > 0 ? samples[i].Messages / length : 0));
        }
        return new ChartLine(name, colour, points);
    }

    private static ChartLine Own(string name, string colour, IReadOnlyList<LoadSample> samples) => new(name, colour, [.. samples.Select(s => (s.Seconds, s.CpuShare))]);

    private static ChartLine Cpu(BenchRunReport run)
    {
        var points = new List<(double, double)>();
        for (int i = 1; i < run.Subject.Count; i++)
        {
            double length = run.Subject[i].Seconds - run.Subject[i - 1].Seconds;
            double used = run.Subject[i].CpuSeconds - run.Subject[i - 1].CpuSeconds;
            if (length > 0.05 && used >= 0)
            {
                points.Add((run.Subject[i].Seconds, used / length));
            }
        }
        return new ChartLine("subject", "c", points);
    }

    private static ChartLine Curve(string name, string colour, IReadOnlyList<LatencyPoint>? curve) =>
        new(name, colour, [.. (curve ?? []).Select(p => (p.Percentile, p.Microseconds / 1000.0))]);

    private static void Card(StringBuilder page, string title, string content) =>
        page.Append(CultureInfo.InvariantCulture, $"<div class=\"card\"><h2>{title}</h2>{content}</div>");

    private static string Text(string text) => WebUtility.HtmlEncode(text);
}
