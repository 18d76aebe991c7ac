namespace FastRelay.Smtp;

/// <summary>Where in the dialogue with the next hop something happened.</summary>
public enum SmtpStage : byte
{
    /// <summary>Opening the connection.</summary>
    Connect,

    /// <summary>Waiting for the greeting.</summary>
    Banner,

    /// <summary>EHLO or HELO.</summary>
    Ehlo,

    /// <summary>STARTTLS and the handshake.</summary>
    StartTls,

    /// <summary>AUTH.</summary>
    Auth,

    /// <summary>MAIL FROM.</summary>
    Mail,

    /// <summary>RCPT TO.</summary>
    Rcpt,

    /// <summary>DATA, up to the 354, and the content before the final dot.</summary>
    Data,

    /// <summary>The final dot: sent, or on its way.</summary>
    Dot,

    /// <summary>QUIT; also RSET between transactions.</summary>
    Quit,
}

/// <summary>
/// The one place that says what a reply or a failure means (RFC 5321 4.2.1, 4.5.4.1). A table over (stage, kind of reply); no state, no retries.
/// </summary>
public static class OutcomePolicy
{
    private enum ReplyKind
    {
        Success,        // 2xx
        Intermediate,   // 3xx
        Closing,        // 421: the host closes the connection, whatever it was asked
        Transient,      // other 4xx
        Login,          // 530, 534, 535, 538: the host wants TLS or a login first (RFC 3207 4, RFC 4954 6)
        Permanent,      // other 5xx
        Invalid,        // no reply code at all
    }

    /// <summary>The meaning of a reply.</summary>
    /// <param name="stage">What it answers.</param>
    /// <param name="code">Reply code.</param>
    /// <param name="enhanced">Its enhanced code or none. It refines the reach and never overrules the class of the reply code.</param>
    /// <returns><see cref="OutcomeClass.None"/> when the dialogue goes on.</returns>
    public static Outcome From(SmtpStage stage, int code, EnhancedCode enhanced)
    {
        var kind = KindOf(stage, code);
        var (outcomeClass, reach) = (stage, kind) switch
        {
            // The answer to QUIT changes nothing any more.
            (SmtpStage.Quit, _) => (OutcomeClass.None, Reach.Host),

            (SmtpStage.Dot, ReplyKind.Success) => (OutcomeClass.Delivered, Reach.Message),
            (SmtpStage.Data, ReplyKind.Intermediate) => (OutcomeClass.None, Reach.Message),
            (SmtpStage.Data, ReplyKind.Success) => BadReply,
            (_, ReplyKind.Success) => (OutcomeClass.None, Reach.Recipient),

            // After the dot a senseless answer leaves open whether the message was taken.
            (SmtpStage.Dot, ReplyKind.Intermediate or ReplyKind.Invalid) => (OutcomeClass.Deferred, Reach.Message),
            (_, ReplyKind.Intermediate or ReplyKind.Invalid) => BadReply,
            (_, ReplyKind.Closing) => (OutcomeClass.Deferred, Reach.Host),

            // Before MAIL nothing was said about any recipient: a refusal concerns us and the site, and must never bounce mail.
            // Nor does one at MAIL or DATA that asks for TLS or a login. At RCPT it is about one recipient: relaying is denied.
            ( < SmtpStage.Mail, ReplyKind.Permanent) or (_, ReplyKind.Login) => (OutcomeClass.Deferred, Reach.Site),
            ( < SmtpStage.Mail, _) => (OutcomeClass.Deferred, Reach.Host),

            (SmtpStage.Rcpt, ReplyKind.Transient) => (OutcomeClass.Deferred, ReachOf(enhanced, Reach.Recipient)),
            (SmtpStage.Rcpt, _) => (OutcomeClass.Failed, Reach.Recipient),
            (_, ReplyKind.Transient) => (OutcomeClass.Deferred, ReachOf(enhanced, Reach.Message)),
            _ => (OutcomeClass.Failed, Reach.Message),
        };

        return new Outcome(outcomeClass, reach, CauseOf(stage, kind, outcomeClass), Stored(code), enhanced);
    }

    /// <summary>The meaning of something that is no reply.</summary>
    /// <param name="stage">Where it happened. A broken connection or a timeout at <see cref="SmtpStage.Dot"/> becomes <see cref="OutcomeCause.InDoubt"/>.</param>
    /// <param name="cause">What happened; <see cref="OutcomeCause.Reply"/> and None belong to the other overload.</param>
    /// <exception cref="ArgumentOutOfRangeException">A cause that needs a reply.</exception>
    public static Outcome From(SmtpStage stage, OutcomeCause cause)
    {
        if (cause is OutcomeCause.ConnectionLost or OutcomeCause.ReplyTimeout or OutcomeCause.BadReply or OutcomeCause.ShuttingDown)
        {
            if (stage == SmtpStage.Quit)
            {
                return default;
            }

            cause = stage == SmtpStage.Dot ? OutcomeCause.InDoubt : cause;
        }

        return cause switch
        {
            OutcomeCause.ConnectFailed => Deferred(Reach.Host, cause, 4, 1),
            OutcomeCause.ConnectTimeout => Deferred(Reach.Host, cause, 4, 1),
            OutcomeCause.ConnectionLost => Deferred(Reach.Host, cause, 4, 2),
            OutcomeCause.ReplyTimeout => Deferred(Reach.Host, cause, 4, 2),
            OutcomeCause.BadReply => Deferred(Reach.Host, cause, 5, 0),
            OutcomeCause.TlsFailed => Deferred(Reach.Host, cause, 7, 5),
            OutcomeCause.AuthFailed => Deferred(Reach.Site, cause, 7, 8),

            // Never the next MX at once: the message may be there already.
            OutcomeCause.InDoubt => Deferred(Reach.Message, cause, 4, 2),
            OutcomeCause.DnsTemporary => Deferred(Reach.Message, cause, 4, 3),
            OutcomeCause.ShuttingDown => Deferred(Reach.Message, cause, 3, 2),
            OutcomeCause.Untold or OutcomeCause.Unproved => Deferred(Reach.Recipient, cause, 3, 0),
            OutcomeCause.NoSuchDomain => Failed(cause, 1, 2),
            OutcomeCause.NullMx => Failed(cause, 1, 10),
            OutcomeCause.MailLoop => Failed(cause, 4, 6),
            OutcomeCause.Expired => Failed(cause, 4, 7),
            OutcomeCause.TooBig => Failed(cause, 3, 4),
            OutcomeCause.CorruptBody => Failed(cause, 3, 0),
            OutcomeCause.ByOperator or OutcomeCause.Removed => Failed(cause, 0, 0),
            OutcomeCause.NotSupported => Failed(cause, 6, 7),
            OutcomeCause.EightBit => Failed(cause, 6, 3),
            OutcomeCause.EightBitSigned => Failed(cause, 6, 2),
            OutcomeCause.ByRoute => Failed(cause, 7, 1),
            OutcomeCause.Discarded => new Outcome(OutcomeClass.Delivered, Reach.Message, cause, 0, new EnhancedCode(2, 0, 0)),
            _ => throw new ArgumentOutOfRangeException(nameof(cause)),
        };
    }

    private static (OutcomeClass, Reach) BadReply => (OutcomeClass.Deferred, Reach.Host);

    private static ReplyKind KindOf(SmtpStage stage, int code) => code switch
    {
        421 => ReplyKind.Closing,

        // Old servers say 552 for "too many recipients", where 452 is meant (RFC 5321 4.5.3.1.10).
        552 when stage == SmtpStage.Rcpt => ReplyKind.Transient,
        530 or 534 or 535 or 538 when stage is not (SmtpStage.Rcpt or SmtpStage.Dot) => ReplyKind.Login,
        >= 200 and < 300 => ReplyKind.Success,
        >= 300 and < 400 => ReplyKind.Intermediate,
        >= 400 and < 500 => ReplyKind.Transient,
        >= 500 and < 600 => ReplyKind.Permanent,
        _ => ReplyKind.Invalid,
    };

    // 4.3.1 and 4.3.2 speak of the host's system (full, not accepting), whichever recipient was asked for (RFC 3463 3.4).
    private static Reach ReachOf(EnhancedCode enhanced, Reach usual)
        => enhanced is { Class: 4, Subject: 3, Detail: 1 or 2 } ? Reach.Host : usual;

    private static OutcomeCause CauseOf(SmtpStage stage, ReplyKind kind, OutcomeClass outcomeClass)
    {
        if (outcomeClass == OutcomeClass.None)
        {
            return OutcomeCause.None;
        }

        var isSenseless = kind is ReplyKind.Intermediate or ReplyKind.Invalid || (kind == ReplyKind.Success && stage != SmtpStage.Dot);
        if (stage == SmtpStage.Auth && kind is ReplyKind.Permanent or ReplyKind.Login)
        {
            return OutcomeCause.AuthFailed;
        }
        return !isSenseless ? OutcomeCause.Reply : stage == SmtpStage.Dot ? OutcomeCause.InDoubt : OutcomeCause.BadReply;
    }

    private static ushort Stored(int code) => code is >= 200 and < 600 ? (ushort)code : (ushort)0;

    private static Outcome Deferred(Reach reach, OutcomeCause cause, int subject, int detail)
        => new(OutcomeClass.Deferred, reach, cause, 0, new EnhancedCode(4, subject, detail));

    private static Outcome Failed(OutcomeCause cause, int subject, int detail)
        => new(OutcomeClass.Failed, Reach.Message, cause, 0, new EnhancedCode(5, subject, detail));
}
