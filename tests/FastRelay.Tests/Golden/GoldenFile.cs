namespace FastRelay.Tests.Golden;

/// <summary>
/// A transcript: "# name" begins a case, "&gt; octets" lines are its input, "= text" lines what must come out.
/// Input lines are joined as they are: line ends are written out.
/// </summary>
internal sealed record GoldenCase(string Name, byte[] Input, IReadOnlyList<string> Expected);

internal static class GoldenFile
{
    internal static IReadOnlyList<GoldenCase> Read(string file)
    {
        var cases = new List<GoldenCase>();
        var name = "";
        var input = new List<byte>();
        var expected = new List<string>();
        foreach (var line in File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "Golden", file)).Append("# end"))
        {
            if (line.StartsWith("# ", StringComparison.Ordinal))
            {
                if (expected.Count > 0)
                {
                    cases.Add(new GoldenCase(name, [.. input], [.. expected]));
                }

                name = line[2..];
                input.Clear();
                expected.Clear();
            }
            else if (line.StartsWith("> ", StringComparison.Ordinal))
            {
                input.AddRange(Escaped.ToBytes(line[2..]));
            }
            else if (line.StartsWith("= ", StringComparison.Ordinal))
            {
                expected.Add(line[2..]);
            }
            else if (line.Length > 0)
            {
                throw new FormatException($"{file}: {line}");
            }
        }

        return cases;
    }
}
