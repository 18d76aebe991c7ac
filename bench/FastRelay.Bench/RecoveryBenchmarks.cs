using BenchmarkDotNet.Attributes;
using FastRelay.Journal;
using FastRelay.Outside;
using FastRelay.Tests.Support;

namespace FastRelay.Bench;

/// <summary>A start after a crash with 10,000 messages of 4 KiB queued; the figure is for one message.</summary>
public class RecoveryBenchmarks : IReplay
{
    private const int Messages = 10_000;

    private PlainDisk _disk = null!;
    private World _world = null!;
    private int _replayed;

    /// <summary>A spool that a dead process left: recovery goes on writing in it, so each run needs a new one.</summary>
    [IterationSetup]
    public void Fill()
    {
        var manual = new ManualLoop();
        _disk = new PlainDisk(manual.Loop);
        MessageJournal journal = Open(manual);
        var writer = new MessageWriter(journal);
        EnvelopeBuilder envelope = Samples.Envelope("user@example.net");
        byte[] body = Samples.Content(4096);
        for (int i = 0; i < Messages; i++)
        {
            writer.Begin();
            body.CopyTo(writer.GetSpan(body.Length));
            writer.Advance(body.Length);
            Check.That(manual.Wait(writer.CommitAsync(envelope)).Status == JournalStatus.Ok);
        }
        var next = new ManualLoop();
        _disk.Move(next.Loop);
        _world = TestWorld.Make(next, null!, new MemoryOutput { Keep = false }, _disk);
        _replayed = 0;
    }

    /// <summary>Reads the spool, rebuilds the index, replays.</summary>
    [Benchmark(OperationsPerInvoke = Messages)]
    public int Recover()
    {
        Open(_world);
        Check.That(_replayed == Messages, "recovery lost a message");
        return _replayed;
    }

    void IReplay.Message(MessageHandle message, in Envelope envelope, in ReplayState state) => _replayed++;

    private MessageJournal Open(ManualLoop loop) => Open(TestWorld.Make(loop, null!, new MemoryOutput { Keep = false }, _disk));

    private MessageJournal Open(World world)
    {
        JournalOpenResult opened = MessageJournal.Open(world, new JournalOptions { Path = "/spool", Limits = new Limits { SegmentBytes = 16 << 20 } }, this);
        return opened.Journal ?? throw new InvalidOperationException(opened.Error);
    }
}
