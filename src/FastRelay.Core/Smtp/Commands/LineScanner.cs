using System.Runtime.CompilerServices;

namespace FastRelay.Smtp;

/// <summary>What <see cref="LineScanner.Next"/> found.</summary>
public enum ScanStatus
{
    /// <summary>A whole line ended by CRLF, with no CR, LF or NUL inside it.</summary>
    Line,

    /// <summary>No line has ended yet. Bytes already swallowed from an overlong line are consumed; all others stay with the caller.</summary>
    NeedMore,

    /// <summary>A line longer than the limit has been swallowed up to and including its CRLF (500 5.5.2).</summary>
    TooLong,

    /// <summary>
    /// A line with a bare LF, a bare CR or a NUL in it (500 5.5.2). After a bare LF it has been told at once, for a person who types and
    /// waits, and its rest is still to come: see <see cref="Tail"/>.
    /// </summary>
    BareNewline,

    /// <summary>
    /// The rest, up to CRLF, of a line that had a bare LF. There is nothing to answer: only CRLF ends a line (RFC 5321 2.3.8), so what
    /// stands behind a bare LF never runs as a command of its own.
    /// </summary>
    Tail,
}

/// <summary>
/// Cuts the command stream of a client into lines (RFC 5321 2.3.8, 4.1.1). Resumable: it remembers how far it has looked and never looks twice.
/// Not used for message content, which <see cref="DotDecoder"/> frames, nor for a server's replies, which <see cref="ReplyParser"/> reads.
/// </summary>
public struct LineScanner
{
    private const byte Cr = (byte)'\r';
    private const byte Lf = (byte)'\n';

    private int _scanned;
    private bool _swallowing;
    private bool _swallowedCr;
    private bool _told;

    /// <summary>Nothing of a line has come: a new scanner would find the same.</summary>
    public readonly bool IsAtRest => _scanned == 0 && !_swallowing;

    /// <summary>Looks for the next line.</summary>
    /// <param name="input">The unconsumed bytes of the last call followed by newer ones.</param>
    /// <param name="limit">Most octets of a line, CRLF included; at least 2. A caller's buffer must hold that many in one piece.</param>
    /// <param name="lineLength">Octets of the line without its end; <c>input[..lineLength]</c> is the line. 0 unless Line or BareNewline.</param>
    /// <param name="consumed">Octets the caller drops from the front of <paramref name="input"/>.</param>
    public ScanStatus Next(ReadOnlySpan<byte> input, int limit, out int lineLength, out int consumed)
    {
        lineLength = 0;
        consumed = 0;
        if (_swallowing)
        {
            return Swallow(input, out consumed);
        }

        // Only the first `limit` octets count, whatever has arrived: the answer must not depend on how TCP cut the stream.
        var window = Math.Min(input.Length, limit);
        var found = _scanned < window ? input[_scanned..window].IndexOf(Lf) : -1;
        if (found < 0)
        {
            if (input.Length < limit)
            {
                _scanned = input.Length;
                return ScanStatus.NeedMore;
            }

            _swallowing = true;
            return Swallow(input, out consumed);
        }

        var end = _scanned + found;
        _scanned = 0;
        consumed = end + 1;
        if (end == 0 || input[end - 1] != Cr)
        {
            lineLength = end;
            _swallowing = _told = true;
            return ScanStatus.BareNewline;
        }

        lineLength = end - 1;
        return input[..lineLength].ContainsAny(Cr, (byte)0) ? ScanStatus.BareNewline : ScanStatus.Line;
    }

    /// <summary>Forgets everything, as after STARTTLS (RFC 3207 4.2).</summary>
    public void Reset() => this = default;

    // Only a true CRLF ends a line: its tail must never run as a command.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private ScanStatus Swallow(ReadOnlySpan<byte> input, out int consumed)
    {
        _scanned = 0;
        var at = 0;
        while (true)
        {
            var found = input[at..].IndexOf(Lf);
            if (found < 0)
            {
                _swallowedCr = input.Length > 0 ? input[^1] == Cr : _swallowedCr;
                consumed = input.Length;
                return ScanStatus.NeedMore;
            }

            var end = at + found;
            var afterCr = end > 0 ? input[end - 1] == Cr : _swallowedCr;
            at = end + 1;
            if (afterCr)
            {
                ScanStatus status = _told ? ScanStatus.Tail : ScanStatus.TooLong;
                this = default;
                consumed = at;
                return status;
            }
        }
    }
}
