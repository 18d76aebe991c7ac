using System.Globalization;
using System.Net;
using System.Text.Json;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary>Mail leaves from the addresses of a pool by weight, each under its own name.</summary>
public sealed class SourceTests : IDisposable
{
    private const int Messages = 400;
    private readonly IPAddress _blue = Place.NewAddress();
    private readonly IPAddress _green = Place.NewAddress();
    private readonly Sink _sink = new(Place.NewAddress());
    private readonly RelayProcess _relay;

    public SourceTests() => _relay = new RelayProcess(RelayProcess.SmarthostConfig(_sink.EndPoint, $"""
        [deliver]
        source = "out"
        [[source]]
        name = "blue"
        address = "{_blue}"
        ehlo = "blue.relay.test"
        weight = 3
        [[source]]
        name = "green"
        address = ["{_green}"]
        ehlo = "green.relay.test"
        [[source]]
        name = "six"
        address = "::1"
        [[tenant]]
        name = "six"
        source = "six"
        [[pool]]
        name = "out"
        sources = ["blue", "green"]
        [[tenant]]
        name = "own"
        source = "green"
        """).Replace("networks = [\"127.0.0.0/8\"]", "networks = [\"127.0.0.0/8\"]\ntenant_header = true", StringComparison.Ordinal)).Start();

    public void Dispose()
    {
        _relay.Dispose();
        _sink.Dispose();
    }

    private void Send(int count, string header = "")
    {
        int before = _sink.Arrivals.Count;
        using SmtpTalk talk = _relay.Talk().Hello();
        for (int i = 0; i < count; i++)
        {
            Assert.StartsWith("250 2.1.0", talk.Say("MAIL FROM:<sender@mail.test>"));
            Assert.StartsWith("250 2.1.5", talk.Say("RCPT TO:<user@mail.test>"));
            Assert.StartsWith("354 ", talk.Say("DATA"));
            Assert.StartsWith("250 2.0.0 ", talk.Say(header + "Subject: x\r\n\r\nhello\r\n."));
        }
        Tool.Until(() => _sink.Arrivals.Count == before + count, 60, () => $"{_sink.Arrivals.Count - before} of {count} arrived\n{_relay.Log}");
    }

    [Fact]
    public void Two_sources_share_mail_by_weight_each_under_its_own_name()
    {
        Send(Messages);
        int blue = _sink.Arrivals.Count(a => a.Peer.Equals(_blue));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{blue} of {Messages} from blue, whose share is 3 in 4"));
        Assert.Equal(Messages, blue + _sink.Arrivals.Count(a => a.Peer.Equals(_green)));
        // Five standard deviations of 8.7.
        Assert.InRange(blue, 300 - 44, 300 + 44);
        Assert.All(_sink.Arrivals, a => Assert.Equal(a.Peer.Equals(_blue) ? "blue.relay.test" : "green.relay.test", a.Ehlo));
        Assert.Contains("source=blue ", _relay.Log);
        Assert.Contains("source=green ", _relay.Log);
        using JsonDocument json = JsonDocument.Parse(_relay.Command("explain", "mail.test", "--json").Ok().Output);
        Assert.Contains(json.RootElement.GetProperty("ways").EnumerateArray(), way => way.GetProperty("source").GetString() == $"blue ({_blue})");

        using var http = new HttpClient();
        string metrics = http.GetStringAsync(new Uri($"http://127.0.0.1:{_relay.AdminPort}/metrics")).GetAwaiter().GetResult();
        Assert.Contains($"fastrelay_source_outcomes_total{{source=\"blue\",status=\"delivered\"}} {blue}\n", metrics);

        // A source that the operator stops is left out, and a tenant may have its own.
        _sink.Arrivals.Clear();
        _relay.Command("queue", "suspend", "--site", "source:blue").Ok();
        Send(20);
        Assert.All(_sink.Arrivals, a => Assert.Equal(_green, a.Peer));
        _relay.Command("queue", "resume", "--site", "source:blue").Ok();
        _sink.Arrivals.Clear();
        Send(20, "X-FastRelay-Tenant: own\r\n");
        Assert.All(_sink.Arrivals, a => Assert.Equal(_green, a.Peer));
        ToolResult tried = _relay.Command("explain", "user@mail.test", "--try").Ok();
        Assert.Contains("connected from", tried.Output);
        Assert.Matches("EHLO (blue|green).relay.test", tried.Output);
    }

    [Fact]
    public void Nothing_leaves_from_elsewhere_when_a_source_has_no_address_for_a_host()
    {
        using (SmtpTalk talk = _relay.Talk().Hello())
        {
            Assert.StartsWith("250 2.1.0", talk.Say("MAIL FROM:<sender@mail.test>"));
            Assert.StartsWith("250 2.1.5", talk.Say("RCPT TO:<user@mail.test>"));
            Assert.StartsWith("354 ", talk.Say("DATA"));
            Assert.StartsWith("250 2.0.0 ", talk.Say("X-FastRelay-Tenant: six\r\nSubject: x\r\n\r\nhello\r\n."));
        }
        Tool.Until(() => _relay.Log.Contains("event=site_backoff", StringComparison.Ordinal), 20, () => _relay.Log);
        string why = _relay.Command("explain", "mail.test").Ok().Output;
        Assert.Contains("source     six (::1)", why);
        Assert.Contains("the end of the site's backoff", why);
        Assert.Contains("connect: ", why);
        Assert.Equal(1, _relay.QueueCount());
        Assert.Empty(_sink.Commands);
    }
}
