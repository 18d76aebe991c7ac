namespace FastRelay.Smtp;

/// <summary>What a survey has found about giving a message to a host without 8BITMIME.</summary>
public enum SevenBitVerdict : byte
{
    /// <summary>No octet of it has 8 bits: it goes as it is.</summary>
    Unneeded,

    /// <summary><see cref="SevenBitConverter.Convert"/> gives it in 7 bits.</summary>
    Convertible,

    /// <summary>A signature covers octets of 8 bits: another encoding would break it (RFC 3463 3.7: X.6.2).</summary>
    Signed,

    /// <summary>Octets of 8 bits in a header, in a part that may not be encoded, or in a structure that readers take in different ways (X.6.3).</summary>
    Impossible,
}

/// <summary>
/// Gives a message in 7 bits (RFC 6152 3): each part that has octets of 8 bits is encoded, text as quoted-printable
/// (RFC 2045 6.7) and anything else as base64 (6.8); all other octets stay, but for labels that are true no longer. Takes
/// and gives stored form (see <see cref="DotDecoder"/>). Goes over a message twice, and keeps a line and a bit a part.
/// Pure; reused by <see cref="StartSurvey"/>.
/// </summary>
public sealed class SevenBitConverter
{
    /// <summary>Least room in the output for a step: a whole <see cref="LineMax"/> as quoted-printable, and the fields of a header.</summary>
    public const int OutputMin = 6 * 1024;

    /// <summary>Octets of a line that are looked at together; the structure of a message is in shorter ones (RFC 5322 2.1.1).</summary>
    public const int LineMax = 1024;

    /// <summary>Parts at most: octets of 8 bits in one behind them are not converted.</summary>
    public const int PartsMax = 4096;

    private const int HeldMax = 512;
    private readonly MimeWalker _walker = new();
    private readonly byte[] _line = new byte[LineMax];
    private readonly byte[] _held = new byte[HeldMax]; // a Content-Transfer-Encoding that may not stay
    private readonly ulong[] _eightBit = new ulong[PartsMax / 64];
    private DotEncoder _stuffer;
    private QuotedPrintableEncoder _quoted;
    private Base64LineEncoder _base64;
    private Encoding _encoding;
    private int _lineLength;
    private int _heldLength;
    private bool _begins;
    private bool _dotTaken;
    private bool _seen;
    private SevenBitVerdict _verdict;

    private enum Encoding : byte
    {
        None,
        QuotedPrintable,
        Base64,
    }

    /// <summary>Dots that were stuffed in the output of the conversion: octets that SIZE does not count.</summary>
    public long StuffedDots => _stuffer.StuffedDots;

    /// <summary>Begins to look at a message.</summary>
    public void StartSurvey()
    {
        Rewind();
        _eightBit.AsSpan().Clear();
        _seen = false;
        _verdict = SevenBitVerdict.Convertible;
    }

    /// <summary>Looks at the next octets.</summary>
    public void Survey(ReadOnlySpan<byte> stored)
    {
        var at = 0;
        while (at < stored.Length)
        {
            at += Next(stored[at..], out var piece, out var ends);
            if (!piece.IsEmpty)
            {
                Look(piece, ends);
            }
        }
    }

    /// <summary>Ends the look at a message.</summary>
    public SevenBitVerdict EndSurvey()
    {
        if (_lineLength > 0)
        {
            Look(_line.AsSpan(0, _lineLength), ends: false);
        }

        if (_walker.IsAmbiguous)
        {
            Refuse(SevenBitVerdict.Impossible);
        }

        return _verdict = _seen ? _verdict : SevenBitVerdict.Unneeded;
    }

    /// <summary>Begins to convert the message that was surveyed; may be called again for the same one.</summary>
    public void Start()
    {
        Check.That(_verdict == SevenBitVerdict.Convertible, "a message was converted that cannot be");
        Rewind();
    }

    /// <summary>Converts what is there. Never answers <see cref="DotStatus.End"/>: <see cref="Finish"/> ends.</summary>
    /// <param name="input">The message in stored form; consumed octets never come again.</param>
    /// <param name="output">Receives the same; at least <see cref="OutputMin"/> octets or nothing moves.</param>
    /// <param name="consumed">Octets taken.</param>
    /// <param name="written">Octets given.</param>
    public DotStatus Convert(ReadOnlySpan<byte> input, Span<byte> output, out int consumed, out int written)
    {
        consumed = 0;
        written = 0;
        while (consumed < input.Length)
        {
            if (output.Length - written < OutputMin)
            {
                return DotStatus.NeedSpace;
            }

            consumed += Next(input[consumed..], out var piece, out var ends);
            if (!piece.IsEmpty)
            {
                Take(piece, ends, output, ref written);
            }
        }

        return DotStatus.NeedMore;
    }

    /// <summary>Ends the message.</summary>
    /// <param name="output">At least <see cref="OutputMin"/>.</param>
    /// <param name="written">Octets given.</param>
    public void Finish(Span<byte> output, out int written)
    {
        written = 0;
        if (_lineLength > 0)
        {
            Take(_line.AsSpan(0, _lineLength), ends: false, output, ref written);
            _lineLength = 0;
        }

        PutHeld(output, ref written);
        EndBody(output, ref written, atDelimiter: false);
        Check.That(_stuffer.Finish(output[written..], out var last));
        written += last;
    }

    private bool IsToEncode => _walker.Part < PartsMax && (_eightBit[_walker.Part / 64] >> (_walker.Part % 64) & 1) != 0;

    private void Rewind()
    {
        _walker.Start();
        _stuffer = default;
        _encoding = Encoding.None;
        _lineLength = _heldLength = 0;
        _begins = true;
        _dotTaken = false;
    }

    // The next piece of a line, unstuffed: the line, or LineMax octets of it, never cut between CR and LF. Empty while more is needed.
    private int Next(ReadOnlySpan<byte> input, out ReadOnlySpan<byte> piece, out bool ends)
    {
        piece = default;
        ends = false;
        var skipped = 0;
        if (_begins && _lineLength == 0 && !_dotTaken && input[0] == '.')
        {
            _dotTaken = true;
            skipped = 1;
        }

        var room = LineMax - _lineLength;
        var window = input[skipped..];
        window = window[..Math.Min(window.Length, room)];
        var lf = window.IndexOf((byte)'\n');
        ends = lf >= 0;
        var isWhole = ends || window.Length == room;
        window = ends ? window[..(lf + 1)] : window;
        if (isWhole && !ends && window[^1] == '\r')
        {
            window = window[..^1];
        }

        if (_lineLength == 0 && isWhole)
        {
            piece = window;
        }
        else
        {
            window.CopyTo(_line.AsSpan(_lineLength));
            _lineLength += window.Length;
            if (isWhole)
            {
                piece = _line.AsSpan(0, _lineLength);
                _lineLength = 0;
            }
        }

        return skipped + window.Length;
    }

    private MimePiece Walk(ReadOnlySpan<byte> piece, bool ends)
    {
        var kind = _walker.Take(piece, _begins, ends);
        _begins = ends;
        _dotTaken &= !ends;
        return kind;
    }

    private void Look(ReadOnlySpan<byte> piece, bool ends)
    {
        var kind = Walk(piece, ends);
        if (!piece.ContainsAnyExceptInRange((byte)0, (byte)127))
        {
            return;
        }

        _seen = true;
        if (kind is MimePiece.Body or MimePiece.Padding && _walker.IsSigned)
        {
            Refuse(SevenBitVerdict.Signed);
        }
        else if (kind == MimePiece.Body && _walker.Leaf is MediaKind.Text or MediaKind.Other && _walker.Part < PartsMax)
        {
            _eightBit[_walker.Part / 64] |= 1UL << (_walker.Part % 64);
        }
        else if (kind != MimePiece.Padding)
        {
            Refuse(SevenBitVerdict.Impossible);
        }
    }

    private void Refuse(SevenBitVerdict why) => _verdict = _verdict == SevenBitVerdict.Convertible ? why : _verdict;

    private void Take(ReadOnlySpan<byte> piece, bool ends, Span<byte> output, ref int written)
    {
        var begins = _begins;
        var wasInHeader = _walker.InHeader;
        var kind = Walk(piece, ends);
        switch (kind)
        {
            case MimePiece.Field:
                TakeField(piece, begins, output, ref written);
                break;
            case MimePiece.HeaderEnd:
                EndHeader(output, ref written);
                Put(piece, output, ref written);
                break;
            case MimePiece.Padding:
                PutSevenBit(piece, output, ref written);
                break;
            case MimePiece.Body when !wasInHeader:
                TakeBody(piece, ends, output, ref written);
                break;
            default:
                // A boundary, or a line that is none of a header, ends one without an empty line.
                PutHeld(output, ref written);
                EndBody(output, ref written, atDelimiter: true);
                Put(piece, output, ref written);
                break;
        }
    }

    // A Content-Transfer-Encoding waits until it is known whether it stays: where it stands, or else behind the other fields.
    private void TakeField(ReadOnlySpan<byte> piece, bool begins, Span<byte> output, ref int written)
    {
        var isEncoding = _walker.Field == MimeField.Encoding && !_walker.IsSigned;
        if (!isEncoding && !_walker.SaysEightBit && !IsToEncode)
        {
            PutHeld(output, ref written);
        }

        if (!isEncoding)
        {
            Put(piece, output, ref written);
        }
        else if (piece.TryCopyTo(_held.AsSpan(_heldLength)))
        {
            _heldLength += piece.Length;
        }
        else
        {
            // As long as this it names no encoding, and its part is not touched.
            PutHeld(output, ref written);
            Put(piece, output, ref written);
        }
    }

    private void EndHeader(Span<byte> output, ref int written)
    {
        _encoding = !IsToEncode ? Encoding.None : _walker.Leaf == MediaKind.Text ? Encoding.QuotedPrintable : Encoding.Base64;
        if (_encoding == Encoding.None && (_heldLength == 0 || !_walker.SaysEightBit || _walker.IsSigned || _walker.Leaf == MediaKind.Closed))
        {
            PutHeld(output, ref written);
            return;
        }

        _heldLength = 0;
        if (_encoding != Encoding.None && _walker.IsMessageHeader)
        {
            // RFC 1428 3: what says nothing of MIME gets what MIME needs, and a charset that claims nothing.
            Put(_walker.HasVersion ? default : "MIME-Version: 1.0\r\n"u8, output, ref written);
            Put(_walker.HasType ? default : "Content-Type: text/plain; charset=unknown-8bit\r\n"u8, output, ref written);
        }

        _quoted = default;
        _base64 = default;
        Put("Content-Transfer-Encoding: "u8, output, ref written);
        Put(_encoding switch
        {
            Encoding.QuotedPrintable => "quoted-printable\r\n"u8,
            Encoding.Base64 => "base64\r\n"u8,
            _ => "7bit\r\n"u8,
        }, output, ref written);
    }

    private void TakeBody(ReadOnlySpan<byte> piece, bool ends, Span<byte> output, ref int written)
    {
        if (_encoding == Encoding.None)
        {
            Put(piece, output, ref written);
            return;
        }

        Span<byte> encoded = stackalloc byte[OutputMin];
        var length = _encoding == Encoding.QuotedPrintable ? _quoted.Encode(piece, ends, encoded) : _base64.Encode(piece, ends, encoded);
        Put(encoded[..length], output, ref written);
    }

    // The line end before a boundary belongs to the boundary (RFC 2046 5.1.1), that of the message's last line to its content.
    private void EndBody(Span<byte> output, ref int written, bool atDelimiter)
    {
        if (_encoding == Encoding.Base64)
        {
            Span<byte> encoded = stackalloc byte[2 * Base64LineEncoder.LineOctets];
            Put(encoded[.._base64.Finish(encoded, withLineEnd: !atDelimiter)], output, ref written);
        }

        _encoding = Encoding.None;
    }

    private void PutHeld(Span<byte> output, ref int written)
    {
        Put(_held.AsSpan(0, _heldLength), output, ref written);
        _heldLength = 0;
    }

    // What nobody reads need not be kept to the octet.
    private void PutSevenBit(ReadOnlySpan<byte> piece, Span<byte> output, ref int written)
    {
        Span<byte> plain = stackalloc byte[LineMax];
        for (var i = 0; i < piece.Length; i++)
        {
            plain[i] = piece[i] > 127 ? (byte)'?' : piece[i];
        }

        Put(plain[..piece.Length], output, ref written);
    }

    private void Put(ReadOnlySpan<byte> text, Span<byte> output, ref int written)
    {
        _stuffer.Encode(text, output[written..], out var taken, out var given);
        Check.That(taken == text.Length, "less room than a step needs");
        written += given;
    }
}
