using FastRelay.Config;
using FastRelay.Deliver;
using FastRelay.Journal;
using FastRelay.Routing;
using FastRelay.Tests.Deliver.Rig;
using Xunit;

namespace FastRelay.Tests.Deliver;

/// <summary>8-bit content for a host without 8BITMIME: as it is, converted, or bounced.</summary>
public sealed class EightBitTests : IDisposable
{
    private const string Header = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=iso-8859-1\r\n";
    private const string Wide = Header + "Content-Transfer-Encoding: 8bit\r\n\r\n..gr\xFC\xDF\r\n";
    private const string Narrow = Header + "Content-Transfer-Encoding: quoted-printable\r\n\r\n..gr=FC=DF\r\n";
    private readonly ScriptedPeer _peer = new() { Offers = ["PIPELINING", "SIZE 10000000"] };
    private readonly DeliverRig _rig;

    public EightBitTests() => _rig = Start(EightBitMode.Convert, null);

    public void Dispose()
    {
        _rig.Dispose();
        _peer.Dispose();
    }

    private DeliverRig Start(EightBitMode mode, RouteRule? route)
    {
        var rig = new DeliverRig(_peer.Port, new Limits { SendSessionsPerSite = 1 }, route: route);
        rig.Domain("far.test", "127.0.0.1");
        rig.Domain("client.test", "127.0.0.1");
        rig.Deliverer.Change(new DeliverOptions { HelloName = "relay.example", EightBit = mode }, rig.Limits);
        return rig;
    }

    private void Submit(string body, EnvelopeFlags flags = EnvelopeFlags.EightBit) => _rig.Submit("a@client.test", body, flags, "b@far.test");

    [Fact]
    public void It_arrives_converted_with_its_size_and_no_word_of_8BITMIME()
    {
        Submit(Wide);
        _rig.UntilEmpty();
        Assert.Equal(Narrow, Assert.Single(_peer.Messages).Data);
        // SIZE counts the content: without the stuffed dot.
        Assert.Contains($"1 MAIL FROM:<a@client.test> SIZE={Narrow.Length - 1}", _peer.Lines);
    }

    [Fact]
    public void A_host_with_8BITMIME_gets_it_as_it_is()
    {
        _peer.Offers = ["PIPELINING", "8BITMIME"];
        Submit(Wide);
        _rig.UntilEmpty();
        Assert.Equal(Wide, Assert.Single(_peer.Messages).Data);
        Assert.Contains("1 MAIL FROM:<a@client.test> BODY=8BITMIME", _peer.Lines);
    }

    [Fact]
    public void By_default_it_goes_as_it_is()
    {
        _rig.Deliverer.Change(new DeliverOptions { HelloName = "relay.example" }, _rig.Limits);
        Submit(Wide);
        _rig.UntilEmpty();
        Assert.Equal(Wide, Assert.Single(_peer.Messages).Data);
    }

    [Fact]
    public void Messages_of_both_kinds_follow_each_other_on_one_connection_each_as_it_should_be()
    {
        _rig.Queue.Stopping = true;
        for (int i = 0; i < 20; i++)
        {
            Submit(i % 3 == 0 ? Wide : "Subject: x\r\n\r\nplain\r\n", i % 3 == 1 ? EnvelopeFlags.None : EnvelopeFlags.EightBit);
        }
        _rig.Queue.Stopping = false;
        _rig.Queue.RoomAgain();
        Submit(Wide);
        _rig.UntilEmpty();
        Assert.Equal(1, _peer.Connections);
        Assert.Equal(8, _peer.Messages.Count(message => message.Data == Narrow));
        Assert.Equal(13, _peer.Messages.Count(message => message.Data == "Subject: x\r\n\r\nplain\r\n"));
    }

    [Fact]
    public void A_long_one_arrives_whole()
    {
        string line = new string('x', 70) + "\xE4\r\n";
        Submit(Header + "\r\n" + string.Concat(Enumerable.Repeat(line, 20_000)));
        _rig.UntilEmpty();
        string data = Assert.Single(_peer.Messages).Data;
        Assert.EndsWith(string.Concat(Enumerable.Repeat(new string('x', 70) + "=E4\r\n", 20_000)), data);
        Assert.Contains($"1 MAIL FROM:<a@client.test> SIZE={data.Length}", _peer.Lines);
    }

    [Fact]
    public void Grown_beyond_the_hosts_SIZE_it_is_not_sent()
    {
        _peer.Offers = ["SIZE 200"];
        string body = Header + "\r\n" + new string('\xE4', 80) + "\r\n";
        Assert.True(body.Length < 200);
        Submit(body);
        _rig.UntilEmpty();
        Assert.True(_rig.Logged("status=failed", "dsn=5.3.4"));
        Assert.DoesNotContain(_peer.Lines, line => line.Contains("b@far.test", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("DKIM-Signature: v=1\r\nSubject: x\r\n\r\n\xFC\r\n", "5.6.2")]
    [InlineData("Subject: \xFC\r\n\r\nx\r\n", "5.6.3")]
    public void What_may_not_be_or_cannot_be_converted_fails_and_its_sender_is_told(string body, string dsn)
    {
        Submit(body);
        _rig.UntilEmpty();
        Assert.True(_rig.Logged("status=failed", $"dsn={dsn}", "cause=8bit"));
        Assert.Contains($"Status: {dsn}", Assert.Single(_peer.Messages, message => message.From.Length == 0).Data, StringComparison.Ordinal);
        Assert.DoesNotContain(_peer.Lines, line => line.Contains("b@far.test", StringComparison.Ordinal));
    }

    [Fact]
    public void Where_it_is_to_bounce_it_fails_and_what_only_said_so_goes()
    {
        _rig.Deliverer.Change(new DeliverOptions { HelloName = "relay.example", EightBit = EightBitMode.Bounce }, _rig.Limits);
        Submit("Subject: x\r\n\r\nplain\r\n");
        Submit(Wide);
        _rig.UntilEmpty();
        Assert.True(_rig.Logged("status=failed", "dsn=5.6.3", "cause=8bit"));
        Assert.Single(_peer.Messages, message => message.From == "a@client.test");
    }

    [Fact]
    public void Among_messages_in_flight_by_BDAT_it_goes_by_itself()
    {
        _peer.Offers = ["PIPELINING", "CHUNKING"];
        Assert.True(NextHop.TryParse("smtp:[127.0.0.1]", out NextHop hop, out _));
        using DeliverRig rig = Start(EightBitMode.AsIs, new RouteRule("far.test", hop, TlsPolicy.None) { InFlight = 16, EightBit = EightBitMode.Convert });
        rig.Queue.Stopping = true;
        for (int i = 0; i < 9; i++)
        {
            rig.Submit("a@client.test", i == 4 ? Wide : "Subject: x\r\n\r\nplain\r\n", i == 4 ? EnvelopeFlags.EightBit : EnvelopeFlags.None, "b@far.test");
        }
        rig.Queue.Stopping = false;
        rig.Submit("a@client.test", "Subject: x\r\n\r\nplain\r\n", "b@far.test");
        rig.UntilEmpty();
        Assert.Equal(10, _peer.Messages.Count);
        Assert.Single(_peer.Messages, message => message.Data == Narrow);
        Assert.Single(_peer.Lines, line => line.EndsWith(" DATA", StringComparison.Ordinal));
    }
}
