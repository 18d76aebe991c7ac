using System.Globalization;
using System.Net;
using System.Text;

namespace FastRelay.Host.Commands;

/// <summary>One line of a chart.</summary>
/// <param name="Name">For the legend.</param>
/// <param name="Class">Its colour, a class of the page's style.</param>
/// <param name="Points">X and Y, X rising.</param>
internal sealed record ChartLine(string Name, string Class, IReadOnlyList<(double X, double Y)> Points);

/// <summary>Draws charts as inline SVG: no script, no fonts, nothing from elsewhere.</summary>
internal static class BenchChart
{
    private const double Width = 640;
    private const double Height = 260;
    private const double Left = 64;
    private const double Right = 12;
    private const double Top = 12;
    private const double Bottom = 34;

    /// <summary>Lines over time.</summary>
    /// <param name="unit">Of Y, behind its numbers.</param>
    /// <param name="lines">Without points they are left out.</param>
    public static string OverTime(string unit, params IEnumerable<ChartLine> lines)
    {
        ChartLine[] drawn = [.. lines.Where(l => l.Points.Count > 1)];
        if (drawn.Length == 0)
        {
            return "<p class=\"none\">no samples</p>";
        }
        double xMax = drawn.Max(l => l.Points[^1].X);
        double step = Step(Math.Max(drawn.Max(l => l.Points.Max(p => p.Y)), 1e-9) / 4);
        double yMax = step * Math.Ceiling((drawn.Max(l => l.Points.Max(p => p.Y)) / step) + 1e-9);
        yMax = Math.Max(yMax, step);
        var svg = Begin();
        for (double y = 0; y <= yMax + (step / 2); y += step)
        {
            Grid(svg, Vertical(y / yMax), $"{Number(y)}{unit}");
        }
        double xStep = Step(xMax / 6);
        for (double x = 0; x <= xMax; x += xStep)
        {
            Label(svg, Horizontal(x / xMax), $"{Number(x)} s");
        }
        foreach (ChartLine line in drawn)
        {
            Draw(svg, line, p => (Horizontal(p.X / xMax), Vertical(p.Y / yMax)), p => $"{line.Name}: {Number(p.Y)}{unit} at {Number(p.X)} s");
        }
        return End(svg, drawn);
    }

    /// <summary>Percentile curves: milliseconds on a logarithmic scale over percentiles, each tenfold nearer to 100 as wide as the one before.</summary>
    public static string Percentiles(params IEnumerable<ChartLine> lines)
    {
        ChartLine[] drawn = [.. lines.Where(l => l.Points.Count > 1)];
        if (drawn.Length == 0)
        {
            return "<p class=\"none\">no latencies</p>";
        }
        double least = Math.Floor(Math.Log10(Math.Max(0.001, drawn.Min(l => l.Points.Min(p => p.Y)))));
        double most = Math.Max(least + 1, Math.Ceiling(Math.Log10(Math.Max(0.01, drawn.Max(l => l.Points.Max(p => p.Y))))));
        var svg = Begin();
        for (double decade = least; decade <= most; decade++)
        {
            Grid(svg, Vertical((decade - least) / (most - least)), $"{Number(Math.Pow(10, decade))} ms");
        }
        foreach (double percentile in (ReadOnlySpan<double>)[0, 50, 90, 99, 99.9, 99.99])
        {
            Label(svg, Horizontal(Nines(percentile)), percentile == 0 ? "min" : string.Create(CultureInfo.InvariantCulture, $"{percentile}%"));
        }
        foreach (ChartLine line in drawn)
        {
            Draw(svg, line, p => (Horizontal(Nines(p.X)), Vertical((Math.Log10(Math.Max(p.Y, 0.001)) - least) / (most - least))),
                p => string.Create(CultureInfo.InvariantCulture, $"{line.Name}: {p.X}% at most {Number(p.Y)} ms"));
        }
        return End(svg, drawn);
    }

    /// <summary>A number for people: three digits that matter.</summary>
    public static string Number(double value)
    {
        double size = Math.Abs(value);
        return size >= 1e6 ? (value / 1e6).ToString("0.##", CultureInfo.InvariantCulture) + " M"
            : size >= 10_000 ? (value / 1000).ToString("0.#", CultureInfo.InvariantCulture) + " k"
            : size >= 100 ? value.ToString("#,0", CultureInfo.InvariantCulture)
            : value.ToString(size >= 10 ? "0.#" : size >= 1 ? "0.##" : "0.###", CultureInfo.InvariantCulture);
    }

    private static double Nines(double percentile) => percentile >= 100 ? 1 : Math.Min(1, -Math.Log10(1 - (percentile / 100)) / 5);

    private static StringBuilder Begin() => new StringBuilder().Append(CultureInfo.InvariantCulture, $"<svg viewBox=\"0 0 {Width} {Height}\" role=\"img\">");

    private static string End(StringBuilder svg, ChartLine[] lines)
    {
        svg.Append("</svg><p class=\"legend\">");
        foreach (ChartLine line in lines)
        {
            svg.Append(CultureInfo.InvariantCulture, $"<span class=\"{line.Class}\">{WebUtility.HtmlEncode(line.Name)}</span> ");
        }
        return svg.Append("</p>").ToString();
    }

    private static void Grid(StringBuilder svg, double y, string text) =>
        svg.Append(CultureInfo.InvariantCulture, $"<line class=\"grid\" x1=\"{Left}\" x2=\"{Width - Right}\" y1=\"{y:F1}\" y2=\"{y:F1}\"/><text x=\"{Left - 6}\" y=\"{y + 4:F1}\" text-anchor=\"end\">{text}</text>");

    private static void Label(StringBuilder svg, double x, string text) =>
        svg.Append(CultureInfo.InvariantCulture, $"<text x=\"{x:F1}\" y=\"{Height - Bottom + 20}\" text-anchor=\"middle\">{text}</text>");

    private static void Draw(StringBuilder svg, ChartLine line, Func<(double X, double Y), (double X, double Y)> place, Func<(double X, double Y), string> say)
    {
        svg.Append(CultureInfo.InvariantCulture, $"<polyline class=\"line {line.Class}\" points=\"");
        foreach ((double X, double Y) point in line.Points)
        {
            (double x, double y) = place(point);
            svg.Append(CultureInfo.InvariantCulture, $"{x:F1},{y:F1} ");
        }
        svg.Append("\"/>");
        foreach ((double X, double Y) point in line.Points)
        {
            (double x, double y) = place(point);
            svg.Append(CultureInfo.InvariantCulture, $"<circle class=\"dot {line.Class}\" cx=\"{x:F1}\" cy=\"{y:F1}\" r=\"4\"><title>{WebUtility.HtmlEncode(say(point))}</title></circle>");
        }
    }

    private static double Horizontal(double share) => Left + (Math.Clamp(share, 0, 1) * (Width - Left - Right));

    private static double Vertical(double share) => Height - Bottom - (Math.Clamp(share, 0, 1) * (Height - Top - Bottom));

    /// <summary>The next of 1, 2 and 5 times a power of ten.</summary>
    private static double Step(double least)
    {
        if (least <= 0)
        {
            return 1;
        }
        double power = Math.Pow(10, Math.Floor(Math.Log10(least)));
        double digit = least / power;
        return power * (digit <= 1 ? 1 : digit <= 2 ? 2 : digit <= 5 ? 5 : 10);
    }
}
