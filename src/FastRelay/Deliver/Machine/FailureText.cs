using FastRelay.Smtp;

namespace FastRelay.Deliver;

/// <summary>Our words for what went wrong without a reply: shown in logs, in <c>queue show</c> and in bounces.</summary>
public static class FailureText
{
    private static readonly byte[][] s_texts = Make();

    /// <summary>STARTTLS is demanded by policy and was not offered.</summary>
    public static ReadOnlyMemory<byte> TlsNotOffered { get; } = "TLS is required and the host does not offer STARTTLS"u8.ToArray();

    /// <summary>A route has a user, and TLS did not come about.</summary>
    public static ReadOnlyMemory<byte> AuthNeedsTls { get; } = "a password is sent only inside TLS, which is not there"u8.ToArray();

    /// <summary>A route has a user, and the host has no AUTH for it.</summary>
    public static ReadOnlyMemory<byte> AuthNotOffered { get; } = "the host offers no AUTH that we speak: SCRAM-SHA-256, PLAIN or LOGIN"u8.ToArray();

    /// <summary>SCRAM's last step failed on the host's side.</summary>
    public static ReadOnlyMemory<byte> AuthUnproved { get; } = "the host could not prove that it knows the password"u8.ToArray();

    /// <summary>AUTH was refused. Never in the host's own words: some repeat what they were sent.</summary>
    public static ReadOnlyMemory<byte> AuthRefused { get; } = "the host refused our user or its password"u8.ToArray();

    /// <summary>AUTH was put off.</summary>
    public static ReadOnlyMemory<byte> AuthLater { get; } = "the host cannot authenticate us now"u8.ToArray();

    /// <summary>A challenge that is none.</summary>
    public static ReadOnlyMemory<byte> AuthNonsense { get; } = "the host's challenge to AUTH makes no sense"u8.ToArray();

    /// <summary>The message could not be read from the spool.</summary>
    public static ReadOnlyMemory<byte> SpoolUnreadable { get; } = "the stored message could not be read"u8.ToArray();

    /// <summary>The words for a cause; empty for those that carry a reply.</summary>
    public static ReadOnlyMemory<byte> Of(OutcomeCause cause) => s_texts[(int)cause];

    /// <summary>Why a handshake failed: OpenSSL's number is taken off, and what the runtime's word for it means is said.</summary>
    /// <param name="reason">In the words of either.</param>
    public static string OfTls(string reason)
    {
        int words = reason.LastIndexOf("::", StringComparison.Ordinal);
        string plain = words > 0 && reason.StartsWith("error:", StringComparison.Ordinal) ? reason[(words + 2)..] : reason;
        string meaning = plain.Contains("PartialChain", StringComparison.Ordinal) ? ": the issuer of its last certificate is not known here; the host does not send its whole chain, or its authority is not one that is trusted (tls.ca), and nothing is fetched"
            : plain.Contains("UntrustedRoot", StringComparison.Ordinal) ? ": its authority is not one that is trusted (tls.ca)"
            : plain.Contains("certificate required", StringComparison.Ordinal) ? ": the host wants a certificate of ours (client_certificate of its route)"
            : "";
        return plain + meaning;
    }

    private static byte[][] Make()
    {
        var texts = new byte[Enum.GetValues<OutcomeCause>().Length][];
        for (int i = 0; i < texts.Length; i++)
        {
            texts[i] = Words((OutcomeCause)i).ToArray();
        }
        return texts;
    }

    private static ReadOnlySpan<byte> Words(OutcomeCause cause) => cause switch
    {
        OutcomeCause.ConnectFailed => "the connection was refused or the host cannot be reached"u8,
        OutcomeCause.ConnectTimeout => "the host did not answer the connection in time"u8,
        OutcomeCause.ConnectionLost => "the host closed or lost the connection"u8,
        OutcomeCause.InDoubt => "the connection was lost after the end of the message: the host may have taken it"u8,
        OutcomeCause.ReplyTimeout => "the host did not reply in time"u8,
        OutcomeCause.BadReply => "the host gave an answer that makes no sense"u8,
        OutcomeCause.TlsFailed => "the TLS handshake failed"u8,
        OutcomeCause.TooBig => "the message is larger than the host takes"u8,
        OutcomeCause.CorruptBody => "the stored message is damaged and was not sent"u8,
        OutcomeCause.NotSupported => "the message needs SMTPUTF8 and the host does not offer it"u8,
        OutcomeCause.EightBit => "the message has 8-bit content, which the host does not take and which cannot be converted here"u8,
        OutcomeCause.EightBitSigned => "the message has 8-bit content, which the host does not take, and a signature that a conversion would break"u8,
        OutcomeCause.ShuttingDown => "the relay stopped before the message was sent"u8,
        _ => default,
    };
}
