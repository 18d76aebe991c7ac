using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.Json;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary>What an operator and his programs see of the published binary: events, live dialogues, the admin's socket, and what they do to the queue.</summary>
public sealed class OperateTests : IDisposable
{
    private readonly Sink _sink = new(Place.NewAddress())
    {
        Answer = static (_, line) => line.Contains("never@", StringComparison.Ordinal) ? "550 5.1.1 no such \"user\""
            : line.Contains("later@", StringComparison.Ordinal) ? "451 4.2.1 busy"
            : null,
    };

    private RelayProcess? _relay;

    public void Dispose()
    {
        _relay?.Dispose();
        _sink.Dispose();
    }

    private RelayProcess Start(string extra = "", string http = "{admin}") => _relay = new RelayProcess(
        RelayProcess.SmarthostConfig(_sink.EndPoint, extra).Replace("http = \"{admin}\"", $"http = \"{http}\"", StringComparison.Ordinal)).Start();

    private string Send(params string[] to)
    {
        using SmtpTalk talk = _relay!.Talk().Hello();
        Assert.StartsWith("250", talk.Say("MAIL FROM:<sender@here.test>"));
        foreach (string one in to)
        {
            Assert.StartsWith("250", talk.Say($"RCPT TO:<{one}>"));
        }
        Assert.StartsWith("354", talk.Say("DATA"));
        string reply = talk.Say("Subject: x\r\n\r\nsecret plans\r\n.");
        Assert.StartsWith("250 2.0.0 queued as ", reply);
        return reply[^13..];
    }

    private static List<JsonElement> Events(string path)
    {
        string text = File.Exists(path) ? File.ReadAllText(path) : "";
        return [.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static line => JsonDocument.Parse(line).RootElement)];
    }

    private static string Of(JsonElement line, string field) => line.TryGetProperty(field, out JsonElement value) ? value.ToString() : "";

    [Fact]
    public void Events_tell_what_became_of_each_recipient_across_rotation_and_a_kill()
    {
        Start("[events]\nfile = \"{folder}/events.ndjson\"");
        string path = Path.Combine(_relay!.Folder, "events.ndjson");
        string id = Send("good@a.test", "never@a.test", "later@a.test");
        Tool.Until(() => Events(path).Exists(static e => Of(e, "event") == "deferred") && Events(path).Exists(static e => Of(e, "event") == "bounce"), 30, () => File.ReadAllText(path));
        List<JsonElement> events = Events(path);
        JsonElement accepted = events.Single(e => Of(e, "event") == "accepted" && Of(e, "id") == id);
        Assert.Equal(("sender@here.test", "3"), (Of(accepted, "from"), Of(accepted, "recipients")));
        JsonElement good = events.Single(static e => Of(e, "event") == "delivered" && Of(e, "to") == "good@a.test");
        Assert.Equal((id, "*", "250"), (Of(good, "id"), "*", Of(good, "code")));
        Assert.Equal(_sink.EndPoint.ToString(), Of(good, "addr"));
        Assert.True(good.GetProperty("delay_ms").GetInt64() >= 0);
        JsonElement never = events.Single(static e => Of(e, "event") == "failed");
        Assert.Equal(("never@a.test", "550", "5.1.1", "reply"), (Of(never, "to"), Of(never, "code"), Of(never, "dsn"), Of(never, "cause")));
        Assert.Contains("no such \"user\"", Of(never, "reply"));
        Assert.Equal(id, Of(events.Single(static e => Of(e, "event") == "bounce"), "for"));

        // Rotated by rename and SIGHUP.
        File.Move(path, path + ".1");
        _relay.Signal("HUP");
        Tool.Until(() => File.Exists(path), 30, () => _relay.Log);
        string second = Send("good@b.test");
        Tool.Until(() => Events(path).Exists(e => Of(e, "id") == second && Of(e, "event") == "delivered"), 30, () => File.ReadAllText(path));
        Assert.DoesNotContain(Events(path + ".1"), e => Of(e, "id") == second);

        // Killed in the middle of a line, as far as the file can tell.
        _relay.Kill();
        File.AppendAllText(path, "{\"ts\":\"torn");
        _relay.Start();
        string third = Send("good@c.test");
        Tool.Until(() => File.ReadAllText(path).Contains($"\"id\":\"{third}\"", StringComparison.Ordinal), 30, () => File.ReadAllText(path));
        string[] lines = File.ReadAllLines(path);
        Assert.Single(lines, static line => line == "{\"ts\":\"torn");
        Assert.All(lines.Where(static line => line != "{\"ts\":\"torn"), static line => JsonDocument.Parse(line).Dispose());
    }

    [Fact]
    public void A_full_disk_under_the_events_holds_up_no_mail()
    {
        Start("[events]\nfile = \"/dev/full\"");
        for (int i = 0; i < 20; i++)
        {
            Send($"good{i}@a.test");
        }
        _sink.WaitFor(static a => a.To is ["good19@a.test"]);
        Assert.Equal(0, _relay!.Figure("events_lost_total"));
        // The sink has the last message before the relay has its answer.
        Tool.Until(() => _relay.Figure("events_total") >= 40, 30, () => _relay.Log);
        Assert.Equal(0, _relay.Stop());
    }

    [Fact]
    public void The_socket_serves_the_commands_without_http_and_survives_a_kill()
    {
        Start(http: "");
        string socket = Path.Combine(_relay!.Folder, "spool", "admin.sock");
        Tool.Until(() => File.Exists(socket), 30, () => _relay.Log);
        Assert.Equal("0\n", _relay.Command("queue", "list", "--count").Ok().Output);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite, File.GetUnixFileMode(socket));
        _relay.Kill();
        Assert.True(File.Exists(socket));
        Assert.Equal(75, _relay.Command("queue", "list").ExitCode);
        _relay.Start();
        Tool.Until(() => _relay.Command("queue", "list", "--count").Output == "0\n", 30, () => _relay.Log);
        Assert.DoesNotContain("admin_failed", _relay.Log);
        Assert.Contains("ok", Tool.Run("curl", ["-sS", "--unix-socket", socket, "http://localhost/healthz"]).Ok().Output);
        Assert.Equal(0, _relay.Stop());
        Assert.False(File.Exists(socket));
    }

    [Fact]
    public void A_trace_shows_both_ways_until_it_is_ended_and_no_content()
    {
        Start();
        // A shell starts what runs in the background with SIGINT ignored, and that is inherited: here it is as at a terminal.
        using Process trace = Tool.Start("python3", ["-c", "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])",
            Place.Binary, "trace", "--domain", "a.test", "--config", _relay!.ConfigFile]);
        var shown = new StringBuilder();
        trace.OutputDataReceived += (_, line) => { lock (shown) { shown.AppendLine(line.Data); } };
        trace.BeginOutputReadLine();
        Assert.Equal("watching; Ctrl-C ends it", trace.StandardError.ReadLine());
        Send("other@b.test");
        string id = Send("good@a.test");
        string All()
        {
            lock (shown)
            {
                return shown.ToString();
            }
        }
        Tool.Until(() => All().Contains("content of " + id, StringComparison.Ordinal), 30, All);
        Tool.Run("kill", ["-INT", trace.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]).Ok();
        Assert.True(trace.WaitForExit(10_000));
        string text = All();
        Assert.Matches(@"(?m) in  #\d+ 127\.0\.0\.1:\d+ C: RCPT TO:<good@a\.test>$", text);
        Assert.Matches($@"(?m) in  #\d+ 127\.0\.0\.1:\d+ S: 250 2\.0\.0 queued as {id}$", text);
        Assert.Matches(@"(?m) out #\d+ \S+ \[[0-9.:]+\] C: RCPT TO:<good@a\.test>$", text);
        Assert.DoesNotContain("secret plans", text);
        Assert.DoesNotContain("other@b.test", text);
        Send("good@a.test");
        _relay.WaitForEmptyQueue();
    }

    [Fact]
    public void Chosen_mail_is_bounced_with_the_operators_words_and_top_shows_its_site()
    {
        Start();
        string id = Send("later@a.test");
        Tool.Until(() => _relay!.Log.Contains("status=deferred", StringComparison.Ordinal), 30, () => _relay!.Log);
        string top = _relay!.Command("queue", "top", "--once", "--interval", "200ms").Ok().Output;
        Assert.Matches(@"(?m)^1 messages: 0 ready, \d being delivered, \d deferred, 0 held; ", top);
        Assert.Contains(_sink.EndPoint.Address.ToString(), top);
        Assert.Equal("0 messages bounced\n", _relay.Command("queue", "bounce", "--older", "1h").Ok().Output);
        Assert.Equal("1 message bounced\n", _relay.Command("queue", "bounce", "--domain", "a.test", "--text", "5.2.1 the mailbox is closed").Ok().Output);
        Arrival told = _sink.WaitFor(static a => a.From.Length == 0 && a.To is ["sender@here.test"]);
        Assert.Contains("Status: 5.2.1\r\n", told.Text);
        Assert.Contains("the mailbox is closed", told.Text);
        _relay.WaitForEmptyQueue();
        Assert.Contains($"id={id}", _relay.Log.Split('\n').Single(static line => line.Contains("cause=operator", StringComparison.Ordinal)));
    }
}
