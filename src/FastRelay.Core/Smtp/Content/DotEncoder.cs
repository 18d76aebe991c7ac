using System.Runtime.InteropServices;

namespace FastRelay.Smtp;

/// <summary>
/// Turns raw content, such as a bounce of ours, into stored form (see <see cref="DotDecoder"/>): bare CR and LF become CRLF,
/// every line that begins with a dot is stuffed, and the last line is ended.
/// </summary>
[StructLayout(LayoutKind.Auto)]
public struct DotEncoder
{
    /// <summary>Least room in the output for a step: CRLF and a stuffed dot.</summary>
    public const int OutputMin = 4;

    private State _state;

    private enum State : byte
    {
        LineStart,
        MidLine,
        PendingCr,
    }

    /// <summary>Dots that were stuffed.</summary>
    public long StuffedDots { get; private set; }

    /// <summary>Bare CRs and LFs that became CRLF.</summary>
    public long BareNewlines { get; private set; }

    /// <summary>Encodes what is there. Never answers <see cref="DotStatus.End"/>: <see cref="Finish"/> ends.</summary>
    /// <param name="input">Content; consumed octets never come again.</param>
    /// <param name="output">Receives the stored form; at least <see cref="OutputMin"/> octets or nothing moves.</param>
    /// <param name="consumed">Octets taken.</param>
    /// <param name="written">Octets given.</param>
    public DotStatus Encode(ReadOnlySpan<byte> input, Span<byte> output, out int consumed, out int written)
    {
        consumed = 0;
        written = 0;
        while (consumed < input.Length)
        {
            if (_state == State.MidLine)
            {
                var window = input.Slice(consumed, Math.Min(input.Length - consumed, output.Length - written));
                var end = window.IndexOfAny((byte)'\r', (byte)'\n');
                var text = end < 0 ? window : window[..end];
                text.CopyTo(output[written..]);
                consumed += text.Length;
                written += text.Length;
                if (consumed == input.Length)
                {
                    break;
                }
            }

            if (output.Length - written < OutputMin)
            {
                return DotStatus.NeedSpace;
            }

            Step(input[consumed++], output, ref written);
        }

        return DotStatus.NeedMore;
    }

    /// <summary>Ends the last line when it is open. Empty content stays empty.</summary>
    /// <returns>False when <paramref name="output"/> has no room for CRLF; call again.</returns>
    public bool Finish(Span<byte> output, out int written)
    {
        written = 0;
        if (_state == State.LineStart)
        {
            return true;
        }

        if (output.Length < 2)
        {
            return false;
        }

        BareNewlines += _state == State.PendingCr ? 1 : 0;
        EndLine(output, ref written);
        return true;
    }

    private void Step(byte octet, Span<byte> output, ref int written)
    {
        if (_state == State.PendingCr)
        {
            EndLine(output, ref written);
            if (octet == '\n')
            {
                return;
            }

            BareNewlines++;
        }

        switch (octet)
        {
            case (byte)'\r':
                _state = State.PendingCr;
                return;
            case (byte)'\n':
                BareNewlines++;
                EndLine(output, ref written);
                return;
            case (byte)'.' when _state == State.LineStart:
                output[written++] = octet;
                StuffedDots++;
                break;
        }

        output[written++] = octet;
        _state = State.MidLine;
    }

    private void EndLine(Span<byte> output, ref int written)
    {
        output[written++] = (byte)'\r';
        output[written++] = (byte)'\n';
        _state = State.LineStart;
    }
}
