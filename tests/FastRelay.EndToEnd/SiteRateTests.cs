using System.Net;
using System.Text.Json;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary>A provider's cap is kept, and what waits for it says so.</summary>
public sealed class SiteRateTests : IDisposable
{
    private readonly IPAddress _host = Place.NewAddress();
    private readonly int _port = Place.FreePort();
    private readonly NsdServer _dns;
    private readonly RelayProcess _relay;

    public SiteRateTests()
    {
        _dns = new NsdServer(("mail.test", $"""
            @ MX 10 first
            other MX 10 first
            first A {_host}
            """));
        _relay = new RelayProcess(RelayProcess.MxConfig(_dns, _port, """
            [[site]]
            match = "mail.test"
            rate = "2/1h"
            """)).Start();
    }

    public void Dispose()
    {
        _relay.Dispose();
        _dns.Dispose();
    }

    [Fact]
    public void One_rate_holds_for_all_domains_behind_the_same_hosts()
    {
        using var sink = new Sink(_host, _port);
        using (SmtpTalk talk = _relay.Talk().Hello())
        {
            foreach (string domain in (ReadOnlySpan<string>)["mail.test", "other.mail.test", "mail.test", "other.mail.test"])
            {
                Assert.StartsWith("250 2.1.0", talk.Say("MAIL FROM:<sender@mail.test>"));
                Assert.StartsWith("250 2.1.5", talk.Say($"RCPT TO:<user@{domain}>"));
                Assert.StartsWith("354 ", talk.Say("DATA"));
                Assert.StartsWith("250 2.0.0 ", talk.Say("Subject: x\r\n\r\nhello\r\n."));
            }
        }
        // Paced one by one: the second would go in half an hour.
        Tool.Until(() => sink.Arrivals.Count == 1 && _relay.QueueCount() == 3, 30, () => _relay.Log);
        using JsonDocument json = JsonDocument.Parse(_relay.Command("explain", "other.mail.test", "--json").Ok().Output);
        JsonElement way = json.RootElement.GetProperty("ways")[0];
        Assert.Equal("rate", way.GetProperty("waitsFor").GetString());
        Assert.Contains("2 messages in 1 h 0 min by [[site]] \"mail.test\"", way.GetProperty("reason").GetString());
        Assert.Equal(3, way.GetProperty("site").GetProperty("ready").GetInt32());
        Assert.Single(sink.Arrivals);
    }
}
