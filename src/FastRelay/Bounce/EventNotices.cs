using FastRelay.Journal;
using FastRelay.Observe;
using FastRelay.Outside;

namespace FastRelay.Bounce;

/// <summary>
/// Failed recipients whose event is the notice, in the order of their events. Each is settled when its line is out of the
/// process's hands and no sooner: a kill before that has it fail again, and told again (docs/decisions/0019). In memory only.
/// </summary>
internal sealed class EventNotices : LoopItem
{
    private const int LookMs = 5;

    /// <summary>A stream that has not moved for so long is stuck: delivery goes on, and what fails is tried again later.</summary>
    private const int StuckMs = 2_000;

    /// <summary>Recipients settled in one turn.</summary>
    private const int Slice = 256;

    private readonly World _world;
    private readonly MessageJournal _journal;
    private readonly EventStream? _events;
    private readonly Counters _counters;
    private readonly Action _moved;
    private readonly LoopTimer _timer;
    private readonly Queue<Told> _waiting = new();
    private readonly List<RecipientOutcome> _outcomes = [];
    private long _movedAtMs;

    /// <summary>Creates an empty list.</summary>
    /// <param name="world">Loop.</param>
    /// <param name="journal">Records the outcomes.</param>
    /// <param name="log">Its event stream.</param>
    /// <param name="counters">Counts who was told.</param>
    /// <param name="moved">Called after some were settled, and when the stream turns out to be stuck.</param>
    public EventNotices(World world, MessageJournal journal, Log log, Counters counters, Action moved)
    {
        _world = world;
        _journal = journal;
        _events = log.Events;
        _counters = counters;
        _moved = moved;
        _timer = new LoopTimer(world.Loop, this);
    }

    /// <summary>Recipients whose events are not written yet.</summary>
    public int Count => _waiting.Count;

    /// <summary>The stream takes nothing.</summary>
    public bool IsStuck { get; private set; }

    /// <summary>Takes over recipients whose events have just been given to the stream.</summary>
    public void Add(MessageHandle message, ReadOnlySpan<int> recipients)
    {
        if (_waiting.Count == 0)
        {
            _movedAtMs = _world.Loop.NowMs;
            _timer.After(LookMs);
        }
        MessageId id = _journal.IdOf(message);
        foreach (int index in recipients)
        {
            _waiting.Enqueue(new Told(message, id, index, _events?.Mark ?? 0));
        }
    }

    /// <summary>Ends: what is left fails again after the next start, and is told again.</summary>
    public void Stop()
    {
        _waiting.Clear();
        _timer.Cancel();
    }

    protected override void Run()
    {
        int budget = Slice;
        while (budget > 0 && _journal.HasOutcomeRoom && _waiting.TryPeek(out Told first) && _events?.IsPassed(first.Mark) != false)
        {
            budget -= Settle(first);
        }
        bool moved = budget < Slice;
        long now = _world.Loop.NowMs;
        _movedAtMs = moved ? now : _movedAtMs;
        bool stuck = _waiting.Count > 0 && now - _movedAtMs >= StuckMs;
        if (moved || stuck != IsStuck)
        {
            IsStuck = stuck;
            _moved();
        }
        if (budget <= 0)
        {
            _world.Loop.Enqueue(this);
        }
        else if (_waiting.Count > 0)
        {
            _timer.After(LookMs);
        }
    }

    /// <summary>Settles those of one message that follow each other: one record.</summary>
    private int Settle(Told first)
    {
        _outcomes.Clear();
        int count = 0;
        bool lives = _journal.TryFind(first.Id, out MessageHandle message) && message == first.Message;
        while (_waiting.TryPeek(out Told next) && next.Id == first.Id && next.Mark == first.Mark)
        {
            _waiting.Dequeue();
            count++;
            if (lives && _journal.IsPending(message, next.Index))
            {
                _outcomes.Add(new RecipientOutcome(next.Index, RecipientResult.Dropped));
            }
        }
        if (_outcomes.Count > 0)
        {
            _counters.ToldByEvent += _outcomes.Count;
            _journal.RecordOutcome(message, System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_outcomes), 0, 0, default);
        }
        return count;
    }

    private readonly record struct Told(MessageHandle Message, MessageId Id, int Index, long Mark);
}
