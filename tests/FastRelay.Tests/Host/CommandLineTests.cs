using System.CommandLine;
using FastRelay.Host.Commands;

namespace FastRelay.Tests.Host;

public sealed class CommandLineTests
{
    private static (int Code, string Output, string Error) Run(params string[] arguments)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        int code = CommandLine.Run(arguments, output, error);
        return (code, output.ToString(), error.ToString());
    }

    [Theory]
    [InlineData("nonsense", "--help")]
    [InlineData("queue", "lst", "--help")]
    public void Help_for_what_is_not_there_is_wrong_usage(params string[] arguments)
    {
        (int code, string output, string error) = Run(arguments);
        Assert.Equal((ExitCode.Usage, ""), (code, output));
        Assert.Contains($"\"{arguments[^2]}\" is not understood", error);
    }

    private static IEnumerable<Command> All(Command from) => [from, .. from.Subcommands.SelectMany(All)];

    [Fact]
    public void Help_of_every_command_names_its_options_arguments_and_commands_and_ends_with_examples()
    {
        foreach (Command command in All(CommandLine.Build()))
        {
            string name = CommandLine.FullName(command);
            string[] words = [.. name.Split(' ').Skip(1), "--help"];
            (int code, string output, string error) = Run(words);
            Assert.Equal(0, code);
            Assert.Equal("", error);
            Assert.Contains($"{name} ", output);
            foreach (Option option in command.Options)
            {
                Assert.Contains(option.Name, output);
                Assert.False(string.IsNullOrEmpty(option.Description), $"{name} {option.Name}");
            }
            foreach (Argument argument in command.Arguments)
            {
                Assert.Contains($"<{argument.HelpName ?? argument.Name}>", output);
                Assert.False(string.IsNullOrEmpty(argument.Description), $"{name} {argument.Name}");
            }
            foreach (Command below in command.Subcommands)
            {
                Assert.Contains($"  {below.Name}", output);
            }
            int examples = output.IndexOf("Examples:", StringComparison.Ordinal);
            Assert.True(examples > 0, name);
            Assert.Contains($"  {name}", output[examples..]);
        }
    }

    [Fact]
    public void Every_example_is_a_command_line_that_parses()
    {
        Command root = CommandLine.Build();
        foreach (Command command in All(root))
        {
            string output = Run([.. CommandLine.FullName(command).Split(' ').Skip(1), "--help"]).Output;
            IEnumerable<string> lines = output[output.IndexOf("Examples:", StringComparison.Ordinal)..].Split('\n')
                .Where(l => l.StartsWith("  fastrelay", StringComparison.Ordinal));
            foreach (string line in lines)
            {
                string words = line.Split('#', '<', '>', '|')[0].Trim()["fastrelay".Length..];
                Assert.Empty(root.Parse(words).Errors);
            }
        }
    }

    [Fact]
    public void The_version_names_the_product_the_runtime_and_OpenSSL()
    {
        (int code, string output, _) = Run("--version");
        Assert.Equal(0, code);
        Assert.Matches(@"(?s)^fastrelay \d+\.\d+\.\d+.*\n\.NET \d+\.\d+.*\nOpenSSL \d+\.\d+\.\d+", output);
    }

    [Theory]
    [InlineData("chek", "did you mean: fastrelay check")]
    [InlineData("frobnicate", "commands of fastrelay: ")]
    [InlineData("check --confg x", "try: fastrelay check --help")]
    [InlineData("", "commands of fastrelay: ")]
    public void A_wrong_command_line_is_exit_2_and_says_what_would_be_right(string line, string expected)
    {
        (int code, string output, string error) = Run(line.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal(ExitCode.Usage, code);
        Assert.Equal("", output);
        Assert.Contains(expected, error);
    }

    [Fact]
    public void Check_prints_what_is_in_force_and_the_memory_that_it_adds_up_to()
    {
        string file = Write("hostname = \"relay.test\"\n[limits]\nrecipients = 5\n");
        (int code, string output, string error) = Run("check", "--config", file);
        Assert.Equal("", error);
        Assert.Equal(0, code);
        Assert.Contains("hostname = \"relay.test\"", output);
        Assert.Contains("recipients = 5  # default: 1000", output);
        Assert.Contains("# Memory when every limit is reached at once: ", output);
        string again = Write(output);
        Assert.Equal(output.Split("\n# Memory")[0], Run("check", "--config", again).Output.Split("\n# Memory")[0]);
    }

    [Fact]
    public void Check_tells_every_error_with_its_line_and_exits_78()
    {
        string file = Write("hostnam = \"relay.test\"\n\n[limits]\nrecipients = \"five\"\n");
        (int code, string output, string error) = Run("check", "--config", file);
        Assert.Equal(ExitCode.BadConfig, code);
        Assert.Equal("", output);
        Assert.Contains($"{file}:1: hostnam: ", error);
        Assert.Contains($"{file}:4: limits.recipients: ", error);
    }

    [Fact]
    public void Check_warns_of_a_source_that_the_machine_has_not()
    {
        string file = Write("hostname = \"relay.test\"\n[[source]]\nname = \"here\"\naddress = \"127.0.0.1\"\n[[source]]\nname = \"away\"\naddress = \"192.0.2.1\"\n");
        (int code, _, string error) = Run("check", "--config", file);
        Assert.Equal(0, code);
        Assert.Equal($"warning: {file}:7: source.address: 192.0.2.1 is no address of this machine: connections from it fail until it is one\n", error);
    }

    [Theory]
    [InlineData("[tls]\ncertificate = \"no.crt\"\nkey = \"no.key\"", "tls.certificate: cannot be read: ")]
    [InlineData("[tls]\nca = \"no.pem\"", "tls.ca: cannot be read: ")]
    [InlineData("[tls]\nca = \"fastrelay.toml\"", "holds no PEM certificate")]
    public void Check_opens_the_files_that_the_configuration_names(string text, string expected)
    {
        string file = Write(text);
        (int code, _, string error) = Run("check", "--config", file);
        Assert.Equal(ExitCode.BadConfig, code);
        Assert.Contains(expected, error);
    }

    [Fact]
    public void A_file_that_is_not_there_is_a_wrong_configuration()
    {
        (int code, _, string error) = Run("check", "--config", "/nowhere/at/all.toml");
        Assert.Equal(ExitCode.BadConfig, code);
        Assert.Contains("/nowhere/at/all.toml: cannot be read: ", error);
    }

    [Fact]
    public void A_command_without_a_file_takes_that_of_the_environment_or_of_the_package()
    {
        string packaged = Write("");
        string folder = Directory.CreateTempSubdirectory("fastrelay-").FullName;
        Assert.Equal("given", ConfigFile.OfClient("given", "named", packaged, folder));
        Assert.Equal("named", ConfigFile.OfClient(null, "named", packaged, folder));
        Assert.Equal(packaged, ConfigFile.OfClient(null, null, packaged, folder));
        Assert.Equal(packaged, ConfigFile.OfClient(null, "", packaged, folder));
        Assert.Null(ConfigFile.OfClient(null, null, packaged + ".none", folder));
        // What lies about in the folder is never read.
        File.WriteAllText(Path.Combine(folder, "fastrelay.toml"), "");
        Assert.Equal(packaged, ConfigFile.OfClient(null, null, packaged, folder));
        // Nor does any folder called spool hide the package's file, as /var/spool would: only what a relay has left.
        Directory.CreateDirectory(Path.Combine(folder, "spool"));
        Assert.Equal(packaged, ConfigFile.OfClient(null, null, packaged, folder));
        File.WriteAllText(Path.Combine(folder, "spool", "0000000000000001.seg"), "");
        Assert.Null(ConfigFile.OfClient(null, null, packaged, folder));
    }

    private static string Write(string text)
    {
        string file = Path.Combine(Directory.CreateTempSubdirectory("fastrelay-").FullName, "fastrelay.toml");
        File.WriteAllText(file, text);
        return file;
    }
}
