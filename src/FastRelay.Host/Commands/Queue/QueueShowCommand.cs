using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using FastRelay.Config;
using FastRelay.Host.Admin;

namespace FastRelay.Host.Commands;

/// <summary><c>fastrelay queue show</c>.</summary>
public static class QueueShowCommand
{
    /// <summary>The command.</summary>
    public static Command Build()
    {
        var command = new TaughtCommand(
            "show",
            "Shows one message of the queue with everything that is known of it.",
            "fastrelay queue show 01ABCDEFGHJKM",
            "fastrelay queue show 01ABCDEFGHJKM --json");
        var id = new Argument<string>("ID") { Description = "As the client was told it, and as queue list shows it" };
        Option<string?> config = ConfigFile.Option();
        var json = new Option<bool>("--json") { Description = "JSON" };
        command.Arguments.Add(id);
        command.Options.Add(config);
        command.Options.Add(json);
        command.SetAction(result => QueueCommand.Ask(result, config, async (client, output) =>
        {
            string wanted = result.GetValue(id)!;
            QueueItem? item = await client.GetAsync($"/api/queue/{Uri.EscapeDataString(wanted)}", AdminJson.Default.QueueItem);
            if (item is null)
            {
                await result.InvocationConfiguration.Error.WriteLineAsync($"fastrelay: no message {wanted} in the queue: delivered, failed or removed; the log knows");
                return ExitCode.Failure;
            }
            await output.WriteAsync(result.GetValue(json) ? JsonSerializer.Serialize(item, Pretty().QueueItem) + "\n" : Describe(item));
            return ExitCode.Ok;
        }));
        return command;
    }

    /// <summary>JSON for people.</summary>
    internal static AdminJson Pretty() => new(new JsonSerializerOptions(AdminJson.Default.Options) { WriteIndented = true });

    /// <summary>What is true for the whole message.</summary>
    internal static string Head(QueueItem item) => string.Create(CultureInfo.InvariantCulture, $"""
        id         {item.Id}
        sender     {(item.Sender.Length == 0 ? "<> (a bounce)" : QueueListCommand.Printable(item.Sender))}
        arrived    {Time(item.Arrived)}
        size       {ConfigText.ShowSize(item.Bytes)}
        tenant     {(item.Tenant is null ? "(none)" : QueueListCommand.Printable(item.Tenant))}
        priority   {QueueListCommand.Printable(item.Priority)}

        """);

    private static string Describe(QueueItem item)
    {
        using var text = new StringWriter(CultureInfo.InvariantCulture);
        text.Write(Head(item));
        foreach (QueueDestination destination in item.Destinations)
        {
            text.WriteLine();
            text.WriteLine($"to         {QueueListCommand.Printable(destination.Destination)}");
            if (destination.Site is { } site)
            {
                text.WriteLine($"site       {QueueListCommand.Printable(site)}");
            }
            if (destination.MovedTo is { } moved)
            {
                text.WriteLine($"moved      by the operator to {QueueListCommand.Printable(moved)}{(destination.Moved is { } at ? " at " + Time(at) : "")}");
            }
            text.WriteLine($"state      {destination.State}{(destination.Order is { } order ? ", then to " + QueueListCommand.Printable(order) : "")}");
            text.WriteLine($"attempts   {destination.Attempts}");
            if (destination.NextTry is { } next)
            {
                text.WriteLine($"next try   {Time(next)}");
            }
            text.WriteLine($"expires    {Time(destination.Expires)}");
            if (destination.Reason is { } reason)
            {
                text.WriteLine($"reason     {QueueListCommand.Printable(reason)}");
            }
            foreach (string recipient in destination.Recipients)
            {
                text.WriteLine($"recipient  {QueueListCommand.Printable(recipient)}");
            }
            if (destination.RecipientCount > destination.Recipients.Count)
            {
                text.WriteLine($"           and {destination.RecipientCount - destination.Recipients.Count} more");
            }
        }
        return text.ToString();
    }

    private static string Time(DateTimeOffset time) => time.ToLocalTime().ToString("yyyy-MM-dd HH:mm:ss zzz", CultureInfo.InvariantCulture);
}
