namespace FastRelay.Queue;

/// <summary>
/// Texts of the last deferrals, for people who look at the queue: a ring of 4,096 distinct ones, at most 192 octets
/// each, so that ten million deferred messages that say the same cost one text. An entry whose text was overwritten
/// says nothing; the log has it.
/// </summary>
internal sealed class ReasonTable
{
    /// <summary>Octets kept of a text.</summary>
    public const int TextBytes = 192;

    private const int Slots = 4096;
    private readonly Dictionary<int, int> _byHash = new(Slots);
    private readonly byte[]?[] _texts = new byte[]?[Slots];
    private readonly byte[] _lengths = new byte[Slots];
    private readonly int[] _hashes = new int[Slots];
    private int _last;

    /// <summary>Number of a text: 1 and up, each for as long as 4,095 newer distinct ones have not come.</summary>
    public int Add(ReadOnlySpan<byte> text)
    {
        text = text[..Math.Min(text.Length, TextBytes)];
        int hash = Hash(text);
        if (_byHash.TryGetValue(hash, out int known) && Text(known).SequenceEqual(text))
        {
            return known;
        }
        // Numbers stay positive for 2^31 distinct texts; after that the oldest numbers come again.
        _last = _last == int.MaxValue ? Slots : _last + 1;
        int slot = _last & (Slots - 1);
        if (_texts[slot] is not null && _byHash.TryGetValue(_hashes[slot], out int owner) && (owner & (Slots - 1)) == slot)
        {
            _byHash.Remove(_hashes[slot]);
        }
        byte[] buffer = _texts[slot] ??= new byte[TextBytes];
        text.CopyTo(buffer);
        _lengths[slot] = (byte)text.Length;
        _hashes[slot] = hash;
        _byHash[hash] = _last;
        return _last;
    }

    /// <summary>The text of a number; empty for 0 and when it was overwritten.</summary>
    public ReadOnlySpan<byte> Text(int number)
    {
        if (number <= 0 || number > _last || number <= _last - Slots)
        {
            return default;
        }
        int slot = number & (Slots - 1);
        return _texts[slot] is { } buffer ? buffer.AsSpan(0, _lengths[slot]) : default;
    }

    private static int Hash(ReadOnlySpan<byte> text)
    {
        var hash = default(HashCode);
        hash.AddBytes(text);
        return hash.ToHashCode();
    }
}
