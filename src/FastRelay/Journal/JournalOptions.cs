using FastRelay.Observe;

namespace FastRelay.Journal;

/// <summary>Where and how a journal is kept.</summary>
public sealed record JournalOptions
{
    /// <summary>The spool's directory; made when its parent exists.</summary>
    public required string Path { get; init; }

    /// <summary>When a commit counts as durable.</summary>
    public SyncMode Sync { get; init; } = SyncMode.Group;

    /// <summary>Bounds: QueueEntries, QueueBytes, FreeBytesFloor, SegmentBytes.</summary>
    public Limits Limits { get; init; } = new();

    /// <summary>Opens the event stream, under the spool's lock: a start tells again what a kill may have kept from it (docs/decisions/0035). Null for none.</summary>
    public Func<EventStream>? Events { get; init; }
}

/// <summary>What opening a journal came to.</summary>
/// <param name="Journal">The journal; null when it could not be opened.</param>
/// <param name="Error">For people, naming the path; empty when it worked.</param>
/// <param name="Report">What recovery found, also when it failed later.</param>
public sealed record JournalOpenResult(MessageJournal? Journal, string Error, RecoveryReport Report);

/// <summary>What a start found in the spool.</summary>
public sealed class RecoveryReport
{
    private const int MostNotes = 100;
    private readonly List<string> _notes = [];

    /// <summary>Segments read.</summary>
    public int Segments { get; internal set; }

    /// <summary>Whole groups read.</summary>
    public long Groups { get; internal set; }

    /// <summary>Records applied.</summary>
    public long Records { get; internal set; }

    /// <summary>Messages with a pending recipient.</summary>
    public long Messages { get; internal set; }

    /// <summary>Groups found damaged that later groups follow: rot, not a crash.</summary>
    public long DamagedGroups { get; internal set; }

    /// <summary>Groups cut off at the end: never acknowledged.</summary>
    public long TornGroups { get; internal set; }

    /// <summary>Messages that are known but cannot be read whole; they are named in <see cref="Notes"/>.</summary>
    public long DamagedMessages { get; internal set; }

    /// <summary>Places in damaged groups where no record can be read: each may have been a message.</summary>
    public long UnreadableRecords { get; internal set; }

    /// <summary>The journal ended with a clean end mark.</summary>
    public bool CleanEnd { get; internal set; }

    /// <summary>Name of the file system's kind, as in <c>ext4</c>.</summary>
    public string FileSystem { get; internal set; } = "";

    /// <summary>Sentences for the operator: damage, unknown files, doubtful file systems. The first 100.</summary>
    public IReadOnlyList<string> Notes => _notes;

    internal void Note(string text)
    {
        if (_notes.Count < MostNotes)
        {
            _notes.Add(text);
        }
    }
}
