using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using FastRelay.Config;
using FastRelay.Host.Admin;
using FastRelay.Observe;

namespace FastRelay.Host.Commands;

/// <summary><c>fastrelay queue list</c>.</summary>
public static class QueueListCommand
{
    private const int PageSize = 1000;

    /// <summary>The command.</summary>
    public static Command Build()
    {
        var command = new TaughtCommand(
            "list",
            "Lists the messages in the queue: id, arrival, size, sender, and for each destination its recipients, state, next try and reason.",
            "fastrelay queue list",
            "fastrelay queue list --count                            # the number alone",
            "fastrelay queue list --domain example.com --state deferred",
            "fastrelay queue list --json | jq -r '.[].id'");
        Option<string?> config = ConfigFile.Option();
        command.Options.Add(config);
        var id = new Option<string?>("--id") { Description = "The message of this id", HelpName = "ID" };
        command.Options.Add(id);
        var narrowing = new QueueNarrowing(command);
        var limit = new Option<int?>("--limit") { Description = "At most this many messages; all without it", HelpName = "N" };
        limit.Validators.Add(r =>
        {
            if (r.Tokens.Count == 1 && int.TryParse(r.Tokens[0].Value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int n) && n < 1)
            {
                r.AddError("--limit must be 1 or more");
            }
        });
        var json = new Option<bool>("--json") { Description = "A JSON array" };
        var count = new Option<bool>("--count") { Description = "The number of messages alone" };
        command.Options.Add(limit);
        command.Options.Add(json);
        command.Options.Add(count);
        command.SetAction(result =>
        {
            QueueQuery query = narrowing.Query(result) with { Id = result.GetValue(id) };
            return QueueCommand.Ask(result, config, (client, output) => result.GetValue(count)
                ? CountAsync(client, query, result.GetValue(json), output)
                : ListAsync(client, query, result.GetValue(limit) ?? int.MaxValue, result.GetValue(json), output));
        });
        return command;
    }

    private static async Task<int> CountAsync(AdminClient client, QueueQuery query, bool json, TextWriter output)
    {
        QueueCount? count = await client.GetAsync($"/api/queue?count=only{Parameters(query)}", AdminJson.Default.QueueCount);
        await output.WriteLineAsync(json
            ? JsonSerializer.Serialize(count!, AdminJson.Default.QueueCount)
            : count!.Count.ToString(CultureInfo.InvariantCulture));
        return ExitCode.Ok;
    }

    private static async Task<int> ListAsync(AdminClient client, QueueQuery query, int limit, bool json, TextWriter output)
    {
        long shown = 0;
        int? from = 0;
        if (json)
        {
            await output.WriteAsync('[');
        }
        while (from is { } start && shown < limit)
        {
            int size = (int)Math.Min(PageSize, limit - shown);
            QueuePage? page = await client.GetAsync($"/api/queue?limit={size}&from={start}{Parameters(query)}", AdminJson.Default.QueuePage);
            foreach (QueueItem item in page!.Items)
            {
                if (json)
                {
                    await output.WriteAsync(shown == 0 ? "\n" : ",\n");
                    await output.WriteAsync(JsonSerializer.Serialize(item, AdminJson.Default.QueueItem));
                }
                else
                {
                    await output.WriteAsync(Describe(item));
                }
                shown++;
            }
            from = page.Next;
        }
        if (json)
        {
            await output.WriteLineAsync(shown == 0 ? "]" : "\n]");
        }
        else if (shown == 0)
        {
            await output.WriteLineAsync("nothing in the queue" + (query.IsAll ? "" : " that matches"));
        }
        return ExitCode.Ok;
    }

    /// <summary>One message in a few lines, for people.</summary>
    internal static string Describe(QueueItem item)
    {
        var text = new StringBuilder();
        string sender = item.Sender.Length == 0 ? "<>" : item.Sender;
        text.Append(CultureInfo.InvariantCulture, $"{item.Id}  {item.Arrived.ToLocalTime():yyyy-MM-dd HH:mm:ss}  {ConfigText.ShowSize(item.Bytes),9}  {Printable(sender)}{(item.Tenant is null ? "" : $"  tenant {Printable(item.Tenant)}")}{(item.Priority == "normal" ? "" : $"  {Printable(item.Priority)} priority")}\n");
        foreach (QueueDestination destination in item.Destinations)
        {
            foreach (string recipient in destination.Recipients)
            {
                text.Append("    ").Append(Printable(recipient)).Append('\n');
            }
            if (destination.RecipientCount > destination.Recipients.Count)
            {
                text.Append(CultureInfo.InvariantCulture, $"    and {destination.RecipientCount - destination.Recipients.Count} more\n");
            }
            text.Append("        ").Append(destination.State);
            if (destination.Attempts > 0)
            {
                text.Append(CultureInfo.InvariantCulture, $" after {destination.Attempts} {(destination.Attempts == 1 ? "attempt" : "attempts")}");
            }
            if (destination.NextTry is { } next)
            {
                text.Append(CultureInfo.InvariantCulture, $", next at {next.ToLocalTime():HH:mm:ss}");
            }
            text.Append(destination.Order is { } order ? $", then to {Printable(order)}" : "");
            text.Append(destination.MovedTo is { } moved ? $", moved to {Printable(moved)}" : "");
            text.Append(destination.Reason is null ? "" : ": " + Printable(destination.Reason)).Append('\n');
        }
        return text.ToString();
    }

    /// <summary>What peers sent, without anything that would steer a terminal.</summary>
    internal static string Printable(string text) =>
        text.Any(IsHidden) ? string.Concat(text.Select(c => IsHidden(c) ? FormattableString.Invariant($"\\x{(int)c:x2}") : c.ToString())) : text;

    private static bool IsHidden(char c) => Rune.TryCreate(c, out Rune rune) && !LogLine.IsShown(rune);

    private static string Parameters(QueueQuery query)
    {
        var text = new StringBuilder();
        foreach ((string key, string? value) in (ReadOnlySpan<(string, string?)>)
            [("sender", query.Sender), ("domain", query.Domain), ("site", query.Site), ("tenant", query.Tenant), ("id", query.Id), ("state", query.State),
                ("older", query.OlderSeconds?.ToString(CultureInfo.InvariantCulture))])
        {
            if (value is not null)
            {
                text.Append('&').Append(key).Append('=').Append(Uri.EscapeDataString(value));
            }
        }
        return text.ToString();
    }
}
