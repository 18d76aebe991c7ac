using System.Globalization;

namespace FastRelay.Load;

/// <summary>A share of a size mix: sizes from one to another, spread evenly on a logarithmic scale.</summary>
/// <param name="From">Least octets.</param>
/// <param name="To">Most octets.</param>
/// <param name="Weight">Its weight among the others; above 0.</param>
public readonly record struct SizeShare(long From, long To, double Weight);

/// <summary>The sizes of generated messages, header included. The size of a message depends on its number and the seed alone.</summary>
public sealed class SizeMix
{
    private readonly SizeShare[] _shares;
    private readonly double _total;

    /// <summary>Makes a mix.</summary>
    /// <param name="shares">At least one.</param>
    public SizeMix(IReadOnlyList<SizeShare> shares)
    {
        _shares = [.. shares];
        _total = _shares.Sum(s => s.Weight);
        Check.That(_shares.Length > 0 && _shares.All(s => s.From > 0 && s.To >= s.From && s.Weight > 0));
    }

    /// <summary>The largest size.</summary>
    public long Most => _shares.Max(s => s.To);

    /// <summary>Every message of one size.</summary>
    public static SizeMix Of(long bytes) => new([new SizeShare(bytes, bytes, 1)]);

    /// <summary>As <c>--size</c> reads it, in octets: <c>4096</c>, <c>1024-102400</c>, <c>2048:70,5242880:30</c>.</summary>
    public override string ToString() => string.Join(',', _shares.Select(share => string.Create(
        CultureInfo.InvariantCulture,
        $"{share.From}{(share.To > share.From ? $"-{share.To}" : "")}{(_shares.Length > 1 ? $":{share.Weight}" : "")}")));

    /// <summary>The size of a message.</summary>
    public long SizeOf(long sequence, int seed)
    {
        if (_shares.Length == 1 && _shares[0].From == _shares[0].To)
        {
            return _shares[0].From;
        }
        double pick = Unit(sequence, seed) * _total;
        foreach (SizeShare share in _shares)
        {
            pick -= share.Weight;
            if (pick < 0)
            {
                return Within(share, Unit(sequence, ~seed));
            }
        }
        return Within(_shares[^1], Unit(sequence, ~seed));
    }

    private static long Within(SizeShare share, double unit) =>
        (long)Math.Round(share.From * Math.Pow((double)share.To / share.From, unit));

    /// <summary>Spreads a number over 0 to 1 (the finaliser of splitmix64).</summary>
    internal static double Unit(long sequence, int seed) => (Mix((ulong)sequence ^ ((ulong)(uint)seed << 32)) >> 11) * (1.0 / (1UL << 53));

    internal static ulong Mix(ulong value)
    {
        value += 0x9E3779B97F4A7C15;
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }
}
