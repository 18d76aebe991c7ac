using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using FastRelay.Config;

namespace FastRelay.Host.Commands;

/// <summary>A command that shows how it is used: the lines stand at the end of its help.</summary>
/// <param name="name">As it is typed.</param>
/// <param name="description">What it does, in one or two sentences.</param>
/// <param name="examples">Whole command lines, each with a remark behind <c>#</c>.</param>
internal sealed class TaughtCommand(string name, string description, params string[] examples) : Command(name, description)
{
    /// <summary>Whole command lines.</summary>
    public IReadOnlyList<string> Examples { get; } = examples;
}

/// <summary>The command line of <c>fastrelay</c>: its commands, help, version and exit codes.</summary>
public static class CommandLine
{
    private const string ProgramName = "fastrelay";

    /// <summary>Parses and runs.</summary>
    /// <param name="arguments">Without the program's name.</param>
    /// <param name="output">Answers.</param>
    /// <param name="error">Complaints.</param>
    /// <returns>One of <see cref="ExitCode"/>.</returns>
    public static int Run(IReadOnlyList<string> arguments, TextWriter output, TextWriter error)
    {
        var invocation = new InvocationConfiguration
        {
            Output = output,
            Error = error,
            EnableDefaultExceptionHandler = false,
            // Signals are the relay's own: see ServeCommand.
            ProcessTerminationTimeout = null,
        };
        ParseResult result = Build().Parse(arguments);
        // Help for a command that does not exist would be another one's.
        bool lost = result.Action is TeachingHelp && result.UnmatchedTokens.Count > 0;
        if (result.Action is not ParseErrorAction && !lost)
        {
            return result.Invoke(invocation);
        }
        if (lost)
        {
            error.WriteLine($"fastrelay: \"{result.UnmatchedTokens[0]}\" is not understood");
        }
        foreach (var problem in result.Errors)
        {
            error.WriteLine($"fastrelay: {problem.Message}");
        }
        Command command = result.CommandResult.Command;
        string name = FullName(command);
        if (command.Subcommands.Count > 0)
        {
            string[] all = [.. command.Subcommands.Where(c => !c.Hidden).Select(c => c.Name)];
            string? near = result.UnmatchedTokens.Count > 0 ? Suggestion.Nearest(result.UnmatchedTokens[0], all) : null;
            error.WriteLine(near is null ? $"commands of {name}: {string.Join(", ", all)}" : $"did you mean: {name} {near}");
        }
        error.WriteLine($"try: {name} --help");
        return ExitCode.Usage;
    }

    /// <summary>The whole tree of commands.</summary>
    public static Command Build()
    {
        // Not a RootCommand: that one takes the name of the file that runs.
        var root = new TaughtCommand(
            ProgramName,
            "Takes mail by SMTP, keeps it safe on disk and delivers it to the hosts that DNS or a route table names.",
            "fastrelay serve                       # a relay for this host on 127.0.0.1:2525",
            "fastrelay check --config relay.toml   # is it right, and what is in force",
            "fastrelay queue list                  # what waits, and why",
            "fastrelay explain example.com         # where its mail goes, and what holds it up");
        root.Subcommands.Add(ServeCommand.Build());
        root.Subcommands.Add(CheckCommand.Build());
        root.Subcommands.Add(ReloadCommand.Build());
        root.Subcommands.Add(QueueCommand.Build());
        root.Subcommands.Add(ExplainCommand.Build());
        root.Subcommands.Add(TraceCommand.Build());
        root.Subcommands.Add(UserCommand.Build());
        root.Subcommands.Add(JournalCommand.Build());
        root.Subcommands.Add(LoadCommand.Build());
        root.Subcommands.Add(SinkCommand.Build());
        root.Subcommands.Add(BenchCommand.Build());
        root.Subcommands.Add(HelpCommand.Build());
        var help = new HelpOption { Description = "This text; after a command, that command's" };
        help.Action = new TeachingHelp((HelpAction)help.Action!);
        root.Options.Add(help);
        root.Options.Add(new VersionOption
        {
            Description = "The versions of fastrelay, of its runtime and of the OpenSSL inside",
            Action = new VersionAction(),
        });
        return root;
    }

    /// <summary>A command with those above it, as it is typed.</summary>
    public static string FullName(Command command)
    {
        var names = new Stack<string>();
        for (Symbol? at = command; at is Command; at = at.Parents.FirstOrDefault())
        {
            names.Push(at.Name);
        }
        return string.Join(' ', names);
    }

    private sealed class VersionAction : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            parseResult.InvocationConfiguration.Output.WriteLine(Versions.Text());
            return ExitCode.Ok;
        }
    }

    private sealed class TeachingHelp(HelpAction usual) : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            usual.Invoke(parseResult);
            Command command = parseResult.CommandResult.Command;
            IReadOnlyList<string> examples = (command as TaughtCommand)?.Examples ?? [];
            TextWriter output = parseResult.InvocationConfiguration.Output;
            if (examples.Count > 0)
            {
                output.WriteLine("Examples:");
                foreach (string line in examples)
                {
                    output.WriteLine("  " + line);
                }
                output.WriteLine();
            }
            if (command.Name == ProgramName)
            {
                output.WriteLine("Exit codes: 0 done, 1 failed, 2 wrong usage, 75 the relay cannot be reached, 78 wrong configuration.");
            }
            return ExitCode.Ok;
        }
    }
}
