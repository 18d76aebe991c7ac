using FastRelay.Journal;
using FastRelay.Queue;

namespace FastRelay.Tests.Queue;

/// <summary>Counts what the queue itself allocates on the way of a message; what committing and reading take is not counted here.</summary>
public sealed class AllocationProbe(QueueRig rig)
{
    private readonly EnvelopeBuilder _envelope = new();
    private readonly MessageWriter _writer = new(rig.Journal);
    private readonly RecipientReport[] _reports = new RecipientReport[1];
    private readonly int[] _indexes = new int[8];
    private readonly System.Net.IPEndPoint _address = new(0x08080808, 25);

    public long Allocated { get; private set; }

    public void Once(string site)
    {
        _envelope.Start("s@x.test"u8, EnvelopeFlags.None, "192.0.2.1:4711"u8, "client.test"u8);
        _envelope.TryAddRecipient("u@a.test"u8);
        _writer.Begin();
        _writer.GetSpan(64);
        _writer.Advance(10);
        CommitResult result = rig.Loop.Wait(_writer.CommitAsync(_envelope));

        long before = GC.GetAllocatedBytesForCurrentThread();
        rig.Queue.Add(result.Message, _envelope.View);
        rig.Loop.Settle();
        Allocated += GC.GetAllocatedBytesForCurrentThread() - before;

        Site target = rig.SiteOf(site);
        before = GC.GetAllocatedBytesForCurrentThread();
        bool taken = rig.Queue.TryTake(target, out Delivery delivery);
        Allocated += GC.GetAllocatedBytesForCurrentThread() - before;
        Check.That(taken);

        BodyReader body = rig.Journal.OpenBody();
        body.Start(delivery.Message);
        Check.That(rig.Loop.Wait(body.PrepareAsync()) == BodyStatus.Ok);

        before = GC.GetAllocatedBytesForCurrentThread();
        int count = rig.Queue.CollectRecipients(delivery, body.Envelope, _indexes, out _);
        Check.That(count == 1);
        _reports[0] = new RecipientReport(_indexes[0], QueueRig.Ok, default);
        rig.Queue.Report(delivery, body.Envelope, new AttemptInfo("mx.test", _address, null, 0, true), _reports);
        Allocated += GC.GetAllocatedBytesForCurrentThread() - before;
        body.Close();
        rig.Loop.Settle();
    }
}
