namespace FastRelay.Smtp;

/// <summary>The fields that a submission service adds to a header without them (RFC 6409 8.1, 8.2), in stored form.</summary>
public static class SubmissionFields
{
    /// <summary>Enough room for both: a host name of 255 and an id of 64 octets.</summary>
    public const int OctetsMax = 512;

    /// <summary>Writes what is missing; nothing when nothing is.</summary>
    /// <param name="header">What the header has.</param>
    /// <param name="time">For Date.</param>
    /// <param name="id">Our queue id, for Message-ID.</param>
    /// <param name="host">Our own name, for Message-ID.</param>
    /// <param name="destination">At least <see cref="OctetsMax"/> octets.</param>
    /// <returns>Octets written.</returns>
    /// <exception cref="ArgumentException"><paramref name="destination"/> is too short.</exception>
    public static int Write(in HeaderScanner header, DateTimeOffset time, ReadOnlySpan<byte> id, ReadOnlySpan<byte> host, Span<byte> destination)
    {
        var to = new SpanAppender(destination);
        if (!header.HasDate)
        {
            Span<byte> date = stackalloc byte[MailDate.Length];
            MailDate.TryFormat(time, date, out _);
            to.Append("Date: "u8);
            to.Append(date);
            to.Append("\r\n"u8);
        }

        if (!header.HasMessageId)
        {
            to.Append("Message-ID: <"u8);
            to.Append(id);
            to.Append("@"u8);
            to.Append(host);
            to.Append(">\r\n"u8);
        }

        return to.Overflowed ? throw new ArgumentException("Too short.", nameof(destination)) : to.Written;
    }
}
