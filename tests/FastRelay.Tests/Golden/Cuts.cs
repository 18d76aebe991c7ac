namespace FastRelay.Tests.Golden;

/// <summary>Ways in which a network may cut one stream of octets.</summary>
internal static class Cuts
{
    /// <summary>Whole, octet by octet, and in two at every place. Each cutting is a list of piece lengths.</summary>
    internal static IEnumerable<int[]> Of(int length)
    {
        yield return [length];
        yield return Enumerable.Repeat(1, length).ToArray();
        for (var i = 1; i < length; i++)
        {
            yield return [i, length - i];
        }
    }

    /// <summary>A random cutting, with pieces of nothing among them.</summary>
    internal static int[] Random(Random random, int length)
    {
        var pieces = new List<int>();
        while (length > 0)
        {
            var piece = Math.Min(length, random.Next(3) switch { 0 => random.Next(3), 1 => random.Next(10), _ => random.Next(100) });
            pieces.Add(piece);
            length -= piece;
        }

        return [.. pieces];
    }
}
