using System.CommandLine;
using System.Text.Json;
using FastRelay.Config;
using FastRelay.Host.Admin;

namespace FastRelay.Host.Commands;

/// <summary><c>fastrelay reload</c>: a running relay reads its configuration again.</summary>
public static class ReloadCommand
{
    /// <summary>The command.</summary>
    public static Command Build()
    {
        var command = new TaughtCommand(
            "reload",
            "Has a running relay read its configuration again, as SIGHUP does, and says what has changed and what waits for a restart. A file with an error changes nothing. Sessions under way keep what they began with.",
            "fastrelay reload --config /etc/fastrelay/fastrelay.toml",
            "fastrelay check --diff --config relay.toml     # before: what would change");
        Option<string?> config = ConfigFile.Option();
        var json = new Option<bool>("--json") { Description = "What was done, as JSON" };
        command.Options.Add(config);
        command.Options.Add(json);
        command.SetAction(result => QueueCommand.Ask(result, config, (client, output) => RunAsync(client, ConfigFile.OfClient(result.GetValue(config)), result.GetValue(json), output)));
        return command;
    }

    private static async Task<int> RunAsync(AdminClient client, string? path, bool json, TextWriter output)
    {
        StatusView? running = path is null ? null : await client.GetAsync("/api/status", AdminJson.Default.StatusView);
        if (running?.Config is { } read && File.Exists(read) && !IsSameFile(path!, read))
        {
            // One that is not to be seen from here is a container's. It reads its own again and no other: "nothing has changed" would be no answer to who means the other.
            throw new AdminClientException($"nothing was reloaded: the relay that answers reads {read}, and not {Path.GetFullPath(path!)}", unreachable: false);
        }
        ReloadView done = await client.PostAsync("/api/reload", new ReloadOrder(), AdminJson.Default.ReloadOrder, AdminJson.Default.ReloadView);
        if (json)
        {
            await output.WriteLineAsync(JsonSerializer.Serialize(done, AdminJson.Default.ReloadView));
            return ExitCode.Ok;
        }
        await output.WriteLineAsync(done.Changed.Count == 0 ? "nothing has changed" : "in force now:");
        await output.WriteAsync(Lines(done.Changed));
        if (done.Restart.Count > 0)
        {
            await output.WriteLineAsync("needs a restart:");
            await output.WriteAsync(Lines(done.Restart));
        }
        foreach (string note in done.Notes)
        {
            await output.WriteLineAsync($"note: {note}");
        }
        return ExitCode.Ok;
    }

    private static bool IsSameFile(string one, string other) => Final(one) == Final(other);

    // Links along the way are resolved too: /etc may be one.
    private static string Final(string path)
    {
        string full = Path.GetFullPath(path);
        string whole = "/";
        try
        {
            foreach (string part in full.Split('/', StringSplitOptions.RemoveEmptyEntries))
            {
                whole = Path.Combine(whole, part);
                whole = new FileInfo(whole).ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? whole;
            }
            return whole;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return full;
        }
    }

    /// <summary>Changes for people, one a line.</summary>
    internal static string Lines(IEnumerable<ConfigChange> changes) =>
        string.Concat(changes.Select(static change => $"  {change.Key}: {change.Before ?? "(none)"} -> {change.After ?? "(none)"}\n"));
}
