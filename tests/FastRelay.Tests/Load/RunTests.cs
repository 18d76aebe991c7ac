using System.Diagnostics;
using System.Net;
using System.Security.Authentication;
using FastRelay.Load;
using FastRelay.Outside;
using FastRelay.Outside.Linux;
using FastRelay.Tests.Outside;

namespace FastRelay.Tests.Load;

/// <summary>A source and a sink on one loop over real connections.</summary>
[Collection("Allocation")]
public sealed class RunTests
{
    [Theory]
    [InlineData(0, 1, true)]
    [InlineData(1, 1, true)]
    [InlineData(7, 5, true)]
    [InlineData(7, 5, false)]
    public void Everything_that_is_sent_arrives_once_and_intact(int perSession, int recipients, bool pipelining)
    {
        using var rig = new RunRig(new SinkScenario());
        LoadCounters c = rig.Run(new LoadOptions
        {
            Targets = [rig.Target],
            Messages = 200,
            Sessions = 8,
            MessagesPerSession = perSession,
            Recipients = recipients,
            Pipelining = pipelining,
            Sizes = new SizeMix([new SizeShare(500, 60_000, 1)]),
        });
        Assert.Equal((200, 0, 0), (c.Accepted, c.Refused, c.Lost));
        Assert.Equal(200 * recipients, c.RecipientsAccepted);
        Assert.Equal((200, 0, 0), (rig.Sink.Counters.Intact, rig.Sink.Counters.Damaged, rig.Sink.Counters.Unmarked));
        Assert.Equal((200 * recipients, 0), (rig.Sink.Counters.Ledger.Distinct, rig.Sink.Counters.Ledger.Duplicates));
        Assert.Equal(200, c.Message.Figures().Count);
        Assert.Equal(perSession == 0 ? 8 : c.Connections, c.Connections);
        Assert.Equal(c.Connections, rig.Sink.Counters.Connections);
        Assert.Equal(0, c.Sessions);
    }

    [Theory]
    [InlineData(LoadTls.StartTls)]
    [InlineData(LoadTls.Implicit)]
    public void It_arrives_through_TLS_too(LoadTls tls)
    {
        using var rig = new RunRig(new SinkScenario(), tls);
        LoadCounters c = rig.Run(new LoadOptions
        {
            Targets = [rig.Target],
            Messages = 50,
            Sessions = 4,
            MessagesPerSession = 10,
            Tls = tls,
            TlsOptions = TestCertificate.Client(SslProtocols.Tls13),
            AuthPlain = "AHUAcA==",
            Sizes = SizeMix.Of(30_000),
        });
        Assert.Equal((50, 0, 0), (c.Accepted, c.Refused, c.Lost));
        Assert.Equal(50, rig.Sink.Counters.Intact);
        Assert.Equal(c.Connections, rig.Sink.Counters.Tls);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void An_open_loop_offers_what_its_schedule_says(bool poisson)
    {
        using var rig = new RunRig(new SinkScenario());
        LoadCounters c = rig.Run(new LoadOptions { Targets = [rig.Target], Messages = 300, Sessions = 50, Rate = 2000, Poisson = poisson });
        Assert.Equal(300, c.Accepted);
        Assert.Equal(300, c.StartLag.Figures().Count);
        Assert.Equal(300, rig.Sink.Counters.Ledger.Distinct);
        Assert.InRange(c.SessionsPeak, 1, 50);
    }

    [Fact]
    public void In_an_open_loop_waiting_for_a_session_counts_as_latency()
    {
        // One session and a server that takes 40 ms a message: the last of ten messages that are all due at once has to
        // wait for nine. Only a lower bound is certain, whatever else the machine does.
        using var rig = new RunRig(new SinkScenario { Faults = [new FaultRule { At = DialogueStage.Dot, Kind = FaultKind.Delay, DelayMs = 40 }] });
        LoadCounters c = rig.Run(new LoadOptions { Targets = [rig.Target], Messages = 10, Sessions = 1, Rate = 100_000 });
        Assert.Equal(10, c.Accepted);
        Assert.True(c.Message.Figures().Max >= 400_000, $"{c.Message.Figures()}");
        Assert.True(c.Dot.Figures().Min >= 39_000, $"{c.Dot.Figures()}");
    }

    [Fact]
    public void What_was_due_when_the_time_ended_and_found_no_session_is_counted_with_its_wait()
    {
        // One session, 100 ms a message, due every 10 ms for 500 ms: most are never begun, and a report without them
        // would say that the server answers within 100 ms.
        using var rig = new RunRig(new SinkScenario { Faults = [new FaultRule { At = DialogueStage.Dot, Kind = FaultKind.Delay, DelayMs = 100 }] });
        LoadReport report = rig.Report(new LoadOptions { Targets = [rig.Target], Messages = 0, DurationMs = 500, Sessions = 1, Rate = 100 });
        Assert.True(report.NotStarted > 10, $"{report.NotStarted} of {report.Started}");
        Assert.Equal(report.Started + report.NotStarted, report.StartLag.Count);
        Assert.Equal(report.Accepted + report.NotStarted, report.Message.Count);
        Assert.False(report.IsClean);
        Assert.NotNull(report.Bottleneck);
    }

    [Fact]
    public void What_is_due_when_the_time_ends_goes_to_the_sessions_that_are_free()
    {
        using var rig = new RunRig(new SinkScenario());
        LoadRun run = rig.Begin(new LoadOptions { Targets = [rig.Target], Messages = 0, DurationMs = 400, Sessions = 20, Rate = 4 });
        rig.Until(() => run.Counters.Accepted == 1);
        // The loop stands still past the next arrivals and the end.
        Thread.Sleep(600);
        rig.Until(() => rig.Done);
        Assert.Equal((0L, run.Counters.Started), (run.Counters.NotStarted, run.Counters.Accepted));
        Assert.True(run.Counters.Started >= 2);
    }

    [Fact]
    public async Task A_run_ends_though_its_next_message_is_due_long_after()
    {
        // On a thread of its own, which would never come back.
        Task<long> run = Task.Run(() =>
        {
            using var rig = new RunRig(new SinkScenario());
            return rig.Run(new LoadOptions { Targets = [rig.Target], Messages = 0, DurationMs = 400, Sessions = 2, Rate = 0.5 }).Accepted;
        });
        Assert.Same(run, await Task.WhenAny(run, Task.Delay(TimeSpan.FromMinutes(1))));
        Assert.Equal(1, await run);
    }

    [Theory]
    [InlineData(DialogueStage.Banner, "554 5.7.1 go away\r\n", "554 to banner")]
    [InlineData(DialogueStage.Auth, "535 5.7.8 no\r\n", "535 to auth")]
    [InlineData(DialogueStage.StartTls, "454 4.7.0 not now\r\n", "454 to starttls")]
    public void A_server_that_lets_nobody_as_far_as_a_message_is_given_up(DialogueStage at, string reply, string why)
    {
        using var rig = new RunRig(new SinkScenario { Faults = [new FaultRule { At = at, Kind = FaultKind.Reply, Reply = System.Text.Encoding.ASCII.GetBytes(reply) }] }, LoadTls.StartTls);
        LoadReport report = rig.Report(new LoadOptions
        {
            Targets = [rig.Target],
            Messages = 5,
            Sessions = 2,
            HopelessMs = 150,
            Tls = LoadTls.StartTls,
            TlsOptions = TestCertificate.Client(SslProtocols.Tls13),
            AuthPlain = "AHUAcA==",
        });
        Assert.Equal((0, false, false), (report.Accepted, report.IsClean, report.IsComplete));
        Assert.True(report.NotGreeted > 0);
        Assert.Equal($"{rig.Target} takes no mail: {why}", report.Problem);
        Assert.DoesNotContain("of a core", report.Bottleneck ?? "", StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_by_time_is_clean_only_when_every_session_was_let_in()
    {
        using var open = new RunRig(new SinkScenario());
        Assert.True(open.Report(new LoadOptions { Targets = [open.Target], Messages = 0, DurationMs = 100, Sessions = 4 }).IsClean);
        using var full = new RunRig(new SinkScenario { Sessions = 2 });
        LoadReport turnedAway = full.Report(new LoadOptions { Targets = [full.Target], Messages = 0, DurationMs = 100, Sessions = 4 });
        Assert.True(turnedAway.Accepted > 0);
        Assert.False(turnedAway.IsClean);
        // The same with a number of messages: all of them came through, by those that were let in.
        Assert.True(full.Report(new LoadOptions { Targets = [full.Target], Messages = 50, Sessions = 4 }).IsClean);
    }

    [Fact]
    public void Copies_of_an_address_with_a_tag_are_told_apart()
    {
        using var rig = new RunRig(new SinkScenario());
        rig.Run(new LoadOptions { Targets = [rig.Target], Messages = 20, Sessions = 2, Recipients = 3, To = ["a+tag@x.test"] });
        Assert.Equal((60, 0), (rig.Sink.Counters.Ledger.Distinct, rig.Sink.Counters.Ledger.Duplicates));
    }

    [Fact]
    public void A_sink_counts_each_reply_by_its_stage_and_a_message_to_its_250()
    {
        using var rig = new RunRig(new SinkScenario { Faults = [new FaultRule { At = DialogueStage.Dot, Kind = FaultKind.Delay, DelayMs = 40 }] });
        LoadCounters c = rig.Run(new LoadOptions { Targets = [rig.Target], Messages = 10, Sessions = 1 });
        LatencyFigures Answer(DialogueStage stage) => rig.Sink.Counters.Answers[(int)stage].Figures();
        Assert.Equal((1, 1, 10, 10, 10, 10, 1), (Answer(DialogueStage.Banner).Count, Answer(DialogueStage.Ehlo).Count, Answer(DialogueStage.Mail).Count,
            Answer(DialogueStage.Rcpt).Count, Answer(DialogueStage.Data).Count, Answer(DialogueStage.Dot).Count, Answer(DialogueStage.Quit).Count));
        Assert.True(Answer(DialogueStage.Dot).Min >= 39_000, $"{Answer(DialogueStage.Dot)}");
        Assert.True(rig.Sink.Counters.EndToEnd.Figures().Min >= 39_000, $"{rig.Sink.Counters.EndToEnd.Figures()}");
        Assert.Equal(10, c.Accepted);
    }

    [Theory]
    [InlineData(0.9, 0, 0, 0, 0, 0, "90")]
    [InlineData(0.2, 0, 0, 7, 0, 0, "7 messages were due")]
    [InlineData(0.2, 0, 50, 0, 20_001, 0, "all 50 sessions were busy")]
    [InlineData(0.2, 101, 0, 0, 0, 0, "stood still for up to 101 ms")]
    [InlineData(0.2, 0, 0, 0, 0, 99, "--source")]
    [InlineData(0.85, 100, 50, 0, 20_000, 111, null)]
    public void It_says_when_the_run_measured_the_source(double share, double lagMs, int sessions, long notStarted, long p99, int errno, string? says)
    {
        string? suspect = LoadReport.Suspect(share, lagMs, sessions, notStarted, new LatencyFigures(1, 0, 0, 0, 0, p99, 0, 0), errno);
        Assert.Equal(says is null, suspect is null);
        Assert.Contains(says ?? "", suspect ?? "", StringComparison.Ordinal);
    }

    [Fact]
    public void Sessions_are_held_and_asked_at_the_end()
    {
        using var rig = new RunRig(new SinkScenario());
        LoadCounters c = rig.Run(new LoadOptions
        {
            Targets = [rig.Target],
            Sessions = 300,
            HoldMs = 50,
            Sources = [IPAddress.Parse("127.0.3.1"), IPAddress.Parse("127.0.3.2")],
        });
        Assert.Equal((300, 300), (c.Held, c.HeldAnswered));
        Assert.Equal(300, rig.Sink.Counters.SessionsPeak);
    }

    [Fact]
    public void What_a_scenario_does_to_connections_is_counted_on_both_sides()
    {
        FaultRule[] faults = [.. Enum.GetValues<DialogueStage>()
            .Where(s => s is not (DialogueStage.StartTls or DialogueStage.Auth or DialogueStage.Other))
            .SelectMany(s => new[] { FaultKind.Close, FaultKind.Reset, FaultKind.Reply, FaultKind.Delay }
                .Select(k => new FaultRule { At = s, Kind = k, Odds = 0.01, DelayMs = k == FaultKind.Delay ? 1 : 0, Reply = [.. "451 4.0.0 no\r\n"u8] }))];
        using var rig = new RunRig(new SinkScenario { Faults = faults, MessagesPerSession = 20 });
        LoadCounters c = rig.Run(new LoadOptions { Targets = [rig.Target], Messages = 2000, Sessions = 16 });
        Assert.Equal(2000, c.Accepted + c.Refused + c.Lost);
        Assert.True(c.Refused > 0 && c.Lost > 0 && rig.Sink.Counters.Cut > 0);
        // A message whose 250 was cut off is the sink's and not the source's: never the other way round.
        Assert.InRange(rig.Sink.Counters.Messages, c.Accepted, c.Accepted + c.Lost);
        Assert.Equal(0, rig.Sink.Counters.Damaged + rig.Sink.Counters.Ledger.Duplicates);
    }

    [Fact]
    public void A_stalled_server_is_left_after_the_timeout()
    {
        using var rig = new RunRig(new SinkScenario { Faults = [new FaultRule { At = DialogueStage.Data, Kind = FaultKind.Stall }] });
        LoadCounters c = rig.Run(new LoadOptions { Targets = [rig.Target], Messages = 3, Sessions = 3, ReplyTimeoutMs = 50 });
        Assert.Equal((0, 0, 3), (c.Accepted, c.Refused, c.Lost));
        // With the time that each had waited: without them a server that stalls would look fast.
        Assert.Equal(3, c.Message.Figures().Count);
        Assert.True(c.Message.Figures().Min >= 50_000 * 0.99, $"{c.Message.Figures()}");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_message_allocates_nothing_on_either_side(bool pipelining)
    {
        using var rig = new RunRig(new SinkScenario());
        LoadRun run = rig.Begin(new LoadOptions { Targets = [rig.Target], Messages = 6000, Sessions = 8, Pipelining = pipelining });
        // The least of four parts: a call that waits for the first time makes its box in whichever part that happens.
        long allocated = long.MaxValue;
        for (int part = 1; part <= 4; part++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            rig.Until(() => run.Counters.Accepted >= 1400 * part);
            allocated = Math.Min(allocated, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        rig.Until(() => rig.Done);
        // The condition of the wait is one closure.
        Assert.InRange(allocated, 0, 512);
    }

    [Fact]
    public void Arrivals_depend_on_the_rate_alone()
    {
        var even = new Arrivals(100, null, 1000);
        var random = new Arrivals(100, new Random(1), 1000);
        for (int i = 0; i < 10_000; i++)
        {
            Assert.Equal(1000 + (long)(i * (Stopwatch.Frequency / 100.0)), even.Next, 1.0);
            even.Advance();
            random.Advance();
        }
        Assert.InRange((random.Next - 1000) / (double)Stopwatch.Frequency, 95, 105);
    }
}
