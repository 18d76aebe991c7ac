using System.CommandLine;
using System.CommandLine.Parsing;
using System.Text.Json;
using FastRelay.Config;
using FastRelay.Host.Admin;

namespace FastRelay.Host.Commands;

/// <summary><c>fastrelay queue suspend</c> and <c>resume</c>: no more deliveries to a site, from a source or for a tenant, and again.</summary>
public static class SuspendCommand
{
    /// <summary>The command.</summary>
    public static Command Build(bool suspend)
    {
        string name = suspend ? "suspend" : "resume";
        var command = new TaughtCommand(
            name,
            suspend
                ? "Begins no more deliveries to a site, from a source or for a tenant, also across a restart. Their mail is taken, waits, and expires like any other; nobody else waits for it. Without one of them it lists what is suspended."
                : "Ends a suspension, by the name that it was made with.",
            suspend
                ?
                [
                    "fastrelay queue suspend --site google.com            # a provider, until it is resumed",
                    "fastrelay queue suspend --site mx.example.com --for 2h",
                    "fastrelay queue suspend --tenant acme",
                    "fastrelay queue suspend                              # what is suspended",
                ]
                : ["fastrelay queue resume --site google.com", "fastrelay queue resume --tenant acme"]);
        var site = new Option<string?>("--site") { Description = "A site as explain and queue list name it, a provider, or a domain that its hosts are in", HelpName = "SITE" };
        var tenant = new Option<string?>("--tenant") { Description = "A tenant; \"\" for mail of none", HelpName = "NAME" };
        var source = new Option<string?>("--source") { Description = "A source, at every site; --site SITE/SOURCE is one of it", HelpName = "NAME" };
        var lasts = new Option<string?>("--for") { Description = "For how long, as in 30m; without it until queue resume", HelpName = "DURATION" };
        Option<string?> config = ConfigFile.Option();
        var json = new Option<bool>("--json") { Description = "What is suspended then, as JSON" };
        command.Options.Add(site);
        command.Options.Add(tenant);
        command.Options.Add(source);
        string[] Names(SymbolResult r) => [.. new[] { r.GetValue(site), Prefixed("tenant:", r.GetValue(tenant)), Prefixed("source:", r.GetValue(source)) }.OfType<string>()];
        command.Validators.Add(r =>
        {
            int names = Names(r).Length;
            if (names > 1 || (names == 0 && !suspend))
            {
                r.AddError($"what: one of --site, --tenant and --source");
            }
        });
        if (suspend)
        {
            command.Options.Add(lasts);
            command.Validators.Add(r =>
            {
                if (r.GetValue(lasts) is { } text && (Names(r).Length == 0 || !ConfigText.TryParseDuration(text, out long ms) || ms < 1_000))
                {
                    r.AddError(Names(r).Length == 0 ? "--for needs --site, --tenant or --source" : $"\"{text}\" is no duration from 1s on: write it as in 30m or 2h");
                }
            });
        }
        command.Options.Add(config);
        command.Options.Add(json);
        command.SetAction(result => QueueCommand.Ask(result, config, async (client, output) =>
        {
            long? seconds = suspend && result.GetValue(lasts) is { } text && ConfigText.TryParseDuration(text, out long ms) ? ms / 1000 : null;
            SiteSuspensions all = Names(result.CommandResult) is [var named]
                ? await client.PostAsync($"/api/sites/{name}", new SiteSuspension(named, seconds), AdminJson.Default.SiteSuspension, AdminJson.Default.SiteSuspensions)
                : (await client.GetAsync("/api/sites/suspended", AdminJson.Default.SiteSuspensions))!;
            if (all.Suspensions.FirstOrDefault(static one => one.Sites == 0) is { } none && !none.Site.StartsWith("tenant:", StringComparison.Ordinal))
            {
                await result.InvocationConfiguration.Error.WriteLineAsync($"fastrelay: no site of now is \"{QueueListCommand.Printable(none.Site)}\" or at it: it waits for one (queue top shows those that are there)");
            }
            if (result.GetValue(json))
            {
                await output.WriteLineAsync(JsonSerializer.Serialize(all, AdminJson.Default.SiteSuspensions));
                return ExitCode.Ok;
            }
            await output.WriteAsync(Describe(all));
            return ExitCode.Ok;
        }));
        return command;
    }

    private static string Describe(SiteSuspensions all) => all.Suspensions.Count == 0
        ? "nothing is suspended\n"
        : string.Concat(all.Suspensions.Select(static one => $"{QueueListCommand.Printable(one.Site)}  {(one.Until is { } until ? $"until {until:yyyy-MM-dd HH:mm:ss}Z" : "until it is resumed")}\n"));

    private static string? Prefixed(string prefix, string? name) => name is null ? null : prefix + name;
}
