namespace FastRelay.Smtp;

/// <summary>
/// Writes the replies that carry a value of ours into a span. Nothing a client sent is ever written.
/// When the span is too short the reply that did not fit is left out whole and <see cref="Overflowed"/> says so.
/// </summary>
/// <param name="destination">512 octets do for a greeting or one line, 1,024 for an EHLO list.</param>
public ref struct ReplyWriter(Span<byte> destination)
{
    private SpanAppender _to = new(destination);

    /// <summary>Octets written, whole replies only.</summary>
    public int Written { get; private set; }

    /// <summary>A reply did not fit.</summary>
    public bool Overflowed { get; private set; }

    /// <summary><c>220 host ESMTP FastRelay</c> (RFC 5321 4.3.1).</summary>
    /// <param name="host">Our own name from the configuration.</param>
    public void Greeting(ReadOnlySpan<byte> host)
    {
        _to.Append("220 "u8);
        _to.Append(host);
        _to.Append(" ESMTP FastRelay\r\n"u8);
        EndReply();
    }

    /// <summary><c>250 host</c>, the answer to HELO.</summary>
    /// <param name="host">Our own name from the configuration.</param>
    public void Helo(ReadOnlySpan<byte> host)
    {
        _to.Append("250 "u8);
        _to.Append(host);
        _to.Append("\r\n"u8);
        EndReply();
    }

    /// <summary>The answer to EHLO, one line an extension (RFC 5321 4.1.1.1).</summary>
    /// <param name="host">Our own name from the configuration.</param>
    /// <param name="extensions">What to offer.</param>
    /// <param name="sizeMax">Octets for the SIZE line; 0 offers SIZE without a limit.</param>
    /// <param name="auth">Mechanisms for the AUTH line; the line is left out without any.</param>
    public void Ehlo(ReadOnlySpan<byte> host, SmtpExtensions extensions, long sizeMax, AuthMechanisms auth)
    {
        _to.Append("250-"u8);
        _to.Append(host);
        _to.Append("\r\n"u8);
        Offer(extensions, SmtpExtensions.Pipelining, "PIPELINING"u8);
        if ((extensions & SmtpExtensions.Size) != 0)
        {
            _to.Append("250-SIZE"u8);
            if (sizeMax > 0)
            {
                _to.Append(" "u8);
                _to.Append(sizeMax);
            }

            _to.Append("\r\n"u8);
        }

        Offer(extensions, SmtpExtensions.StartTls, "STARTTLS"u8);
        if ((extensions & SmtpExtensions.Auth) != 0 && auth != AuthMechanisms.None)
        {
            _to.Append("250-AUTH"u8);
            Mechanism(auth, AuthMechanisms.Plain, " PLAIN"u8);
            Mechanism(auth, AuthMechanisms.Login, " LOGIN"u8);
            Mechanism(auth, AuthMechanisms.CramMd5, " CRAM-MD5"u8);
            Mechanism(auth, AuthMechanisms.ScramSha256, " SCRAM-SHA-256"u8);
            Mechanism(auth, AuthMechanisms.XOAuth2, " XOAUTH2"u8);
            _to.Append("\r\n"u8);
        }

        Offer(extensions, SmtpExtensions.EnhancedStatusCodes, "ENHANCEDSTATUSCODES"u8);
        Offer(extensions, SmtpExtensions.Dsn, "DSN"u8);
        Offer(extensions, SmtpExtensions.Chunking, "CHUNKING"u8);
        Offer(extensions, SmtpExtensions.BinaryMime, "BINARYMIME"u8);
        Offer(extensions, SmtpExtensions.SmtpUtf8, "SMTPUTF8"u8);
        Offer(extensions, SmtpExtensions.RequireTls, "REQUIRETLS"u8);
        Offer(extensions, SmtpExtensions.EightBitMime, "8BITMIME"u8);
        EndMultiline();
    }

    /// <summary><c>250 2.0.0 queued as ID</c>: the message is durable.</summary>
    /// <param name="id">Our own queue id.</param>
    public void QueuedAs(ReadOnlySpan<byte> id)
    {
        _to.Append("250 2.0.0 queued as "u8);
        _to.Append(id);
        _to.Append("\r\n"u8);
        EndReply();
    }

    /// <summary><c>334 challenge</c> of an AUTH exchange (RFC 4954 4).</summary>
    /// <param name="challenge">Base64; may be empty.</param>
    public void Challenge(ReadOnlySpan<byte> challenge)
    {
        _to.Append("334 "u8);
        _to.Append(challenge);
        _to.Append("\r\n"u8);
        EndReply();
    }

    /// <summary>A whole reply such as one of <see cref="Replies"/>, CRLF included.</summary>
    public void Fixed(ReadOnlySpan<byte> reply)
    {
        _to.Append(reply);
        EndReply();
    }

    private void Offer(SmtpExtensions offered, SmtpExtensions extension, ReadOnlySpan<byte> keyword)
    {
        if ((offered & extension) != 0)
        {
            _to.Append("250-"u8);
            _to.Append(keyword);
            _to.Append("\r\n"u8);
        }
    }

    private void Mechanism(AuthMechanisms offered, AuthMechanisms mechanism, ReadOnlySpan<byte> word)
    {
        if ((offered & mechanism) != 0)
        {
            _to.Append(word);
        }
    }

    // The last line of the list takes a space for its hyphen, whichever extension it turned out to be.
    private void EndMultiline()
    {
        if (!_to.Overflowed)
        {
            var list = _to.WrittenFrom(Written);
            var lastLine = list[..^2].LastIndexOf((byte)'\n') + 1;
            list[lastLine + 3] = (byte)' ';
        }

        EndReply();
    }

    private void EndReply()
    {
        if (_to.Overflowed)
        {
            Overflowed = true;
            _to.RewindTo(Written);
            return;
        }

        Written = _to.Written;
    }
}
