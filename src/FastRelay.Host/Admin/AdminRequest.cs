using FastRelay.Outside;

namespace FastRelay.Host.Admin;

/// <summary>
/// A question from a pool thread to the relay: posted to the loop, answered there, and its asker goes on elsewhere.
/// </summary>
/// <typeparam name="T">The answer.</typeparam>
internal sealed class AdminRequest<T> : LoopItem
{
    private readonly Func<ValueTask<T>> _work;

    // Asynchronous continuations: without them the asker's code would go on inside the loop.
    private readonly TaskCompletionSource<T> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private int _begun;

    private AdminRequest(Func<ValueTask<T>> work) => _work = work;

    /// <summary>Posts the question.</summary>
    /// <param name="loop">Where it is answered.</param>
    /// <param name="work">Runs on the loop, in slices when it is long.</param>
    /// <param name="timeout">How long the asker waits.</param>
    /// <param name="finishes">Work that has begun in time is waited for, however long it takes: its asker must know what it came to.</param>
    /// <exception cref="TimeoutException">The loop did not answer in time, or has stopped. Work that had not begun is never done.</exception>
    public static async Task<T> AskAsync(Loop loop, Func<ValueTask<T>> work, TimeSpan timeout, bool finishes = false)
    {
        var request = new AdminRequest<T>(work);
        loop.Post(request);
        try
        {
            return await request._answer.Task.WaitAsync(timeout);
        }
        catch (TimeoutException) when (!request.TryClaim() && finishes)
        {
            return await request._answer.Task;
        }
    }

    /// <inheritdoc/>
    protected override void Run()
    {
        if (TryClaim())
        {
            _ = AnswerAsync();
        }
    }

    // By the loop to do it, or by an asker who has given up, so that nobody does: whoever comes first.
    private bool TryClaim() => Interlocked.Exchange(ref _begun, 1) == 0;

    private async Task AnswerAsync()
    {
        try
        {
            _answer.SetResult(await _work());
        }
        catch (CheckFailedException e)
        {
            // A broken invariant stops the relay, whoever asked.
            Check.Fatal(e.Message);
        }
        catch (Exception e)
        {
            _answer.SetException(e);
        }
    }
}
