using System.Runtime.InteropServices;

namespace FastRelay.Smtp;

/// <summary>
/// Watches the header section of a message go by in stored form (see <see cref="DotDecoder"/>): its size for the header cap, its Received fields for the
/// hop limit (RFC 5321 6.3). The section ends at the first empty line (RFC 5322 2.1). Changes nothing, keeps nothing, may be cut at any octet.
/// </summary>
[StructLayout(LayoutKind.Auto)]
public struct HeaderScanner
{
    private const int SkippingLine = -1;
    private const int AtEmptyLine = -2;     // CR as the first octet of a line
    private const int AfterName = 8;        // "Received" seen, white space or a colon next

    private int _matched;

    /// <summary>The empty line has been seen: the numbers stand.</summary>
    public bool HasEnded { get; private set; }

    /// <summary>Octets of the header section with line ends, without the empty line.</summary>
    public long HeaderOctets { get; private set; }

    /// <summary>Fields named Received so far.</summary>
    public int ReceivedCount { get; private set; }

    private static ReadOnlySpan<byte> Name => "received"u8;

    /// <summary>Takes the next octets of the message; what lies behind the header section is ignored.</summary>
    public void Feed(ReadOnlySpan<byte> stored)
    {
        var at = 0;
        while (at < stored.Length && !HasEnded)
        {
            if (_matched == SkippingLine)
            {
                var end = stored[at..].IndexOf((byte)'\n');
                var length = end < 0 ? stored.Length - at : end + 1;
                HeaderOctets += length;
                at += length;
                _matched = end < 0 ? SkippingLine : 0;
                continue;
            }

            Step(stored[at++]);
        }
    }

    private void Step(byte octet)
    {
        HeaderOctets++;
        if (_matched == AtEmptyLine)
        {
            // In stored form CR is always followed by LF; anything else would be an ordinary line.
            HasEnded = octet == '\n';
            HeaderOctets -= HasEnded ? 2 : 0;
            _matched = SkippingLine;
        }
        else if (octet == '\n')
        {
            _matched = 0;
        }
        else if (_matched == 0 && octet == '\r')
        {
            _matched = AtEmptyLine;
        }
        else if (_matched < AfterName)
        {
            _matched = AsciiWord.Lower(octet) == Name[_matched] ? _matched + 1 : SkippingLine;
        }
        else if (octet == ':')
        {
            ReceivedCount++;
            _matched = SkippingLine;
        }
        else if (octet is not ((byte)' ' or (byte)'\t'))
        {
            // White space before the colon is the obsolete syntax of RFC 5322 4.5.3, and still a hop.
            _matched = SkippingLine;
        }
    }
}
