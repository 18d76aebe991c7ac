using System.Runtime.CompilerServices;
using FastRelay.Observe;
using FastRelay.Outside;

namespace FastRelay.Journal;

/// <summary>
/// Moves the event stream's place in the journal on: the last group of which every event is written. A start tells again what
/// stands behind it (docs/decisions/0035). About once a second, one step after the other, and nothing waits for it. Loop thread.
/// </summary>
internal sealed class EventCursor : LoopItem
{
    /// <summary>Between two moves: what a kill has told twice is no older.</summary>
    private const int PaceMs = 1_000;

    private const int LookMs = 10;
    private const int LateLookMs = 100;

    /// <summary>A message is told of by who waited for its commit, in the turn after that of the group or, through a method or two, soon after.</summary>
    private const int TurnsToTell = 4;

    private readonly World _world;
    private readonly EventStream _events;
    private readonly SegmentStore _store;
    private readonly Flusher _flusher;
    private readonly CursorJob _job;
    private readonly LoopTimer _timer;
    private Step _step;
    private ulong _group;
    private long _turn;
    private long _mark;
    private long _recycled;
    private bool _hurries;
    private bool _failing;

    /// <summary>Begins where the file says.</summary>
    /// <param name="world">Loop, disk and clock.</param>
    /// <param name="events">The stream.</param>
    /// <param name="job">Moves the cursor in its file.</param>
    /// <param name="group">Where it stands.</param>
    /// <param name="store">Says when segments are given back.</param>
    /// <param name="flusher">Says which groups are durable.</param>
    public EventCursor(World world, EventStream events, CursorJob job, ulong group, SegmentStore store, Flusher flusher)
    {
        _world = world;
        _events = events;
        _store = store;
        _flusher = flusher;
        _job = job;
        _job.Done = OnWritten;
        _failing = !job.HasFile;
        _timer = new LoopTimer(world.Loop, this);
        Group = group;
        Advanced();
    }

    private enum Step : byte
    {
        /// <summary>The cursor is at the journal's end.</summary>
        Idle,

        /// <summary>The next move is not due yet.</summary>
        Paced,

        /// <summary>The group is chosen; its last events are told.</summary>
        Told,

        /// <summary>They are on their way into the file.</summary>
        Written,

        /// <summary>The cursor is on its way to the disk.</summary>
        Moves,

        /// <summary>No more.</summary>
        Closed,
    }

    /// <summary>Every event of the groups up to this one is written, and the file says so.</summary>
    public ulong Group { get; private set; }

    private bool IsKept => _job.Syncs ? _events.IsKept(_mark) : _events.IsPassed(_mark);

    private bool IsBehind => Group < _flusher.DurableGroup || !_job.HasFile;

    /// <summary>A group became durable, or a segment was given back.</summary>
    public void Advanced()
    {
        if (_step == Step.Idle && IsBehind)
        {
            _step = Step.Paced;
            _timer.After(_hurries ? 1 : PaceMs);
        }
        if (_step == Step.Paced && !_hurries && _recycled != _store.Recycled)
        {
            // The start after a kill could not say of it what was told and what was not.
            _hurries = true;
            _timer.After(1);
        }
    }

    /// <summary>Before the journal closes: moves the cursor to the end, so that the next start tells nothing twice.</summary>
    /// <param name="untilMs">The latest end of the wait, on the loop's scale: a stream that stands still is told of again by the next start.</param>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    public async ValueTask CloseAsync(long untilMs)
    {
        var sleeper = new Sleeper(_world.Loop);
        while (_step == Step.Moves || ((IsBehind || !_flusher.IsIdle) && _world.Loop.NowMs < untilMs))
        {
            Hurry();
            await sleeper.SleepAsync(LookMs);
        }
        _step = Step.Closed;
        _timer.Cancel();
        _job.Close();
    }

    /// <inheritdoc/>
    protected override void Run()
    {
        switch (_step)
        {
            case Step.Paced:
                (_group, _turn, _recycled) = (_flusher.DurableGroup, _world.Loop.Turns, _store.Recycled);
                _hurries = false;
                _step = Step.Told;
                _timer.After(LookMs);
                break;
            case Step.Told when _world.Loop.Turns - _turn < TurnsToTell:
                _timer.After(LookMs);
                break;
            case Step.Told:
                Mark();
                break;
            case Step.Written when IsKept:
                _step = Step.Moves;
                _job.Prepare(_group, _world.Time.GetUtcNow().ToUnixTimeMilliseconds());
                // Not the lane of commits: this is never in front of a 250.
                _world.Disk.Submit(_job, DiskLane.Read);
                break;
            case Step.Written:
                Keep();
                _timer.After(LateLookMs);
                break;
            default:
                break;
        }
    }

    private void Mark()
    {
        // Where lines found no room, the gap is told before the cursor passes it.
        _events.End();
        if (!_events.IsWhole)
        {
            _timer.After(LateLookMs);
            return;
        }
        _mark = _events.Mark;
        Keep();
        _step = Step.Written;
        _timer.After(LookMs);
    }

    /// <summary>Who has no sync for mail has none for events.</summary>
    private void Keep()
    {
        if (_job.Syncs)
        {
            _events.Keep();
        }
    }

    private void Hurry()
    {
        _hurries = true;
        if (_step == Step.Paced)
        {
            _timer.After(1);
        }
    }

    private void OnWritten()
    {
        _step = Step.Idle;
        if (_job.Error.Ok)
        {
            Group = _group;
        }
        else if (!_failing)
        {
            _events.Log.Warn("event_cursor"u8).Add("reason"u8, _job.Error.ToString()).Write();
        }
        _failing = !_job.Error.Ok;
        Advanced();
    }
}
