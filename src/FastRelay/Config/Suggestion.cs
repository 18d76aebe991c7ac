namespace FastRelay.Config;

/// <summary>Finds what somebody probably meant.</summary>
public static class Suggestion
{
    /// <summary>The word with the least edit distance, when at most a third of its letters differ; else null.</summary>
    public static string? Nearest(string word, IEnumerable<string> words)
    {
        string? best = null;
        int least = int.MaxValue;
        foreach (string candidate in words)
        {
            int distance = Distance(word, candidate);
            if (distance < least && distance <= Math.Max(1, candidate.Length / 3))
            {
                best = candidate;
                least = distance;
            }
        }
        return best;
    }

    // Levenshtein with one row.
    private static int Distance(string a, string b)
    {
        var row = new int[b.Length + 1];
        for (int j = 0; j <= b.Length; j++)
        {
            row[j] = j;
        }
        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int above = row[j];
                int change = diagonal + (char.ToLowerInvariant(a[i - 1]) == char.ToLowerInvariant(b[j - 1]) ? 0 : 1);
                row[j] = Math.Min(change, Math.Min(row[j - 1], above) + 1);
                diagonal = above;
            }
        }
        return row[b.Length];
    }
}
