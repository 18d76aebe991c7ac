using FastRelay.Outside;

namespace FastRelay.Tests.Outside;

/// <summary>The rules of <see cref="Link.WakeOnInput"/> that every implementation keeps: who waits by it misses nothing.</summary>
public abstract class LinkWakeRules
{
    /// <summary>Makes the implementation under test.</summary>
    protected abstract LinkRig NewRig();

    [Fact]
    public void Input_wakes_once_and_is_there_to_be_read()
    {
        using LinkRig rig = NewRig();
        (Link link, RigPeer peer) = rig.Accept();
        for (int i = 1; i <= 3; i++)
        {
            var item = new Woken();
            Assert.True(link.WakeOnInput(item));
            Idle(rig);
            Assert.Equal(0, item.Times);
            Assert.Equal(0, rig.RentedBuffers);
            peer.Send("NOOP\r\n");
            rig.Until(() => item.Times > 0);
            Assert.False(link.WakeOnInput(item));
            Assert.Equal("NOOP\r\n", rig.Run(rig.ReadAsync(link, 6)));
            Idle(rig);
            Assert.Equal(1, item.Times);
        }
        link.Close();
    }

    [Fact]
    public void What_was_sent_before_anybody_waited_is_not_missed()
    {
        using LinkRig rig = NewRig();
        (Link link, RigPeer peer) = rig.Accept();
        peer.Send("EHLO early\r\n");
        var item = new Woken();
        if (link.WakeOnInput(item))
        {
            rig.Until(() => item.Times == 1);
        }
        Assert.Equal("EHLO early\r\n", rig.Run(rig.ReadAsync(link, 12)));
        link.Close();
    }

    [Fact]
    public void What_is_left_of_the_last_read_is_something_to_read()
    {
        using LinkRig rig = NewRig();
        (Link link, RigPeer peer) = rig.Accept();
        peer.Send("onetwo");
        ValueTask<System.IO.Pipelines.ReadResult> read = link.Input.ReadAsync();
        System.IO.Pipelines.ReadResult result = rig.Run(read);
        while (result.Buffer.Length < 6)
        {
            link.Input.AdvanceTo(result.Buffer.Start, result.Buffer.End);
            result = rig.Run(link.Input.ReadAsync());
        }
        link.Input.AdvanceTo(result.Buffer.GetPosition(3));
        Assert.False(link.WakeOnInput(new Woken()));
        Assert.Equal("two", rig.Run(rig.ReadAsync(link, 3)));
        link.Close();
    }

    [Theory]
    [InlineData(LinkError.Eof)]
    [InlineData(LinkError.Reset)]
    [InlineData(LinkError.Aborted)]
    public void The_end_wakes(LinkError error)
    {
        using LinkRig rig = NewRig();
        (Link link, RigPeer peer) = rig.Accept();
        var item = new Woken();
        Assert.True(link.WakeOnInput(item));
        switch (error)
        {
            case LinkError.Eof:
                peer.EndSending();
                break;
            case LinkError.Reset:
                peer.Reset();
                break;
            default:
                link.Abort();
                break;
        }
        rig.Until(() => item.Times == 1);
        System.IO.Pipelines.ReadResult end = rig.Run(link.Input.ReadAsync());
        Assert.True(end.IsCompleted);
        Assert.True(end.Buffer.IsEmpty);
        Assert.Equal(error, link.Error);
        link.Close();
        Assert.Equal(0, rig.RentedBuffers);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_cancelled_read_wakes_and_the_next_read_says_so(bool before)
    {
        using LinkRig rig = NewRig();
        (Link link, RigPeer peer) = rig.Accept();
        var item = new Woken();
        if (before)
        {
            link.CancelRead();
            Assert.False(link.WakeOnInput(item));
        }
        else
        {
            Assert.True(link.WakeOnInput(item));
            link.CancelRead();
            rig.Until(() => item.Times == 1);
        }
        Assert.True(rig.Run(link.Input.ReadAsync()).IsCanceled);
        Assert.True(rig.Run(rig.WriteAsync(link, "421 bye\r\n")));
        rig.Until(() => peer.Received == "421 bye\r\n");
        link.Close();
    }

    internal static void Idle(LinkRig rig)
    {
        for (int i = 0; i < 20; i++)
        {
            rig.Turn();
        }
    }
}
