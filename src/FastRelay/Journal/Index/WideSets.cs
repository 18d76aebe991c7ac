using System.Numerics;

namespace FastRelay.Journal;

/// <summary>
/// What messages with more than 64 recipients need beyond their entry: a pending bit for each recipient and, once one
/// was deferred, the node of its last outcome. Arrays are pooled by size, a power of two.
/// </summary>
internal sealed class WideSets
{
    private const int MostPooled = 64;
    private readonly List<WideSet> _sets = [];
    private readonly Stack<int> _freeNumbers = new();
    private readonly Stack<ulong[]>?[] _freeWords = new Stack<ulong[]>[32];
    private readonly Stack<int[]>?[] _freeLast = new Stack<int[]>[32];

    /// <summary>Takes a set with the first <paramref name="recipients"/> bits on.</summary>
    /// <returns>Its number.</returns>
    public int Take(int recipients)
    {
        ulong[] words = Rent(_freeWords, Math.Max(1, WordsOf(recipients)));
        for (int i = 0; i < words.Length; i++)
        {
            int bits = Math.Clamp(recipients - (i * 64), 0, 64);
            words[i] = bits == 64 ? ulong.MaxValue : (1UL << bits) - 1;
        }
        var set = new WideSet(words, []);
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
        WideSet set = _sets[number];
        _sets[number] = default;
        _freeNumbers.Push(number);
        Return(_freeWords, set.Words);
        Return(_freeLast, set.Last);
    }

    /// <summary>The words of a set; more than needed may be there, all zero.</summary>
    public Span<ulong> Words(int number) => _sets[number].Words;

    /// <summary>The node of a recipient's last outcome; -1 for none.</summary>
    public int LastOf(int number, int recipient)
    {
        int[] last = _sets[number].Last;
        return recipient < last.Length ? last[recipient] : -1;
    }

    /// <summary>Says which node has a recipient's last outcome.</summary>
    public void SetLast(int number, int recipient, int node)
    {
        WideSet set = _sets[number];
        if (recipient >= set.Last.Length)
        {
            int[] larger = Rent(_freeLast, Math.Max(recipient + 1, set.Words.Length * 64));
            set.Last.CopyTo(larger, 0);
            larger.AsSpan(set.Last.Length).Fill(-1);
            Return(_freeLast, set.Last);
            set = _sets[number] = set with { Last = larger };
        }
        set.Last[recipient] = node;
    }

    /// <summary>Words that hold a bit for each recipient.</summary>
    public static int WordsOf(int recipients) => (recipients + 63) / 64;

    private static T[] Rent<T>(Stack<T[]>?[] free, int length)
    {
        int size = BitOperations.Log2(BitOperations.RoundUpToPowerOf2((uint)length));
        return free[size] is { Count: > 0 } stack ? stack.Pop() : new T[1 << size];
    }

    private static void Return<T>(Stack<T[]>?[] free, T[] array)
    {
        if (array.Length == 0)
        {
            return;
        }
        Stack<T[]> stack = free[BitOperations.Log2((uint)array.Length)] ??= new Stack<T[]>();
        if (stack.Count < MostPooled)
        {
            stack.Push(array);
        }
    }

    private readonly record struct WideSet(ulong[] Words, int[] Last);
}
