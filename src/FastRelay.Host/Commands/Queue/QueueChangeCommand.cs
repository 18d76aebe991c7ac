using System.CommandLine;
using System.Text.Json;
using FastRelay.Host.Admin;
using FastRelay.Queue;

namespace FastRelay.Host.Commands;

/// <summary><c>fastrelay queue retry</c>, <c>remove</c>, <c>hold</c>, <c>release</c>, <c>bounce</c> and <c>move</c>: the same selection, six effects.</summary>
public static class QueueChangeCommand
{
    private const int SlotsPerPart = 65_536;

    /// <summary>The command of an action.</summary>
    public static Command Build(QueueAction action)
    {
        string name = Name(action);
        string how = action == QueueAction.Move ? " --to smtp:[192.0.2.1]:25" : "";
        var command = new TaughtCommand(
            name,
            Description(action) + " Select by ids, by options, or everything with --all.",
            $"fastrelay queue {name}{how} 01ABCDEFGHJKM 01ABCDEFGHJKN",
            $"fastrelay queue {name}{how} --domain example.com --older 1h",
            action == QueueAction.Move ? "fastrelay queue move --to config --all                 # back to what the configuration says" : $"fastrelay queue {name} --all");
        var ids = new Argument<string[]>("ID") { Description = "Messages, as queue list shows them", Arity = ArgumentArity.ZeroOrMore };
        Option<string?> config = ConfigFile.Option();
        command.Arguments.Add(ids);
        command.Options.Add(config);
        var narrowing = new QueueNarrowing(command);
        var text = new Option<string?>("--text") { Description = "What the senders read, as in \"5.2.1 the mailbox is closed\"; 5.7.1 without a code", HelpName = "TEXT" };
        if (action == QueueAction.Bounce)
        {
            command.Options.Add(text);
        }
        Option<string?> to = MoveOption();
        if (action == QueueAction.Move)
        {
            command.Options.Add(to);
        }
        var all = new Option<bool>("--all") { Description = "The whole queue: must be said" };
        var json = new Option<bool>("--json") { Description = "What was done, as JSON" };
        command.Options.Add(all);
        command.Options.Add(json);
        command.Validators.Add(r =>
        {
            bool named = r.GetValue(ids) is { Length: > 0 };
            bool narrowed = r.Children.Any(c => c is System.CommandLine.Parsing.OptionResult { Implicit: false, Option.Name: "--sender" or "--domain" or "--site" or "--tenant" or "--state" or "--older" });
            if ((named ? 1 : 0) + (narrowed ? 1 : 0) + (r.GetValue(all) ? 1 : 0) != 1)
            {
                r.AddError($"which messages: give ids, or --sender, --domain, --site, --tenant, --state, --older, or --all for the whole queue (one of the three ways)");
            }
        });
        command.SetAction(result =>
        {
            string[] named = result.GetValue(ids) ?? [];
            QueueQuery query = narrowing.Query(result);
            var selection = new QueueSelection
            {
                Ids = named.Length > 0 ? named : null,
                Filter = query.IsAll ? null : query,
                All = result.GetValue(all),
                Text = action == QueueAction.Bounce ? result.GetValue(text) : null,
                To = action == QueueAction.Move ? result.GetValue(to) : null,
            };
            return QueueCommand.Ask(result, config, (client, output) =>
                RunAsync(client, action, selection, result.GetValue(json), output, result.InvocationConfiguration.Error));
        });
        return command;
    }

    private static Option<string?> MoveOption()
    {
        var to = new Option<string?>("--to")
        {
            Description = $"smtp:host:port, smtp:[host]:port without asking for MX, route:PATTERN for the row of [[route]] with that domain (its tls, user and source too), or {MoveTarget.Back}",
            HelpName = "NEXT-HOP",
            Required = true,
        };
        to.CompletionSources.Add(MoveTarget.Back, "smtp:", "route:");
        to.Validators.Add(r =>
        {
            if (r.Tokens.Count == 1 && r.Tokens[0].Value is var text && text != MoveTarget.Back && !MoveTarget.TryParse(text, out _, out string error))
            {
                r.AddError(error);
            }
        });
        return to;
    }

    private static async Task<int> RunAsync(AdminClient client, QueueAction action, QueueSelection selection, bool json, TextWriter output, TextWriter error)
    {
        QueueChange change = new(0, []);
        foreach (string[]? ids in selection.Ids?.Distinct(StringComparer.Ordinal).Chunk(QueueSelection.IdsMax) ?? [null!])
        {
            change = Add(change, await ChangeAsync(client, action, ids is null ? selection : selection with { Ids = ids }, error));
        }
        if (json)
        {
            await output.WriteLineAsync(JsonSerializer.Serialize(change, AdminJson.Default.QueueChange));
        }
        else
        {
            await output.WriteLineAsync($"{change.Count} {(change.Count == 1 ? "message" : "messages")} {Done(action)}");
        }
        foreach (string note in Notes(action, change))
        {
            await error.WriteLineAsync("fastrelay: " + note);
        }
        foreach (string id in change.Missing)
        {
            await error.WriteLineAsync($"fastrelay: no message {id} in the queue");
        }
        return change.Missing.Count == 0 ? ExitCode.Ok : ExitCode.Failure;
    }

    // Part by part, so that nobody waits for one answer about ten million messages without a word.
    private static async Task<QueueChange> ChangeAsync(AdminClient client, QueueAction action, QueueSelection selection, TextWriter error)
    {
        bool shows = !Console.IsErrorRedirected;
        bool shown = false;
        QueueSelection part = selection.Ids is null ? selection with { Slots = SlotsPerPart } : selection;
        var sum = new QueueChange(0, []);
        while (true)
        {
            QueueChange change = await client.PostAsync($"/api/queue/{Name(action)}", part, AdminJson.Default.QueueSelection, AdminJson.Default.QueueChange);
            sum = Add(sum, change);
            if (change.Next is not { } next)
            {
                await error.WriteAsync(shown ? "\r\u001b[K" : "");
                return sum;
            }
            part = part with { From = next, Before = change.Before };
            if (shows && change.End is > 0 and int end)
            {
                shown = true;
                await error.WriteAsync(FormattableString.Invariant($"\r{100L * next / end} % looked at, {sum.Count} {Done(action)}"));
            }
        }
    }

    private static QueueChange Add(QueueChange sum, QueueChange part)
    {
        static long? Both(long? one, long? other) => one is null ? other : one + (other ?? 0);
        return new QueueChange(sum.Count + part.Count, [.. sum.Missing, .. part.Missing])
        {
            Left = Both(sum.Left, part.Left),
            Later = Both(sum.Later, part.Later),
            Already = Both(sum.Already, part.Already),
            Held = Both(sum.Held, part.Held),
            Ending = Both(sum.Ending, part.Ending),
            Unreadable = Both(sum.Unreadable, part.Unreadable),
        };
    }

    /// <summary>What is not done yet, and what was not done and why.</summary>
    internal static IEnumerable<string> Notes(QueueAction action, QueueChange change)
    {
        if (change.Later is { } later)
        {
            string done = action == QueueAction.Retry ? "tried at once" : Done(action);
            yield return $"{(change.Count == 1 ? "it" : $"{later} of them")} {(later == 1 ? "is" : "are")} being delivered: what is left then is {done}";
        }
        if (change.Left is { } alone)
        {
            yield return $"{alone} more {(alone == 1 ? "message is" : "messages are")} not moved: recipients of other domains go the same way (by id they are moved with them)";
        }
        string already = action switch
        {
            QueueAction.Hold => "held before",
            QueueAction.Release => "not held",
            QueueAction.Remove => "being removed before",
            QueueAction.Bounce => "being bounced before",
            _ => "there before",
        };
        (long? Count, string Why)[] all = [(change.Already, already), (change.Held, "held, until it is released"), (change.Ending, "being removed, bounced or given up"), (change.Unreadable, "its envelope cannot be read")];
        foreach ((long? count, string why) in all)
        {
            if (count is { } left)
            {
                yield return $"{left} {(left == 1 ? "message is" : "messages are")} left as {(left == 1 ? "it is" : "they are")}: {why}";
            }
        }
    }

    private static string Name(QueueAction action) => action switch
    {
        QueueAction.Retry => "retry",
        QueueAction.Remove => "remove",
        QueueAction.Hold => "hold",
        QueueAction.Bounce => "bounce",
        QueueAction.Move => "move",
        _ => "release",
    };

    private static string Done(QueueAction action) => action switch
    {
        QueueAction.Retry => "to be tried now",
        QueueAction.Remove => "removed",
        QueueAction.Hold => "held",
        QueueAction.Bounce => "bounced",
        QueueAction.Move => "moved",
        _ => "released",
    };

    private static string Description(QueueAction action) => action switch
    {
        QueueAction.Retry => "Tries deferred mail now and ends what holds its sites back: a backoff, what reply rules have done, a learned rate; and of their hosts that they are avoided, dialled in clear, or left after so many messages. A host that gets one message at a time goes on so, which guards against duplicates. What the operator has suspended or held stays so.",
        QueueAction.Remove => "Drops mail; nobody is told. What is being delivered is dropped when it comes back.",
        QueueAction.Hold => "Puts mail aside until it is released, also across a restart, and for those destinations of a message alone that are selected. It does not expire meanwhile; past its time it goes back to its sender when it is released and not delivered at once.",
        QueueAction.Bounce => "Fails mail for good and tells its senders, like a refusal of the next hop, also across a restart. What is being delivered is bounced when it comes back undelivered.",
        QueueAction.Move => "Sends mail to another next hop, at once and until it is moved again, also across a restart. Held mail stays held; what is being delivered goes there with what is left of it. Mail that comes later goes as before.",
        _ => "Ends a hold: the mail is tried at once.",
    };
}
