using System.CommandLine;
using FastRelay.Config;

namespace FastRelay.Host.Commands;

/// <summary><c>fastrelay help TOPIC</c>: short pages about what is no command.</summary>
public static class HelpCommand
{
    /// <summary>The command.</summary>
    public static Command Build()
    {
        var command = new TaughtCommand(
            "help",
            $"Explains a topic on one page: {string.Join(", ", HelpTopics.All.Keys)}. Commands explain themselves with --help.",
            "fastrelay help                        # the topics",
            "fastrelay help config | less          # every key of the configuration");
        var topic = new Argument<string?>("TOPIC") { Description = "One of the topics", Arity = ArgumentArity.ZeroOrOne };
        topic.CompletionSources.Add([.. HelpTopics.All.Keys]);
        command.Arguments.Add(topic);
        command.SetAction(result => Run(result.GetValue(topic), result.InvocationConfiguration.Output, result.InvocationConfiguration.Error));
        return command;
    }

    private static int Run(string? topic, TextWriter output, TextWriter error)
    {
        if (topic is null)
        {
            foreach ((string name, HelpTopic page) in HelpTopics.All)
            {
                output.WriteLine($"  {name,-8}  {page.Title}");
            }
            output.WriteLine("\nfastrelay help TOPIC shows one; fastrelay COMMAND --help explains a command.");
            return ExitCode.Ok;
        }
        if (HelpTopics.All.TryGetValue(topic, out HelpTopic? found))
        {
            output.WriteLine(found.Title);
            output.WriteLine();
            output.WriteLine(found.Text().TrimEnd());
            return ExitCode.Ok;
        }
        string? near = Suggestion.Nearest(topic, HelpTopics.All.Keys);
        error.WriteLine($"fastrelay: no topic \"{topic}\"");
        error.WriteLine(near is null ? $"topics: {string.Join(", ", HelpTopics.All.Keys)}" : $"did you mean: fastrelay help {near}");
        return ExitCode.Usage;
    }
}
