using System.CommandLine;
using FastRelay.Config;
using FastRelay.Host.Admin;
using FastRelay.Host.Secrets;

namespace FastRelay.Host.Commands;

/// <summary><c>fastrelay queue</c>: looks into the queue of a running relay and changes it.</summary>
public static class QueueCommand
{
    /// <summary>The command with those below it.</summary>
    public static Command Build()
    {
        var command = new TaughtCommand(
            "queue",
            "Looks into the queue of a running relay and changes it, by its admin address.",
            "fastrelay queue list --state deferred          # what waits, and why",
            "fastrelay queue retry --domain example.com     # try it now",
            "fastrelay queue remove 01ABCDEFGHJKM           # drop it; nobody is told");
        command.Subcommands.Add(QueueListCommand.Build());
        command.Subcommands.Add(QueueShowCommand.Build());
        foreach (QueueAction action in (ReadOnlySpan<QueueAction>)[QueueAction.Retry, QueueAction.Remove, QueueAction.Hold, QueueAction.Release])
        {
            command.Subcommands.Add(QueueChangeCommand.Build(action));
        }
        command.Subcommands.Add(SuspendCommand.Build(suspend: true));
        command.Subcommands.Add(SuspendCommand.Build(suspend: false));
        return command;
    }

    /// <summary>Asks the relay that the configuration names; turns what goes wrong into words and an exit code.</summary>
    internal static int Ask(ParseResult result, Option<string?> config, Func<AdminClient, TextWriter, Task<int>> ask)
    {
        TextWriter error = result.InvocationConfiguration.Error;
        RelayConfig? loaded = ConfigFile.Load(result.GetValue(config), error);
        if (loaded is null)
        {
            return ExitCode.BadConfig;
        }
        if (loaded.AdminHttp is not { } address)
        {
            error.WriteLine("fastrelay: admin.http is \"\" in this configuration: the queue of a running relay is reached by it");
            return ExitCode.BadConfig;
        }
        string? token = null;
        if (loaded.AdminTokenFile is { } file && (token = TokenFile.Load(file, out string problem)) is null)
        {
            error.WriteLine($"fastrelay: {problem}");
            return ExitCode.BadConfig;
        }
        try
        {
            using var client = new AdminClient(address, token);
            return ask(client, result.InvocationConfiguration.Output).GetAwaiter().GetResult();
        }
        catch (AdminClientException e)
        {
            error.WriteLine($"fastrelay: {e.Message}");
            return e.Unreachable ? ExitCode.Unreachable : ExitCode.Failure;
        }
    }
}

/// <summary>The options that narrow a queue command.</summary>
internal sealed class QueueNarrowing
{
    private readonly Option<string?> _sender = new("--sender") { Description = "Reverse-path, any case; <> for bounces", HelpName = "ADDRESS" };
    private readonly Option<string?> _domain = new("--domain") { Description = "Domain of a recipient", HelpName = "DOMAIN" };
    private readonly Option<string?> _site = new("--site") { Description = "Site, as queue list and show name it", HelpName = "SITE" };
    private readonly Option<string?> _tenant = new("--tenant") { Description = "Tenant; \"\" for mail of none", HelpName = "NAME" };
    private readonly Option<string?> _state = new("--state") { Description = $"One of {string.Join(", ", QueueStates.All)}", HelpName = "STATE" };

    public QueueNarrowing(Command command)
    {
        // Completion and a plain error for another word.
        _state.AcceptOnlyFromAmong([.. QueueStates.All]);
        foreach (Option option in (ReadOnlySpan<Option>)[_sender, _domain, _site, _tenant, _state])
        {
            command.Options.Add(option);
        }
    }

    public QueueQuery Query(ParseResult result) => new()
    {
        Sender = result.GetValue(_sender),
        Domain = result.GetValue(_domain),
        Site = result.GetValue(_site),
        Tenant = result.GetValue(_tenant),
        State = result.GetValue(_state),
    };
}
