using System.Text;
using FastRelay.Host.Admin;

namespace FastRelay.Tests.Host;

public sealed class RelayMetricsTests
{
    private readonly RelayMetrics _metrics = new("1.2.3", "group");
    private readonly long[] _figures = new long[Figure.All.Count];

    [Fact]
    public async Task Every_figure_has_help_a_type_by_its_name_and_its_value()
    {
        for (int i = 0; i < _figures.Length; i++)
        {
            _figures[i] = i + 7;
        }
        string page = await PageAsync();
        for (int i = 0; i < _figures.Length; i++)
        {
            Figure figure = Figure.All[i];
            string type = figure.Name.EndsWith("_total", StringComparison.Ordinal) ? "counter" : "gauge";
            Assert.Contains($"# HELP fastrelay_{figure.Name} {figure.Help}\n# TYPE fastrelay_{figure.Name} {type}\nfastrelay_{figure.Name} {i + 7}\n", page, StringComparison.Ordinal);
        }
        Assert.Contains("fastrelay_info{version=\"1.2.3\",sync=\"group\"} 1\n", page, StringComparison.Ordinal);
        Assert.Contains("\nprocess_start_time_seconds 1", page, StringComparison.Ordinal);
        Assert.DoesNotContain("fastrelay_source_outcomes_total", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_count_never_goes_back_and_a_gauge_does()
    {
        int count = Figure.All.ToList().FindIndex(static figure => figure.Name == "accepted_total");
        int gauge = Figure.All.ToList().FindIndex(static figure => figure.Name == "sessions_in");
        (_figures[count], _figures[gauge]) = (20, 20);
        await PageAsync();
        (_figures[count], _figures[gauge]) = (19, 19);
        string page = await PageAsync();
        Assert.Contains("\nfastrelay_accepted_total 20\n", page, StringComparison.Ordinal);
        Assert.Contains("\nfastrelay_sessions_in 19\n", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_source_has_a_sample_for_each_outcome_until_a_reload_takes_it_away()
    {
        string page = await PageAsync(new SourceFigures("out-1", 3, 2, 1), new SourceFigures("b", 0, 0, 0));
        Assert.Contains("# TYPE fastrelay_source_outcomes_total counter\n", page, StringComparison.Ordinal);
        Assert.Contains("fastrelay_source_outcomes_total{source=\"out-1\",status=\"delivered\"} 3\n", page, StringComparison.Ordinal);
        Assert.Contains("fastrelay_source_outcomes_total{source=\"out-1\",status=\"deferred\"} 2\n", page, StringComparison.Ordinal);
        Assert.Contains("fastrelay_source_outcomes_total{source=\"out-1\",status=\"failed\"} 1\n", page, StringComparison.Ordinal);
        page = await PageAsync(new SourceFigures("b", 5, 0, 0));
        Assert.DoesNotContain("out-1", page, StringComparison.Ordinal);
        Assert.Contains("fastrelay_source_outcomes_total{source=\"b\",status=\"delivered\"} 5\n", page, StringComparison.Ordinal);
    }

    private async Task<string> PageAsync(params SourceFigures[] sources)
    {
        using var page = new MemoryStream();
        await _metrics.WriteAsync(_figures, sources, page);
        return Encoding.UTF8.GetString(page.ToArray());
    }
}
