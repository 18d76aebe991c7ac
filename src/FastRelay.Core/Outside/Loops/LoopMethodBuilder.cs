using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace FastRelay.Outside;

/// <summary>
/// Builds the async methods below a session's root: <c>[AsyncMethodBuilder(typeof(LoopMethodBuilder))]</c> on a method
/// that returns <see cref="ValueTask"/>. A call that completes at once costs nothing; one that waits takes a
/// <see cref="LoopStep{TResult}"/> from a list that its thread keeps for it.
/// </summary>
/// <remarks>
/// The runtime's <c>PoolingAsyncValueTaskMethodBuilder</c> keeps one state machine a thread and one a core for each
/// method. A loop suspends thousands of sessions in the same method, so nearly each suspension was a new object: 30 of
/// 43 MiB for 100,000 messages in 64 sessions (<c>perf/allocations</c>). Here a loop keeps as many as were ever
/// suspended at the same time, which the bounds on sessions and deliveries limit. It also flows no execution context:
/// on a loop there is none.
/// </remarks>
[SuppressMessage("Performance", "CA1822", Justification = "The compiler calls them on the instance.")]
public struct LoopMethodBuilder
{
    private LoopMethodBuilder<Nothing> _builder;

    /// <summary>For the compiler.</summary>
    public static LoopMethodBuilder Create() => default;

    /// <summary>For the compiler.</summary>
    public ValueTask Task => _builder.UntypedTask;

    /// <summary>For the compiler.</summary>
    public void Start<TStateMachine>(ref TStateMachine stateMachine)
        where TStateMachine : IAsyncStateMachine => stateMachine.MoveNext();

    /// <summary>For the compiler.</summary>
    public void SetStateMachine(IAsyncStateMachine stateMachine) => Check.That(stateMachine is not null);

    /// <summary>For the compiler.</summary>
    public void SetResult() => _builder.SetResult(default);

    /// <summary>For the compiler.</summary>
    public void SetException(Exception exception) => _builder.SetException(exception);

    /// <summary>For the compiler.</summary>
    public void AwaitOnCompleted<TAwaiter, TStateMachine>(ref TAwaiter awaiter, ref TStateMachine stateMachine)
        where TAwaiter : INotifyCompletion
        where TStateMachine : IAsyncStateMachine => _builder.AwaitOnCompleted(ref awaiter, ref stateMachine);

    /// <summary>For the compiler.</summary>
    public void AwaitUnsafeOnCompleted<TAwaiter, TStateMachine>(ref TAwaiter awaiter, ref TStateMachine stateMachine)
        where TAwaiter : ICriticalNotifyCompletion
        where TStateMachine : IAsyncStateMachine => _builder.AwaitUnsafeOnCompleted(ref awaiter, ref stateMachine);

    /// <summary>The result of a method without one.</summary>
    internal readonly struct Nothing;
}

/// <summary><see cref="LoopMethodBuilder"/> for methods that return <see cref="ValueTask{TResult}"/>.</summary>
/// <typeparam name="TResult">What the method returns.</typeparam>
[SuppressMessage("Performance", "CA1822", Justification = "The compiler calls them on the instance.")]
[SuppressMessage("Design", "CA1000", Justification = "The compiler asks for a static Create.")]
public struct LoopMethodBuilder<TResult>
{
    private LoopStep<TResult>? _step;
    private Exception? _exception;
    private TResult _result;

    /// <summary>For the compiler.</summary>
    public static LoopMethodBuilder<TResult> Create() => default;

    /// <summary>For the compiler.</summary>
    public readonly ValueTask<TResult> Task =>
        _step is not null ? new ValueTask<TResult>(_step, _step.Version)
        : _exception is not null ? ValueTask.FromException<TResult>(_exception)
        : new ValueTask<TResult>(_result);

    /// <summary>The task without its result.</summary>
    internal readonly ValueTask UntypedTask =>
        _step is not null ? new ValueTask(_step, _step.Version)
        : _exception is not null ? ValueTask.FromException(_exception)
        : default;

    /// <summary>For the compiler.</summary>
    public void Start<TStateMachine>(ref TStateMachine stateMachine)
        where TStateMachine : IAsyncStateMachine => stateMachine.MoveNext();

    /// <summary>For the compiler.</summary>
    public void SetStateMachine(IAsyncStateMachine stateMachine) => Check.That(stateMachine is not null);

    /// <summary>For the compiler.</summary>
    public void SetResult(TResult result)
    {
        if (_step is null)
        {
            _result = result;
        }
        else
        {
            _step.SetResult(result);
        }
    }

    /// <summary>For the compiler.</summary>
    public void SetException(Exception exception)
    {
        if (_step is null)
        {
            _exception = exception;
        }
        else
        {
            _step.SetException(exception);
        }
    }

    /// <summary>For the compiler.</summary>
    public void AwaitOnCompleted<TAwaiter, TStateMachine>(ref TAwaiter awaiter, ref TStateMachine stateMachine)
        where TAwaiter : INotifyCompletion
        where TStateMachine : IAsyncStateMachine => awaiter.OnCompleted(Suspend(ref stateMachine));

    /// <summary>For the compiler.</summary>
    public void AwaitUnsafeOnCompleted<TAwaiter, TStateMachine>(ref TAwaiter awaiter, ref TStateMachine stateMachine)
        where TAwaiter : ICriticalNotifyCompletion
        where TStateMachine : IAsyncStateMachine => awaiter.UnsafeOnCompleted(Suspend(ref stateMachine));

    private Action Suspend<TStateMachine>(ref TStateMachine stateMachine)
        where TStateMachine : IAsyncStateMachine
    {
        if (_step is null)
        {
            var step = LoopStep<TResult, TStateMachine>.Take();
            // First: the builder is a part of the state machine that is copied next.
            _step = step;
            step.StateMachine = stateMachine;
        }
        return _step.MoveNext;
    }
}
