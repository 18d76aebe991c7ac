namespace FastRelay.Smtp;

/// <summary>What a piece of a line is.</summary>
internal enum MimePiece : byte
{
    /// <summary>Of a header field.</summary>
    Field,

    /// <summary>The empty line behind a header.</summary>
    HeaderEnd,

    /// <summary>A boundary between parts, or behind the last.</summary>
    Delimiter,

    /// <summary>Content of a part that has no parts.</summary>
    Body,

    /// <summary>Before the first and behind the last part of a multipart, where readers look at nothing (RFC 2046 5.1.1).</summary>
    Padding,
}

/// <summary>The header fields that matter to a transfer encoding.</summary>
internal enum MimeField : byte
{
    /// <summary>None yet.</summary>
    None,

    /// <summary>Any other.</summary>
    Other,

    /// <summary>Content-Type.</summary>
    Type,

    /// <summary>Content-Transfer-Encoding.</summary>
    Encoding,

    /// <summary>MIME-Version.</summary>
    Version,

    /// <summary>A signature over the whole message: DKIM-Signature (RFC 6376), ARC-Message-Signature (RFC 8617).</summary>
    Signature,
}

/// <summary>
/// Walks the parts of a message (RFC 2045, RFC 2046) as its lines go by, and says of each piece what it is. Keeps the open
/// boundaries and the two fields that it reads, no content. Pure. What readers could take in different ways is told by
/// <see cref="IsAmbiguous"/>, or has the leaf <see cref="MediaKind.Closed"/>.
/// </summary>
internal sealed class MimeWalker
{
    /// <summary>Parts within parts at most; what is deeper is one closed part.</summary>
    public const int DepthMax = 32;

    /// <summary>Octets of a Content-Type at most; a longer one is closed.</summary>
    public const int ValueMax = 2048;

    private struct Frame
    {
        public int BoundaryLength;  // 0 for a message
        public bool IsDigest;
        public bool IsSigned;
    }

    private readonly Frame[] _frames = new Frame[DepthMax];
    private readonly byte[] _boundaries = new byte[(DepthMax + 1) * ContentTypeField.BoundaryMax]; // and room for one that finds no frame
    private readonly byte[] _value = new byte[ValueMax];
    private readonly byte[] _type = new byte[ValueMax];
    private int _depth;
    private int _signed;
    private int _valueLength;
    private int _typeLength;
    private bool _isPadding;
    private bool _isOdd;
    private bool _hasEncoding;
    private bool _isIdentity;
    private bool _isMessageByDefault;
    private bool _beginsMessage;

    /// <summary>The header of a message or a part is going by.</summary>
    public bool InHeader { get; private set; }

    /// <summary>Number of the header that went by last, the message's own first.</summary>
    public int Part { get; private set; }

    /// <summary>Of a message, not of a part.</summary>
    public bool IsMessageHeader { get; private set; }

    /// <summary>The field that is going by.</summary>
    public MimeField Field { get; private set; }

    /// <summary>The header has a MIME-Version.</summary>
    public bool HasVersion { get; private set; }

    /// <summary>The header has a Content-Type.</summary>
    public bool HasType { get; private set; }

    /// <summary>The header says 8bit or binary.</summary>
    public bool SaysEightBit { get; private set; }

    /// <summary>What the part is whose content goes by. Closed when its content must stay as it is.</summary>
    public MediaKind Leaf { get; private set; }

    /// <summary>A signature covers what goes by: multipart/signed, or one in the header of a message around it.</summary>
    public bool IsSigned => _signed > 0;

    /// <summary>A line begins like a boundary and goes on: some readers see a new part there (RFC 2046 5.1.1), others do not.</summary>
    public bool IsAmbiguous { get; private set; }

    /// <summary>A new message.</summary>
    public void Start()
    {
        _depth = _signed = 0;
        Part = -1;
        IsAmbiguous = false;
        Push(default);
        BeginHeader(isMessage: true);
    }

    /// <summary>Takes the next piece of a line.</summary>
    /// <param name="piece">With its CRLF when it ends the line; the longest line that matters to the structure is whole.</param>
    /// <param name="begins">It begins a line.</param>
    /// <param name="ends">It ends one.</param>
    public MimePiece Take(ReadOnlySpan<byte> piece, bool begins, bool ends)
    {
        if (_beginsMessage)
        {
            BeginHeader(isMessage: true);
        }

        if (begins && piece.StartsWith("--"u8) && IsDelimiter(piece, ends))
        {
            return MimePiece.Delimiter;
        }

        return InHeader ? TakeField(piece, begins, ends) : _isPadding ? MimePiece.Padding : MimePiece.Body;
    }

    private Span<byte> BoundaryOf(int frame) => _boundaries.AsSpan(frame * ContentTypeField.BoundaryMax, _frames[frame].BoundaryLength);

    private bool IsDelimiter(ReadOnlySpan<byte> piece, bool ends)
    {
        int found = 0, possible = 0;
        var closes = false;
        for (var i = _depth - 1; i > 0; i--)
        {
            var boundary = BoundaryOf(i);
            if (boundary.IsEmpty || !piece[2..].StartsWith(boundary))
            {
                continue;
            }

            possible++;
            var rest = piece[(2 + boundary.Length)..];
            var isLast = rest.StartsWith("--"u8);
            if (ends && found == 0 && rest[(isLast ? 2 : 0)..].TrimEnd(" \t\r\n"u8).IsEmpty)
            {
                found = i;
                closes = isLast;
            }
        }

        IsAmbiguous |= possible > 1 || (possible == 1 && found == 0);
        if (found > 0)
        {
            Delimit(found, closes);
        }

        return found > 0;
    }

    private void Delimit(int frame, bool closes)
    {
        while (_depth > (closes ? frame : frame + 1))
        {
            _signed -= _frames[--_depth].IsSigned ? 1 : 0;
        }

        if (!closes)
        {
            BeginHeader(isMessage: false);
            return;
        }

        InHeader = false;
        _isPadding = true;
    }

    private bool Push(Frame frame)
    {
        if (_depth == DepthMax)
        {
            return false;
        }

        _frames[_depth++] = frame;
        _signed += frame.IsSigned ? 1 : 0;
        return true;
    }

    private void BeginHeader(bool isMessage)
    {
        InHeader = true;
        Part++;
        IsMessageHeader = isMessage;
        _isMessageByDefault = !isMessage && _frames[_depth - 1].IsDigest;
        _isPadding = _isOdd = _hasEncoding = _beginsMessage = false;
        _isIdentity = true;
        HasVersion = HasType = SaysEightBit = false;
        Field = MimeField.None;
        _valueLength = _typeLength = 0;
    }

    private MimePiece TakeField(ReadOnlySpan<byte> piece, bool begins, bool ends)
    {
        if (begins)
        {
            if (ends && piece.Length == 2)
            {
                EndField();
                EndHeader();
                return MimePiece.HeaderEnd;
            }

            var continues = piece[0] is (byte)' ' or (byte)'\t';
            var colon = continues ? -1 : piece.IndexOf((byte)':');
            var name = colon < 0 ? default : piece[..colon].TrimEnd(" \t"u8);
            if (continues ? Field == MimeField.None : name.IsEmpty || name.ContainsAnyExceptInRange((byte)33, (byte)126))
            {
                // No header: for some readers the body begins here, for others it does not.
                InHeader = false;
                Leaf = MediaKind.Closed;
                return MimePiece.Body;
            }

            if (!continues)
            {
                EndField();
                Begin(name);
                piece = piece[(colon + 1)..];
            }
        }

        if (Field is MimeField.Type or MimeField.Encoding)
        {
            var text = ends ? piece[..^2] : piece;
            _isOdd |= !text.TryCopyTo(_value.AsSpan(_valueLength));
            _valueLength += _isOdd ? 0 : text.Length;
        }

        return MimePiece.Field;
    }

    private void Begin(ReadOnlySpan<byte> name)
    {
        Field = AsciiWord.Equals(name, "Content-Type"u8) ? MimeField.Type
            : AsciiWord.Equals(name, "Content-Transfer-Encoding"u8) ? MimeField.Encoding
            : AsciiWord.Equals(name, "MIME-Version"u8) ? MimeField.Version
            : AsciiWord.Equals(name, "DKIM-Signature"u8) || AsciiWord.Equals(name, "ARC-Message-Signature"u8) ? MimeField.Signature
            : MimeField.Other;
        _valueLength = 0;
        switch (Field)
        {
            case MimeField.Version:
                HasVersion = true;
                break;
            case MimeField.Signature when IsMessageHeader && !_frames[_depth - 1].IsSigned:
                _frames[_depth - 1].IsSigned = true;
                _signed++;
                break;
        }
    }

    // Of two fields of a kind some readers take the first and others the last.
    private void EndField()
    {
        switch (Field)
        {
            case MimeField.Type:
                _isOdd |= HasType;
                HasType = true;
                _value.AsSpan(0, _valueLength).CopyTo(_type);
                _typeLength = _valueLength;
                break;
            case MimeField.Encoding:
                _isOdd |= _hasEncoding;
                _hasEncoding = true;
                var word = ContentTypeField.OnlyWord(_value.AsSpan(0, _valueLength));
                SaysEightBit = AsciiWord.Equals(word, "8bit"u8) || AsciiWord.Equals(word, "binary"u8);
                _isIdentity = SaysEightBit || AsciiWord.Equals(word, "7bit"u8);
                break;
        }
    }

    private void EndHeader()
    {
        var boundary = _boundaries.AsSpan(_depth * ContentTypeField.BoundaryMax, ContentTypeField.BoundaryMax);
        var length = 0;
        bool isSigned = false, isDigest = false;
        Leaf = HasType && !_isOdd ? ContentTypeField.Read(_type.AsSpan(0, _typeLength), boundary, out length, out isSigned, out isDigest)
            : _isMessageByDefault ? MediaKind.Message : MediaKind.Text;
        InHeader = false;
        if (_isOdd || !_isIdentity)
        {
            // Encoded already, or nobody can say how.
            Leaf = MediaKind.Closed;
        }

        switch (Leaf)
        {
            case MediaKind.Multipart when Push(new Frame { BoundaryLength = length, IsDigest = isDigest, IsSigned = isSigned }):
                _isPadding = true;
                break;
            case MediaKind.Message when Push(default):
                // Not before its first line: what this header said is still to be asked for.
                _beginsMessage = true;
                break;
            case MediaKind.Multipart or MediaKind.Message:
                Leaf = MediaKind.Closed;
                break;
        }
    }
}
