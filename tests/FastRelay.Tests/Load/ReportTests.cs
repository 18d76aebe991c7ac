using System.Text.Json;
using FastRelay.Host.Commands;
using FastRelay.Load;

namespace FastRelay.Tests.Load;

/// <summary>A report says what the run was and how it ended, also when that is not what was asked for.</summary>
[Collection("Allocation")]
public sealed class ReportTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(50)]
    public void A_run_that_a_signal_stopped_is_neither_complete_nor_clean(double rate)
    {
        using var rig = new RunRig(new SinkScenario());
        LoadReport report = rig.Report(
            new LoadOptions { Targets = [rig.Target], DurationMs = 600_000, Sessions = 2, Rate = rate },
            run => run.Counters.Accepted > 3,
            run => run.StopEarly());
        Assert.True(report is { Accepted: > 3, Lost: 0, Refused: 0, IsComplete: false, IsClean: false }, $"{report}");
        Assert.StartsWith("stopped by a signal after ", report.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Sessions_that_were_let_go_before_their_time_are_not_a_complete_run()
    {
        using var rig = new RunRig(new SinkScenario());
        LoadReport report = rig.Report(new LoadOptions { Targets = [rig.Target], Sessions = 3, HoldMs = 600_000 }, run => run.Counters.Held == 3, run => run.StopEarly());
        Assert.True(report is { HeldAnswered: 3, IsComplete: false, IsClean: false }, $"{report}");
    }

    [Fact]
    public void A_signal_that_comes_when_everything_has_been_begun_changes_nothing()
    {
        using var rig = new RunRig(new SinkScenario { Faults = [new FaultRule { At = DialogueStage.Dot, Kind = FaultKind.Delay, DelayMs = 60 }] });
        LoadReport report = rig.Report(new LoadOptions { Targets = [rig.Target], Messages = 3, Sessions = 3 }, run => run.Counters.Started == 3, run => run.StopEarly());
        Assert.True(report is { Accepted: 3, IsComplete: true, IsClean: true, Problem: null }, $"{report}");
    }

    [Fact]
    public void A_server_that_went_away_is_named_and_no_reason_for_more_sessions()
    {
        using var rig = new RunRig(new SinkScenario());
        LoadReport report = rig.Report(
            new LoadOptions { Targets = [rig.Target], DurationMs = 800, Sessions = 2, Rate = 400 },
            run => run.Counters.Accepted > 3,
            _ => rig.Sink.Stop());
        Assert.True(report.Lost > 0, $"{report}");
        Assert.Equal(report.Accepted + report.Lost + report.NotStarted, report.Message.Count);
        Assert.Matches($@"^nothing answers on {rig.Target} any more, for \d+\.\d s: Connection refused \(ECONNREFUSED\)$", report.Problem);
        Assert.DoesNotContain("sessions", report.Bottleneck ?? "", StringComparison.Ordinal);
        // It ran as long as it was to, and what became of it is another question.
        Assert.Equal((true, false), (report.IsComplete, report.IsClean));
    }

    [Fact]
    public void Too_short_a_time_says_nothing_of_the_source()
    {
        static LoadSample Sample(double seconds, long messages, double share) => new(seconds, messages, 0, 0, 1, 0, 0, 0, share, 0);
        Assert.Equal(0, LoadReport.WorkingShare([Sample(0.4, 10, 0.99), Sample(5, 0, 0.01)]));
        Assert.Equal(0.9, LoadReport.WorkingShare([Sample(1, 10, 0.9), Sample(5, 0, 0.01)]), 0.001);
        Assert.Equal(0, LoadReport.WorkingShare([]));
    }

    [Fact]
    public void The_report_names_the_program_the_time_the_seed_and_how_it_was_told_to_send()
    {
        using var rig = new RunRig(new SinkScenario());
        SizeMix sizes = LoadText.Sizes("2KiB:70,50KiB-60KiB:30");
        LoadReport report = rig.Report(new LoadOptions
        {
            Targets = [rig.Target],
            Messages = 5,
            Sessions = 2,
            Seed = 42,
            Pipelining = false,
            MessagesPerSession = 3,
            Sizes = sizes,
            ReplyTimeoutMs = 90_000,
        });
        JsonElement json = JsonDocument.Parse(JsonSerializer.Serialize(report, LoadJson.Default.LoadReport)).RootElement;
        Assert.Equal(("9.9.9", 42), (json.GetProperty("version").GetString(), json.GetProperty("seed").GetInt32()));
        Assert.InRange(json.GetProperty("startedAt").GetDateTimeOffset(), DateTimeOffset.UtcNow.AddMinutes(-10), DateTimeOffset.UtcNow);
        JsonElement how = json.GetProperty("parameters");
        Assert.Equal("2048:70,51200-61440:30", how.GetProperty("size").GetString());
        Assert.Equal((false, 3, "none", 90.0), (how.GetProperty("pipelining").GetBoolean(), how.GetProperty("perSession").GetInt32(), how.GetProperty("tls").GetString(), how.GetProperty("timeoutSeconds").GetDouble()));
        // What the report says can be given back.
        Assert.Equal(sizes.ToString(), LoadText.Sizes(sizes.ToString()).ToString());
        Assert.Equal(report, report with { Parameters = JsonSerializer.Deserialize(JsonSerializer.Serialize(report, LoadJson.Default.LoadReport), LoadJson.Default.LoadReport)!.Parameters });
    }
}
