using FastRelay.Queue;
using FastRelay.Smtp;

namespace FastRelay.Bounce;

/// <summary>One recipient of a bounce, as its text shows it.</summary>
/// <param name="Mailbox">The recipient's address.</param>
/// <param name="Outcome">What became of it.</param>
/// <param name="Host">The host that spoke, as in <c>mx.example (192.0.2.1)</c>; empty when none did.</param>
/// <param name="Text">The host's reply without its code, or our words.</param>
public readonly record struct FailedNotice(ReadOnlyMemory<byte> Mailbox, Outcome Outcome, string Host, ReadOnlyMemory<byte> Text)
{
    /// <summary>What is said of it.</summary>
    public NoticeKind Kind { get; init; }

    /// <summary>ORCPT as given, <c>addr-type;xtext</c>; empty when it was not.</summary>
    public ReadOnlyMemory<byte> OriginalRecipient { get; init; }
}
