using FastRelay.Observe;
using FastRelay.Outside;

namespace FastRelay.Journal;

/// <summary>What a start does for the event stream: reads its cursor, has the records behind it told again, and lets it go on from there.</summary>
internal sealed class EventRecovery
{
    private readonly World _world;
    private readonly EventStream _events;
    private readonly string _path;
    private readonly bool _syncs;
    private readonly string _problem;
    private readonly CursorFile? _file;

    private EventRecovery(World world, JournalOptions options, EventStream events, string path)
    {
        _world = world;
        _events = events;
        _path = path;
        _syncs = options.Sync == SyncMode.Group;
        _file = CursorFile.Open(world.Disk, path, _syncs, out _problem);
    }

    /// <summary>Tells what is behind the cursor; null when there is none: the first time nothing is told of what is there.</summary>
    public EventReplay? Replay { get; private set; }

    /// <summary>Before the segments are read, under the spool's lock; null without a stream, and then an old cursor goes: what happens meanwhile is nobody's.</summary>
    public static EventRecovery? Begin(World world, JournalOptions options, SpoolFolder folder, MessageIndex index, SegmentTable segments)
    {
        string path = Path.Combine(options.Path, SegmentNames.EventCursor);
        if (options.Events is null)
        {
            if (folder.HasEventCursor)
            {
                world.Disk.Delete(path);
            }
            return null;
        }
        EventStream events = options.Events();
        var recovery = new EventRecovery(world, options, events, path);
        if (recovery._file is { } file)
        {
            recovery.Replay = new EventReplay(events, index, segments, file.Group, file.UnixMs);
        }
        return recovery;
    }

    /// <summary>The start has failed.</summary>
    public void Close() => _file?.Dispose();

    /// <summary>The segments are read: says what was told again, and goes on.</summary>
    /// <param name="store">The segments.</param>
    /// <param name="flusher">Knows the last group.</param>
    public EventCursor End(SegmentStore store, Flusher flusher)
    {
        ulong last = flusher.DurableGroup;
        ulong group = Math.Min(_file?.Group ?? last, last);
        if (_problem.Length > 0)
        {
            _events.Log.Warn("event_cursor"u8).Add("reason"u8, _problem).Write();
            // From when on is not known.
            _events.Begin("gap"u8).AddRecovered().Add("reason"u8, "cursor"u8).Write();
        }
        else if (_file?.Group > last)
        {
            _events.Log.Warn("event_cursor"u8).Add("reason"u8, "it stands behind the journal's end"u8).Write();
        }
        if (Replay is { } told && told.Told + told.Gaps > 0)
        {
            _events.Recovered(told.Told, told.Gaps);
        }
        var job = new CursorJob(_world.Disk, _path, _syncs, _file);
        if (_file?.Group != group)
        {
            // New, or set back: before the first message of this run.
            job.Prepare(group, _world.Time.GetUtcNow().ToUnixTimeMilliseconds());
            if (job.Work() is { Ok: false } error)
            {
                _events.Log.Warn("event_cursor"u8).Add("reason"u8, error.ToString()).Write();
            }
        }
        return new EventCursor(_world, _events, job, group, store, flusher);
    }
}
