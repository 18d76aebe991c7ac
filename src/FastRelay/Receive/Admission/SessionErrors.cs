using FastRelay.Smtp;

namespace FastRelay.Receive;

/// <summary>Counts what a client does wrong in one session: from half of the bound on it is answered late, at the bound it is told 421 and the session ends.</summary>
/// <param name="limits">Bounds.</param>
internal sealed class SessionErrors(Limits limits)
{
    private Limits _limits = limits;
    private int _count;

    /// <summary>A new session.</summary>
    /// <param name="bounds">Its bounds.</param>
    public void Start(Limits bounds)
    {
        _limits = bounds;
        _count = 0;
    }

    /// <summary>The client did wrong.</summary>
    public ReceiveStep Wrong(ReadOnlySpan<byte> text, Span<byte> reply)
    {
        int delay = ++_count > _limits.SessionErrors / 2 ? _limits.ErrorDelayMs : 0;
        int length = Put(text, reply);
        if (_count < _limits.SessionErrors)
        {
            return new ReceiveStep(ReceiveAction.Continue, length, DelayMs: delay);
        }
        length += Put(Replies.TooManyErrors, reply[length..]);
        return new ReceiveStep(ReceiveAction.Close, length, DelayMs: delay);
    }

    /// <summary>A reply that holds nothing against the client.</summary>
    public static ReceiveStep Say(ReadOnlySpan<byte> text, Span<byte> reply) => new(ReceiveAction.Continue, Put(text, reply));

    /// <summary>Writes a reply; gives its length.</summary>
    public static int Put(ReadOnlySpan<byte> text, Span<byte> reply)
    {
        text.CopyTo(reply);
        return text.Length;
    }
}
