using System.Net;
using System.Text;
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
    public void Bounces_past_the_rate_are_explained_and_each_is_told_once_across_a_kill()
    {
        using RelayProcess relay = new RelayProcess(RelayProcess.SmarthostConfig(_sink.EndPoint, "[limits]\nbounces_per_minute = 1\n")).Start();
        string id = "";
        for (int i = 0; i < 5; i++)
        {
            using SmtpTalk talk = relay.Talk().Hello();
            Assert.StartsWith("250 2.1.0", talk.Say($"MAIL FROM:<s{i}@sender.test>"));
            Assert.StartsWith("250 2.1.5", talk.Say("RCPT TO:<no@far.test>"));
            Assert.StartsWith("250 2.1.5", talk.Say($"RCPT TO:<yes{i}@far.test>"));
            Assert.StartsWith("354 ", talk.Say("DATA"));
            id = talk.Say("Subject: x\r\n\r\nhello\r\n.").Split(' ')[^1].Trim();
        }
        Tool.Until(() => _sink.Arrivals.Count == 6 && relay.Figure("bounces_waiting") == 4, 20, () => relay.Log);
        Assert.Contains("event=bounces_paced", relay.Log, StringComparison.Ordinal);
        string page = relay.Command("explain", id).Ok().Output;
        Assert.Contains("waits for the rate of bounces (limits.bounces_per_minute)", page.ReplaceLineEndings(" "), StringComparison.Ordinal);
        Assert.Contains("no@far.test", relay.Command("queue", "show", id).Ok().Output, StringComparison.Ordinal);
        relay.Kill();
        string config = File.ReadAllText(relay.ConfigFile);
        File.WriteAllText(relay.ConfigFile, config.Replace("bounces_per_minute = 1", "bounces_per_minute = 100000", StringComparison.Ordinal));
        relay.Start();
        // A failure that is still to be told is in no listing of the queue; its message is there until its bounce is, and then that.
        Tool.Until(() => relay.Figure("queue_messages") == 0, 30, () => relay.Log);
        string[] told = [.. _sink.Arrivals.Where(static a => a.From.Length == 0).Select(static a => Assert.Single(a.To))];
        Assert.Equal([.. Enumerable.Range(0, 5).Select(static i => $"s{i}@sender.test")], told.Order());
        Assert.Equal(5, _sink.Arrivals.Count(static a => a.From.Length > 0));
    }

    [Theory]
    [InlineData("us\u00E9r", "message/global-delivery-status", "message/global", "utf-8; no@\u00E9")]
    [InlineData("user", "message/delivery-status", "message/global", "utf-8; no@\\x{E9}")]
    public void Pythons_parser_finds_the_parts_of_a_report_about_an_address_that_is_not_ASCII(string sender, string status, string returned, string final)
    {
        using var sink = new Sink(Place.NewAddress())
        {
            Extensions = ["PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 100000000"],
            Answer = static (verb, argument) => verb == "RCPT" && argument.Contains("<no", StringComparison.Ordinal) ? "550 5.1.1 nobody of that name" : null,
        };
        using RelayProcess relay = new RelayProcess(RelayProcess.SmarthostConfig(sink.EndPoint)).Start();
        using (SmtpTalk talk = relay.Talk().Hello())
        {
            talk.Send(Encoding.UTF8.GetBytes($"MAIL FROM:<{sender}@sender.test> SMTPUTF8\r\nRCPT TO:<no\u00E9@far.test>\r\nDATA\r\nSubject: Gr\u00FC\u00DFe\r\n\r\nhello\r\n.\r\n"));
            Assert.StartsWith("250 2.1.0", talk.Read());
            Assert.StartsWith("250 2.1.5", talk.Read());
            Assert.StartsWith("354", talk.Read());
            Assert.StartsWith("250 2.0.0", talk.Read());
        }
        byte[] report = sink.WaitFor(static a => a.From.Length == 0).Data;
        Assert.Equal(sender == "user", Ascii.IsValid(report));
        const string Script = """
            import base64, email, email.policy, quopri, sys
            report = email.message_from_bytes(base64.b64decode(sys.argv[1]), policy=email.policy.default.clone(utf8=True))
            parts = list(report.iter_parts())
            assert report.get_content_type() == "multipart/report" and not report.defects, report.defects
            original = parts[2].get_payload()[0].as_bytes()
            if parts[2]["Content-Transfer-Encoding"] == "quoted-printable":
                original = quopri.decodestring(original)
            print("|".join([p.get_content_type() for p in parts]))
            print(parts[0].get_content_charset(), "no\u00e9@far.test" in parts[0].get_content())
            print("Gr\u00fc\u00dfe".encode("utf-8") in original, [p.defects for p in parts])
            """;
        string said = Tool.Run("python3", ["-c", Script, Convert.ToBase64String(report)]).Ok().Output;
        Assert.Contains($"text/plain|{status}|{returned}\n", said.ReplaceLineEndings("\n"), StringComparison.Ordinal);
        Assert.Contains("utf-8 True\n", said.ReplaceLineEndings("\n"), StringComparison.Ordinal);
        Assert.Contains("True [[], [], []]", said, StringComparison.Ordinal);
        Assert.Contains("Final-Recipient: " + final.Replace("no@", "no", StringComparison.Ordinal) + "@far.test\r\n", Encoding.UTF8.GetString(report), StringComparison.Ordinal);
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
