using System.Diagnostics.CodeAnalysis;
using BenchmarkDotNet.Attributes;
using FastRelay.Journal;
using FastRelay.Outside;
using FastRelay.Outside.Linux;
using FastRelay.Tests.Support;

namespace FastRelay.Bench;

/// <summary>The journal's own work for a message of 4 KiB, and what a real disk adds.</summary>
[SuppressMessage("Reliability", "CA2012", Justification = "Each is consumed once, when its turn of the loop has come.")]
public class JournalBenchmarks : IReplay
{
    private const int Group = 64;

    private readonly byte[] _body = Samples.Content(4096);
    private readonly EnvelopeBuilder _envelope = Samples.Envelope("user@example.net");
    private readonly RecipientOutcome[] _delivered = [new(0, RecipientResult.Delivered)];
    private readonly ValueTask<CommitResult>[] _commits = new ValueTask<CommitResult>[Group];
    private string _folder = "";
    private World _world = null!;
    private MessageJournal _journal = null!;
    private MessageWriter[] _writers = [];

    /// <summary>A disk in memory.</summary>
    [GlobalSetup(Target = nameof(AppendInMemory))]
    public void OpenInMemory()
    {
        var manual = new ManualLoop();
        _world = TestWorld.Make(manual, null!, new MemoryOutput { Keep = false }, new PlainDisk(manual.Loop));
        Open("/spool", 16 << 20);
    }

    /// <summary>The disk of the current folder.</summary>
    [GlobalSetup(Target = nameof(AppendOnDisk))]
    public void OpenOnDisk()
    {
        SynchronizationContext.SetSynchronizationContext(null);
        _folder = Directory.CreateDirectory(Path.GetFullPath($"bench-spool-{Environment.ProcessId}")).FullName;
        _world = LinuxWorld.Create(new LinuxOptions());
        _world.Loop.Adopt();
        Open(_folder, new Limits().SegmentBytes);
    }

    /// <summary>Removes what the disk holds.</summary>
    [GlobalCleanup(Target = nameof(AppendOnDisk))]
    public void Remove()
    {
        Task closed = _journal.CloseAsync().AsTask();
        while (!closed.IsCompleted)
        {
            _world.Loop.Turn(canSleep: true);
        }
        LinuxWorld.Dispose(_world);
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>The checksum of 4 KiB; a message is read for it twice, as a body and in its group.</summary>
    [Benchmark]
    public uint Checksum() => Crc32C.Of(_body);

    /// <summary>One message from its first octet to its settling, alone in its group, on a disk in memory.</summary>
    [Benchmark]
    public bool AppendInMemory()
    {
        _commits[0] = Begin(_writers[0]);
        return Settle(0, canSleep: false);
    }

    /// <summary>A message, of 64 that commit together on a real disk: one write and one fdatasync for them all.</summary>
    [Benchmark(OperationsPerInvoke = Group)]
    public bool AppendOnDisk()
    {
        for (int i = 0; i < Group; i++)
        {
            _commits[i] = Begin(_writers[i]);
        }
        bool settled = true;
        for (int i = 0; i < Group; i++)
        {
            settled &= Settle(i, canSleep: true);
        }
        return settled;
    }

    void IReplay.Message(MessageHandle message, in Envelope envelope, in ReplayState state)
    {
    }

    private void Open(string folder, int segmentBytes)
    {
        JournalOpenResult opened = MessageJournal.Open(_world, new JournalOptions { Path = folder, Limits = new Limits { SegmentBytes = segmentBytes } }, this);
        _journal = opened.Journal ?? throw new InvalidOperationException(opened.Error);
        _writers = [.. Enumerable.Range(0, Group).Select(_ => new MessageWriter(_journal))];
    }

    private ValueTask<CommitResult> Begin(MessageWriter writer)
    {
        writer.Begin();
        _body.CopyTo(writer.GetSpan(_body.Length));
        writer.Advance(_body.Length);
        return writer.CommitAsync(_envelope);
    }

    private bool Settle(int index, bool canSleep)
    {
        while (!_commits[index].IsCompleted)
        {
            _world.Loop.Turn(canSleep);
        }
        CommitResult result = _commits[index].GetAwaiter().GetResult();
        Check.That(result.Status == JournalStatus.Ok, "the commit failed");
        return _journal.RecordOutcome(result.Message, _delivered, 0, 1, "250 ok"u8);
    }
}
