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

    private AdminRequest(Func<ValueTask<T>> work) => _work = work;

    /// <summary>Posts the question.</summary>
    /// <param name="loop">Where it is answered.</param>
    /// <param name="work">Runs on the loop, in slices when it is long.</param>
    /// <param name="timeout">How long the asker waits.</param>
    /// <exception cref="TimeoutException">The loop did not answer in time, or has stopped.</exception>
    public static Task<T> AskAsync(Loop loop, Func<ValueTask<T>> work, TimeSpan timeout)
    {
        var request = new AdminRequest<T>(work);
        loop.Post(request);
        return request._answer.Task.WaitAsync(timeout);
    }

    /// <inheritdoc/>
    protected override void Run() => _ = AnswerAsync();

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
