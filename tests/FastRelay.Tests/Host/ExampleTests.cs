using FastRelay.Host.Commands;
using FastRelay.Tests.Config;

namespace FastRelay.Tests.Host;

/// <summary>The examples that the package brings are right as they are, on a host that has nothing of theirs.</summary>
public sealed class ExampleTests
{
    [Fact]
    public void Every_example_passes_check_without_a_warning()
    {
        string[] examples = Directory.GetFiles(Path.Combine(LimitTableTests.Root(), "docs", "examples"), "*.toml");
        Assert.True(examples.Length >= 3);
        foreach (string example in examples)
        {
            using var output = new StringWriter();
            using var error = new StringWriter();
            Assert.Equal((ExitCode.Ok, ""), (CommandLine.Run(["check", "--config", example], output, error), error.ToString()));
        }
    }
}
