namespace FastRelay.Smtp;

/// <summary>What a server's EHLO reply offers (RFC 5321 4.1.1.1). Passed by ref to <see cref="ReplyParser"/>; forgotten after STARTTLS (RFC 3207 4.2).</summary>
public struct EhloCapabilities : IReplyLineSink
{
    /// <summary>The extensions offered. None after HELO.</summary>
    public SmtpExtensions Extensions { get; private set; }

    /// <summary>Known SASL mechanisms offered.</summary>
    public AuthMechanisms Auth { get; private set; }

    /// <summary>The SIZE limit in octets; 0 when none is stated (RFC 1870 4). A number too large for 63 bits counts as none.</summary>
    public long SizeMax { get; private set; }

    /// <summary>True when every given extension is offered.</summary>
    public readonly bool Has(SmtpExtensions extensions) => (Extensions & extensions) == extensions;

    /// <summary>
    /// Why the server cannot have a message: <see cref="OutcomeCause.TooBig"/> for what is over its SIZE (RFC 1870 6.2),
    /// <see cref="OutcomeCause.NotSupported"/> without the SMTPUTF8 that the message needs (RFC 6531 3.6), else
    /// <see cref="OutcomeCause.None"/>.
    /// </summary>
    /// <param name="contentBytes">Octets of the content as SIZE counts them: without stuffed dots.</param>
    /// <param name="needsUtf8">An address or the header is not ASCII.</param>
    public readonly OutcomeCause HindranceTo(long contentBytes, bool needsUtf8) =>
        SizeMax > 0 && contentBytes > SizeMax ? OutcomeCause.TooBig
        : needsUtf8 && !Has(SmtpExtensions.SmtpUtf8) ? OutcomeCause.NotSupported
        : OutcomeCause.None;

    /// <inheritdoc/>
    public void OnLine(int code, int index, ReadOnlySpan<byte> text)
    {
        // The first line greets; a refused EHLO offers nothing.
        if (index == 0 || code != 250)
        {
            return;
        }

        text = text.Trim(" \t"u8);
        var end = text.IndexOfAny((byte)' ', (byte)'=');
        var keyword = end < 0 ? text : text[..end];
        var arguments = end < 0 ? default : text[(end + 1)..];
        var extension = Recognise(keyword);
        Extensions |= extension;
        if (extension == SmtpExtensions.Size)
        {
            SizeMax = ParseSize(arguments);
        }
        else if (extension == SmtpExtensions.Auth)
        {
            // "AUTH=LOGIN" is an old draft's form that some servers still send beside the true one.
            Auth |= ParseMechanisms(arguments);
        }
    }

    private static SmtpExtensions Recognise(ReadOnlySpan<byte> keyword) => keyword.Length switch
    {
        3 => AsciiWord.Equals(keyword, "DSN"u8) ? SmtpExtensions.Dsn : default,
        4 => AsciiWord.Equals(keyword, "SIZE"u8) ? SmtpExtensions.Size
            : AsciiWord.Equals(keyword, "AUTH"u8) ? SmtpExtensions.Auth : default,
        8 => AsciiWord.Equals(keyword, "8BITMIME"u8) ? SmtpExtensions.EightBitMime
            : AsciiWord.Equals(keyword, "STARTTLS"u8) ? SmtpExtensions.StartTls
            : AsciiWord.Equals(keyword, "CHUNKING"u8) ? SmtpExtensions.Chunking
            : AsciiWord.Equals(keyword, "SMTPUTF8"u8) ? SmtpExtensions.SmtpUtf8 : default,
        10 => AsciiWord.Equals(keyword, "PIPELINING"u8) ? SmtpExtensions.Pipelining
            : AsciiWord.Equals(keyword, "BINARYMIME"u8) ? SmtpExtensions.BinaryMime
            : AsciiWord.Equals(keyword, "REQUIRETLS"u8) ? SmtpExtensions.RequireTls : default,
        19 => AsciiWord.Equals(keyword, "ENHANCEDSTATUSCODES"u8) ? SmtpExtensions.EnhancedStatusCodes : default,
        _ => default,
    };

    private static long ParseSize(ReadOnlySpan<byte> arguments)
    {
        arguments = arguments.Trim((byte)' ');
        if (arguments.Length is 0 or > 18 || arguments.ContainsAnyExceptInRange((byte)'0', (byte)'9'))
        {
            return 0;
        }

        long size = 0;
        foreach (var digit in arguments)
        {
            size = (size * 10) + digit - '0';
        }

        return size;
    }

    private static AuthMechanisms ParseMechanisms(ReadOnlySpan<byte> arguments)
    {
        var mechanisms = AuthMechanisms.None;
        while (!arguments.IsEmpty)
        {
            var end = arguments.IndexOf((byte)' ');
            var word = end < 0 ? arguments : arguments[..end];
            arguments = end < 0 ? default : arguments[(end + 1)..];
            mechanisms |= AsciiWord.Equals(word, "PLAIN"u8) ? AuthMechanisms.Plain
                : AsciiWord.Equals(word, "LOGIN"u8) ? AuthMechanisms.Login
                : AsciiWord.Equals(word, "CRAM-MD5"u8) ? AuthMechanisms.CramMd5
                : AsciiWord.Equals(word, "SCRAM-SHA-256"u8) ? AuthMechanisms.ScramSha256
                : AsciiWord.Equals(word, "XOAUTH2"u8) ? AuthMechanisms.XOAuth2 : default;
        }

        return mechanisms;
    }
}
