using FastRelay.Journal;
using FastRelay.Routing;
using FastRelay.Tests.Deliver.Rig;
using Xunit;

namespace FastRelay.Tests.Deliver.Window;

/// <summary>What extensions ask of messages in flight, and stopping in the middle of a flight.</summary>
public sealed class WindowExtensionTests : IDisposable
{
    private const string Body = "Subject: hello\r\n\r\nline\r\n";
    private readonly ScriptedPeer _peer = new() { Offers = ["PIPELINING", "CHUNKING", "SIZE 1000"] };
    private readonly ManualResetEventSlim _go = new();
    private readonly DeliverRig _rig;

    public WindowExtensionTests()
    {
        Assert.True(NextHop.TryParse("smtp:[127.0.0.1]", out NextHop hop, out _));
        _rig = new DeliverRig(_peer.Port, new Limits { SendSessionsPerSite = 1, ReuseIdleMs = 600_000 }, route: new RouteRule("far.test", hop, TlsPolicy.None) { InFlight = 16 });
    }

    public void Dispose()
    {
        _go.Set();
        _rig.Dispose();
        _peer.Dispose();
        _go.Dispose();
    }

    [Fact]
    public void A_message_over_the_hosts_SIZE_fails_alone_and_unsent()
    {
        for (int i = 0; i < 9; i++)
        {
            _rig.Submit($"a{i}@client.test", Body + (i == 4 ? new string('x', 900) + "\r\n" + new string('y', 900) + "\r\n" : ""), $"b{i}@far.test");
        }
        _rig.UntilEmpty();
        Assert.Equal(8, _peer.Messages.Count(message => message.From.StartsWith('a')));
        Assert.True(_rig.Logged("to=b4@far.test", "status=failed", "dsn=5.3.4"));
        Assert.DoesNotContain(_peer.Lines, line => line.Contains("b4@far.test", StringComparison.Ordinal));
        Assert.DoesNotContain(_peer.Lines, line => line.EndsWith(" DATA", StringComparison.Ordinal));
        Assert.Equal(1, _peer.Connections);
    }

    [Fact]
    public void A_message_that_needs_SMTPUTF8_fails_alone_where_the_host_has_none_and_says_the_word_where_it_does()
    {
        Submit(EnvelopeFlags.SmtpUtf8);
        Assert.True(_rig.Logged("to=b1@far.test", "status=failed", "dsn=5.6.7"));
        Assert.Equal(2, _peer.Messages.Count(message => message.From.StartsWith('a')));
    }

    [Fact]
    public void The_word_SMTPUTF8_is_said_to_a_host_that_has_it()
    {
        _peer.Offers = ["PIPELINING", "CHUNKING", "SMTPUTF8"];
        Submit(EnvelopeFlags.SmtpUtf8);
        Assert.Contains("1 MAIL FROM:<a1@client.test> SMTPUTF8", _peer.Lines);
        Assert.Contains("1 MAIL FROM:<a2@client.test>", _peer.Lines);
        Assert.Equal(3, _peer.Messages.Count);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Octets_of_8_bits_go_as_they_are_with_the_word_where_the_host_has_it(bool offered)
    {
        _peer.Offers = offered ? ["PIPELINING", "CHUNKING", "8BITMIME"] : ["PIPELINING", "CHUNKING"];
        _rig.Submit("a0@client.test", "x: y\r\n\r\ngr\xFC\xDF\r\n", EnvelopeFlags.EightBit, "b0@far.test");
        _rig.UntilEmpty();
        Assert.Equal("x: y\r\n\r\ngr\xFC\xDF\r\n", Assert.Single(_peer.Messages).Data);
        Assert.Contains("1 MAIL FROM:<a0@client.test>" + (offered ? " BODY=8BITMIME" : ""), _peer.Lines);
    }

    [Fact]
    public void A_stop_waits_for_the_flight_and_begins_nothing_more()
    {
        HoldFirst();
        ValueTask drain = _rig.Deliverer.DrainAsync(30_000);
        _go.Set();
        _rig.Run(drain);
        // The flight was four: what a connection begins with.
        Assert.Equal(4, _rig.Counters.Delivered);
        Assert.Equal(0, _rig.Counters.InDoubt);
        Assert.Equal(6, _rig.Queue.Ready);
        Assert.Equal(4, _peer.Messages.Count);
    }

    [Fact]
    public void After_the_time_is_up_the_flight_is_in_doubt_and_the_rest_as_it_was()
    {
        HoldFirst();
        _rig.Run(_rig.Deliverer.DrainAsync(50));
        Assert.Equal(4, _rig.Counters.InDoubt);
        Assert.Equal(4, _rig.Queue.Deferred);
        Assert.Equal(6, _rig.Queue.Ready);
    }

    private void Submit(EnvelopeFlags second)
    {
        for (int i = 0; i < 3; i++)
        {
            _rig.Submit($"a{i}@client.test", Body, i == 1 ? second : EnvelopeFlags.None, $"b{i}@far.test");
        }
        _rig.UntilEmpty();
    }

    // Ten messages, and a host that stands still at the first MAIL.
    private void HoldFirst()
    {
        using var reached = new ManualResetEventSlim();
        _peer.Answer = (line, _) =>
        {
            if (line.StartsWith("MAIL", StringComparison.Ordinal))
            {
                reached.Set();
                _go.Wait();
            }
            return null;
        };
        _rig.Queue.Stopping = true;
        for (int i = 0; i < 10; i++)
        {
            _rig.Submit($"a{i}@client.test", Body, $"b{i}@far.test");
        }
        _rig.Queue.Stopping = false;
        _rig.Until(() => reached.IsSet && _rig.Queue.InFlight == 4, "the host to be at MAIL");
    }
}
