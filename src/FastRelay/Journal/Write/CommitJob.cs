using FastRelay.Outside;

namespace FastRelay.Journal;

/// <summary>One write and one sync of one group.</summary>
internal sealed class CommitJob(SyncMode sync, Action done) : DiskJob
{
    private SegmentFile? _segment;

    /// <summary>The group.</summary>
    public GroupBuffer? Group { get; private set; }

    /// <summary>What it came to.</summary>
    public DiskError Error { get; private set; }

    /// <summary>Sets it up.</summary>
    public void Prepare(GroupBuffer group, SegmentFile segment)
    {
        Group = group;
        _segment = segment;
    }

    /// <inheritdoc/>
    protected override void Execute()
    {
        SegmentFile segment = _segment!;
        Error = segment.File.Write(segment.End, Group!.Seal(segment.Epoch));
        if (Error.Ok && sync == SyncMode.Group)
        {
            Error = segment.File.SyncData();
        }
    }

    /// <inheritdoc/>
    protected override void Run() => done();
}
