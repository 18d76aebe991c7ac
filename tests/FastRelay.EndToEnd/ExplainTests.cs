using System.Net;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary>One command says of a real message and a real host what is waited for, and shows the host's own words.</summary>
public sealed class ExplainTests : IDisposable
{
    private readonly IPAddress _host = Place.NewAddress();
    private readonly int _port = Place.FreePort();
    private readonly NsdServer _dns;
    private readonly RelayProcess _relay;

    public ExplainTests()
    {
        _dns = new NsdServer(("mail.test", $"""
            @ MX 10 first
            first A {_host}
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

    private string Explain(string target) => _relay.Command("explain", target).Ok().Output;

    private string Send()
    {
        using SmtpTalk talk = _relay.Talk().Hello();
        Assert.StartsWith("250 2.1.0", talk.Say("MAIL FROM:<sender@mail.test>"));
        Assert.StartsWith("250 2.1.5", talk.Say("RCPT TO:<user@mail.test>"));
        Assert.StartsWith("354 ", talk.Say("DATA"));
        string reply = talk.Say("Subject: x\r\n\r\nhello\r\n.");
        Assert.StartsWith("250 2.0.0 ", reply);
        return reply.Split(' ')[^1];
    }
}
