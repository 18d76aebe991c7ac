using FastRelay.Smtp;

namespace FastRelay.Receive;

/// <summary>Counts what a client does wrong in one session: from half of the bound on it is answered late, at the bound it is told 421 and the session ends.</summary>
internal static class SessionErrors
{
    /// <summary>The client did wrong.</summary>
    public static ReceiveStep Wrong(ReceiveClient client, Limits limits, ReadOnlySpan<byte> text, Span<byte> reply)
    {
        int delay = ++client.Errors > limits.SessionErrors / 2 ? limits.ErrorDelayMs : 0;
        int length = Put(text, reply);
        if (client.Errors < limits.SessionErrors)
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
