using System.Net;
using System.Text.Json;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary>One command says of a real message and a real host what is waited for, and shows the host's own words.</summary>
public sealed class ExplainTests : IDisposable
{
    private readonly IPAddress _host = Place.NewAddress();
    private readonly IPAddress _other = Place.NewAddress();
    private readonly int _port = Place.FreePort();
    private readonly NsdServer _dns;
    private readonly RelayProcess _relay;

    public ExplainTests()
    {
        _dns = new NsdServer(("mail.test", $"""
            @ MX 10 first
            first A {_host}
            pair MX 10 first
            pair MX 20 second
            second A {_other}
            """));
        // Waits long enough to be looked at.
        string config = RelayProcess.MxConfig(_dns, _port).Replace("""retry = ["1s", "2s"]""", """retry = ["10m"]""", StringComparison.Ordinal);
        _relay = new RelayProcess(config).Start();
    }

    public void Dispose()
    {
        _relay.Dispose();
        _dns.Dispose();
    }

    [Fact]
    public void A_host_that_is_down_and_comes_up()
    {
        string id = Send();
        Tool.Until(() => _relay.Log.Contains("event=site_backoff", StringComparison.Ordinal), 30, () => _relay.Log);
        string waiting = Explain(id);
        Assert.Contains($"id         {id}", waiting);
        Assert.Contains("waits for  the end of the site's backoff", waiting);
        Assert.Contains("refused", waiting);
        Assert.Contains($"first.mail.test  {_host}:{_port}", waiting);
        Assert.Contains("MX  mail.test  10 first.mail.test", waiting);
        ToolResult down = _relay.Command("explain", "user@mail.test", "--try");
        Assert.Equal(1, down.ExitCode);
        Assert.Contains($"= connecting to first.mail.test ({_host}:{_port})", down.Output);
        Assert.Contains("refused", down.Output);

        using var sink = new Sink(_host, _port);
        ToolResult up = _relay.Command("explain", "user@mail.test", "--try");
        Assert.Equal(0, up.ExitCode);
        Assert.Contains("> RCPT TO:<user@mail.test>", up.Output);
        Assert.Contains("< 250 ", up.Output);
        Assert.Empty(sink.Arrivals);
        _relay.Command("queue", "retry", id);
        sink.WaitFor(a => a.To is ["user@mail.test"]);
        _relay.WaitForEmptyQueue();
        ToolResult gone = _relay.Command("explain", id);
        Assert.Equal(1, gone.ExitCode);
        Assert.Contains("no message in the queue", gone.Error);
        Assert.Contains("waits for  nothing", Explain("mail.test"));
    }

    [Fact]
    public void What_is_remembered_of_a_host_is_shown_and_a_retry_ends_it()
    {
        bool serves = false;
        using var first = new Sink(_host, _port) { Answer = (verb, _) => verb == "MAIL" && !Volatile.Read(ref serves) ? "421 4.3.2 shutting down" : null };
        using var second = new Sink(_other, _port) { Answer = (verb, line) => verb == "RCPT" && line.Contains("later@", StringComparison.Ordinal) ? "451 4.2.1 later" : null };
        Send("user@pair.mail.test");
        second.WaitFor(a => a.To is ["user@pair.mail.test"]);
        Send("later@pair.mail.test");
        Tool.Until(() => _relay.Log.Contains("status=deferred", StringComparison.Ordinal), 30, () => _relay.Log);
        string[] hosts = [.. Explain("pair.mail.test").Split('\n').Where(static line => line.StartsWith("host ", StringComparison.Ordinal))];
        Assert.Matches($"10  first.mail.test  {_host}:{_port}; avoided for [0-9]+ s, since it did not serve: the others are tried first$", hosts[0]);
        Assert.EndsWith($"20  second.mail.test  {_other}:{_port}", hosts[1]);
        using (JsonDocument json = JsonDocument.Parse(_relay.Command("explain", "pair.mail.test", "--json").Ok().Output))
        {
            JsonElement shown = json.RootElement.GetProperty("ways")[0].GetProperty("hosts");
            Assert.InRange(shown[0].GetProperty("avoidedSeconds").GetInt32(), 200, 300);
            Assert.False(shown[1].TryGetProperty("avoidedSeconds", out _));
        }
        Volatile.Write(ref serves, true);
        _relay.Command("queue", "retry", "--domain", "pair.mail.test").Ok();
        Assert.DoesNotContain("avoided", Explain("pair.mail.test"));
    }

    private string Explain(string target) => _relay.Command("explain", target).Ok().Output;

    private string Send(string to = "user@mail.test")
    {
        using SmtpTalk talk = _relay.Talk().Hello();
        Assert.StartsWith("250 2.1.0", talk.Say("MAIL FROM:<sender@mail.test>"));
        Assert.StartsWith("250 2.1.5", talk.Say($"RCPT TO:<{to}>"));
        Assert.StartsWith("354 ", talk.Say("DATA"));
        string reply = talk.Say("Subject: x\r\n\r\nhello\r\n.");
        Assert.StartsWith("250 2.0.0 ", reply);
        return reply.Split(' ')[^1];
    }
}
