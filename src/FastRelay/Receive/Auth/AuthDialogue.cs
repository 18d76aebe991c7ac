using FastRelay.Smtp;

namespace FastRelay.Receive;

/// <summary>The AUTH commands of one session (RFC 4954): when one may begin, what it is told, and how often it may fail. Pure.</summary>
internal sealed class AuthDialogue
{
    /// <summary>Becomes the user; what it does wrong is counted there.</summary>
    public required ReceiveClient Client { get; set; }

    /// <summary>Bounds.</summary>
    public required Limits Limits { get; set; }

    /// <summary>Who may authenticate; null when nobody may.</summary>
    public UserTable? Users { get; set; }

    /// <summary>The exchange under way; null when none is.</summary>
    public AuthExchange? Exchange { get; private set; }

    /// <summary>Told of each exchange that ended, for log and counters.</summary>
    public Action<AuthExchange, AuthVerdict>? Ended { get; set; }

    /// <summary>EHLO announces it: inside TLS, to somebody who has not done so yet.</summary>
    public bool IsOffered => Users is not null && Client is { Secured: true, User: null };

    /// <summary>Ends an exchange, wherever it is; a password in it is wiped.</summary>
    public void End()
    {
        Exchange?.Forget();
        Exchange = null;
    }

    /// <summary>AUTH.</summary>
    public ReceiveStep Begin(in Command command, bool inTransaction, Span<byte> reply)
    {
        ReadOnlySpan<byte> wrong = Users is null ? Replies.NotImplemented
            : !Client.Secured ? Replies.AuthNeedsTls
            : Client.User is not null ? Replies.AlreadyAuthenticated
            : !Client.Greeted ? Replies.EhloFirst
            : inTransaction ? Replies.NotDuringTransaction
            : command.Argument.IsEmpty ? Replies.SyntaxInArguments
            : default;
        if (!wrong.IsEmpty)
        {
            return Wrong(wrong, reply);
        }
        Exchange = new AuthExchange(Users!);
        return Judge(Exchange.Begin(command.Argument), reply);
    }

    /// <summary>A line of the exchange.</summary>
    public ReceiveStep Continue(ReadOnlySpan<byte> line, Span<byte> reply) => Judge(Exchange!.Continue(line), reply);

    /// <summary>The password of the exchange was checked.</summary>
    public ReceiveStep PasswordChecked(bool matches, Span<byte> reply) =>
        Judge(matches && Exchange!.User is not null ? AuthVerdict.Accepted : AuthVerdict.Refused, reply);

    /// <summary>The password of the exchange cannot be checked now: too many wait to be.</summary>
    public ReceiveStep PasswordUnchecked(Span<byte> reply)
    {
        End();
        // Late, as a refusal is: what is told at once is asked again at once.
        return SessionErrors.Say(Replies.AuthTemporaryFailure, reply) with { DelayMs = Limits.AuthDelayMs };
    }

    private ReceiveStep Judge(AuthVerdict verdict, Span<byte> reply)
    {
        if (verdict == AuthVerdict.CheckPassword)
        {
            return new ReceiveStep(ReceiveAction.CheckPassword, 0);
        }
        if (verdict == AuthVerdict.Challenge)
        {
            var writer = new ReplyWriter(reply);
            writer.Challenge(Exchange!.Challenge);
            return new ReceiveStep(ReceiveAction.Continue, writer.Written);
        }
        string? user = Exchange!.User;
        Ended?.Invoke(Exchange, verdict);
        End();
        switch (verdict)
        {
            case AuthVerdict.Accepted:
                Client.Authenticate(user!);
                return SessionErrors.Say(Replies.AuthSucceeded, reply);
            case AuthVerdict.Cancelled:
                return Wrong(Replies.AuthCancelled, reply);
            case AuthVerdict.Malformed:
                return Wrong(Replies.AuthMalformed, reply);
            case AuthVerdict.UnknownMechanism:
                return Wrong(Replies.AuthMechanismUnknown, reply);
            default:
                return Refuse(reply);
        }
    }

    private ReceiveStep Wrong(ReadOnlySpan<byte> text, Span<byte> reply) => SessionErrors.Wrong(Client, Limits, text, reply);

    private ReceiveStep Refuse(Span<byte> reply)
    {
        int delay = Limits.AuthDelayMs << Math.Min(Client.AuthFailures, 4);
        int length = SessionErrors.Put(Replies.AuthInvalid, reply);
        if (++Client.AuthFailures < Limits.SessionAuthFailures)
        {
            return new ReceiveStep(ReceiveAction.Continue, length, DelayMs: delay);
        }
        return new ReceiveStep(ReceiveAction.Close, length + SessionErrors.Put(Replies.AuthTooManyFailures, reply[length..]), DelayMs: delay);
    }
}
