using FastRelay.Load;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace FastRelay.Host.Commands;

/// <summary>The live screens of <c>sink</c> and <c>load</c>.</summary>
internal static class LoadScreen
{
    /// <summary>A sink.</summary>
    public static IRenderable Draw(SinkServer server, Sampler sampler)
    {
        SinkCounters c = server.Counters;
        LoadSample? last = sampler.Last;
        Table table = Frame($"sink on {string.Join(", ", server.EndPoints)}", sampler);
        table.AddRow("messages", $"{c.Messages:N0}", PerSecond(last?.Messages));
        table.AddRow("recipients", $"{c.Recipients:N0}", "");
        table.AddRow("refused", $"{c.MessagesRefused:N0}", PerSecond(last?.Refused));
        table.AddRow("connections", $"{c.Connections:N0}", $"{c.Sessions:N0} open, {c.SessionsPeak:N0} at most");
        table.AddRow("broken, cut", $"{c.Broken:N0}, {c.Cut:N0}", "");
        if (server.Options.Check)
        {
            table.AddRow("intact", $"{c.Intact:N0}", $"{c.Damaged:N0} damaged, {c.Ledger.Duplicates:N0} again, {c.Unmarked:N0} unmarked");
            table.AddRow("on the way", Milliseconds(last?.P50), $"p99 {Milliseconds(last?.P99)}, at most {Milliseconds(last?.Max)}");
        }
        return table;
    }

    /// <summary>A source.</summary>
    public static IRenderable Draw(LoadRun run, Sampler sampler)
    {
        LoadCounters c = run.Counters;
        LoadSample? last = sampler.Last;
        Table table = Frame($"load to {run.Options.Target}", sampler);
        string bound = run.Options.Messages > 0 ? $" of {run.Options.Messages:N0}" : "";
        table.AddRow("accepted", $"{c.Accepted:N0}{bound}", PerSecond(last?.Messages));
        table.AddRow("refused", $"{c.Refused:N0}", PerSecond(last?.Refused));
        table.AddRow("lost", $"{c.Lost:N0}", PerSecond(last?.Lost));
        table.AddRow("connections", $"{c.Connections:N0}", $"{c.Sessions:N0} open, {c.ConnectFailed:N0} failed");
        if (c.NotGreeted > 0)
        {
            table.AddRow("turned away", $"{c.NotGreeted:N0}", Markup.Escape(c.LastRefusal ?? ""));
        }
        if (run.Options.HoldMs > 0)
        {
            table.AddRow("held idle", $"{c.Held:N0} of {run.Options.Sessions:N0}", "");
        }
        table.AddRow("latency", Milliseconds(last?.P50), $"p99 {Milliseconds(last?.P99)}, at most {Milliseconds(last?.Max)}");
        return table;
    }

    private static Table Frame(string title, Sampler sampler)
    {
        LoadSample? last = sampler.Last;
        string own = last is null ? "" : $"{last.CpuShare:P0} of a core, loop {last.LagMs:F0} ms late";
        return new Table().RoundedBorder().Title(Markup.Escape(title)).Caption(Markup.Escape($"{sampler.Seconds:F0} s, {own}"))
            .AddColumn("").AddColumn(new TableColumn("").RightAligned()).AddColumn(new TableColumn("").Width(44)).HideHeaders();
    }

    private static string PerSecond(long? value) => value is { } count ? $"{count:N0} in the last interval" : "";

    private static string Milliseconds(long? microseconds) => microseconds is { } value ? $"{value / 1000.0:N1} ms" : "";
}
