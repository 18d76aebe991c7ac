using System.Globalization;
using System.Net;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary>What is urgent passes its own tenant's backlog, on the published binary and across a restart.</summary>
public sealed class PriorityTests : IDisposable
{
    private const int Bulk = 10_000;
    private readonly IPAddress _address = Place.NewAddress();
    private readonly int _port = Place.FreePort();
    private readonly NsdServer _dns;

    public PriorityTests() => _dns = new NsdServer(("volume.test", $"@ MX 10 sink\nother MX 10 sink\nsink A {_address}"));

    public void Dispose() => _dns.Dispose();

    [Fact]
    public void A_high_message_passes_ten_thousand_low_ones_of_its_own_tenant()
    {
        // Every answer takes up to a quarter of a second: the backlog is minutes long.
        using var sink = new VolumeSink(_address, _port) { SlowPercent = 100 };
        using var relay = new RelayProcess(RelayProcess.MxConfig(_dns, _port).Replace(
            "networks = [\"127.0.0.0/8\"]",
            "networks = [\"127.0.0.0/8\"]\npriority = \"low\"\npriority_header = true",
            StringComparison.Ordinal)).Start();
        SmtpSource.Run(relay.Address, relay.Port, Bulk, bytes: 512);
        Assert.Equal(0, relay.Stop());
        relay.Start();
        Tool.Until(() => relay.Figure("queue_ready_low") > Bulk / 2, 30, () => relay.Log);
        Assert.Contains("low priority", relay.Command("queue", "list", "--limit", "1").Ok().Output);
        Send(relay, sink, "X-FastRelay-Priority: high", "urgent");
        Assert.Contains("event=accept", relay.Log);
        Assert.Contains("priority=high", relay.Log);
    }

    private static void Send(RelayProcess relay, VolumeSink sink, string field, string id)
    {
        long arrived;
        using (SmtpTalk talk = relay.Talk().Hello())
        {
            Assert.StartsWith("250 2.1.0", talk.Say("MAIL FROM:<single@sender.test>"));
            Assert.StartsWith("250 2.1.5", talk.Say("RCPT TO:<user@other.volume.test>"));
            Assert.StartsWith("354 ", talk.Say("DATA"));
            Assert.StartsWith("250 2.0.0 ", talk.Say($"{field}\r\nMessage-Id: {id}\r\n\r\nhello\r\n."));
            arrived = sink.Accepted;
        }
        Tool.Until(() => sink.Has(id), 60, () => $"{sink.Accepted} arrived, and not the message\n{relay.Command("explain", "other.volume.test").Output}");
        int place = sink.Times.Select(static taken => taken.Id).ToList().IndexOf(id);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{place - arrived} of the backlog arrived before the urgent message"));
        Assert.True(place - arrived < Bulk / 100, $"{place - arrived} messages of the backlog went first");
    }
}
