using System.Diagnostics;
using System.Text.Json;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary>Scenarios of <c>fastrelay bench</c> as a user runs them, small.</summary>
public sealed class BenchTests
{
    [Theory]
    [InlineData("accept", false)]
    [InlineData("relay", true)]
    [InlineData("recipients", true)]
    [InlineData("tls", true)]
    [InlineData("drain", true)]
    [InlineData("restart", true)]
    public void A_scenario_runs_and_reports_what_it_measured(string scenario, bool hasSink)
    {
        string folder = Place.NewFolder("bench");
        string json = Path.Combine(folder, "report.json");
        string html = Path.Combine(folder, "report.html");
        Tool.Run(Place.Binary, ["bench", scenario, "-m", "200", "-s", "8", "--folder", folder, "--json", json, "--html", html]).Ok();

        JsonElement report = JsonDocument.Parse(File.ReadAllText(json)).RootElement;
        JsonElement run = report.GetProperty("runs")[0];
        Assert.Equal("group", report.GetProperty("sync").GetString());
        Assert.Equal(200, run.GetProperty("load").GetProperty("accepted").GetInt64());
        Assert.True(run.GetProperty("cpuMsPerThousand").GetDouble() > 0);
        Assert.True(run.GetProperty("anonPeakKiB").GetInt64() > 1000);
        Assert.True(run.GetProperty("startMs").GetDouble() > 0);
        Assert.False(run.TryGetProperty("problem", out _), run.ToString());
        Assert.Equal(hasSink, run.TryGetProperty("sink", out JsonElement sink));
        if (hasSink)
        {
            long recipients = run.GetProperty("load").GetProperty("recipientsAccepted").GetInt64();
            Assert.Equal(scenario == "recipients" ? 20_000 : 200, recipients);
            Assert.Equal(recipients, sink.GetProperty("distinct").GetInt64());
            Assert.Equal(0, run.GetProperty("missing").GetInt64());
            Assert.True(run.GetProperty("relayedPerSecond").GetDouble() > 0);
            Assert.Equal(scenario == "tls", sink.GetProperty("tls").GetInt64() > 0);
        }
        if (scenario != "restart")
        {
            Assert.True(run.GetProperty("syncsPerThousand").GetDouble() > 0);
        }
        Assert.Contains($"<h1>{scenario}: fastrelay", File.ReadAllText(html), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("TERM")]
    [InlineData("KILL")]
    public void Nothing_of_a_bench_runs_on_when_it_has_ended(string signal)
    {
        string place = Place.NewFolder("bench");
        using Process bench = Tool.Start(Place.Binary, ["bench", "relay", "-m", "100000000", "-s", "4"], place);
        string folder = Path.Combine(place, $"bench-{bench.Id}");
        // The sink, the relay and the source: each has a file of the folder in its command line.
        Tool.Until(() => Running(folder) == 3, 60, () => $"{Running(folder)} processes");
        Tool.Run("kill", [$"-{signal}", $"{bench.Id}"]).Ok();
        string said = bench.StandardError.ReadToEnd();
        bench.WaitForExit();
        Tool.Until(() => Running(folder) == 0, 30, () => $"{Running(folder)} processes");
        if (signal == "TERM")
        {
            Assert.Equal((1, "fastrelay: stopped by a signal\n"), (bench.ExitCode, said));
            Assert.False(Directory.Exists(folder));
        }
    }

    [Fact]
    public void A_folder_that_a_killed_bench_left_is_not_used_again()
    {
        string folder = Place.NewFolder("bench");
        Directory.CreateDirectory(Path.Combine(folder, "run-1", "kept"));
        ToolResult result = Tool.Run(Place.Binary, ["bench", "accept", "-m", "10", "--folder", folder]);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains($"{folder}/run-1 is there already", result.Error, StringComparison.Ordinal);
        Assert.True(Directory.Exists(Path.Combine(folder, "run-1", "kept")));
    }

    [Fact]
    public void Another_server_is_measured_without_figures_that_cannot_be_had()
    {
        int sinkPort = Place.FreePort();
        using RelayProcess other = new RelayProcess(RelayProcess.SmarthostConfig(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, sinkPort))).Start();
        string folder = Place.NewFolder("bench");
        ToolResult result = Tool.Run(Place.Binary, ["bench", "relay", "-m", "100", "-s", "4", "--target", $"127.0.0.1:{other.Port}", "--sink-port", $"{sinkPort}", "--folder", folder]).Ok();

        JsonElement report = JsonDocument.Parse(result.Output).RootElement;
        JsonElement run = report.GetProperty("runs")[0];
        Assert.Equal("unknown", report.GetProperty("sync").GetString());
        Assert.Equal("unknown", report.GetProperty("machine").GetProperty("fileSystem").GetString());
        Assert.Equal(0, run.GetProperty("missing").GetInt64());
        Assert.All(["cpuMsPerThousand", "syncsPerThousand", "startMs", "anonPeakKiB"], name => Assert.False(run.TryGetProperty(name, out _), name));
    }

    /// <summary>Processes that name a folder in their command line.</summary>
    private static int Running(string folder) => Directory.EnumerateDirectories("/proc")
        .Count(path => char.IsAsciiDigit(Path.GetFileName(path)[0]) && CommandLine(path).Contains(folder, StringComparison.Ordinal));

    private static string CommandLine(string process)
    {
        try
        {
            return File.ReadAllText(Path.Combine(process, "cmdline"));
        }
        catch (IOException)
        {
            // It has just ended.
            return "";
        }
    }
}
