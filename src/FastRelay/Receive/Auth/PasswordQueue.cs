using FastRelay.Outside;

namespace FastRelay.Receive;

/// <summary>
/// Passwords that are to be checked, one after another: guesses may cost milliseconds each, and handshakes and what else
/// runs on <see cref="Offload"/> does not wait behind them. Loop thread.
/// </summary>
/// <param name="offload">Where the work is done.</param>
/// <param name="waitingMax">Most that may wait.</param>
internal sealed class PasswordQueue(Offload offload, int waitingMax)
{
    private readonly Queue<PasswordCheck> _waiting = new();
    private bool _busy;

    /// <summary>Most that may wait; those that wait already stay.</summary>
    public int WaitingMax { get; set; } = waitingMax;

    /// <summary>Begins a check, now or in its turn.</summary>
    /// <returns>False when too many wait already; then it is not begun.</returns>
    public bool TryBegin(PasswordCheck check)
    {
        if (!_busy)
        {
            _busy = true;
            offload.Submit(check);
            return true;
        }
        if (_waiting.Count >= WaitingMax)
        {
            return false;
        }
        _waiting.Enqueue(check);
        return true;
    }

    /// <summary>The check under way is done.</summary>
    public void Done()
    {
        if (_waiting.TryDequeue(out PasswordCheck? next))
        {
            offload.Submit(next);
        }
        else
        {
            _busy = false;
        }
    }
}
