using FastRelay.Journal;
using FastRelay.Outside;
using FastRelay.Outside.Linux;
using FastRelay.Tests.Support;

namespace FastRelay.Tests.Journal;

/// <summary>The same journal on the real file system, with its two threads.</summary>
public sealed class RealDiskTests : IReplay, IDisposable
{
    private readonly string _folder = Path.Combine(Path.GetTempPath(), "fastrelay-journal-" + Path.GetRandomFileName());
    private readonly ManualLoop _manual = new();
    private readonly List<(MessageId Id, MessageHandle Handle)> _replayed = [];
    private readonly LinuxDisk _disk;

    public RealDiskTests() => _disk = new LinuxDisk(_manual.Loop);

    [Fact]
    public void Mail_survives_a_close_and_an_end_without_one()
    {
        MessageJournal journal = Open();
        byte[] small = JournalRig.Body(4000, 1);
        byte[] large = JournalRig.Body(300_000, 2);
        Commit(journal, small);
        Commit(journal, large);
        Await(journal.CloseAsync().AsTask());

        journal = Open();
        Assert.Equal(2, _replayed.Count);
        Assert.Equal(small, Read(journal, _replayed[0].Handle));
        Assert.Equal(large, Read(journal, _replayed[1].Handle));
        JournalOpenResult second = MessageJournal.Open(World(), Options(), this);
        Assert.Contains("in use by another process", second.Error, StringComparison.Ordinal);
        for (int i = 0; i < 300; i++)
        {
            MessageHandle message = Commit(journal, large);
            journal.RecordOutcome(message, [new RecipientOutcome(0, RecipientResult.Delivered)], 0, 1, default);
        }
        Assert.True(journal.Stats.Recycled > 0 || journal.Stats.Segments > 1);
        Await(journal.CloseAsync().AsTask());

        journal = Open();
        Assert.Equal(2, _replayed.Count);
        Assert.Equal(large, Read(journal, _replayed[1].Handle));
        Await(journal.CloseAsync().AsTask());
    }

    [Fact]
    public void A_folder_that_cannot_be_made_is_named()
    {
        JournalOpenResult result = MessageJournal.Open(World(), Options() with { Path = "/proc/fastrelay" }, this);
        Assert.Null(result.Journal);
        Assert.StartsWith("/proc/fastrelay: the spool cannot be made", result.Error, StringComparison.Ordinal);
        result = MessageJournal.Open(World(), Options() with { Path = "/nonexistent/fastrelay" }, this);
        Assert.Contains("No such file or directory", result.Error, StringComparison.Ordinal);
    }

    void IReplay.Message(MessageHandle message, in Envelope envelope, in ReplayState state) => _replayed.Add((state.Id, message));

    public void Dispose()
    {
        _disk.Dispose();
        if (Directory.Exists(_folder))
        {
            Directory.Delete(_folder, recursive: true);
        }
    }

    private World World() => new(TimeProvider.System, _manual.Loop, _disk, null!, null!, null!, new Random(), new MemoryOutput());

    private JournalOptions Options() => new() { Path = _folder, Limits = new Limits { SegmentBytes = 4 << 20, FreeBytesFloor = 1 << 20 } };

    private MessageJournal Open()
    {
        _replayed.Clear();
        JournalOpenResult result = MessageJournal.Open(World(), Options(), this);
        Assert.Equal("", result.Error);
        return result.Journal!;
    }

    private MessageHandle Commit(MessageJournal journal, byte[] body)
    {
        Task<CommitResult> commit = Write(journal, body);
        Await(commit);
        Assert.Equal(JournalStatus.Ok, commit.Result.Status);
        return commit.Result.Message;
    }

    private static async Task<CommitResult> Write(MessageJournal journal, byte[] body)
    {
        var writer = new MessageWriter(journal);
        writer.Begin();
        for (int at = 0; at < body.Length;)
        {
            if (writer.IsFull)
            {
                Assert.Equal(JournalStatus.Ok, await writer.FlushAsync());
            }
            int count = Math.Min(writer.GetSpan(1).Length, body.Length - at);
            body.AsSpan(at, count).CopyTo(writer.GetSpan(1));
            writer.Advance(count);
            at += count;
        }
        return await writer.CommitAsync(JournalRig.Envelope("sender@example.org", "one@example.net"));
    }

    private byte[] Read(MessageJournal journal, MessageHandle message)
    {
        BodyReader reader = journal.OpenBody();
        reader.Start(message);
        Task<BodyStatus> prepared = reader.PrepareAsync().AsTask();
        Await(prepared);
        Assert.Equal(BodyStatus.Ok, prepared.Result);
        var bytes = new List<byte>();
        while (reader.TryNext(out ReadOnlyMemory<byte> piece))
        {
            bytes.AddRange(piece.Span);
        }
        reader.Close();
        return [.. bytes];
    }

    private void Await(Task task)
    {
        while (!task.IsCompleted)
        {
            if (!_manual.Loop.Turn(canSleep: false))
            {
                Thread.Yield();
            }
        }
        task.GetAwaiter().GetResult();
    }
}
