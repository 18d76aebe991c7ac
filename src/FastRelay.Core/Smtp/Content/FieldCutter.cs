namespace FastRelay.Smtp;

/// <summary>
/// Cuts every header field of one name out of a message that goes by in stored form (see <see cref="DotDecoder"/>), with its folded lines
/// (RFC 5322 2.2.3), and keeps the value of the first. The message may come in any pieces. Nothing behind the header section is looked at.
/// </summary>
public sealed class FieldCutter
{
    /// <summary>Octets that a piece may grow by when it is cut: the beginning of a line that could have been the field. The room for a piece needs as many more.</summary>
    public const int HeldMax = 80;

    /// <summary>Octets of a piece at most.</summary>
    public const int PieceMax = 2048;

    /// <summary>Octets of a value that are kept, with its white space; a longer value counts as none.</summary>
    public const int ValueMax = 256;

    private readonly byte[] _name;
    private readonly byte[] _held = new byte[HeldMax];
    private readonly byte[] _value = new byte[ValueMax];
    private int _heldLength;
    private int _valueLength;
    private int _fields;
    private State _state;

    /// <summary>Makes one for a field.</summary>
    /// <param name="name">Its name, 1 to <see cref="HeldMax"/> octets, no dot in front; letters in any case.</param>
    public FieldCutter(ReadOnlySpan<byte> name)
    {
        Check.That(name.Length is > 0 and < HeldMax && name[0] != '.');
        _name = name.ToArray();
        for (int i = 0; i < _name.Length; i++)
        {
            _name[i] = AsciiWord.Lower(_name[i]);
        }
    }

    private enum State : byte
    {
        LineStart,
        Name,
        Line,
        Value,
        AfterValue,
        Body,
    }

    /// <summary>Octets that were cut out so far: they count for the bounds of a message like those that stayed.</summary>
    public long Octets { get; private set; }

    /// <summary>The value of the first field without the white space around it; empty when there was none, or one that is too long.</summary>
    public ReadOnlySpan<byte> Value => _valueLength > ValueMax ? default : _value.AsSpan(0, _valueLength).Trim(" \t\r\n"u8);

    /// <summary>A new message.</summary>
    public void Reset()
    {
        _state = State.LineStart;
        _heldLength = _valueLength = _fields = 0;
        Octets = 0;
    }

    /// <summary>Cuts a piece in its place.</summary>
    /// <param name="room">The piece in front, and <see cref="HeldMax"/> octets more.</param>
    /// <param name="length">Octets of the piece; at most <see cref="PieceMax"/>.</param>
    /// <returns>Octets that are left of it in front, with what was held back of the pieces before.</returns>
    public int Cut(Span<byte> room, int length)
    {
        if (_state == State.Body)
        {
            return length;
        }
        Check.That(length <= PieceMax && room.Length >= length + HeldMax);
        Span<byte> copy = stackalloc byte[PieceMax];
        room[..length].CopyTo(copy);
        ReadOnlySpan<byte> piece = copy[..length];
        int to = 0;
        for (int at = 0; at < piece.Length;)
        {
            switch (_state)
            {
                case State.Body:
                case State.Line:
                    ReadOnlySpan<byte> rest = piece[at..];
                    int end = _state == State.Line ? rest.IndexOf((byte)'\n') + 1 : 0;
                    rest = end > 0 ? rest[..end] : rest;
                    rest.CopyTo(room[to..]);
                    to += rest.Length;
                    at += rest.Length;
                    _state = end > 0 ? State.LineStart : _state;
                    break;
                case State.Value:
                    Keep(piece[at]);
                    _state = piece[at++] == '\n' ? State.AfterValue : State.Value;
                    break;
                default:
                    at += Begin(piece[at]);
                    if (_state is State.Line or State.Body)
                    {
                        _held.AsSpan(0, _heldLength).CopyTo(room[to..]);
                        to += _heldLength;
                        _heldLength = 0;
                    }
                    break;
            }
        }
        return to;
    }

    /// <summary>An octet at the beginning of a line.</summary>
    /// <returns>1 when it was taken, 0 when it belongs to what follows.</returns>
    private int Begin(byte octet)
    {
        bool blank = octet is (byte)' ' or (byte)'\t';
        if (_state == State.AfterValue && blank)
        {
            _state = State.Value;
            return 0;
        }
        if (_heldLength == 0 && octet == '\r')
        {
            // In stored form CR is always followed by LF: the empty line that ends the header.
            _state = State.Body;
            return 0;
        }
        if (_heldLength < _name.Length ? AsciiWord.Lower(octet) == _name[_heldLength] : blank && _heldLength < HeldMax)
        {
            // White space before the colon is the obsolete syntax of RFC 5322 4.5.3.
            _held[_heldLength++] = octet;
            _state = State.Name;
            return 1;
        }
        if (_heldLength >= _name.Length && octet == ':')
        {
            Octets += _heldLength + 1;
            _heldLength = 0;
            _fields++;
            _state = State.Value;
            return 1;
        }
        _state = State.Line;
        return 0;
    }

    private void Keep(byte octet)
    {
        Octets++;
        if (_fields == 1)
        {
            if (_valueLength < ValueMax)
            {
                _value[_valueLength] = octet;
            }
            _valueLength = Math.Min(_valueLength + 1, ValueMax + 1);
        }
    }
}
