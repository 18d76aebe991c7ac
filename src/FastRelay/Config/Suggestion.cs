namespace FastRelay.Config;

/// <summary>Finds what somebody probably meant.</summary>
public static class Suggestion
{
    /// <summary>Where what Postfix calls so is said here: the names that a first file is most often written with.</summary>
    internal static IReadOnlyDictionary<string, string> Postfix { get; } = new Dictionary<string, string>
    {
        ["myhostname"] = "hostname at the top",
        ["mynetworks"] = "networks in [[relay_for]]",
        ["relay_domains"] = "domains in [[relay_for]]",
        ["relayhost"] = "to in [[route]] with domain = \"*\"",
        ["transport_maps"] = "to in [[route]]",
        ["inet_interfaces"] = "address in [[listen]]",
        ["queue_directory"] = "spool at the top",
        ["message_size_limit"] = "message_bytes in [limits]",
        ["smtpd_recipient_limit"] = "recipients in [limits]",
        ["default_destination_concurrency_limit"] = "send_sessions_per_site in [limits]",
        ["maximal_queue_lifetime"] = "expire in [queue]",
        ["minimal_backoff_time"] = "retry in [queue]",
        ["smtpd_tls_cert_file"] = "certificate in [tls]",
        ["smtpd_tls_key_file"] = "key in [tls]",
        ["smtp_tls_security_level"] = "tls in [deliver]",
        ["smtp_tls_cert_file"] = "client_certificate in [[route]]",
        ["smtp_tls_key_file"] = "client_key in [[route]]",
        ["smtp_tls_policy_maps"] = "tls in [[route]] and [[site]]",
        ["smtp_bind_address"] = "source in [deliver]",
        ["smtp_sasl_password_maps"] = "user in [[route]], and password_file",
    };

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

    // Edits are insertions, deletions, changes and swaps of neighbours: what fingers do.
    private static int Distance(string a, string b)
    {
        var rows = new int[a.Length + 1, b.Length + 1];
        for (int i = 0; i <= a.Length; i++)
        {
            for (int j = 0; j <= b.Length; j++)
            {
                if (i == 0 || j == 0)
                {
                    rows[i, j] = i + j;
                    continue;
                }
                int change = rows[i - 1, j - 1] + (Same(a[i - 1], b[j - 1]) ? 0 : 1);
                int least = Math.Min(change, Math.Min(rows[i - 1, j], rows[i, j - 1]) + 1);
                bool swapped = i > 1 && j > 1 && Same(a[i - 1], b[j - 2]) && Same(a[i - 2], b[j - 1]);
                rows[i, j] = swapped ? Math.Min(least, rows[i - 2, j - 2] + 1) : least;
            }
        }
        return rows[a.Length, b.Length];
    }

    private static bool Same(char a, char b) => char.ToLowerInvariant(a) == char.ToLowerInvariant(b);
}
