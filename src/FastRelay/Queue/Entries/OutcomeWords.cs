using FastRelay.Smtp;

namespace FastRelay.Queue;

/// <summary>Outcomes as logs show them.</summary>
internal static class OutcomeWords
{
    /// <summary>What became of a recipient.</summary>
    public static ReadOnlySpan<byte> Of(in Outcome outcome) => outcome.Class switch
    {
        OutcomeClass.Delivered => "delivered"u8,
        OutcomeClass.Failed when outcome.Cause == OutcomeCause.Removed => "removed"u8,
        OutcomeClass.Failed => "failed"u8,
        _ => "deferred"u8,
    };

    /// <summary>A cause.</summary>
    public static ReadOnlySpan<byte> Of(OutcomeCause cause) => cause switch
    {
        OutcomeCause.Reply => "reply"u8,
        OutcomeCause.ConnectFailed => "connect-failed"u8,
        OutcomeCause.ConnectTimeout => "connect-timeout"u8,
        OutcomeCause.ConnectionLost => "connection-lost"u8,
        OutcomeCause.InDoubt => "in-doubt"u8,
        OutcomeCause.ReplyTimeout => "reply-timeout"u8,
        OutcomeCause.BadReply => "bad-reply"u8,
        OutcomeCause.TlsFailed => "tls-failed"u8,
        OutcomeCause.AuthFailed => "auth-failed"u8,
        OutcomeCause.DnsTemporary => "dns"u8,
        OutcomeCause.NoSuchDomain => "no-such-domain"u8,
        OutcomeCause.NullMx => "null-mx"u8,
        OutcomeCause.MailLoop => "loop"u8,
        OutcomeCause.Expired => "expired"u8,
        OutcomeCause.TooBig => "too-big"u8,
        OutcomeCause.CorruptBody => "corrupt-body"u8,
        OutcomeCause.ByOperator => "operator"u8,
        OutcomeCause.Removed => "removed"u8,
        OutcomeCause.NotSupported => "not-supported"u8,
        OutcomeCause.EightBit => "8bit"u8,
        OutcomeCause.EightBitSigned => "8bit-signed"u8,
        OutcomeCause.ByRoute => "route"u8,
        OutcomeCause.Discarded => "discarded"u8,
        OutcomeCause.Untold => "untold"u8,
        OutcomeCause.Unproved => "unproved"u8,
        OutcomeCause.ShuttingDown => "shutting-down"u8,
        _ => "none"u8,
    };
}
