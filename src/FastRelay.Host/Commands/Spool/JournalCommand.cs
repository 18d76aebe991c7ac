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
            "Looks into a spool without running the relay. Nothing takes a lock or changes anything, so all of it may run beside the relay; what is being written or moved at that moment is then seen as it is.",
            "fastrelay journal inspect /var/lib/fastrelay",
            "fastrelay journal verify /var/lib/fastrelay",
            "fastrelay journal export /var/lib/fastrelay --bodies /tmp/mail");
        command.Subcommands.Add(BuildInspect());
        command.Subcommands.Add(BuildVerify());
        command.Subcommands.Add(BuildExport());
        return command;
    }

    private static TaughtCommand BuildInspect()
    {
        var command = new TaughtCommand(
            "inspect",
            "Lists the segments, commit groups and records of a spool, oldest first.",
            "fastrelay journal inspect                                # the spool of the configuration, ./spool without one",
            "fastrelay journal inspect /var/lib/fastrelay --summary",
            "fastrelay journal inspect /var/lib/fastrelay --json | jq -c 'select(.kind == \"Accepted\")'");
        var json = new Option<bool>("--json") { Description = "One JSON object a line for each segment, group and record" };
        var summary = new Option<bool>("--summary") { Description = "Segments and totals only" };
        command.Options.Add(json);
        command.Options.Add(summary);
        OnSpool(command, (result, world, spool) => Inspect(world.Disk, spool, result.GetValue(json), result.GetValue(summary), result.InvocationConfiguration));
        return command;
    }

    private static TaughtCommand BuildVerify()
    {
        var command = new TaughtCommand(
            "verify",
            "Reads every record and every body of a spool and checks them. Names what is damaged with file and offset; ends with 0 when nothing is, with 1 otherwise.",
            "fastrelay journal verify                                 # the spool of the configuration, ./spool without one",
            "fastrelay journal verify /var/lib/fastrelay");
        OnSpool(command, static (result, world, spool) =>
        {
            TextWriter error = result.InvocationConfiguration.Error;
            bool terminal = error == Console.Error && !Console.IsErrorRedirected;
            return JournalVerifier.Verify(world, spool, result.InvocationConfiguration.Output, error, terminal ? error : TextWriter.Null);
        });
        return command;
    }

    private static TaughtCommand BuildExport()
    {
        var command = new TaughtCommand(
            "export",
            "Prints the queued messages of a spool, one JSON object a line: id, envelope, the state of each recipient, length and CRC-32C of the body in stored form. Ends with 1 when some are damaged.",
            "fastrelay journal export /var/lib/fastrelay | jq -r '.recipients[].mailbox'",
            "fastrelay journal export /var/lib/fastrelay --bodies /tmp/mail     # the messages as files ID.eml");
        var bodies = new Option<string?>("--bodies") { Description = "Writes each message into this folder as ID.eml, as it was received; the folder is made when it is missing", HelpName = "DIR" };
        command.Options.Add(bodies);
        OnSpool(command, (result, world, spool) => JournalExporter.Export(world, spool, result.GetValue(bodies), result.InvocationConfiguration.Output, result.InvocationConfiguration.Error));
        return command;
    }

    private static void OnSpool(TaughtCommand command, Func<ParseResult, World, string, int> run)
    {
        var path = new Argument<string?>("PATH") { Description = "Folder of the journal; without it the configuration's spool", Arity = ArgumentArity.ZeroOrOne };
        Option<string?> config = ConfigFile.Option();
        command.Arguments.Add(path);
        command.Options.Add(config);
        command.SetAction(result =>
        {
            TextWriter error = result.InvocationConfiguration.Error;
            string? spool = result.GetValue(path);
            if (spool is null)
            {
                if (ConfigFile.Load(ConfigFile.OfClient(result.GetValue(config)), error) is not { } loaded)
                {
                    return ExitCode.BadConfig;
                }
                spool = loaded.Spool;
            }
            if (!Directory.Exists(spool))
            {
                error.WriteLine($"fastrelay: {spool}: no such folder");
                return ExitCode.Failure;
            }
            World world = LinuxWorld.Create(new LinuxOptions { OffloadThreads = 1 });
            try
            {
                return run(result, world, spool);
            }
            finally
            {
                LinuxWorld.Dispose(world);
            }
        });
    }

    private static int Inspect(Disk disk, string spool, bool json, bool summary, InvocationConfiguration io)
    {
        var printer = new JournalPrinter(io.Output, json, summary);
        string problem = JournalInspector.Inspect(disk, spool, printer);
        printer.End();
        if (problem.Length > 0)
        {
            io.Error.WriteLine($"fastrelay: {problem}");
        }
        return problem.Length > 0 ? ExitCode.Failure : ExitCode.Ok;
    }
}
