using System.Buffers;
using System.Buffers.Text;
using System.Text;

namespace FastRelay.Host.Admin;

/// <summary>
/// Figures in Prometheus' text format (version 0.0.4). They are plain numbers of the loop, read in one mailbox request,
/// so that a page is of one moment; a metrics library would keep a second copy of each. Writing a page allocates next
/// to nothing: among the figures is how much the process allocates, and asking must not be what is seen.
/// </summary>
public static class MetricsText
{
    /// <summary>The format's media type.</summary>
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    private static readonly byte[][] s_heads = [.. Figure.All.Select(Head)];

    /// <summary>Writes one page.</summary>
    /// <param name="version">Release.</param>
    /// <param name="sync">group or none.</param>
    /// <param name="figures">Values of <see cref="Figure.All"/>, in its order.</param>
    /// <param name="into">Takes the page.</param>
    public static void Write(string version, string sync, ReadOnlySpan<long> figures, IBufferWriter<byte> into)
    {
        into.Write("# HELP fastrelay_info Release and sync mode.\n# TYPE fastrelay_info gauge\nfastrelay_info{version=\""u8);
        Encoding.UTF8.GetBytes(version, into);
        into.Write("\",sync=\""u8);
        Encoding.UTF8.GetBytes(sync, into);
        into.Write("\"} 1\n"u8);
        Span<byte> digits = stackalloc byte[24];
        for (int i = 0; i < s_heads.Length; i++)
        {
            into.Write(s_heads[i]);
            Utf8Formatter.TryFormat(figures[i], digits, out int length);
            digits[length++] = (byte)'\n';
            into.Write(digits[..length]);
        }
    }

    private static byte[] Head(Figure figure)
    {
        string type = figure.Name.EndsWith("_total", StringComparison.Ordinal) ? "counter" : "gauge";
        return Encoding.UTF8.GetBytes($"# HELP fastrelay_{figure.Name} {figure.Help}\n# TYPE fastrelay_{figure.Name} {type}\nfastrelay_{figure.Name} ");
    }
}
