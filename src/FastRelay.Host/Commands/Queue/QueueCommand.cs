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
        foreach (QueueAction action in (ReadOnlySpan<QueueAction>)[QueueAction.Retry, QueueAction.Remove, QueueAction.Hold, QueueAction.Release, QueueAction.Bounce, QueueAction.Move])
        {
            command.Subcommands.Add(QueueChangeCommand.Build(action));
        }
        command.Subcommands.Add(QueueTopCommand.Build());
        command.Subcommands.Add(SuspendCommand.Build(suspend: true));
        command.Subcommands.Add(SuspendCommand.Build(suspend: false));
        return command;
    }

    /// <summary>Asks the relay that the configuration names; turns what goes wrong into words and an exit code.</summary>
    internal static int Ask(ParseResult result, Option<string?> config, Func<AdminClient, TextWriter, Task<int>> ask)
    {
        TextWriter error = result.InvocationConfiguration.Error;
        RelayConfig? loaded = ConfigFile.Load(ConfigFile.OfClient(result.GetValue(config)), error);
        if (loaded is null)
        {
            return ExitCode.BadConfig;
        }
        try
        {
            using AdminClient? client = Client(loaded, out string problem);
            if (client is null)
            {
                error.WriteLine($"fastrelay: {problem}");
                return ExitCode.BadConfig;
            }
            return ask(client, result.InvocationConfiguration.Output).GetAwaiter().GetResult();
        }
        catch (AdminClientException e)
        {
            error.WriteLine($"fastrelay: {e.Message}");
            return e.Unreachable ? ExitCode.Unreachable : ExitCode.Failure;
        }
    }

    /// <summary>The door of the admin that this user can use: its address, or its socket where there is none or its token cannot be read.</summary>
    private static AdminClient? Client(RelayConfig config, out string problem)
    {
        problem = "admin.http and admin.socket are \"\" in this configuration: a running relay is reached by one of them";
        if (config.AdminHttp is not { } address)
        {
            return config.AdminSocket is { } only ? new AdminClient(only) : null;
        }
        if (config.AdminTokenFile is not { } file)
        {
            return new AdminClient(address, socket: config.AdminSocket);
        }
        if (TokenFile.Load(file, out problem) is { } token)
        {
            return new AdminClient(address, token, config.AdminSocket);
        }
        // Who may write to the socket is asked for no token.
        return config.AdminSocket is { } socket && File.Exists(socket) ? new AdminClient(socket) : null;
    }
}

/// <summary>The options that narrow a queue command.</summary>
internal sealed class QueueNarrowing
{
    private readonly Option<string?> _sender = new("--sender") { Description = "Reverse-path, any case; <> for bounces", HelpName = "ADDRESS" };
    private readonly Option<string?> _domain = new("--domain") { Description = "Domain of a recipient's address; what is bounced or removed is for these recipients alone", HelpName = "DOMAIN" };
    private readonly Option<string?> _site = new("--site") { Description = "Site, as queue list and show name it", HelpName = "SITE" };
    private readonly Option<string?> _tenant = new("--tenant") { Description = "Tenant; \"\" for mail of none", HelpName = "NAME" };
    private readonly Option<string?> _state = new("--state") { Description = $"One of {string.Join(", ", QueueStates.All)}", HelpName = "STATE" };
    private readonly Option<string?> _older = new("--older") { Description = "Arrived so long ago or earlier, as in 1h", HelpName = "DURATION" };

    public QueueNarrowing(Command command)
    {
        // Completion and a plain error for another word.
        _state.AcceptOnlyFromAmong([.. QueueStates.All]);
        _older.Validators.Add(r =>
        {
            if (r.Tokens.Count == 1 && !ConfigText.TryParseDuration(r.Tokens[0].Value, out _))
            {
                r.AddError($"\"{r.Tokens[0].Value}\" is no duration: write it as in 30m or 2h");
            }
        });
        foreach (Option<string?> named in (ReadOnlySpan<Option<string?>>)[_sender, _domain, _site])
        {
            named.Validators.Add(r =>
            {
                if (r.Tokens.Count == 1 && r.Tokens[0].Value.Length == 0)
                {
                    r.AddError($"{named.Name} is empty: leave it out{(named == _sender ? ", or write <> for bounces" : ", or name one")}");
                }
            });
        }
        foreach (Option option in (ReadOnlySpan<Option>)[_sender, _domain, _site, _tenant, _state, _older])
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
        OlderSeconds = result.GetValue(_older) is { } text && ConfigText.TryParseDuration(text, out long ms) ? ms / 1000 : null,
    };
}
