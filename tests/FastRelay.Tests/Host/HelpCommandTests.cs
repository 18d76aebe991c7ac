using FastRelay.Config;
using FastRelay.Host.Commands;

namespace FastRelay.Tests.Host;

public sealed class HelpCommandTests
{
    private static (int Code, string Output, string Error) Run(params string[] arguments)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        int code = CommandLine.Run(arguments, output, error);
        return (code, output.ToString(), error.ToString());
    }

    public static TheoryData<string> Topics => [.. HelpTopics.All.Keys];

    [Theory]
    [MemberData(nameof(Topics))]
    public void A_topic_is_on_the_list_and_has_a_page_that_fits_a_terminal(string topic)
    {
        Assert.Contains($"  {topic} ", Run("help").Output);
        (int code, string output, string error) = Run("help", topic);
        Assert.Equal((0, ""), (code, error));
        Assert.StartsWith(HelpTopics.All[topic].Title + "\n\n", output);
        if (topic is not ("config" or "limits"))
        {
            string[] lines = output.Split('\n');
            Assert.InRange(lines.Length, 4, 24);
            Assert.All(lines, line => Assert.InRange(line.Length, 0, 130));
        }
    }

    [Fact]
    public void Another_word_is_a_usage_error_with_the_nearest_topic()
    {
        (int code, _, string error) = Run("help", "queues");
        Assert.Equal(ExitCode.Usage, code);
        Assert.Contains("did you mean: fastrelay help queue", error);
        Assert.Contains("topics: start, config", Run("help", "zzzzzz").Error);
    }

    [Fact]
    public void Every_command_that_a_page_names_exists()
    {
        string[] known = [.. CommandLine.Build().Subcommands.Select(command => command.Name)];
        string all = string.Concat(HelpTopics.All.Values.Select(page => page.Text()));
        string[] named = [.. System.Text.RegularExpressions.Regex.Matches(all, @"\bfastrelay ([a-z]+)\b").Select(match => match.Groups[1].Value).Distinct()];
        Assert.True(named.Length >= 8);
        Assert.Empty(named.Except(known));
        string[] queue = [.. CommandLine.Build().Subcommands.Single(command => command.Name == "queue").Subcommands.Select(command => command.Name)];
        Assert.All(queue.Except(["resume"]), name => Assert.Contains(name, HelpTopics.All["queue"].Text()));
    }

    [Fact]
    public void Every_way_to_say_which_messages_is_on_the_page_of_the_queue()
    {
        string page = HelpTopics.All["queue"].Text();
        string[] options = [.. CommandLine.Build().Subcommands.Single(command => command.Name == "queue").Subcommands.Single(command => command.Name == "retry").Options.Select(option => option.Name)];
        string[] selecting = [.. options.Except(["--help", "--config", "--json"])];
        Assert.Contains("--tenant", selecting);
        Assert.All(selecting, option => Assert.Contains(option, page));
    }

    [Fact]
    public void Every_limit_and_every_key_is_named()
    {
        string limits = Run("help", "limits").Output;
        Assert.All(LimitTable.Rows, row => Assert.Contains($"  {row.Key} ", limits));
        string config = Run("help", "config").Output;
        Assert.All(ConfigReference.Keys(), key => Assert.Contains($"\n  {key.Name}: {key.Type}", config));
    }
}
