using System.Numerics;

namespace FastRelay.Journal;

/// <summary>Pending bits of messages with more than 64 recipients; arrays are pooled by their number of words, a power of two.</summary>
internal sealed class WideSets
{
    private const int MostPooled = 64;
    private readonly List<ulong[]?> _sets = [];
    private readonly Stack<int> _freeNumbers = new();
    private readonly Stack<ulong[]>?[] _pool = new Stack<ulong[]>[32];

    /// <summary>Takes a set with the first <paramref name="recipients"/> bits on.</summary>
    /// <returns>Its number.</returns>
    public int Take(int recipients)
    {
        int words = WordsOf(recipients);
        int size = BitOperations.Log2(BitOperations.RoundUpToPowerOf2((uint)words));
        ulong[] set = _pool[size] is { Count: > 0 } stack ? stack.Pop() : new ulong[1 << size];
        for (int i = 0; i < set.Length; i++)
        {
            int bits = Math.Clamp(recipients - (i * 64), 0, 64);
            set[i] = bits == 64 ? ulong.MaxValue : (1UL << bits) - 1;
        }
        if (_freeNumbers.TryPop(out int number))
        {
            _sets[number] = set;
            return number;
        }
        _sets.Add(set);
        return _sets.Count - 1;
    }

    /// <summary>Gives a set back.</summary>
    public void Free(int number)
    {
        ulong[] set = _sets[number]!;
        _sets[number] = null;
        _freeNumbers.Push(number);
        Stack<ulong[]> stack = _pool[BitOperations.Log2((uint)set.Length)] ??= new Stack<ulong[]>();
        if (stack.Count < MostPooled)
        {
            stack.Push(set);
        }
    }

    /// <summary>The words of a set; more than needed may be there, all zero.</summary>
    public Span<ulong> Words(int number) => _sets[number];

    /// <summary>Words that hold a bit for each recipient.</summary>
    public static int WordsOf(int recipients) => (recipients + 63) / 64;
}
