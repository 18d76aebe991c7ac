using FastRelay.Host.Commands;

namespace FastRelay.Tests.Load;

/// <summary>Command lines of the load tester that make no sense are told at once, with what would.</summary>
public sealed class UsageTests
{
    [Theory]
    [InlineData("sink --port 99999", "--port 99999: must be 0 to 65535")]
    [InlineData("sink --port -1", "--port -1: must be 0 to 65535")]
    [InlineData("sink --listen 127.0.0.1:99999", "--listen 127.0.0.1:99999: must be an address with a port")]
    [InlineData("sink --copies 0", "--copies 0: must be at least 1")]
    [InlineData("sink --interval 99", "--interval 99: must be 100 to 3600000")]
    [InlineData("sink --json /nowhere/report.json", "--json /nowhere/report.json: ")]
    [InlineData("sink --certificate /nowhere/a.crt --key /nowhere/a.key", "--certificate /nowhere/a.crt, --key /nowhere/a.key: ")]
    [InlineData("load 127.0.0.1:1 --interval 3600001", "--interval 3600001: must be 100 to 3600000")]
    [InlineData("load 127.0.0.1:1 --interval 0", "--interval 0: must be 100 to 3600000")]
    [InlineData("load 127.0.0.1:1 --json /nowhere/report.json", "--json /nowhere/report.json: ")]
    [InlineData("load 127.0.0.1:1 -m 0", "--messages 0: must be at least 1")]
    [InlineData("load 127.0.0.1:1 -s 0", "--sessions 0: must be at least 1")]
    [InlineData("load 127.0.0.1:1 --recipients 1000001", "--recipients 1000001: must be 1 to 1000000")]
    [InlineData("load 127.0.0.1:1 --spread 1000001", "--spread 1000001: must be 1 to 1000000")]
    [InlineData("bench nowhere", "there is no scenario nowhere; there are:")]
    [InlineData("bench accept --runs 0", "--runs 0: must be 1 to 1000")]
    [InlineData("bench accept --runs 1001", "--runs 1001: must be 1 to 1000")]
    [InlineData("bench accept -m 0", "--messages 0: must be at least 1")]
    [InlineData("bench accept -s 0", "--sessions 0: must be at least 1")]
    [InlineData("bench relay --sink-port 65536", "--sink-port 65536: must be 0 to 65535")]
    [InlineData("bench relay --target 127.0.0.1:25", "relay has a sink: say with --sink-port where 127.0.0.1:25 delivers to")]
    [InlineData("bench accept --json /nowhere/report.json", "--json /nowhere/report.json: ")]
    [InlineData("bench accept --html /nowhere/report.html", "--html /nowhere/report.html: ")]
    [InlineData("bench accept --folder /proc/nowhere", "--folder /proc/nowhere: ")]
    [InlineData("bench drain --target 127.0.0.1:25", "drain cannot be run with --target: its sink is away at first")]
    [InlineData("bench slow --target 127.0.0.1:25", "slow cannot be run with --target: it routes")]
    [InlineData("bench restart --target 127.0.0.1:25", "restart cannot be run with --target: it kills the relay")]
    public void It_is_exit_code_2_and_says_what_would_be_right(string line, string expected)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        int code = CommandLine.Run(line.Split(' '), output, error);
        Assert.Equal((ExitCode.Usage, ""), (code, output.ToString()));
        Assert.StartsWith($"fastrelay: {expected}", error.ToString(), StringComparison.Ordinal);
        Assert.EndsWith($"try: fastrelay {line.Split(' ')[0]} --help\n", error.ToString(), StringComparison.Ordinal);
        Assert.False(Directory.Exists($"bench-{Environment.ProcessId}"));
    }

    [Fact]
    public void A_report_that_cannot_be_written_at_the_end_is_not_lost()
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        Assert.False(ReportFile.Write("/nowhere/report.json", "{}", output, error));
        Assert.Equal("{}\n", output.ToString());
        Assert.StartsWith("fastrelay: /nowhere/report.json: ", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Looking_at_a_report_s_file_leaves_what_is_there()
    {
        string file = Path.Combine(Path.GetTempPath(), $"fastrelay-report-{Guid.NewGuid():N}");
        ReportFile.CheckPath("--json", file);
        Assert.False(File.Exists(file));
        File.WriteAllText(file, "kept");
        ReportFile.CheckPath("--json", file);
        Assert.Equal("kept", File.ReadAllText(file));
        File.Delete(file);
    }
}
