using System.Net;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary>How senders are told of failures: by mail, or by the event stream alone.</summary>
public sealed class NoticeTests : IDisposable
{
    private readonly Sink _sink = new(Place.NewAddress())
    {
        Answer = static (verb, argument) => verb == "RCPT" && argument.Contains("<no@", StringComparison.Ordinal) ? "550 5.1.1 nobody of that name" : null,
    };

    public void Dispose() => _sink.Dispose();

    private RelayProcess Start(string file) => new RelayProcess(RelayProcess.SmarthostConfig(_sink.EndPoint, $"""
        [[tenant]]
        name = "app"
        bounce = "event"
        [[tenant]]
        name = "people"
        bounce = "both"
        [events]
        file = "{file}"
        """).Replace("networks = [\"127.0.0.0/8\"]", "networks = [\"127.0.0.0/8\"]\ntenant_header = true", StringComparison.Ordinal)).Start();

    private static void Send(RelayProcess relay, string tenant)
    {
        using SmtpTalk talk = relay.Talk().Hello();
        Assert.StartsWith("250 2.1.0", talk.Say($"MAIL FROM:<{tenant}@sender.test>"));
        Assert.StartsWith("250 2.1.5", talk.Say($"RCPT TO:<no@{tenant}.test>"));
        Assert.StartsWith("250 2.1.5", talk.Say($"RCPT TO:<yes@{tenant}.test> NOTIFY=SUCCESS,FAILURE,DELAY"));
        Assert.StartsWith("354 ", talk.Say("DATA"));
        Assert.StartsWith("250 2.0.0 ", talk.Say($"X-FastRelay-Tenant: {tenant}\r\nSubject: x\r\n\r\nhello\r\n."));
    }

    [Fact]
    public void One_tenant_gets_reports_and_the_other_events()
    {
        using RelayProcess relay = Start("{folder}/events.ndjson");
        Send(relay, "app");
        Send(relay, "people");
        _sink.WaitFor(static a => a.From.Length == 0 && a.To is ["people@sender.test"] && a.Text.Contains("Undelivered", StringComparison.Ordinal));
        Tool.Until(() => relay.Figure("queue_messages") == 0, 20, () => relay.Log);
        Assert.DoesNotContain(_sink.Arrivals, static a => a.To.Contains("app@sender.test"));
        Assert.Equal((1L, 2L), (relay.Figure("told_by_event_total"), relay.Figure("failed_total")));
        Assert.True(relay.Figure("bounced_total") >= 1);
        string[] failed = [.. File.ReadAllLines(Path.Combine(relay.Folder, "events.ndjson")).Where(static line => line.Contains("\"event\":\"failed\"", StringComparison.Ordinal))];
        Assert.Equal(2, failed.Length);
        Assert.Contains(failed, static line => line.Contains("\"to\":\"no@app.test\"", StringComparison.Ordinal) && line.Contains("\"tenant\":\"app\"", StringComparison.Ordinal));
        // Settled for good: a start brings nothing back.
        relay.Kill();
        relay.Start();
        Assert.Equal(0, relay.Figure("queue_messages"));
    }

    [Fact]
    public void A_failure_whose_event_is_not_written_survives_a_kill()
    {
        using RelayProcess relay = Start("/dev/full");
        Send(relay, "app");
        Tool.Until(() => relay.Log.Contains("status=failed", StringComparison.Ordinal), 20, () => relay.Log);
        Assert.Equal((1L, 0L), (relay.Figure("queue_messages"), relay.Figure("told_by_event_total")));
        relay.Kill();
        string config = File.ReadAllText(relay.ConfigFile);
        File.WriteAllText(relay.ConfigFile, config.Replace("/dev/full", relay.Folder + "/events.ndjson", StringComparison.Ordinal));
        relay.Start();
        Tool.Until(() => relay.Figure("told_by_event_total") == 1, 30, () => relay.Log);
        Assert.Equal(0, relay.Figure("queue_messages"));
        Assert.Contains("\"to\":\"no@app.test\"", File.ReadAllText(Path.Combine(relay.Folder, "events.ndjson")), StringComparison.Ordinal);
        Assert.Single(_sink.Arrivals);
    }

    [Fact]
    public void Without_a_stream_check_and_serve_name_the_line()
    {
        string folder = Place.NewFolder("notice");
        string file = Path.Combine(folder, "relay.toml");
        File.WriteAllText(file, "[queue]\nbounce = \"event\"\n");
        foreach (string command in new[] { "check", "serve" })
        {
            ToolResult result = Tool.Run(Place.Binary, [command, "--config", file]);
            Assert.NotEqual(0, result.ExitCode);
            Assert.Contains(":2: queue.bounce: \"event\" needs the event stream", result.Output + result.Error, StringComparison.Ordinal);
        }
    }
}
