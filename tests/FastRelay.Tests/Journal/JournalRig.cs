using System.Text;
using FastRelay.Journal;
using FastRelay.Outside;
using FastRelay.Tests.Support;

namespace FastRelay.Tests.Journal;

/// <summary>A message as replay or the test saw it.</summary>
public sealed record SeenMessage(MessageHandle Handle, MessageId Id, string From, string[] Recipients, int[] Pending, bool Hold, int Attempts, long NextDue, string Reason)
{
    /// <summary>Those pending whom the operator holds.</summary>
    public required int[] Held { get; init; }
}

/// <summary>A journal on a disk in memory, and a loop that the test turns.</summary>
public sealed class JournalRig : IReplay
{
    public const string Spool = "/spool";

    public JournalRig(int segmentBytes = 2 << 20, SyncMode sync = SyncMode.Group, MemoryDisk? disk = null, Func<Loop, MemoryDisk>? makeDisk = null, Limits? limits = null)
    {
        Disk = disk ?? makeDisk?.Invoke(Manual.Loop) ?? new MemoryDisk(Manual.Loop);
        World = new World(Manual.Time, Manual.Loop, Disk, null!, null!, null!, new Random(7), new MemoryOutput());
        Options = new JournalOptions { Path = Spool, Sync = sync, Limits = (limits ?? new Limits()) with { SegmentBytes = segmentBytes } };
    }

    public ManualLoop Manual { get; } = new();

    public MemoryDisk Disk { get; }

    public World World { get; }

    public JournalOptions Options { get; set; }

    public MessageJournal Journal { get; private set; } = null!;

    public RecoveryReport Report { get; private set; } = null!;

    public List<SeenMessage> Replayed { get; } = [];

    /// <summary>Opens and lets the background work finish.</summary>
    public JournalRig Open()
    {
        JournalOpenResult result = MessageJournal.Open(World, Options, this);
        Assert.Equal("", result.Error);
        Journal = result.Journal!;
        Report = result.Report;
        Settle();
        return this;
    }

    /// <summary>A rig that finds what this one left behind.</summary>
    public JournalRig Crash(bool keepUnsynced = false)
    {
        var next = new JournalRig(Options.Limits.SegmentBytes, Options.Sync, makeDisk: loop => Disk.AfterCrash(loop, keepUnsynced), limits: Options.Limits);
        next.Manual.Time.Advance(60_000);
        return next;
    }

    /// <summary>Runs loop and disk until nothing is left to do.</summary>
    public void Settle()
    {
        do
        {
            Manual.Settle();
        }
        while (Disk.RunWriteJob() || Disk.RunReadJob());
    }

    public void Pass(long milliseconds)
    {
        for (long i = 0; i < milliseconds; i += 500)
        {
            Manual.Time.Advance(500);
            Settle();
        }
    }

    public T Wait<T>(ValueTask<T> operation)
    {
        Task<T> task = operation.AsTask();
        if (!task.IsCompleted)
        {
            Settle();
        }
        Assert.True(task.IsCompleted, "the operation does not end");
        return task.GetAwaiter().GetResult();
    }

    public void Close()
    {
        Task closed = Journal.CloseAsync().AsTask();
        Settle();
        Assert.True(closed.IsCompleted, "the journal does not close");
        closed.GetAwaiter().GetResult();
    }

    public static EnvelopeBuilder Envelope(string from, params string[] recipients)
    {
        var builder = new EnvelopeBuilder();
        builder.Start(Encoding.UTF8.GetBytes(from), EnvelopeFlags.None, "192.0.2.1:4711"u8, "client.example"u8);
        foreach (string recipient in recipients)
        {
            Assert.True(builder.TryAddRecipient(Encoding.UTF8.GetBytes(recipient)));
        }
        return builder;
    }

    /// <summary>Writes a body of any size into a writer; false when a chunk was refused.</summary>
    public JournalStatus Fill(MessageWriter writer, ReadOnlyMemory<byte> body)
    {
        while (body.Length > 0)
        {
            if (writer.IsFull)
            {
                JournalStatus status = Wait(writer.FlushAsync());
                if (status != JournalStatus.Ok)
                {
                    return status;
                }
            }
            Span<byte> span = writer.GetSpan(1);
            int count = Math.Min(span.Length, body.Length);
            body.Span[..count].CopyTo(span);
            writer.Advance(count);
            body = body[count..];
        }
        return JournalStatus.Ok;
    }

    /// <summary>Begins a commit without waiting for it.</summary>
    public ValueTask<CommitResult> Begin(ReadOnlyMemory<byte> body, params string[] recipients) => Begin(out _, body, recipients);

    public ValueTask<CommitResult> Begin(out MessageId id, ReadOnlyMemory<byte> body, params string[] recipients)
    {
        var writer = new MessageWriter(Journal);
        id = writer.Begin();
        JournalStatus status = Fill(writer, body);
        if (status != JournalStatus.Ok)
        {
            writer.Abandon();
            return new ValueTask<CommitResult>(new CommitResult(status, MessageHandle.None));
        }
        return writer.CommitAsync(Envelope("sender@example.org", recipients));
    }

    /// <summary>Commits a message and waits for it.</summary>
    public MessageHandle Commit(ReadOnlyMemory<byte> body, params string[] recipients)
    {
        CommitResult result = Wait(Begin(body, recipients));
        Assert.Equal(JournalStatus.Ok, result.Status);
        return result.Message;
    }

    public void Deliver(MessageHandle message, params int[] recipients)
    {
        Journal.RecordOutcome(message, [.. recipients.Select(static i => new RecipientOutcome(i, RecipientResult.Delivered))], 0, 1, "250 ok"u8);
    }

    /// <summary>As <c>queue move</c> records it; an empty target takes it back.</summary>
    public void Move(MessageHandle message, string target, long unixMs, int attempts, string reason, params int[] recipients) =>
        Journal.RecordOutcome(message, [.. recipients.Select(static i => new RecipientOutcome(i, RecipientResult.Deferred))], unixMs, attempts, Encoding.UTF8.GetBytes(reason), new RecordedMove(Encoding.UTF8.GetBytes(target), unixMs));

    public string MovedTo(MessageHandle message, int recipient) => Journal.TryGetDeferred(message, recipient, out DeferredSet set) ? Encoding.UTF8.GetString(set.Move.Target) : "";

    public void Defer(MessageHandle message, long nextDue, int attempts, string reason, params int[] recipients)
    {
        Journal.RecordOutcome(message, [.. recipients.Select(static i => new RecipientOutcome(i, RecipientResult.Deferred))], nextDue, attempts, Encoding.UTF8.GetBytes(reason));
    }

    /// <summary>Reads a body back.</summary>
    public BodyStatus Read(MessageHandle message, out byte[] body)
    {
        BodyReader reader = Journal.OpenBody();
        reader.Start(message);
        BodyStatus status = Wait(reader.PrepareAsync());
        using var bytes = new MemoryStream();
        while (status == BodyStatus.Ok && reader.TryNext(out ReadOnlyMemory<byte> piece))
        {
            bytes.Write(piece.Span);
        }
        reader.Close();
        body = bytes.ToArray();
        return status;
    }

    public static byte[] Body(int length, int seed = 1)
    {
        var body = new byte[length];
        new Random(seed).NextBytes(body);
        return body;
    }

    void IReplay.Message(MessageHandle message, in Envelope envelope, in ReplayState state)
    {
        var recipients = new List<string>();
        var pending = new List<int>();
        var held = new List<int>();
        int attempts = 0;
        long due = 0;
        string reason = "";
        foreach ((int index, ReadOnlySpan<byte> mailbox) in envelope)
        {
            recipients.Add(Encoding.UTF8.GetString(mailbox));
            if (state.IsPending(index))
            {
                pending.Add(index);
                held.AddRange(state.IsHeld(index) ? [index] : []);
            }
            if (state.TryGetDeferred(index, out DeferredSet set))
            {
                attempts = set.Attempts;
                due = set.NextDueUnixMs;
                reason = Encoding.UTF8.GetString(set.Reason);
            }
        }
        MessageId id = state.Id;
        Replayed.Add(new SeenMessage(message, id, Encoding.UTF8.GetString(envelope.ReversePath), [.. recipients], [.. pending], held.Count > 0, attempts, due, reason) { Held = [.. held] });
    }
}
