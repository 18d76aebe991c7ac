using FastRelay.Outside;

namespace FastRelay.Journal;

/// <summary>
/// The damaged segments that are kept for the operator. They are worth less than room for what deliveries come to: on a
/// disk that has none the oldest goes first.
/// </summary>
internal sealed class Evidence(Disk disk) : DiskJob
{
    private readonly Queue<string> _paths = new();
    private string? _leaving;

    /// <summary>Files kept.</summary>
    public int Count => _paths.Count;

    /// <summary>A removal is under way.</summary>
    public bool Busy => _leaving is not null;

    /// <summary>Called on the loop when a removal is done.</summary>
    public Action? Done { get; set; }

    /// <summary>Keeps one more.</summary>
    public void Add(string path) => _paths.Enqueue(path);

    /// <summary>Gives the oldest up, if there is one. A crash that brings it back harms nothing, so no directory is synced.</summary>
    public void GiveUpOne()
    {
        if (!Busy && _paths.TryDequeue(out _leaving))
        {
            disk.Submit(this, DiskLane.Write);
        }
    }

    /// <inheritdoc/>
    protected override void Execute()
    {
        // One that cannot be removed, or that the operator has taken away, gives no room either way.
        _ = disk.Delete(_leaving!);
    }

    /// <inheritdoc/>
    protected override void Run()
    {
        _leaving = null;
        Done!();
    }
}
