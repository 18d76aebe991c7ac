using System.Globalization;
using System.Text;

namespace FastRelay.Host.Admin;

/// <summary>
/// Figures in Prometheus' text format (version 0.0.4). They are plain numbers of the loop, read in one mailbox request,
/// so that a page is of one moment; a metrics library would keep a second copy of each.
/// </summary>
public static class MetricsText
{
    /// <summary>The format's media type.</summary>
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    /// <summary>One page.</summary>
    public static string Write(StatusView status)
    {
        var text = new StringBuilder();
        text.Append("# HELP fastrelay_info Release and sync mode.\n# TYPE fastrelay_info gauge\n");
        text.Append(CultureInfo.InvariantCulture, $"fastrelay_info{{version=\"{status.Version}\",sync=\"{status.Sync}\"}} 1\n");
        foreach (Figure figure in Figure.All)
        {
            if (status.Figures.TryGetValue(figure.Name, out long value))
            {
                string type = figure.Name.EndsWith("_total", StringComparison.Ordinal) ? "counter" : "gauge";
                text.Append(CultureInfo.InvariantCulture, $"# HELP fastrelay_{figure.Name} {figure.Help}\n# TYPE fastrelay_{figure.Name} {type}\nfastrelay_{figure.Name} {value}\n");
            }
        }
        return text.ToString();
    }
}
