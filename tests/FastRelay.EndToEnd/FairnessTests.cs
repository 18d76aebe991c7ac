using System.Globalization;
using System.Net;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary>One tenant's backlog is not another's.</summary>
public sealed class FairnessTests : IDisposable
{
    private const int Bulk = 20_000;
    private readonly IPAddress _address = Place.NewAddress();
    private readonly int _port = Place.FreePort();
    private readonly NsdServer _dns;

    public FairnessTests() => _dns = new NsdServer(("volume.test", $"@ MX 10 sink\nother MX 10 sink\nsink A {_address}"));

    public void Dispose() => _dns.Dispose();

    [Fact]
    public void A_single_message_passes_twenty_thousand_of_another_tenant()
    {
        // Every answer takes up to a quarter of a second: the backlog is minutes long.
        using var sink = new VolumeSink(_address, _port) { SlowPercent = 100 };
        using var relay = new RelayProcess(RelayProcess.MxConfig(_dns, _port).Replace(
            "networks = [\"127.0.0.0/8\"]",
            "networks = [\"127.0.0.0/8\"]\ntenant = \"bulk\"\ntenant_header = true",
            StringComparison.Ordinal)).Start();
        SmtpSource.Run(relay.Address, relay.Port, Bulk, bytes: 512);
        int waiting = int.Parse(relay.Command("queue", "list", "--tenant", "bulk", "--count").Ok().Output.Trim(), CultureInfo.InvariantCulture);
        Assert.InRange(waiting, Bulk / 2, Bulk);

        string before = relay.Command("explain", "volume.test").Ok().Output;
        Assert.Contains("tenant     bulk", before);
        long arrived;
        using (SmtpTalk talk = relay.Talk().Hello())
        {
            Assert.StartsWith("250 2.1.0", talk.Say("MAIL FROM:<single@sender.test>"));
            Assert.StartsWith("250 2.1.5", talk.Say("RCPT TO:<user@other.volume.test>"));
            Assert.StartsWith("354 ", talk.Say("DATA"));
            Assert.StartsWith("250 2.0.0 ", talk.Say("X-FastRelay-Tenant: single\r\nMessage-Id: single\r\n\r\nhello\r\n."));
            arrived = sink.Accepted;
        }
        Tool.Until(() => sink.Has("single"), 60, () => $"{sink.Accepted} arrived, and not the single message\n{relay.Command("queue", "list", "--tenant", "single").Output}");
        int place = sink.Times.Select(static taken => taken.Id).ToList().IndexOf("single");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{waiting} wait; {place - arrived} of them went before the single message"));
        Assert.True(place - arrived < Bulk / 100, $"{place - arrived} messages of the backlog went first");
        // It has arrived, and its answer may still be under way.
        Tool.Until(() => relay.Command("queue", "list", "--tenant", "single", "--count").Ok().Output.Trim() == "0", 20, () => relay.Command("queue", "list", "--tenant", "single").Output);
        Assert.Contains("event=delivery status=delivered", relay.Log);
        Assert.Contains("tenant=single ", relay.Log);
    }
}
