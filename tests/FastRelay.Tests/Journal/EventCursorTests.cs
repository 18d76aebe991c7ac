using System.Text;
using System.Text.Json;
using FastRelay.Journal;
using FastRelay.Observe;
using FastRelay.Tests.Support;

namespace FastRelay.Tests.Journal;

/// <summary>The event stream's place in the journal: what a kill took from the stream is told by the next start.</summary>
public sealed class EventCursorTests
{
    private const string Cursor = "events.cursor";
    private readonly Counters _counters = new();
    private EventLines _lines = new();
    private EventStream? _events;

    private JournalRig Open(JournalRig? rig = null)
    {
        rig ??= new JournalRig();
        _lines = new EventLines();
        rig.Options = rig.Options with { Events = () => _events = new EventStream(_lines, rig.Manual.Time, _counters, new Log(rig.World.Output, rig.Manual.Time)) };
        return rig.Open();
    }

    private static IReadOnlyList<string> Log(JournalRig rig) => ((MemoryOutput)rig.World.Output).Lines;

    /// <summary>As a stage does: a message is told of when it is durable.</summary>
    private (MessageHandle Message, string Id) Accept(JournalRig rig, params string[] recipients)
    {
        MessageHandle message = rig.Commit(JournalRig.Body(100), recipients);
        string id = rig.Journal.IdOf(message).ToString();
        _events!.Begin("accepted"u8).Add("id"u8, id).Write();
        return (message, id);
    }

    private static ulong Stop(JournalRig rig)
    {
        EventCursor cursor = rig.Journal.EventCursor!;
        Task closed = cursor.CloseAsync(rig.Manual.Loop.NowMs + 1_000).AsTask();
        for (int i = 0; i < 200 && !closed.IsCompleted; i++)
        {
            rig.Manual.Time.Advance(10);
            rig.Settle();
        }
        Assert.True(closed.IsCompleted, "the cursor does not close");
        rig.Close();
        return cursor.Group;
    }

    [Fact]
    public void The_first_time_nothing_is_told_of_what_is_there()
    {
        JournalRig rig = new JournalRig().Open();
        rig.Commit(JournalRig.Body(100), "old@example.net");
        JournalRig next = Open(rig.Crash());
        Assert.Empty(_lines.Lines);
        Assert.Single(next.Replayed);
        Assert.Contains(Cursor, next.Disk.Names);
        Assert.DoesNotContain(Log(next), static line => line.Contains("event_cursor", StringComparison.Ordinal));
        // And what comes then is told again from then on.
        MessageHandle message = next.Commit(JournalRig.Body(100), "new@example.net");
        string id = next.Journal.IdOf(message).ToString();
        Open(next.Crash());
        Assert.Equal([$"*accepted {id}"], _lines.Short);
    }

    [Fact]
    public void What_stands_behind_the_cursor_is_told_again_and_what_stands_before_it_is_not()
    {
        JournalRig rig = Open();
        (MessageHandle first, string firstId) = Accept(rig, "one@example.net", "two@example.net", "three@example.net");
        rig.Pass(5_000);
        Assert.Equal(rig.Journal.EventCursor!.Group, (ulong)rig.Journal.Stats.Groups);
        (MessageHandle second, string secondId) = Accept(rig, "four@example.net");
        rig.Deliver(first, 0);
        rig.Defer(first, 999, 3, "421 later", 1);
        rig.Journal.RecordOutcome(first, [new RecipientOutcome(2, RecipientResult.Dropped)], 0, 0, default);
        rig.Deliver(second, 0);
        rig.Settle();

        JournalRig next = Open(rig.Crash());
        Assert.Equal([$"*accepted {secondId}", $"*delivered {firstId} one@example.net", $"*deferred {firstId} two@example.net", $"*failed {firstId} three@example.net", $"*delivered {secondId} four@example.net"], _lines.Short);
        using JsonDocument accepted = JsonDocument.Parse(_lines.Lines[0]);
        Assert.Equal(("sender@example.org", 1, "192.0.2.1:4711"), (accepted.RootElement.GetProperty("from").GetString(), accepted.RootElement.GetProperty("recipients").GetInt32(), accepted.RootElement.GetProperty("peer").GetString()));
        using JsonDocument deferred = JsonDocument.Parse(_lines.Lines[2]);
        Assert.Equal((3, "421 later"), (deferred.RootElement.GetProperty("attempts").GetInt32(), deferred.RootElement.GetProperty("reply").GetString()));
        Assert.Contains(Log(next), static line => line.Contains("event=events_recovered events=5 gaps=0", StringComparison.Ordinal));
        Assert.Equal(5, _counters.EventsRecovered);
        // Until they are written, another kill tells them again; then no more.
        Open(next.Crash());
        Assert.Equal(5, _lines.Lines.Count);
        next = Open(next.Crash());
        next.Pass(5_000);
        Open(next.Crash());
        Assert.Empty(_lines.Lines);
    }

    [Theory]
    [InlineData(false, true, true)]
    [InlineData(true, false, true)]
    [InlineData(true, true, false)]
    public void The_cursor_passes_nothing_that_is_not_written_or_not_durable_or_of_which_no_gap_has_told(bool writes, bool keeps, bool hasSpace)
    {
        JournalRig rig = Open();
        _lines.Writes = writes;
        _lines.Keeps = keeps;
        _lines.HasSpace = hasSpace;
        (MessageHandle _, string id) = Accept(rig, "one@example.net");
        rig.Pass(10_000);
        EventLines before = _lines;
        Open(rig.Crash());
        Assert.Equal([$"*accepted {id}"], _lines.Short);
        // The same run goes on as soon as it can.
        before.Writes = before.Keeps = before.HasSpace = true;
        rig.Pass(5_000);
        Assert.Equal(hasSpace ? ["accepted"] : ["gap"], before.Short.Select(static line => line.Split(' ')[0]));
        Open(rig.Crash());
        Assert.Empty(_lines.Lines);
    }

    [Fact]
    public void A_stop_moves_the_cursor_to_the_end_and_one_that_cannot_write_is_told_again()
    {
        JournalRig rig = Open();
        Accept(rig, "one@example.net");
        Assert.Equal((ulong)rig.Journal.Stats.Groups, Stop(rig));
        rig = Open(rig.Crash());
        Assert.Empty(_lines.Lines);
        _lines.Writes = false;
        (MessageHandle _, string id) = Accept(rig, "two@example.net");
        Stop(rig);
        Open(rig.Crash());
        Assert.Equal([$"*accepted {id}"], _lines.Short);
    }

    [Fact]
    public void Without_a_stream_the_cursor_goes_and_the_next_time_is_the_first()
    {
        JournalRig rig = Open();
        Accept(rig, "one@example.net");
        rig = rig.Crash().Open();
        Assert.DoesNotContain(Cursor, rig.Disk.Names);
        rig.Commit(JournalRig.Body(100), "two@example.net");
        Open(rig.Crash());
        Assert.Empty(_lines.Lines);
    }

    [Fact]
    public void A_torn_slot_leaves_the_one_before_and_two_are_a_gap()
    {
        JournalRig rig = Open();
        Accept(rig, "one@example.net");
        rig.Pass(5_000);
        (MessageHandle _, string id) = Accept(rig, "two@example.net");
        rig.Pass(5_000);
        byte[] file = rig.Disk.Content(Cursor);
        Assert.Equal(CursorFile.Bytes, file.Length);
        int newest = BitConverter.ToUInt64(file, 16) > BitConverter.ToUInt64(file, 4096 + 16) ? 0 : 4096;
        file[newest + 30] ^= 1;
        Open(rig.Crash(keepUnsynced: true));
        Assert.Equal([$"*accepted {id}"], _lines.Short);
        file[4096 - newest + 30] ^= 1;
        JournalRig next = Open(rig.Crash(keepUnsynced: true));
        Assert.Equal(["*gap cursor"], _lines.Short);
        Assert.Contains(Log(next), static line => line.Contains("event=event_cursor reason=\"its checksum is wrong\"", StringComparison.Ordinal));
        Open(next.Crash());
        Assert.Empty(_lines.Lines);
    }

    [Fact]
    public void A_cursor_behind_the_end_is_of_another_spool_and_is_set_back()
    {
        JournalRig rig = Open();
        for (int i = 0; i < 20; i++)
        {
            Accept(rig, "one@example.net");
        }
        rig.Pass(5_000);
        var next = new JournalRig();
        next.Disk.Put($"{JournalRig.Spool}/{Cursor}", (byte[])rig.Disk.Content(Cursor).Clone());
        Open(next);
        Assert.Empty(_lines.Lines);
        Assert.Contains(Log(next), static line => line.Contains("event=event_cursor reason=\"it stands behind the journal's end\"", StringComparison.Ordinal));
        MessageHandle message = next.Commit(JournalRig.Body(100), "two@example.net");
        string id = next.Journal.IdOf(message).ToString();
        Open(next.Crash());
        Assert.Equal([$"*accepted {id}"], _lines.Short);
    }

    [Fact]
    public void Segments_are_given_back_whatever_was_told_and_a_gap_says_so()
    {
        JournalRig rig = Open();
        _lines.Writes = false;
        byte[] body = JournalRig.Body(20_000);
        MessageHandle stays = rig.Commit(JournalRig.Body(100), "stays@example.net");
        string id = rig.Journal.IdOf(stays).ToString();
        rig.Defer(stays, 999, 1, "421 later", 0);
        for (int i = 0; i < 2_000; i++)
        {
            MessageHandle one = rig.Commit(body, "one@example.net");
            _events!.Begin("accepted"u8).Add("id"u8, 1).Write();
            rig.Deliver(one, 0);
        }
        rig.Settle();
        Assert.True(rig.Journal.Stats.Recycled > 5 && rig.Journal.Stats.Moved > 0);
        Open(rig.Crash());
        Assert.Equal("*gap reclaimed", _lines.Short.First());
        Assert.Single(_lines.Short, static line => line.StartsWith("*gap", StringComparison.Ordinal));
        // Copies are no news.
        Assert.DoesNotContain(_lines.Short, line => line.Contains(id, StringComparison.Ordinal));
        using JsonDocument gap = JsonDocument.Parse(_lines.Lines[0]);
        Assert.True(gap.RootElement.TryGetProperty("since", out _));
    }

    [Fact]
    public void A_segment_that_is_given_back_hurries_the_cursor()
    {
        JournalRig rig = Open();
        byte[] body = JournalRig.Body(20_000);
        for (int i = 0; i < 200; i++)
        {
            rig.Deliver(rig.Commit(body, "one@example.net"), 0);
        }
        rig.Settle();
        Assert.True(rig.Journal.Stats.Recycled > 0);
        for (int i = 0; i < 10; i++)
        {
            rig.Manual.Time.Advance(10);
            rig.Settle();
        }
        Assert.Equal((ulong)rig.Journal.Stats.Groups, rig.Journal.EventCursor!.Group);
    }

    [Fact]
    public void What_cannot_be_read_behind_the_cursor_is_a_gap_and_before_it_is_none()
    {
        JournalRig rig = Open();
        Accept(rig, "one@example.net");
        rig.Pass(5_000);
        Accept(rig, "two@example.net");
        string last = Accept(rig, "three@example.net").Id;
        byte[] segment = rig.Disk.Content("0000000000000001.seg");
        int at = segment.AsSpan().IndexOf("two@example.net"u8);
        segment[at] ^= 1;
        Open(rig.Crash(keepUnsynced: true));
        Assert.Equal(["*gap damaged", $"*accepted {last}"], _lines.Short);
        segment[at] ^= 1;
        segment[segment.AsSpan().IndexOf("one@example.net"u8)] ^= 1;
        Open(rig.Crash(keepUnsynced: true));
        Assert.Equal(2, _lines.Short.Count(static line => line.StartsWith("*accepted", StringComparison.Ordinal)));
        Assert.DoesNotContain(_lines.Short, static line => line.StartsWith("*gap", StringComparison.Ordinal));
    }

    [Fact]
    public void A_report_tells_of_those_whom_it_settles_what_its_text_says()
    {
        JournalRig rig = Open();
        (MessageHandle message, string id) = Accept(rig, "no@example.net", "yes@example.net", "plain@example.net");
        rig.Pass(5_000);
        string bounce = Report(rig, message, "x\r\nFinal-Recipient: rfc822; no@example.net\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\nFinal-Recipient: rfc822; yes@example.net\r\nAction: relayed\r\n", 0, 1);
        string second = Report(rig, message, "nothing that says it\r\n", 2);
        string warning = Report(rig, MessageHandle.None, "a delay\r\n");
        Open(rig.Crash());
        Assert.Equal([$"*failed {id} no@example.net", $"*delivered {id} yes@example.net", $"*bounce {bounce}", $"*failed {id} plain@example.net", $"*bounce {second}", $"*delay_warning {warning}"], _lines.Short);
        using JsonDocument read = JsonDocument.Parse(_lines.Lines[2]);
        Assert.Equal((id, 2), (read.RootElement.GetProperty("for").GetString(), read.RootElement.GetProperty("recipients").GetInt32()));
    }

    [Fact]
    public void An_outcome_whose_message_is_gone_names_the_number_of_its_recipient_and_a_move_is_no_attempt()
    {
        JournalRig rig = Open();
        (MessageHandle message, string id) = Accept(rig, "one@example.net", "two@example.net");
        rig.Pass(5_000);
        rig.Move(message, "smtp:[192.0.2.1]", 7_000, 0, "", 1);
        rig.Deliver(message, 1);
        rig.Settle();
        byte[] segment = rig.Disk.Content("0000000000000001.seg");
        segment[segment.AsSpan().IndexOf("one@example.net"u8)] ^= 1;
        Open(rig.Crash(keepUnsynced: true));
        Assert.Equal([$"*delivered {id} 1"], _lines.Short);
    }

    [Fact]
    public void A_cursor_that_cannot_be_made_or_written_is_said_once_and_holds_up_nothing()
    {
        var rig = new JournalRig();
        rig.Disk.Fault = static (_, name) => name == Cursor + ".new" ? 28 : 0;
        Open(rig);
        Accept(rig, "one@example.net");
        rig.Pass(5_000);
        Assert.DoesNotContain(Cursor, rig.Disk.Names);
        Assert.Single(Log(rig), static line => line.Contains("event=event_cursor", StringComparison.Ordinal));
        rig.Disk.Fault = null;
        rig.Pass(5_000);
        Assert.Contains(Cursor, rig.Disk.Names);
        rig = Open(rig.Crash());
        Assert.Empty(_lines.Lines);
        rig.Disk.Fault = static (action, name) => action == DiskAction.Write && name.Contains(Cursor, StringComparison.Ordinal) ? 5 : 0;
        (MessageHandle _, string id) = Accept(rig, "two@example.net");
        rig.Pass(20_000);
        Assert.Single(Log(rig), static line => line.Contains("event=event_cursor", StringComparison.Ordinal));
        Open(rig.Crash());
        Assert.Equal([$"*accepted {id}"], _lines.Short);
        rig.Disk.Fault = null;
        rig.Pass(5_000);
        Open(rig.Crash());
        Assert.Empty(_lines.Lines);
    }

    private static string Report(JournalRig rig, MessageHandle settles, string text, params int[] recipients)
    {
        var writer = new MessageWriter(rig.Journal);
        MessageId id = writer.Begin();
        Assert.Equal(JournalStatus.Ok, rig.Fill(writer, Encoding.ASCII.GetBytes(text)));
        var envelope = new EnvelopeBuilder();
        envelope.Start(default, EnvelopeFlags.Bounce, "[bounce]"u8, default);
        Assert.True(envelope.TryAddRecipient("sender@example.org"u8));
        CommitResult result = rig.Wait(settles.IsValid ? writer.CommitAsync(envelope, settles, recipients) : writer.CommitAsync(envelope));
        Assert.Equal(JournalStatus.Ok, result.Status);
        return id.ToString();
    }
}
