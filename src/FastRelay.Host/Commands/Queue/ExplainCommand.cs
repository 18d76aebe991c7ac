using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using FastRelay.Config;
using FastRelay.Host.Admin;
using FastRelay.Smtp;
using Command = System.CommandLine.Command;

namespace FastRelay.Host.Commands;

/// <summary><c>fastrelay explain</c>: what a message or a destination waits for, and why.</summary>
public static class ExplainCommand
{
    /// <summary>The command.</summary>
    public static Command Build()
    {
        var command = new TaughtCommand(
            "explain",
            "Says what a message, or mail for an address, domain or site, waits for and why: route, hosts, DNS, site, every limit with its use, and the rate that follows. Asks the running relay.",
            "fastrelay explain 01ABCDEFGHJKM             # why is this message still here?",
            "fastrelay explain example.com               # where does its mail go, and what holds it up?",
            "fastrelay explain someone@example.com --try # the same, and ask its hosts now: the dialogue is shown, nothing is sent");
        var target = new Argument<string>("TARGET") { Description = "An id, an address, a domain, or a site as queue show names it (site:NAME where a domain has the same name)" };
        Option<string?> config = ConfigFile.Option();
        var tries = new Option<bool>("--try") { Description = "Connect to the hosts, as a delivery would, and show the dialogue; for an address up to RCPT, with the null reverse-path" };
        var json = new Option<bool>("--json") { Description = "JSON" };
        command.Arguments.Add(target);
        command.Options.Add(config);
        command.Options.Add(tries);
        command.Options.Add(json);
        command.SetAction(result => QueueCommand.Ask(result, config, async (client, output) =>
        {
            string wanted = result.GetValue(target)!;
            if (wanted.Contains('@', StringComparison.Ordinal) && !IsMailbox(wanted))
            {
                await result.InvocationConfiguration.Error.WriteLineAsync(
                    $"fastrelay: {QueueListCommand.Printable(wanted)} is no address: write it without brackets or spaces around it, as in someone@example.com");
                return ExitCode.Usage;
            }
            ExplainView? view = await client.GetAsync($"/api/explain?target={Uri.EscapeDataString(wanted)}", AdminJson.Default.ExplainView);
            if (view is null)
            {
                await result.InvocationConfiguration.Error.WriteLineAsync(
                    $"fastrelay: {QueueListCommand.Printable(wanted)} is no message in the queue (delivered, failed or removed: the log knows), no site, and no domain's name");
                return ExitCode.Failure;
            }
            if (result.GetValue(json))
            {
                await output.WriteLineAsync(JsonSerializer.Serialize(view, QueueShowCommand.Pretty().ExplainView));
            }
            else
            {
                await output.WriteAsync(Describe(view));
            }
            if (!result.GetValue(tries))
            {
                return ExitCode.Ok;
            }
            RelayConfig loaded = ConfigFile.Load(ConfigFile.OfClient(result.GetValue(config)), TextWriter.Null)!;
            // JSON stays JSON: the dialogue then goes where complaints go.
            TextWriter dialogue = result.GetValue(json) ? result.InvocationConfiguration.Error : output;
            string recipient = view.Message is { Destinations: [{ Recipients: [var first, ..] }, ..] } ? first
                : wanted.Contains('@', StringComparison.Ordinal) ? wanted : "";
            await dialogue.WriteLineAsync();
            TrustStore.Prepare(loaded.Tls.Authorities);
            return await new TryDialogue(loaded, dialogue).RunAsync(view.Ways[0], recipient) ? ExitCode.Ok : ExitCode.Failure;
        }));
        return command;
    }

    // What RCPT would take (RFC 5321 4.1.2), so that nothing else stands in a command.
    private static bool IsMailbox(string text) =>
        MailPath.ParseForward(Encoding.UTF8.GetBytes($"<{text}>"), utf8: true, out MailPath path, out int consumed) == PathStatus.Ok
        && consumed == Encoding.UTF8.GetByteCount(text) + 2 && path.Mailbox.Length == consumed - 2;

    private static string Describe(ExplainView view)
    {
        using var text = new StringWriter(CultureInfo.InvariantCulture);
        if (view.Message is { } message)
        {
            text.Write(QueueShowCommand.Head(message));
        }
        foreach (ExplainWay way in view.Ways)
        {
            if (view.Message is not null || way != view.Ways[0])
            {
                text.WriteLine();
            }
            Write(text, way);
        }
        if (view.Message is { } whole && whole.Destinations.Count > view.Ways.Count)
        {
            text.WriteLine($"\nand {whole.Destinations.Count - view.Ways.Count} more destinations: fastrelay explain DOMAIN");
        }
        return text.ToString();
    }

    private static void Write(StringWriter text, ExplainWay way)
    {
        Line(text, "to", way.Destination);
        Line(text, "waits for", way.Reason);
        if (way.Tenant is { } tenant)
        {
            Line(text, "tenant", tenant);
        }
        if (way.Source is { } source)
        {
            Line(text, "source", source);
        }
        Line(text, "route", (way.Route == "mx:" ? "the hosts that DNS names" : way.Route)
            + (way.MovedTo is { } to ? $", moved by the operator to {to}{(way.Moved is { } at ? $" at {at.ToLocalTime():yyyy-MM-dd HH:mm:ss zzz}" : "")}" : way.Pattern is { } pattern ? $", by the row \"{pattern}\" of [[route]]" : ", since no row of [[route]] matches") + (way.User is { } user ? $"; user {user}" : ""));
        Line(text, "tls", way.Tls + (way.TlsBy is { } by ? $", as {by} says" : "") + (way.Certificate is { } own ? $"; {Certificate(own)} is shown to a host that asks" : ""));
        Line(text, "plan", way.Plan + (way.PlanReason is { } reason ? ": " + reason : "") + (way.PlanSeconds is { } left ? $"; holds {left:N0} s more" : ""));
        foreach (ExplainHost host in way.Hosts)
        {
            Line(text, "host", $"{host.Preference,5}  {host.Name}  {string.Join(", ", host.Addresses)}{Remembered(host)}");
        }
        foreach (ExplainDns record in way.Dns)
        {
            string records = record.Records.Count > 0 ? string.Join(", ", record.Records) : record.Status;
            Line(text, "dns", $"{record.Type,5}  {record.Name}  {records}  ({(record.Stale ? "stale: no server answers; " : "")}{record.LeftSeconds:N0} s)");
        }
        if (way.Site is { } site)
        {
            Line(text, "site", site.Name + (site.Provider is { } provider ? $" ({provider})" : "")
                + $": {site.Ready:N0} ready, {site.InFlight:N0} in delivery, {site.Sessions:N0} {(site.Sessions == 1 ? "connection" : "connections")}{(site.Stopped > 0 ? $"; {site.Stopped:N0} of suspended tenants wait" : "")}");
            Line(text, "gear", Gear(site));
            if (site.Rate is { } rate)
            {
                Line(text, "pace", Pace(rate));
            }
        }
        if (way.Budget is { } budget)
        {
            Line(text, "provider", $"{budget.Name}: {budget.Sites:N0} {(budget.Sites == 1 ? "site shares" : "sites share")} {budget.Limit:N0} sessions, {budget.Sessions - budget.Idle:N0} at work; "
                + $"{budget.Waiting:N0} wait for their turn; gear {budget.Gear}{(budget.GearReason is { } why ? ": " + why : "")}");
        }
        Line(text, "queued", $"{way.Queued:N0} for this destination, {way.Ready:N0} of them ready");
        foreach (ExplainLimit limit in way.Limits)
        {
            Line(text, "limit", $"{limit.Used,5:N0} of {limit.Most,-6:N0} {limit.Name}{(limit.Binds ? "  <- used up" : "")}");
        }
        string lately = way.DeliveryMs is { } took ? $"{took:N1} ms a delivery lately" : "no delivery yet";
        if (way.CeilingPerSecond is { } perSecond)
        {
            string about = perSecond < 10 ? $"about {perSecond:0.####} messages/s" : $"about {perSecond:N0} messages/s";
            Line(text, "ceiling", $"{about}: {way.CeilingBy ?? $"{way.Limits[0].Most:N0} sessions"}, {lately}");
        }
        else if (way.DeliveryMs is not null)
        {
            Line(text, "ceiling", $"none in this gear; {lately}");
        }
    }

    /// <summary>A certificate of ours in words: whose, and until when.</summary>
    public static string Certificate(ExplainCertificate own) => string.Create(CultureInfo.InvariantCulture,
        $"the certificate of {own.Subject}, which {(own.Ends < DateTimeOffset.UtcNow ? "ended" : "ends")} on {own.Ends.UtcDateTime:yyyy-MM-dd},");

    private static string Remembered(ExplainHost host) =>
        (host.ClearSeconds is { } clear ? $"; in clear for {clear:N0} s, since a TLS handshake failed" : "")
        + (host.AvoidedSeconds is { } avoided ? $"; avoided for {avoided:N0} s, since it did not serve: the others are tried first" : "")
        + (host.AloneSeconds is { } alone ? $"; one message at a time for {alone:N0} s, since a message was left in doubt" : "")
        + (host.ClosesAfter is { } messages ? $"; closes after {messages:N0} {(messages == 1 ? "message" : "messages")}, which we keep to for {host.ClosesSeconds:N0} s" : "");

    private static string Pace(ExplainRate rate) =>
        $"{rate.PerMinute:#,0.#} messages a minute, learned {rate.SinceSeconds:N0} s ago from {rate.Refused:N0} refused {(rate.Refused == 1 ? "attempt" : "attempts")}; {rate.Used:N0} begun in the last minute; "
        + (rate.ClosedMs is { } closed ? $"refused now, one tries again in {closed:N0} ms" : $"grows in {rate.GrowsSeconds:N0} s if the mail is there")
        + $"; forgotten in {rate.ForgottenSeconds:N0} s without a refusal: {rate.Reason}";

    private static string Gear(ExplainSite site)
    {
        if (site.Gear == "normal")
        {
            return "normal";
        }
        string until = site.GearSeconds is not { } left ? " until queue resume" : left > 0 ? $" for {left:N0} s" : " until it has taken something";
        string failures = site is { Gear: "backoff", Failures: > 0 } ? $", after {site.Failures} {(site.Failures == 1 ? "failure" : "failures in a row")}" : "";
        return $"{site.Gear}{until}{failures}: {site.GearReason}";
    }

    private static void Line(StringWriter text, string name, string value) =>
        text.WriteLine($"{name,-10} {QueueListCommand.Printable(value)}");
}
