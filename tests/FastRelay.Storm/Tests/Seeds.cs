using System.Globalization;

namespace FastRelay.Storm.Tests;

/// <summary>Which seeds a test runs: its own few, or what STORM_SEED and STORM_SEEDS in the environment say.</summary>
internal static class Seeds
{
    public static IEnumerable<ulong> Of(ulong first, int count)
    {
        if (Environment.GetEnvironmentVariable("STORM_SEED") is { Length: > 0 } one)
        {
            return [ulong.Parse(one, CultureInfo.InvariantCulture)];
        }
        if (Environment.GetEnvironmentVariable("STORM_SEEDS") is { Length: > 0 } many)
        {
            count = int.Parse(many, CultureInfo.InvariantCulture);
        }
        return Enumerable.Range(0, count).Select(i => first + (ulong)i);
    }

    /// <summary>A defect must be noticed within 50 seeds, and for the right reason.</summary>
    public static void Noticed(string word, Action<ulong> run)
    {
        for (ulong seed = 1; seed <= 50; seed++)
        {
            try
            {
                run(seed);
            }
            catch (StormException e)
            {
                // A defect may show in another way first; the next seed then.
                if (e.Message.Contains(word, StringComparison.Ordinal))
                {
                    return;
                }
            }
        }
        Assert.Fail("50 seeds did not notice");
    }
}
