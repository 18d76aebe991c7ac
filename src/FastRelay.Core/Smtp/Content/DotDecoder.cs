using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace FastRelay.Smtp;

/// <summary>What a step of a dot codec ended with.</summary>
public enum DotStatus
{
    /// <summary>All input is consumed and the content has not ended.</summary>
    NeedMore,

    /// <summary>The output has no room for the next step; the rest of the input is unconsumed.</summary>
    NeedSpace,

    /// <summary>The end of the content is consumed; what follows it is not.</summary>
    End,
}

/// <summary>
/// Frames the content after DATA (RFC 5321 4.1.1.4, 4.5.2) and gives it in stored form: lines that end in CRLF, dot-stuffed, without the final dot line.
/// Only CRLF "." CRLF ends it, at the start "." CRLF alone. A bare CR or LF becomes CRLF and the line that then begins is stuffed like any other,
/// so that the output holds no bare CR or LF and no line that is a lone dot, and no next hop sees an end that we did not see.
/// All other octets pass, NUL and those over 127 too.
/// </summary>
[StructLayout(LayoutKind.Auto)]
public struct DotDecoder
{
    /// <summary>Least room in the output for a step: CRLF and a stuffed dot.</summary>
    public const int OutputMin = 4;

    private const byte Cr = (byte)'\r';
    private const byte Lf = (byte)'\n';
    private const byte Dot = (byte)'.';

    private State _state;
    private long _written;

    // The pending octets of a state are in no output yet: what they become depends on what follows.
    private enum State : byte
    {
        LineStart,      // at the start, or after CRLF on the wire: only here a dot is the wire's and not the content's
        DotAtStart,     // "." pending
        DotCr,          // ".", CR pending
        MidLine,
        PendingCr,      // CR pending
        MadeLineStart,  // after a CRLF that normalising wrote: a dot here is content
    }

    /// <summary>Stuffed dots in the output: octets that a delivery by BDAT leaves out.</summary>
    public long StuffedDots { get; private set; }

    /// <summary>Bare CRs and LFs that became CRLF. A caller may refuse such content (550 5.6.11).</summary>
    public long BareNewlines { get; private set; }

    /// <summary>Octets of the content so far, CRLFs counted and stuffed dots not.</summary>
    public readonly long ContentLength => _written - StuffedDots;

    /// <summary>Decodes what is there.</summary>
    /// <param name="input">Octets from the wire; those consumed never come again.</param>
    /// <param name="output">Receives the stored form; at least <see cref="OutputMin"/> octets or nothing moves.</param>
    /// <param name="consumed">Octets taken from <paramref name="input"/>.</param>
    /// <param name="written">Octets put into <paramref name="output"/>; at most 2 for each consumed and 2 more.</param>
    public DotStatus Decode(ReadOnlySpan<byte> input, Span<byte> output, out int consumed, out int written)
    {
        consumed = 0;
        written = 0;
        var status = DotStatus.NeedMore;
        while (consumed < input.Length)
        {
            if (_state is State.MidLine or State.LineStart)
            {
                var window = Math.Min(input.Length - consumed, output.Length - written);
                var clean = CopyThroughLength(input.Slice(consumed, window));
                if (clean > 0)
                {
                    input.Slice(consumed, clean).CopyTo(output[written..]);
                    consumed += clean;
                    written += clean;
                    continue;
                }
            }

            if (output.Length - written < OutputMin)
            {
                status = DotStatus.NeedSpace;
                break;
            }

            if (Step(input[consumed++], output, ref written))
            {
                status = DotStatus.End;
                break;
            }
        }

        _written += written;
        return status;
    }

    // How many octets at the front go out as they are: text with true CRLFs and dots already stuffed. Leaves the state behind them.
    private int CopyThroughLength(ReadOnlySpan<byte> text)
    {
        var at = 0;
        var dots = 0;
        var lineStart = _state == State.LineStart;
        while (true)
        {
            if (at > 0 && PlainLength(text, at) is var plain and > 0)
            {
                at += plain;
                lineStart = text[at - 1] == Lf;
            }

            if (at == text.Length)
            {
                break;
            }

            if (lineStart && text[at] == Dot)
            {
                if (at + 1 >= text.Length || text[at + 1] != Dot)
                {
                    break; // the end, a dot to take off, or not known yet
                }

                dots++;
                at += 2;
                lineStart = false;
                continue;
            }

            var found = text[at..].IndexOfAny(Cr, Lf);
            if (found < 0)
            {
                at = text.Length;
                lineStart = false;
                break;
            }

            if (found > 0)
            {
                at += found;
                lineStart = false;
            }

            if (text[at] == Lf || at + 1 >= text.Length || text[at + 1] != Lf)
            {
                break;
            }

            at += 2;
            lineStart = true;
        }

        StuffedDots += dots;
        _state = lineStart ? State.LineStart : State.MidLine;
        return at;
    }

    // How many octets from <at> on are lines with true ends that no dot begins: by 64 at a time, each octet beside the one before it, without
    // a branch for every line. What is left is for the loop above, which has looked at one octet at least.
    private static int PlainLength(ReadOnlySpan<byte> text, int at)
    {
        const int Piece = 64;
        var begin = at;
        while (text.Length - at >= Piece)
        {
            ref byte first = ref Unsafe.Add(ref MemoryMarshal.GetReference(text), at);
            if ((Odd(ref first, 0) | Odd(ref first, 16) | Odd(ref first, 32) | Odd(ref first, 48)) != Vector128<byte>.Zero)
            {
                break;
            }

            at += Piece;
        }

        // Whether the LF of a last CR follows is not known.
        return at - begin - (at > begin && text[at - 1] == Cr ? 1 : 0);
    }

    // Of 16 octets those that are an LF without a CR, no LF behind a CR, or a dot that begins a line. One octet before them is read.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> Odd(ref byte first, int offset)
    {
        var here = Vector128.LoadUnsafe(ref Unsafe.Add(ref first, offset));
        var before = Vector128.LoadUnsafe(ref Unsafe.Add(ref first, offset - 1));
        return (Vector128.Equals(here, Vector128.Create(Lf)) ^ Vector128.Equals(before, Vector128.Create(Cr)))
            | (Vector128.Equals(here, Vector128.Create(Dot)) & Vector128.Equals(before, Vector128.Create(Lf)));
    }

    // One octet by the table. True at the end of the content.
    private bool Step(byte octet, Span<byte> output, ref int written)
    {
        switch (_state)
        {
            case State.LineStart when octet == Dot:
                _state = State.DotAtStart;
                return false;
            case State.DotAtStart when octet == Cr:
                _state = State.DotCr;
                return false;
            case State.DotCr when octet == Lf:
                _state = State.LineStart;
                return true;
            case State.PendingCr when octet == Lf:
                WriteNewline(output, ref written);
                _state = State.LineStart;
                return false;
            case State.DotCr or State.PendingCr:
                // The CR was a bare one, and a dot before it was the wire's.
                MakeLine(output, ref written);
                break;
        }

        switch (octet)
        {
            case Cr:
                _state = State.PendingCr;
                return false;
            case Lf:
                MakeLine(output, ref written);
                return false;
            case Dot when _state is State.MadeLineStart or State.DotAtStart:
                output[written++] = Dot;
                output[written++] = Dot;
                StuffedDots++;
                break;
            default:
                output[written++] = octet;
                break;
        }

        _state = State.MidLine;
        return false;
    }

    private void MakeLine(Span<byte> output, ref int written)
    {
        WriteNewline(output, ref written);
        BareNewlines++;
        _state = State.MadeLineStart;
    }

    private static void WriteNewline(Span<byte> output, ref int written)
    {
        output[written++] = Cr;
        output[written++] = Lf;
    }
}
