using System.Net;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary>The published binary stops a site by what its host says, and by its operator, who finds it stopped after a restart.</summary>
public sealed class GearTests : IDisposable
{
    private readonly IPAddress _host = Place.NewAddress();
    private readonly int _port = Place.FreePort();
    private readonly NsdServer _dns;
    private readonly RelayProcess _relay;

    public GearTests()
    {
        _dns = new NsdServer(("mail.test", $"""
            @ MX 10 first
            first A {_host}
            """));
        _relay = new RelayProcess(RelayProcess.MxConfig(_dns, _port, """
            [[reply_rule]]
            site = "mail.test"
            match = '^451 4\.7\.28 .*unsolicited'
            action = "suspend"
            for = "1h"
            """)).Start();
    }

    public void Dispose()
    {
        _relay.Dispose();
        _dns.Dispose();
    }

    [Fact]
    public void An_operators_suspension_survives_a_restart()
    {
        using var sink = new Sink(_host, _port);
        Assert.Equal("mail.test  until it is resumed\n", _relay.Command("queue", "suspend", "--site", "mail.test").Ok().Output);
        Send();
        Assert.Contains("waits for  the operator: fastrelay queue resume ends", _relay.Command("explain", "mail.test").Ok().Output);
        Assert.Equal(0, _relay.Stop());
        _relay.Start();
        Assert.Equal(1, _relay.QueueCount());
        string after = _relay.Command("explain", "mail.test").Ok().Output;
        Assert.Contains("gear       suspended until queue resume: the operator has suspended \"mail.test\"", after);
        Assert.Equal(0, sink.Connections);
        Assert.Equal("nothing is suspended\n", _relay.Command("queue", "resume", "--site", "mail.test").Ok().Output);
        sink.WaitFor(a => a.To is ["user@mail.test"]);
        _relay.WaitForEmptyQueue();
    }

    [Fact]
    public void A_rule_suspends_the_site_by_its_hosts_words_and_retry_ends_it()
    {
        using var sink = new Sink(_host, _port)
        {
            Answer = static (verb, _) => verb == "DOT" ? "451 4.7.28 too much unsolicited mail" : null,
        };
        Send();
        Tool.Until(() => _relay.Log.Contains("event=site_gear", StringComparison.Ordinal), 30, () => _relay.Log);
        Send();
        string why = _relay.Command("explain", "mail.test").Ok().Output;
        Assert.Contains("waits for  the end of the site's suspension, in ", why);
        Assert.Contains("451 4.7.28 too much unsolicited mail", why);
        Assert.Equal(1, _relay.Figure("rule_shifts_total"));
        sink.Answer = static (_, _) => null;
        _relay.Command("queue", "retry", "--domain", "mail.test").Ok();
        Tool.Until(() => sink.Arrivals.Count == 2, 30, () => _relay.Log);
    }

    private void Send()
    {
        using SmtpTalk talk = _relay.Talk().Hello();
        Assert.StartsWith("250 2.1.0", talk.Say("MAIL FROM:<sender@mail.test>"));
        Assert.StartsWith("250 2.1.5", talk.Say("RCPT TO:<user@mail.test>"));
        Assert.StartsWith("354 ", talk.Say("DATA"));
        Assert.StartsWith("250 2.0.0 ", talk.Say("Subject: x\r\n\r\nhello\r\n."));
    }
}
