using FastRelay.Journal;

namespace FastRelay.Tests.Journal;

public class AllocationTests
{
    private static readonly byte[] _body = JournalRig.Body(4096);

    [Fact]
    public void A_message_from_commit_to_settling_allocates_nothing()
    {
        JournalRig rig = Open();
        var writer = new MessageWriter(rig.Journal);
        EnvelopeBuilder envelope = JournalRig.Envelope("sender@example.org", "one@example.net", "two@example.net");
        // Long enough for every pool to have what it needs: the table of ids begins as 256 parts.
        Measure(rig, () => Relay(rig, writer, envelope, 300));
        Assert.Equal(0, Measure(rig, () => Relay(rig, writer, envelope, 400)));
        Assert.Equal(0, rig.Journal.Stats.Messages);
    }

    [Fact]
    public void Many_writers_at_once_allocate_nothing_either()
    {
        JournalRig rig = Open();
        var sessions = new (MessageWriter Writer, EnvelopeBuilder Envelope)[64];
        for (int i = 0; i < sessions.Length; i++)
        {
            sessions[i] = (new MessageWriter(rig.Journal), JournalRig.Envelope("sender@example.org", "one@example.net"));
        }
        Task Run(int count) => Task.WhenAll(sessions.Select(session => Relay(rig, session.Writer, session.Envelope, count)));
        Measure(rig, () => Run(10));
        // Starting 64 tasks costs what it costs; twenty times the messages cost no more.
        long few = Measure(rig, () => Run(1));
        long many = Measure(rig, () => Run(20));
        Assert.InRange(many - few, -4096, 4096);
    }

    /// <summary>Past the first segment, which is small, with its successor open and the spares made: a disk in memory allocates its files.</summary>
    private static JournalRig Open()
    {
        JournalRig rig = new JournalRig(16 << 20).Open();
        for (int written = 0; written < 5 << 20; written += 28_000)
        {
            rig.Deliver(rig.Commit(JournalRig.Body(28_000), "first@example.net"), 0);
        }
        rig.Settle();
        return rig;
    }

    private static async Task Relay(JournalRig rig, MessageWriter writer, EnvelopeBuilder envelope, int count)
    {
        var outcomes = new RecipientOutcome[1];
        for (int i = 0; i < count; i++)
        {
            writer.Begin();
            _body.CopyTo(writer.GetSpan(4096));
            writer.Advance(_body.Length);
            CommitResult result = await writer.CommitAsync(envelope);
            Check.That(result.Status == JournalStatus.Ok);
            BodyReader reader = rig.Journal.OpenBody();
            reader.Start(result.Message);
            BodyStatus status = await reader.PrepareAsync();
            Check.That(status == BodyStatus.Ok);
            int pieces = 0;
            while (reader.TryNext(out _))
            {
                pieces++;
            }
            Check.That(pieces == 1);
            reader.Close();
            outcomes[0] = new RecipientOutcome(0, RecipientResult.Deferred);
            rig.Journal.RecordOutcome(result.Message, outcomes, 1, 1, "451 later"u8);
            for (int r = 0; r < envelope.RecipientCount; r++)
            {
                outcomes[0] = new RecipientOutcome(r, RecipientResult.Delivered);
                rig.Journal.RecordOutcome(result.Message, outcomes, 0, 2, "250 ok"u8);
            }
        }
    }

    private static long Measure(JournalRig rig, Func<Task> start)
    {
        Task task = start();
        long before = GC.GetAllocatedBytesForCurrentThread();
        while (!task.IsCompleted)
        {
            rig.Manual.Loop.Turn(canSleep: false);
            if (!rig.Disk.RunWriteJob())
            {
                rig.Disk.RunReadJob();
            }
        }
        long used = GC.GetAllocatedBytesForCurrentThread() - before;
        task.GetAwaiter().GetResult();
        rig.Settle();
        return used;
    }
}
