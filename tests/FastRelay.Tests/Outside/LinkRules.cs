using System.IO.Pipelines;
using System.Text;
using FastRelay.Outside;

namespace FastRelay.Tests.Outside;

/// <summary>The rules of <see cref="Link"/> that every implementation keeps.</summary>
public abstract class LinkRules
{
    /// <summary>Makes the implementation under test.</summary>
    protected abstract LinkRig NewRig();

    [Fact]
    public void Bytes_go_both_ways()
    {
        using LinkRig rig = NewRig();
        (Link link, RigPeer peer) = rig.Accept();
        peer.Send("EHLO x\r\n");
        Assert.Equal("EHLO x\r\n", rig.Run(rig.ReadAsync(link, 8)));
        Assert.True(rig.Run(rig.WriteAsync(link, "250 ok\r\n")));
        rig.Until(() => peer.Received == "250 ok\r\n");
        link.Close();
        rig.Until(() => peer.SawEnd);
        Assert.False(peer.SawReset);
    }

    [Fact]
    public void A_dialled_link_reads_what_the_peer_says_first()
    {
        using LinkRig rig = NewRig();
        (Link link, RigPeer peer) = rig.Dial();
        peer.Send("220 hello\r\n");
        Assert.Equal("220 hello\r\n", rig.Run(rig.ReadAsync(link, 11)));
        link.Close();
    }

    [Fact]
    public void Two_links_talk_to_each_other()
    {
        using LinkRig rig = NewRig();
        (Link client, Link server) = rig.Pair();
        Assert.Equal(client.Local, server.Remote);
        Assert.Equal(client.Remote, server.Local);
        Assert.Equal(2, rig.Network.OpenLinks);
        for (int i = 0; i < 100; i++)
        {
            rig.Run(rig.WriteAsync(client, "ping"));
            Assert.Equal("ping", rig.Run(rig.ReadAsync(server, 4)));
            rig.Run(rig.WriteAsync(server, "pong"));
            Assert.Equal("pong", rig.Run(rig.ReadAsync(client, 4)));
        }
        client.Close();
        server.Close();
        rig.Until(() => rig.Network.OpenLinks == 0);
    }

    [Fact]
    public void A_reset_completes_a_waiting_read_and_says_so()
    {
        using LinkRig rig = NewRig();
        (Link link, RigPeer peer) = rig.Accept();
        ValueTask<ReadResult> read = link.Input.ReadAsync();
        peer.Reset();
        ReadResult result = rig.Run(read);
        Assert.True(result.IsCompleted);
        Assert.True(result.Buffer.IsEmpty);
        Assert.Equal(LinkError.Reset, link.Error);
        Assert.False(rig.Run(rig.WriteAsync(link, "too late")));
        link.Close();
        Assert.Equal(0, rig.Network.OpenLinks);
        Assert.Equal(0, rig.RentedBuffers);
    }

    [Fact]
    public void A_reset_completes_a_flush_that_waits_for_room()
    {
        using LinkRig rig = NewRig();
        (Link link, RigPeer peer) = rig.Accept();
        peer.Reads = false;
        ValueTask<FlushResult> write = link.Output.WriteAsync(new byte[32 << 20]);
        for (int i = 0; i < 100; i++)
        {
            rig.Turn();
        }
        Assert.False(write.IsCompleted);
        peer.Reset();
        Assert.True(rig.Run(write).IsCompleted);
        Assert.Equal(LinkError.Reset, link.Error);
        link.Close();
        Assert.Equal(0, rig.RentedBuffers);
    }

    [Fact]
    public void A_peer_that_has_ended_sending_still_gets_our_reply()
    {
        using LinkRig rig = NewRig();
        (Link link, RigPeer peer) = rig.Accept();
        peer.Send("QUIT\r\n");
        peer.EndSending();
        Assert.Equal("QUIT\r\n", rig.Run(rig.ReadAsync(link, 6)));
        ReadResult end = rig.Run(link.Input.ReadAsync());
        Assert.True(end.IsCompleted);
        Assert.Equal(LinkError.Eof, link.Error);
        Assert.True(rig.Run(rig.WriteAsync(link, "221 bye\r\n")));
        rig.Until(() => peer.Received == "221 bye\r\n");
        link.Close();
        rig.Until(() => peer.SawEnd);
        Assert.False(peer.SawReset);
    }

    [Fact]
    public void The_end_that_comes_with_the_last_bytes_is_seen_after_them()
    {
        using LinkRig rig = NewRig();
        (Link link, RigPeer peer) = rig.Accept();
        ValueTask<ReadResult> first = link.Input.ReadAsync();
        peer.Send("last");
        peer.EndSending();
        ReadResult result = rig.Run(first);
        Assert.Equal("last", Encoding.Latin1.GetString(result.Buffer.FirstSpan));
        link.Input.AdvanceTo(result.Buffer.End);
        Assert.True(rig.Run(link.Input.ReadAsync()).IsCompleted);
        link.Close();
    }

    [Fact]
    public void A_large_write_reaches_a_slow_reader_whole_and_stops_the_writer_meanwhile()
    {
        using LinkRig rig = NewRig();
        (Link link, RigPeer peer) = rig.Accept();
        peer.Reads = false;
        byte[] body = new byte[16 << 20];
        for (int i = 0; i < body.Length; i++)
        {
            body[i] = (byte)('a' + (i / 7 % 26));
        }
        link.Output.GetSpan(5)[..5].Fill((byte)'#');
        link.Output.Advance(5);
        ValueTask<FlushResult> write = link.Output.WriteAsync(body);
        for (int i = 0; i < 1000; i++)
        {
            rig.Turn();
        }
        Assert.False(write.IsCompleted);
        peer.Reads = true;
        Assert.False(rig.Run(write).IsCompleted);
        link.Close();
        rig.Until(() => peer.SawEnd);
        Assert.Equal("#####" + Encoding.Latin1.GetString(body), peer.Received);
    }

    [Fact]
    public void A_client_that_sent_more_than_we_read_still_sees_our_last_reply()
    {
        using LinkRig rig = NewRig();
        (Link link, RigPeer peer) = rig.Accept();
        peer.Reads = false;
        peer.Send("BAD\r\n" + new string('x', 40_000));
        Assert.Equal("BAD\r\n", rig.Run(rig.ReadAsync(link, 5)));
        Assert.True(rig.Run(rig.WriteAsync(link, "421 go away\r\n")));
        link.Close();
        peer.Send(new string('y', 10_000));
        peer.Reads = true;
        rig.Until(() => peer.SawEnd || peer.SawReset);
        Assert.Equal("421 go away\r\n", peer.Received);
        Assert.False(peer.SawReset);
        peer.EndSending();
        rig.Until(() => rig.Network.OpenLinks == 0);
        Assert.Equal(0, rig.RentedBuffers);
    }

    [Fact]
    public void Aborting_completes_what_waits_and_resets_the_peer()
    {
        using LinkRig rig = NewRig();
        (Link link, RigPeer peer) = rig.Accept();
        ValueTask<ReadResult> read = link.Input.ReadAsync();
        link.Abort();
        link.Abort();
        Assert.False(read.IsCompleted);
        Assert.True(rig.Run(read).IsCompleted);
        Assert.Equal(LinkError.Aborted, link.Error);
        Assert.True(rig.Run(link.Input.ReadAsync()).IsCompleted);
        Assert.False(rig.Run(rig.WriteAsync(link, "no")));
        rig.Until(() => peer.SawReset);
        link.Close();
        Assert.Equal(0, rig.Network.OpenLinks);
        Assert.Equal(0, rig.RentedBuffers);
    }

    [Fact]
    public void Aborting_completes_a_flush_that_waits()
    {
        using LinkRig rig = NewRig();
        (Link link, RigPeer peer) = rig.Accept();
        peer.Reads = false;
        ValueTask<FlushResult> write = link.Output.WriteAsync(new byte[32 << 20]);
        rig.Turn();
        link.Abort();
        Assert.True(rig.Run(write).IsCompleted);
        Assert.Equal(LinkError.Aborted, link.Error);
    }

    [Fact]
    public void Bytes_in_hand_stay_what_they_are_when_the_link_is_aborted()
    {
        using LinkRig rig = NewRig();
        (Link link, RigPeer peer) = rig.Accept();
        (Link other, RigPeer otherPeer) = rig.Accept();
        peer.Send("mine");
        ReadResult result = rig.Run(link.Input.ReadAsync());
        link.Abort();
        otherPeer.Send("yours");
        Assert.Equal("yours", rig.Run(rig.ReadAsync(other, 5)));
        Assert.Equal("mine", Encoding.Latin1.GetString(result.Buffer.FirstSpan));
        link.Input.AdvanceTo(result.Buffer.End);
        Assert.Equal(0, rig.RentedBuffers);
        link.Close();
        other.Close();
    }

    [Fact]
    public void Closing_gives_back_what_was_in_hand_also_after_aborting()
    {
        using LinkRig rig = NewRig();
        (Link link, RigPeer peer) = rig.Accept();
        peer.Send("mine");
        ReadResult result = rig.Run(link.Input.ReadAsync());
        link.Output.GetSpan(1)[0] = (byte)'x';
        link.Output.Advance(1);
        link.Abort();
        link.Close();
        Assert.Equal(0, rig.RentedBuffers);
        link.Input.AdvanceTo(result.Buffer.Start);
        link.Close();
        Assert.Equal(0, rig.RentedBuffers);
    }

    [Fact]
    public void An_idle_link_owns_no_buffer()
    {
        using LinkRig rig = NewRig();
        (Link link, RigPeer peer) = rig.Accept();
        ValueTask<ReadResult> read = link.Input.ReadAsync();
        Assert.Equal(0, rig.RentedBuffers);
        peer.Send("x");
        ReadResult result = rig.Run(read);
        Assert.Equal(1, rig.RentedBuffers);
        link.Input.AdvanceTo(result.Buffer.End);
        Assert.Equal(0, rig.RentedBuffers);
        link.Output.GetSpan(1)[0] = (byte)'y';
        link.Output.Advance(1);
        Assert.Equal(1, rig.RentedBuffers);
        rig.Run(link.Output.FlushAsync());
        Assert.Equal(0, rig.RentedBuffers);
        link.Close();
    }

    [Fact]
    public void What_was_examined_waits_for_more_and_more_is_appended()
    {
        using LinkRig rig = NewRig();
        (Link link, RigPeer peer) = rig.Accept();
        peer.Send("one");
        ReadResult result = rig.Run(link.Input.ReadAsync());
        link.Input.AdvanceTo(result.Buffer.GetPosition(1), result.Buffer.End);
        ValueTask<ReadResult> read = link.Input.ReadAsync();
        rig.Turn();
        Assert.False(read.IsCompleted);
        peer.Send("two");
        result = rig.Run(read);
        Assert.Equal("netwo", Encoding.Latin1.GetString(result.Buffer.FirstSpan));
        Assert.True(result.Buffer.IsSingleSegment);
        link.Close();
    }

    [Fact]
    public void What_was_not_examined_is_delivered_again_at_once()
    {
        using LinkRig rig = NewRig();
        (Link link, RigPeer peer) = rig.Accept();
        peer.Send("onetwo");
        ReadResult result = rig.Run(link.Input.ReadAsync());
        link.Input.AdvanceTo(result.Buffer.GetPosition(3));
        ReadResult again = rig.Run(link.Input.ReadAsync());
        Assert.Equal("two", Encoding.Latin1.GetString(again.Buffer.FirstSpan));
        link.Close();
    }

    [Fact]
    public void A_full_buffer_of_which_nothing_is_consumed_is_our_own_defect()
    {
        using LinkRig rig = NewRig();
        (Link link, RigPeer peer) = rig.Accept();
        peer.Send(new string('x', Link.ReadBufferBytes + 1));
        ReadResult result;
        do
        {
            result = rig.Run(link.Input.ReadAsync());
            link.Input.AdvanceTo(result.Buffer.Start, result.Buffer.End);
        }
        while (result.Buffer.Length < Link.ReadBufferBytes);
        Assert.Throws<CheckFailedException>(() => rig.Run(link.Input.ReadAsync()));
    }

    [Fact]
    public void More_than_the_write_buffer_holds_is_our_own_defect()
    {
        using LinkRig rig = NewRig();
        (Link link, RigPeer _) = rig.Accept();
        link.Output.Advance(link.Output.GetMemory(Link.WriteBufferBytes - 1).Length - 1);
        Assert.Throws<CheckFailedException>(() => link.Output.GetMemory(2).Length);
    }

    [Fact]
    public void Cancelling_ends_a_waiting_read_and_the_link_can_still_write()
    {
        using LinkRig rig = NewRig();
        (Link link, RigPeer peer) = rig.Accept();
        ValueTask<ReadResult> read = link.Input.ReadAsync();
        link.CancelRead();
        Assert.False(read.IsCompleted);
        Assert.True(rig.Run(read).IsCanceled);
        Assert.Equal(LinkError.None, link.Error);
        Assert.True(rig.Run(rig.WriteAsync(link, "421 closing\r\n")));
        link.Close();
        rig.Until(() => peer.SawEnd);
        Assert.Equal("421 closing\r\n", peer.Received);
    }

    [Fact]
    public void Cancelling_before_a_read_ends_the_next_one()
    {
        using LinkRig rig = NewRig();
        (Link link, RigPeer _) = rig.Accept();
        link.CancelRead();
        Assert.True(rig.Run(link.Input.ReadAsync()).IsCanceled);
    }

    [Fact]
    public void A_flood_on_one_link_does_not_keep_another_from_its_turn()
    {
        using LinkRig rig = NewRig();
        (Link flooder, Link flooded) = rig.Pair();
        (Link quiet, RigPeer quietPeer) = rig.Accept();
        long consumed = 0;
        int turnsWithTooMuch = 0;
        long turn = 0;
        long inTurn = 0;
        bool stop = false;
        async ValueTask Swallow()
        {
            while (!stop)
            {
                ReadResult result = await flooded.Input.ReadAsync();
                if (turn != rig.Loop.Turns)
                {
                    turn = rig.Loop.Turns;
                    inTurn = 0;
                }
                consumed += result.Buffer.Length;
                inTurn += result.Buffer.Length;
                turnsWithTooMuch += inTurn > 64 * 1024 + Link.ReadBufferBytes ? 1 : 0;
                flooded.Input.AdvanceTo(result.Buffer.End);
                stop |= result.IsCompleted;
            }
        }
        async ValueTask Flood()
        {
            byte[] chunk = new byte[256 * 1024];
            while (!stop && !(await flooder.Output.WriteAsync(chunk)).IsCompleted)
            {
            }
        }
        Task swallowing = Swallow().AsTask();
        Task flooding = Flood().AsTask();
        rig.Until(() => consumed > 1 << 20);
        ValueTask<string> read = rig.ReadAsync(quiet, 4);
        quietPeer.Send("ping");
        Assert.Equal("ping", rig.Run(read));
        stop = true;
        flooder.Abort();
        rig.Until(() => swallowing.IsCompleted && flooding.IsCompleted);
        Assert.Equal(0, turnsWithTooMuch);
    }

    [Fact]
    public void A_dial_that_nobody_answers_says_why()
    {
        using LinkRig rig = NewRig();
        (Link client, Link server) = rig.Pair();
        System.Net.IPEndPoint nobody = client.Local;
        client.Abort();
        server.Abort();
        DialResult result = rig.Run(rig.Network.ConnectAsync(nobody, null, 5_000));
        Assert.Null(result.Link);
        Assert.Equal(111, result.Errno);
    }
}
