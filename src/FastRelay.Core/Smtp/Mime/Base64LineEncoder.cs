using System.Buffers.Text;
using System.Runtime.CompilerServices;

namespace FastRelay.Smtp;

/// <summary>Encodes lines as base64 (RFC 2045 6.8), line ends as the octets that they are, 76 characters a line.</summary>
internal struct Base64LineEncoder
{
    /// <summary>Octets of an encoded line with its CRLF.</summary>
    public const int LineOctets = 78;

    private const int GroupMax = 57;

    [InlineArray(GroupMax)]
    private struct Group
    {
        private byte _first;
    }

    private Group _group;
    private int _length;
    private bool _owesLineEnd;

    /// <summary>Encodes a piece of a line.</summary>
    /// <param name="piece">With its CRLF when it ends the line.</param>
    /// <param name="ends">It does. The CRLF waits for what comes next: it may belong to a boundary.</param>
    /// <param name="output">At least a <see cref="LineOctets"/> for each 57 octets of the piece and two more.</param>
    /// <returns>Octets written.</returns>
    public int Encode(ReadOnlySpan<byte> piece, bool ends, Span<byte> output)
    {
        var at = 0;
        PayLineEnd(output, ref at);
        Add(ends ? piece[..^2] : piece, output, ref at);
        _owesLineEnd = ends;
        return at;
    }

    /// <summary>Ends the encoding.</summary>
    /// <param name="output">At least two <see cref="LineOctets"/>.</param>
    /// <param name="withLineEnd">The last CRLF is content.</param>
    /// <returns>Octets written.</returns>
    public int Finish(Span<byte> output, bool withLineEnd)
    {
        var at = 0;
        if (withLineEnd)
        {
            PayLineEnd(output, ref at);
        }

        if (_length > 0)
        {
            Flush(output, ref at);
        }

        return at;
    }

    private void PayLineEnd(Span<byte> output, ref int at)
    {
        if (_owesLineEnd)
        {
            Add("\r\n"u8, output, ref at);
            _owesLineEnd = false;
        }
    }

    private void Add(ReadOnlySpan<byte> octets, Span<byte> output, ref int at)
    {
        while (!octets.IsEmpty)
        {
            var taken = Math.Min(octets.Length, GroupMax - _length);
            octets[..taken].CopyTo(((Span<byte>)_group)[_length..]);
            octets = octets[taken..];
            _length += taken;
            if (_length == GroupMax)
            {
                Flush(output, ref at);
            }
        }
    }

    private void Flush(Span<byte> output, ref int at)
    {
        Base64.EncodeToUtf8(((Span<byte>)_group)[.._length], output[at..], out _, out var written);
        at += written;
        output[at++] = (byte)'\r';
        output[at++] = (byte)'\n';
        _length = 0;
    }
}
