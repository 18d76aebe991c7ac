using System.CommandLine;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using FastRelay.Host.Admin;
using Spectre.Console;

namespace FastRelay.Host.Commands;

/// <summary><c>fastrelay queue top</c>: the sites with the most to do, live.</summary>
public static class QueueTopCommand
{
    private const int DefaultSites = 20;

    /// <summary>Columns of a screen on which everything finds room.</summary>
    private const int WideColumns = 120;

    /// <summary>The command.</summary>
    public static Command Build()
    {
        var command = new TaughtCommand(
            "top",
            "Shows the sites with the most to do and what they do now, again every two seconds until Ctrl-C: ready, under way, deferred, messages a second, sessions and the gear with its reason.",
            "fastrelay queue top",
            "fastrelay queue top --once --sites 50                   # for a script: once, without colours",
            "watch -n 60 fastrelay queue top --once");
        var once = new Option<bool>("--once") { Description = "Look for one interval, print, and end; also without it where the output is no terminal" };
        var sites = new Option<int?>("--sites") { Description = $"At most so many sites, 1 to 50; {DefaultSites} without it", HelpName = "N" };
        sites.Validators.Add(r =>
        {
            if (r.Tokens.Count == 1 && int.TryParse(r.Tokens[0].Value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int n) && n is < 1 or > 50)
            {
                r.AddError("--sites must be 1 to 50");
            }
        });
        Option<string?> config = ConfigFile.Option();
        var interval = new Option<string?>("--interval") { Description = "Between two looks, 200ms to 1h; 2s without it", HelpName = "DURATION" };
        interval.Validators.Add(r =>
        {
            if (r.Tokens.Count == 1 && !(Config.ConfigText.TryParseDuration(r.Tokens[0].Value, out long ms) && ms is >= 200 and <= 3_600_000))
            {
                r.AddError($"\"{r.Tokens[0].Value}\" is no duration from 200ms to 1h");
            }
        });
        foreach (Option option in (ReadOnlySpan<Option>)[once, sites, interval, config])
        {
            command.Options.Add(option);
        }
        command.SetAction(result => QueueCommand.Ask(result, config, (client, output) => RunAsync(
            client,
            // What is no terminal cannot be drawn on again.
            result.GetValue(once) || Console.IsOutputRedirected,
            result.GetValue(sites) ?? DefaultSites,
            result.GetValue(interval) is { } text && Config.ConfigText.TryParseDuration(text, out long ms) ? TimeSpan.FromMilliseconds(ms) : TimeSpan.FromSeconds(2),
            output)));
        return command;
    }

    private static async Task<int> RunAsync(AdminClient client, bool once, int max, TimeSpan interval, TextWriter output)
    {
        TopLook before = await TopLook.TakeAsync(client);
        if (once)
        {
            await Task.Delay(interval);
            await output.WriteAsync(Text(before, await TopLook.TakeAsync(client), max));
            return ExitCode.Ok;
        }
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Out) });
        using var end = new CancellationTokenSource();
        void End(PosixSignalContext context)
        {
            // Not at once: the terminal's cursor is hidden.
            context.Cancel = true;
            end.Cancel();
        }
        using PosixSignalRegistration interrupted = PosixSignalRegistration.Create(PosixSignal.SIGINT, End);
        using PosixSignalRegistration ended = PosixSignalRegistration.Create(PosixSignal.SIGTERM, End);
        try
        {
            await console.Live(Draw(before, before, max, console.Profile.Width)).StartAsync(async live =>
            {
                while (true)
                {
                    await Task.Delay(interval, end.Token);
                    TopLook now = await TopLook.TakeAsync(client).WaitAsync(end.Token);
                    live.UpdateTarget(Draw(before, now, max, console.Profile.Width));
                    before = now;
                }
            });
        }
        catch (OperationCanceledException) when (end.IsCancellationRequested)
        {
            // Ctrl-C is how it ends.
        }
        finally
        {
            console.Cursor.Show();
        }
        return ExitCode.Ok;
    }

    /// <summary>The same without a screen.</summary>
    internal static string Text(TopLook before, TopLook now, int max)
    {
        var text = new StringBuilder(Head(before, now)).Append('\n');
        text.Append(CultureInfo.InvariantCulture, $"{"SITE",-40} {"READY",9} {"HIGH",9} {"LOW",9} {"SENDING",8} {"DEFERRED",9} {"MSG/S",8} {"SESSIONS",9} GEAR\n");
        foreach (ExplainSite site in now.Sites.Take(max))
        {
            text.Append(CultureInfo.InvariantCulture, $"{Name(site),-40} {site.Ready,9} {site.ReadyHigh,9} {site.ReadyLow,9} {site.InFlight,8} {site.Deferred,9} {now.Rate(before, site),8:0.0} {$"{site.Sessions}/{site.Limit}",9} {Gear(site)}\n");
        }
        return text.ToString();
    }

    /// <summary>What is drawn. On a narrow screen, as one of 80 columns, the numbers leave room for the names of sites.</summary>
    internal static Table Draw(TopLook before, TopLook now, int max, int width)
    {
        bool narrow = width < WideColumns;
        Table table = new Table().Title(Markup.Escape(Head(before, now))).Caption("Ctrl-C ends it").Expand();
        table = narrow ? table.NoBorder() : table.RoundedBorder();
        table.AddColumn(new TableColumn("site"));
        foreach (string number in (ReadOnlySpan<string>)["ready", "high", "low", "sending", "deferred", "msg/s", "sessions"])
        {
            if (!narrow || number is not ("high" or "low"))
            {
                table.AddColumn(new TableColumn(number).RightAligned().NoWrap());
            }
        }
        table.AddColumn(narrow ? new TableColumn("gear").NoWrap() : new TableColumn("gear"));
        if (narrow)
        {
            foreach (TableColumn column in table.Columns)
            {
                column.Padding = new Padding(0, 0, 1, 0);
            }
        }
        foreach (ExplainSite site in now.Sites.Take(max))
        {
            string colour = site.Gear switch { "normal" => "default", "slow" => "yellow", _ => "red" };
            Markup[] priorities = narrow ? [] : [Cell($"{site.ReadyHigh:N0}"), Cell($"{site.ReadyLow:N0}")];
            table.AddRow(
                [
                    Cell(Name(site)),
                    Cell($"{site.Ready:N0}"),
                    .. priorities,
                    Cell($"{site.InFlight:N0}"),
                    Cell($"{site.Deferred:N0}"),
                    Cell(string.Create(CultureInfo.InvariantCulture, $"{now.Rate(before, site):0.0}")),
                    Cell($"{site.Sessions}/{site.Limit}"),
                    new Markup($"[{colour}]{Markup.Escape(narrow ? site.Gear : Gear(site))}[/]").Overflow(Overflow.Ellipsis),
                ]);
        }
        return table;
    }

    private static Markup Cell(string text) => new Markup(Markup.Escape(text)).Overflow(Overflow.Ellipsis);

    private static string Head(TopLook before, TopLook now) => string.Create(CultureInfo.InvariantCulture,
        $"{now.Of("queue_messages")} messages: {now.Of("queue_ready")} ready, {now.Of("queue_delivering")} being delivered, {now.Of("queue_deferred")} deferred, {now.Of("queue_held")} held; each second {now.Rate(before, "accepted_total"):0.0} accepted, {now.Rate(before, "delivered_total"):0.0} delivered, {now.Rate(before, "deferred_total"):0.0} deferred, {now.Rate(before, "failed_total"):0.0} failed");

    private static string Name(ExplainSite site) => QueueListCommand.Printable(site.Sites is { } sites ? $"{site.Name} ({sites} {(sites == 1 ? "site" : "sites")})" : site.Name);

    private static string Gear(ExplainSite site)
    {
        string left = site.GearSeconds is > 0 and long seconds ? $" {seconds} s" : "";
        string stopped = site.Stopped > 0 ? string.Create(CultureInfo.InvariantCulture, $"; {site.Stopped} of suspended tenants wait") : "";
        return site.Gear + left + (site.GearReason is { } reason ? ": " + QueueListCommand.Printable(reason) : "") + stopped;
    }
}
