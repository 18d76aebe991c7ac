using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Threading.Tasks.Sources;

namespace FastRelay.Outside;

/// <summary>One suspended call of an async method built by <see cref="LoopMethodBuilder"/>, and what its caller awaits.</summary>
/// <typeparam name="TResult">What the method returns.</typeparam>
internal abstract class LoopStep<TResult> : IValueTaskSource<TResult>, IValueTaskSource
{
    private ManualResetValueTaskSourceCore<TResult> _core;

    protected LoopStep() => MoveNext = Resume;

    /// <summary>Goes on behind the await; made once, however often the object is used.</summary>
    public Action MoveNext { get; }

    /// <summary>Tells one use of the object from the next.</summary>
    public short Version => _core.Version;

    /// <summary>The method has returned; goes on with its caller.</summary>
    public void SetResult(TResult result) => _core.SetResult(result);

    /// <summary>The method has thrown.</summary>
    public void SetException(Exception exception) => _core.SetException(exception);

    TResult IValueTaskSource<TResult>.GetResult(short token) => Result(token);

    void IValueTaskSource.GetResult(short token) => Result(token);

    ValueTaskSourceStatus IValueTaskSource<TResult>.GetStatus(short token) => _core.GetStatus(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _core.GetStatus(token);

    void IValueTaskSource<TResult>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, ValueTaskSourceOnCompletedFlags.None);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, ValueTaskSourceOnCompletedFlags.None);

    /// <summary>Runs the method on to its next await, or its end.</summary>
    protected abstract void Resume();

    /// <summary>Gives the object back for the next call.</summary>
    protected abstract void Return();

    private TResult Result(short token)
    {
        // A wrong token throws before anything is given back: somebody awaited twice.
        bool completed = _core.GetStatus(token) != ValueTaskSourceStatus.Pending;
        Check.That(completed, "the result of a call that has not returned");
        try
        {
            return _core.GetResult(token);
        }
        finally
        {
            _core.Reset();
            Return();
        }
    }
}

/// <summary>A <see cref="LoopStep{TResult}"/> with its method's state.</summary>
/// <typeparam name="TResult">What the method returns.</typeparam>
/// <typeparam name="TStateMachine">The compiler's state machine of the method.</typeparam>
internal sealed class LoopStep<TResult, TStateMachine> : LoopStep<TResult>
    where TStateMachine : IAsyncStateMachine
{
    // A list a thread, so a loop takes and returns without a lock.
    [ThreadStatic]
    private static LoopStep<TResult, TStateMachine>? t_free;

    private LoopStep<TResult, TStateMachine>? _nextFree;

    /// <summary>The method's variables and where it stands.</summary>
    [SuppressMessage("Design", "CA1051", Justification = "The state machine is a struct that moves itself on in place.")]
    public TStateMachine? StateMachine;

    /// <summary>Takes one that is free, or makes one.</summary>
    public static LoopStep<TResult, TStateMachine> Take()
    {
        LoopStep<TResult, TStateMachine>? step = t_free;
        if (step is null)
        {
            return new LoopStep<TResult, TStateMachine>();
        }
        t_free = step._nextFree;
        step._nextFree = null;
        return step;
    }

    protected override void Resume() => StateMachine!.MoveNext();

    protected override void Return()
    {
        StateMachine = default;
        _nextFree = t_free;
        t_free = this;
    }
}
