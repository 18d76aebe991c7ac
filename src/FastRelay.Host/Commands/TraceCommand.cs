using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using FastRelay.Host.Admin;

namespace FastRelay.Host.Commands;

/// <summary><c>fastrelay trace</c>: the dialogues of a running relay, live.</summary>
public static class TraceCommand
{
    /// <summary>The command.</summary>
    public static Command Build()
    {
        var command = new TaughtCommand(
            "trace",
            "Shows the dialogues of a running relay as they happen, inside TLS too, until Ctrl-C. Passwords and other secrets of AUTH are masked, and the content of messages is not shown. It slows no session: lines that are not taken in time are counted instead.",
            "fastrelay trace --peer 192.0.2.0/24            # both ways with hosts of a network",
            "fastrelay trace --domain example.com           # from the first MAIL or RCPT that names it, or at its hosts",
            "fastrelay trace --id 01ABCDEFGHJKM             # deliveries of one message",
            "fastrelay trace --json | jq -r .text");
        var peer = new Option<string?>("--peer") { Description = "The other side's address, or a network that it is in", HelpName = "NETWORK" };
        var domain = new Option<string?>("--domain") { Description = "Sessions that name the domain, from there on; deliveries at a host that it is or that is below it", HelpName = "DOMAIN" };
        var id = new Option<string?>("--id") { Description = "Deliveries of this message", HelpName = "ID" };
        Option<string?> config = ConfigFile.Option();
        var json = new Option<bool>("--json") { Description = "A JSON object a line, as the admin sends them" };
        foreach (Option option in (ReadOnlySpan<Option>)[peer, domain, id, config, json])
        {
            command.Options.Add(option);
        }
        command.SetAction(result => QueueCommand.Ask(result, config, async (client, output) =>
        {
            var query = new StringBuilder("/api/trace");
            foreach ((string key, string? value) in (ReadOnlySpan<(string, string?)>)
                [("peer", result.GetValue(peer)), ("domain", result.GetValue(domain)), ("id", result.GetValue(id))])
            {
                if (value is not null)
                {
                    query.Append(query.Length > "/api/trace".Length ? '&' : '?').Append(key).Append('=').Append(Uri.EscapeDataString(value));
                }
            }
            bool raw = result.GetValue(json);
            await client.LinesAsync(
                query.ToString(),
                () => result.InvocationConfiguration.Error.WriteLine("watching; Ctrl-C ends it"),
                line => ShowAsync(output, raw ? line : Describe(line)));
            return ExitCode.Ok;
        }));
        return command;
    }

    // At once: output is buffered for listings. Its reader may have seen enough.
    private static async Task<bool> ShowAsync(TextWriter output, string line)
    {
        try
        {
            await output.WriteLineAsync(line);
            await output.FlushAsync();
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>A line for people.</summary>
    internal static string Describe(string json)
    {
        TraceLine line = JsonSerializer.Deserialize(json, AdminJson.Default.TraceLine)!;
        if (line.Lost is { } lost)
        {
            return $"({lost} lines are missing here: they came faster than they were shown)";
        }
        string who = line.Host is { } host ? $"{QueueListCommand.Printable(host)} [{line.Peer}]" : line.Peer ?? "";
        string says = line.From switch { "client" => "C:", "server" => "S:", _ => "--" };
        string cut = line.Octets is { } octets ? $" ... ({octets} octets)" : "";
        return string.Create(CultureInfo.InvariantCulture, $"{line.Ts?.ToLocalTime():HH:mm:ss.fff} {line.Way,-3} #{line.Session} {who} {says} {QueueListCommand.Printable(line.Text ?? "")}{cut}");
    }
}
