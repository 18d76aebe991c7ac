using FastRelay.Tests.Deliver.Rig;
using Xunit;

namespace FastRelay.Tests.Deliver;

/// <summary>Stopping in the middle of transactions.</summary>
public sealed class DrainTests : IDisposable
{
    private const string Body = "Subject: hello\r\n\r\nline\r\n";
    private readonly ScriptedPeer _peer = new();
    private readonly ManualResetEventSlim _go = new();
    private readonly DeliverRig _rig;

    public DrainTests()
    {
        _rig = new DeliverRig(_peer.Port);
        _rig.Domain("far.test", "127.0.0.1");
    }

    public void Dispose()
    {
        _go.Set();
        _rig.Dispose();
        _peer.Dispose();
        _go.Dispose();
    }

    [Fact]
    public void An_owed_final_reply_is_waited_for()
    {
        HoldAt(".");
        ValueTask drain = _rig.Deliverer.DrainAsync(30_000);
        _go.Set();
        _rig.Run(drain);
        Assert.Equal(1, _rig.Counters.Delivered);
        Assert.Equal(0, _rig.Counters.InDoubt);
        Assert.Equal(0, _rig.Queue.Entries);
    }

    [Fact]
    public void After_the_time_is_up_an_owed_final_reply_is_in_doubt()
    {
        HoldAt(".");
        _rig.Run(_rig.Deliverer.DrainAsync(50));
        Assert.Equal(1, _rig.Counters.InDoubt);
        Assert.Equal(1, _rig.Queue.Deferred);
        Assert.True(_rig.Logged("event=delivery", "status=deferred", "cause=in-doubt"));
    }

    [Theory]
    [InlineData("MAIL FROM:<a@client.test>")]
    [InlineData("DATA")]
    public void Before_the_final_dot_a_cut_transaction_leaves_the_message_as_it_was(string line)
    {
        HoldAt(line);
        _rig.Run(_rig.Deliverer.DrainAsync(50));
        Assert.Equal(0, _rig.Counters.Deferred);
        Assert.Equal(0, _rig.Counters.InDoubt);
        Assert.Equal(1, _rig.Queue.Ready);
        Assert.Empty(_peer.Messages);
    }

    [Fact]
    public void No_transaction_begins_while_draining()
    {
        HoldAt(".");
        _rig.Submit("a@client.test", Body, "c@far.test");
        ValueTask drain = _rig.Deliverer.DrainAsync(30_000);
        _go.Set();
        _rig.Run(drain);
        Assert.Equal(1, _rig.Counters.Delivered);
        Assert.Equal(1, _rig.Queue.Ready);
    }

    [Fact]
    public void Idle_connections_are_ended_with_QUIT()
    {
        _rig.Submit("a@client.test", Body, "b@far.test");
        _rig.UntilEmpty();
        _rig.Run(_rig.Deliverer.DrainAsync(1_000));
        _rig.Until(() => _rig.Deliverer.Sessions == 0);
        Assert.Contains("1 QUIT", _peer.Lines);
    }

    private void HoldAt(string held)
    {
        using var reached = new ManualResetEventSlim();
        _peer.Offers = ["8BITMIME"];
        _peer.Answer = (line, _) =>
        {
            if (line == held)
            {
                reached.Set();
                _go.Wait();
            }
            return null;
        };
        // Two connections are not opened for one site here: the second message would be held as well.
        _rig.Submit("a@client.test", Body, "b@far.test");
        _rig.Until(() => reached.IsSet, "the peer to be at " + held);
    }
}
