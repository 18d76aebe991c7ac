using System.CommandLine;
using FastRelay.Journal;
using FastRelay.Outside;
using FastRelay.Outside.Linux;

namespace FastRelay.Host.Commands;

/// <summary><c>fastrelay journal</c>: looks into a spool without the relay.</summary>
public static class JournalCommand
{
    /// <summary>The command with those below it.</summary>
    public static Command Build()
    {
        var command = new TaughtCommand(
            "journal",
            "Looks into a spool without running the relay.",
            "fastrelay journal inspect /var/lib/fastrelay");
        command.Subcommands.Add(BuildInspect());
        return command;
    }

    private static TaughtCommand BuildInspect()
    {
        var command = new TaughtCommand(
            "inspect",
            "Lists the segments, commit groups and records of a spool, oldest first. It takes no lock and changes nothing, so it may run beside the relay; the last group may then be one that is being written.",
            "fastrelay journal inspect                                # the spool of the configuration, ./spool without one",
            "fastrelay journal inspect /var/lib/fastrelay --summary",
            "fastrelay journal inspect /var/lib/fastrelay --json | jq -c 'select(.kind == \"Accepted\")'");
        var path = new Argument<string?>("PATH") { Description = "Folder of the journal; without it the configuration's spool", Arity = ArgumentArity.ZeroOrOne };
        Option<string?> config = ConfigFile.Option();
        var json = new Option<bool>("--json") { Description = "One JSON object a line for each segment, group and record" };
        var summary = new Option<bool>("--summary") { Description = "Segments and totals only" };
        command.Arguments.Add(path);
        command.Options.Add(config);
        command.Options.Add(json);
        command.Options.Add(summary);
        command.SetAction(result =>
        {
            TextWriter error = result.InvocationConfiguration.Error;
            string? spool = result.GetValue(path);
            if (spool is null)
            {
                if (ConfigFile.Load(result.GetValue(config), error) is not { } loaded)
                {
                    return ExitCode.BadConfig;
                }
                spool = loaded.Spool;
            }
            return Inspect(spool, result.GetValue(json), result.GetValue(summary), result.InvocationConfiguration.Output, error);
        });
        return command;
    }

    private static int Inspect(string spool, bool json, bool summary, TextWriter output, TextWriter error)
    {
        if (!Directory.Exists(spool))
        {
            error.WriteLine($"fastrelay: {spool}: no such folder");
            return ExitCode.Failure;
        }
        World world = LinuxWorld.Create(new LinuxOptions { OffloadThreads = 1 });
        try
        {
            var printer = new JournalPrinter(output, json, summary);
            string problem = JournalInspector.Inspect(world.Disk, spool, printer);
            printer.End();
            if (problem.Length > 0)
            {
                error.WriteLine($"fastrelay: {problem}");
            }
            return problem.Length > 0 ? ExitCode.Failure : ExitCode.Ok;
        }
        finally
        {
            LinuxWorld.Dispose(world);
        }
    }
}
