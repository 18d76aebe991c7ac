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
}
