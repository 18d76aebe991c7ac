using System.Runtime.InteropServices;

namespace FastRelay.Smtp;

/// <summary>
/// Watches the header section of a message go by in stored form (see <see cref="DotDecoder"/>): its size for the header cap, its Received fields for the
/// hop limit (RFC 5321 6.3), and whether it has the fields that a submission service adds (RFC 6409 8). The section ends at the first empty line
/// (RFC 5322 2.1). Changes nothing, keeps nothing, may be cut at any octet.
/// </summary>
[StructLayout(LayoutKind.Auto)]
public struct HeaderScanner
{
    private const int SkippingLine = -1;
    private const int AtEmptyLine = -2;     // CR as the first octet of a line

    private int _matched;
    private Field _field;

    private enum Field : byte
    {
        Received,
        Date,
        MessageId,
    }

    /// <summary>The empty line has been seen: the numbers stand.</summary>
    public bool HasEnded { get; private set; }

    /// <summary>Octets of the header section with line ends, without the empty line.</summary>
    public long HeaderOctets { get; private set; }

    /// <summary>Fields named Received so far.</summary>
    public int ReceivedCount { get; private set; }

    /// <summary>There is a Date field.</summary>
    public bool HasDate { get; private set; }

    /// <summary>There is a Message-ID field.</summary>
    public bool HasMessageId { get; private set; }

    // What is left of a field's name to be seen; all are looked for at once by their first letter.
    private readonly ReadOnlySpan<byte> Name => _field switch
    {
        Field.Date => "date"u8,
        Field.MessageId => "message-id"u8,
        _ => "received"u8,
    };

    /// <summary>Takes the next octets of the message; what lies behind the header section is ignored.</summary>
    /// <returns>Octets that belong to the header section and the empty line behind it: where the body begins once <see cref="HasEnded"/>.</returns>
    public int Feed(ReadOnlySpan<byte> stored)
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

        return at;
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
        else if (_matched == 0)
        {
            _matched = octet == '\r' ? AtEmptyLine : Begin(AsciiWord.Lower(octet));
        }
        else if (_matched < Name.Length)
        {
            _matched = AsciiWord.Lower(octet) == Name[_matched] ? _matched + 1 : SkippingLine;
        }
        else if (octet == ':')
        {
            ReceivedCount += _field == Field.Received ? 1 : 0;
            HasDate |= _field == Field.Date;
            HasMessageId |= _field == Field.MessageId;
            _matched = SkippingLine;
        }
        else if (octet is not ((byte)' ' or (byte)'\t'))
        {
            // White space before the colon is the obsolete syntax of RFC 5322 4.5.3, and still a hop.
            _matched = SkippingLine;
        }
    }

    private int Begin(byte letter)
    {
        _field = letter switch
        {
            (byte)'d' => Field.Date,
            (byte)'m' => Field.MessageId,
            _ => Field.Received,
        };
        return letter == Name[0] ? 1 : SkippingLine;
    }
}
