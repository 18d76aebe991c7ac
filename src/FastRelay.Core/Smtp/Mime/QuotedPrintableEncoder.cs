using System.Runtime.InteropServices;

namespace FastRelay.Smtp;

/// <summary>
/// Encodes lines as quoted-printable (RFC 2045 6.7): at most 76 octets a line, no white space at the end of one, and no line
/// that begins with a hyphen: what was broken or coded must never look like a boundary.
/// </summary>
[StructLayout(LayoutKind.Auto)]
public struct QuotedPrintableEncoder
{
    private const int ColumnsMax = 75; // and the "=" of a soft line break
    private int _column;
    private byte _space;

    /// <summary>Encodes a piece of a line.</summary>
    /// <param name="piece">With its CRLF when it ends the line.</param>
    /// <param name="ends">It does.</param>
    /// <param name="output">At least three octets for each of the piece, and as many again for each 75 of them.</param>
    /// <returns>Octets written.</returns>
    public int Encode(ReadOnlySpan<byte> piece, bool ends, Span<byte> output)
    {
        var at = 0;
        foreach (var octet in ends ? piece[..^2] : piece)
        {
            Plain(_space, output, ref at);
            _space = 0;
            if (octet is (byte)' ' or (byte)'\t')
            {
                // Not before it is known that it is not the last of its line.
                _space = octet;
            }
            else if (octet is > 32 and < 127 and not (byte)'=')
            {
                Plain(octet, output, ref at);
            }
            else
            {
                Coded(octet, output, ref at);
            }
        }

        if (ends)
        {
            if (_space != 0)
            {
                Coded(_space, output, ref at);
            }

            output[at++] = (byte)'\r';
            output[at++] = (byte)'\n';
            _space = 0;
            _column = 0;
        }

        return at;
    }

    private void Plain(byte octet, Span<byte> output, ref int at)
    {
        if (octet == '-' && _column is 0 or ColumnsMax)
        {
            Coded(octet, output, ref at);
        }
        else if (octet != 0)
        {
            Break(1, output, ref at);
            output[at++] = octet;
        }
    }

    private void Coded(byte octet, Span<byte> output, ref int at)
    {
        Break(3, output, ref at);
        output[at++] = (byte)'=';
        output[at++] = "0123456789ABCDEF"u8[octet >> 4];
        output[at++] = "0123456789ABCDEF"u8[octet & 15];
    }

    private void Break(int octets, Span<byte> output, ref int at)
    {
        if (_column + octets > ColumnsMax)
        {
            output[at++] = (byte)'=';
            output[at++] = (byte)'\r';
            output[at++] = (byte)'\n';
            _column = 0;
        }

        _column += octets;
    }
}
