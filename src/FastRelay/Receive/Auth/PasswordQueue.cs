using System.Net;
using FastRelay.Outside;

namespace FastRelay.Receive;

/// <summary>
/// Passwords that are to be checked, one after another: guesses may cost milliseconds each, and handshakes and what else
/// runs on <see cref="Offload"/> does not wait behind them. One network may fill a quarter of the places, so that guesses from
/// there leave room for others; this host may fill all. Loop thread.
/// </summary>
/// <param name="offload">Where the work is done.</param>
/// <param name="waitingMax">Most that may wait.</param>
internal sealed class PasswordQueue(Offload offload, int waitingMax)
{
    private readonly Queue<PasswordCheck> _waiting = new();
    private readonly Dictionary<ClientKey, int> _networks = [];
    private bool _busy;

    /// <summary>Most that may wait; those that wait already stay.</summary>
    public int WaitingMax { get; set; } = waitingMax;

    /// <summary>Begins a check, now or in its turn.</summary>
    /// <returns>False when too many wait already, or too many of its network; then it is not begun.</returns>
    public bool TryBegin(PasswordCheck check)
    {
        if (!_busy)
        {
            _busy = true;
            offload.Submit(check);
            return true;
        }
        ClientKey network = ClientKey.OfNetwork(check.Client);
        int ofNetwork = _networks.GetValueOrDefault(network);
        if (_waiting.Count >= WaitingMax || (!IPAddress.IsLoopback(check.Client) && ofNetwork >= Math.Max(1, WaitingMax / 4)))
        {
            return false;
        }
        _networks[network] = ofNetwork + 1;
        _waiting.Enqueue(check);
        return true;
    }

    /// <summary>The check under way is done: the next one whose client is still there begins.</summary>
    public void Done()
    {
        while (_waiting.TryDequeue(out PasswordCheck? next))
        {
            Leave(ClientKey.OfNetwork(next.Client));
            if (!next.IsGone)
            {
                offload.Submit(next);
                return;
            }
            next.Skip();
        }
        _busy = false;
    }

    private void Leave(ClientKey network)
    {
        if (--_networks[network] == 0)
        {
            _networks.Remove(network);
        }
    }
}
