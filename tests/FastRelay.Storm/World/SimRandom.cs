namespace FastRelay.Storm;

/// <summary>
/// The only source of chance in a simulation. Forks give each part its own stream, so that a change in one part does
/// not shift the dice of the others. What a traced one answers is folded into the trace: the run queue's picks are
/// part of what must repeat.
/// </summary>
public sealed class SimRandom(ulong seed, SimTrace? trace = null) : Random
{
    private ulong _state = seed * 0x9E3779B97F4A7C15 + 0xD1B54A32D192ED03;

    /// <summary>An independent stream named by a constant.</summary>
    public SimRandom Fork(string name, SimTrace? forkTrace = null)
    {
        ulong hash = NextWord();
        foreach (char c in name)
        {
            hash = (hash ^ c) * 1099511628211;
        }
        return new SimRandom(hash, forkTrace);
    }

    /// <summary>True once in <paramref name="n"/> times; never when <paramref name="n"/> is 0.</summary>
    public bool OneIn(int n) => n > 0 && Next(n) == 0;

    /// <summary>True with a probability.</summary>
    public bool Chance(double probability) => NextDouble() < probability;

    /// <summary>Mostly small numbers, sometimes large ones: a random magnitude first.</summary>
    public long Magnitude(long min, long max)
    {
        double low = Math.Log(min + 1);
        double high = Math.Log(max + 1);
        return Math.Clamp((long)Math.Exp(low + (NextDouble() * (high - low))) - 1, min, max);
    }

    public T Pick<T>(IReadOnlyList<T> items) => items[Next(items.Count)];

    public override int Next() => (int)(NextWord() >> 33);

    public override int Next(int maxValue)
    {
        int value = maxValue <= 1 ? 0 : (int)(((UInt128)NextWord() * (uint)maxValue) >> 64);
        trace?.Add("pick", maxValue, value);
        return value;
    }

    public override int Next(int minValue, int maxValue) => minValue + Next(maxValue - minValue);

    public override long NextInt64(long maxValue) => maxValue <= 1 ? 0 : (long)(((UInt128)NextWord() * (ulong)maxValue) >> 64);

    public override long NextInt64(long minValue, long maxValue) => minValue + NextInt64(maxValue - minValue);

    public override long NextInt64() => (long)(NextWord() >> 1);

    public override double NextDouble() => (NextWord() >> 11) * (1.0 / (1UL << 53));

    public override float NextSingle() => (float)NextDouble();

    public override void NextBytes(byte[] buffer) => NextBytes(buffer.AsSpan());

    public override void NextBytes(Span<byte> buffer)
    {
        for (int i = 0; i < buffer.Length; i++)
        {
            buffer[i] = (byte)(NextWord() >> 56);
        }
    }

    protected override double Sample() => NextDouble();

    private ulong NextWord()
    {
        _state += 0x9E3779B97F4A7C15;
        ulong z = _state;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
