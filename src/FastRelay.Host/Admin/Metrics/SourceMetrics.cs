using System.Buffers;
using System.Globalization;
using System.Text;

namespace FastRelay.Host.Admin;

/// <summary>What deliveries from one source came to since the start, by recipient.</summary>
/// <param name="Name">The source.</param>
/// <param name="Delivered">Delivered.</param>
/// <param name="Deferred">Attempts that were put off.</param>
/// <param name="Failed">Failed for good.</param>
public sealed record SourceFigures(string Name, long Delivered, long Deferred, long Failed);

/// <summary>
/// The figures of sources in Prometheus' text format: one family with a label. Sources are few and the operator's own;
/// tenants have none, since whoever names them could make as many series as he likes.
/// </summary>
public static class SourceMetrics
{
    /// <summary>Writes them behind the others; nothing where there is no source.</summary>
    public static void Write(IReadOnlyList<SourceFigures> sources, IBufferWriter<byte> into)
    {
        if (sources.Count == 0)
        {
            return;
        }
        var text = new StringBuilder("# HELP fastrelay_source_outcomes_total Recipients by the source that an attempt was made from, and what it came to.\n# TYPE fastrelay_source_outcomes_total counter\n");
        foreach (SourceFigures source in sources)
        {
            foreach ((string status, long count) in (ReadOnlySpan<(string, long)>)[("delivered", source.Delivered), ("deferred", source.Deferred), ("failed", source.Failed)])
            {
                // A name has no character that a label would have to quote.
                text.Append(CultureInfo.InvariantCulture, $"fastrelay_source_outcomes_total{{source=\"{source.Name}\",status=\"{status}\"}} {count}\n");
            }
        }
        Encoding.UTF8.GetBytes(text.ToString(), into);
    }
}
