namespace FastRelay.Load;

/// <summary>What a message turned out to be.</summary>
public enum CheckedAs : byte
{
    /// <summary>It has no <see cref="LoadMark"/>: it came from elsewhere, or is a bounce.</summary>
    Unmarked,

    /// <summary>Its body is what the source put in.</summary>
    Intact,

    /// <summary>Its body is not.</summary>
    Damaged,
}

/// <summary>Reads one message in wire form after another: finds the source's mark in the header and sums the body.</summary>
public sealed class MessageCheck
{
    // A line that TCP cut in two is put together here; only a mark has to fit, and the empty line.
    private readonly byte[] _line = new byte[256];
    private int _held;
    private bool _cut;
    private bool _inBody;
    private bool _marked;
    private bool _isPlain;
    private LoadMark _mark;
    private ContentSum _sum;

    /// <summary>The mark; default when none was seen.</summary>
    public LoadMark Mark => _mark;

    /// <summary>Starts a message.</summary>
    /// <param name="isPlain">It comes by BDAT: without stuffing and without a final dot.</param>
    public void Start(bool isPlain = false)
    {
        _isPlain = isPlain;
        _held = 0;
        _cut = false;
        _inBody = false;
        _marked = false;
        _mark = default;
        _sum = default;
    }

    /// <summary>Takes the next octets as they came; after DATA the final dot line too.</summary>
    public void Add(ReadOnlySpan<byte> wire)
    {
        while (!_inBody && !wire.IsEmpty)
        {
            int found = wire.IndexOf((byte)'\n');
            int length = found < 0 ? wire.Length : found + 1;
            ReadOnlySpan<byte> piece = wire[..length];
            wire = wire[length..];
            if (found < 0 || _held > 0 || _cut)
            {
                Hold(piece);
                piece = _line.AsSpan(0, _held);
            }
            if (found >= 0)
            {
                // A held line that did not fit is some long field: never the mark, never empty.
                Take(_cut ? "?"u8 : piece.TrimEnd("\r\n"u8));
                _held = 0;
                _cut = false;
            }
        }
        if (_isPlain)
        {
            _sum.AddPlain(wire);
        }
        else
        {
            _sum.Add(wire);
        }
    }

    /// <summary>The verdict, after the last octet.</summary>
    public CheckedAs Verdict() =>
        !_marked ? CheckedAs.Unmarked
        : _sum.Crc == _mark.BodyCrc && _sum.Length == _mark.BodyLength ? CheckedAs.Intact : CheckedAs.Damaged;

    private void Take(ReadOnlySpan<byte> line)
    {
        if (line.IsEmpty)
        {
            _inBody = true;
        }
        else if (!_marked && LoadMark.TryRead(line, out LoadMark mark))
        {
            _marked = true;
            _mark = mark;
        }
    }

    private void Hold(ReadOnlySpan<byte> piece)
    {
        int length = Math.Min(piece.Length, _line.Length - _held);
        piece[..length].CopyTo(_line.AsSpan(_held));
        _held += length;
        _cut |= length < piece.Length;
    }
}
