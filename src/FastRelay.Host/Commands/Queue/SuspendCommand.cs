using System.CommandLine;
using System.Text.Json;
using FastRelay.Config;
using FastRelay.Host.Admin;

namespace FastRelay.Host.Commands;

/// <summary><c>fastrelay queue suspend</c> and <c>resume</c>: no more deliveries to a site, and again.</summary>
public static class SuspendCommand
{
    /// <summary>The command.</summary>
    public static Command Build(bool suspend)
    {
        string name = suspend ? "suspend" : "resume";
        var command = new TaughtCommand(
            name,
            suspend
                ? "Begins no more deliveries to a site, also across a restart. Mail for it is taken, waits, and expires like any other. Without --site it lists what is suspended."
                : "Ends a suspension, by the name that it was made with.",
            suspend
                ?
                [
                    "fastrelay queue suspend --site google.com            # a provider, until it is resumed",
                    "fastrelay queue suspend --site mx.example.com --for 2h",
                    "fastrelay queue suspend                              # what is suspended",
                ]
                : ["fastrelay queue resume --site google.com"]);
        var site = new Option<string?>("--site") { Description = "A site as explain and queue list name it, a provider, or a domain that its hosts are in", HelpName = "SITE", Required = !suspend };
        var lasts = new Option<string?>("--for") { Description = "For how long, as in 30m; without it until queue resume", HelpName = "DURATION" };
        Option<string?> config = ConfigFile.Option();
        var json = new Option<bool>("--json") { Description = "What is suspended then, as JSON" };
        command.Options.Add(site);
        if (suspend)
        {
            command.Options.Add(lasts);
            command.Validators.Add(r =>
            {
                if (r.GetValue(lasts) is { } text && (r.GetValue(site) is null || !ConfigText.TryParseDuration(text, out long ms) || ms < 1_000))
                {
                    r.AddError(r.GetValue(site) is null ? "--for needs --site" : $"\"{text}\" is no duration from 1s on: write it as in 30m or 2h");
                }
            });
        }
        command.Options.Add(config);
        command.Options.Add(json);
        command.SetAction(result => QueueCommand.Ask(result, config, async (client, output) =>
        {
            long? seconds = suspend && result.GetValue(lasts) is { } text && ConfigText.TryParseDuration(text, out long ms) ? ms / 1000 : null;
            SiteSuspensions all = result.GetValue(site) is { } named
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
            foreach (SiteSuspension one in all.Suspensions)
            {
                await output.WriteLineAsync($"{QueueListCommand.Printable(one.Site)}  {(one.Until is { } until ? $"until {until:yyyy-MM-dd HH:mm:ss}Z" : "until it is resumed")}");
            }
            if (all.Suspensions.Count == 0)
            {
                await output.WriteLineAsync("nothing is suspended");
            }
            return ExitCode.Ok;
        }));
        return command;
    }
}
