using System.Threading.Tasks.Sources;

namespace FastRelay.Outside;

/// <summary>
/// The awaitable that is a field of its owner: an auto-reset event with a value, for one waiter at a time. It resumes
/// its waiter only from the loop's run queue. Setting it before anybody waits is remembered; a second
/// <see cref="Set"/> before the first was taken replaces the value.
/// </summary>
/// <typeparam name="T">What the waiter is told.</typeparam>
public sealed class Signal<T>(Loop loop) : LoopItem, IValueTaskSource<T>
{
    private ManualResetValueTaskSourceCore<T> _core;
    private T? _value;
    private bool _ready;
    private bool _waiting;

    /// <summary>True while somebody waits.</summary>
    public bool IsWaiting => _waiting;

    /// <summary>Tells the waiter; loop thread.</summary>
    public void Set(T value)
    {
        _value = value;
        _ready = true;
        if (_waiting)
        {
            loop.Enqueue(this);
        }
    }

    /// <summary>Tells the waiter from another thread. The setter and the loop must not race: one side sets, one waits.</summary>
    public void Post(T value)
    {
        _value = value;
        Volatile.Write(ref _ready, true);
        loop.Post(this);
    }

    /// <summary>Forgets a value that nobody took; loop thread, nobody waiting.</summary>
    public void Reset()
    {
        Check.That(!_waiting);
        _ready = false;
        _value = default;
    }

    /// <summary>Waits for the next value. At most one waiter.</summary>
    public ValueTask<T> WaitAsync()
    {
        loop.CheckThread();
        Check.That(!_waiting, "two waiters on one signal");
        if (Volatile.Read(ref _ready))
        {
            _ready = false;
            T value = _value!;
            _value = default;
            return new ValueTask<T>(value);
        }
        _core.Reset();
        _waiting = true;
        return new ValueTask<T>(this, _core.Version);
    }

    /// <summary>Lets others run first: waiting before setting sends the caller to the end of the run queue.</summary>
    public ValueTask<T> YieldAsync(T value)
    {
        ValueTask<T> turn = WaitAsync();
        Set(value);
        return turn;
    }

    /// <inheritdoc/>
    protected internal override void Run()
    {
        // A posted signal whose value was already taken by a later wait finds nothing to do.
        if (_waiting && _ready)
        {
            _waiting = false;
            _ready = false;
            T value = _value!;
            _value = default;
            _core.SetResult(value);
        }
    }

    T IValueTaskSource<T>.GetResult(short token) => _core.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<T>.GetStatus(short token) => _core.GetStatus(token);

    void IValueTaskSource<T>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
    {
        // On the loop there is no SynchronizationContext to go back to, and no flow of ambient state to pay for.
        _core.OnCompleted(continuation, state, token, ValueTaskSourceOnCompletedFlags.None);
    }
}
