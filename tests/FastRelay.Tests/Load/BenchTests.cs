using System.Xml.Linq;
using FastRelay.Host.Commands;
using FastRelay.Load;

namespace FastRelay.Tests.Load;

public sealed class BenchTests
{
    [Fact]
    public void Every_scenario_is_in_the_documents_and_reads_its_own_scenario_file()
    {
        string text = File.ReadAllText(Path.Combine(Tidy.House.Root, "docs/LOAD.md"));
        Assert.All(BenchPlan.All, plan => Assert.Contains($"| `{plan.Name}` |", text, StringComparison.Ordinal));
        Assert.All(BenchPlan.All, plan =>
        {
            SinkScenarioFile.Read(plan.SinkScenario, plan.Name, out var errors);
            Assert.Empty(errors);
        });
        Assert.Equal(BenchPlan.All.Count, BenchPlan.All.Select(p => p.Name).Distinct().Count());
    }

    [Fact]
    public void Every_option_of_load_sink_and_bench_is_in_the_document()
    {
        string text = File.ReadAllText(Path.Combine(Tidy.House.Root, "docs/LOAD.md"));
        string[] options = [.. new[] { LoadCommand.Build(), SinkCommand.Build(), BenchCommand.Build() }.SelectMany(c => c.Options).Select(o => o.Name).Distinct()];
        Assert.True(options.Length > 30);
        Assert.DoesNotContain(options, o => !System.Text.RegularExpressions.Regex.IsMatch(text, $"{o}(?![a-z-])"));
    }

    [Theory]
    [InlineData(0, "0")]
    [InlineData(0.1234, "0.123")]
    [InlineData(3.191, "3.19")]
    [InlineData(12.34, "12.3")]
    [InlineData(1234.4, "1,234")]
    [InlineData(23_456, "23.5 k")]
    [InlineData(1_500_000, "1.5 M")]
    public void Numbers_show_the_digits_that_matter(double value, string text) => Assert.Equal(text, BenchChart.Number(value));

    [Fact]
    public void A_chart_keeps_every_point_inside_its_frame()
    {
        var line = new ChartLine("<a & b>", "a", [(0, 0), (1, 5_000), (7.5, 123_456), (30, 3)]);
        foreach (string chart in new[] { BenchChart.OverTime(" MiB", line), BenchChart.Percentiles(new ChartLine("x", "b", [(0, 0.002), (50, 1), (99.999, 70), (100, 9_000)])) })
        {
            XElement svg = XDocument.Parse($"<r>{chart}</r>").Descendants("svg").Single();
            double[] size = [.. svg.Attribute("viewBox")!.Value.Split(' ').Select(n => double.Parse(n, System.Globalization.CultureInfo.InvariantCulture))];
            (double X, double Y)[] points = [.. svg.Descendants("circle").Select(c => ((double)c.Attribute("cx")!, (double)c.Attribute("cy")!))];
            Assert.Equal(4, points.Length);
            Assert.All(points, p => Assert.True(p.X >= 0 && p.X <= size[2] && p.Y >= 0 && p.Y <= size[3]));
            Assert.Equal(points.Select(p => p.X).Order(), points.Select(p => p.X));
        }
        Assert.Contains("no samples", BenchChart.OverTime("", new ChartLine("x", "a", [])), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(5.0, 5.0)]
    [InlineData(15.0, 10.0, 20.0)]
    [InlineData(20.0, 10.0, 20.0, 70.0)]
    [InlineData(25.0, 10.0, 20.0, 30.0, 70.0)]
    public void The_median_of_an_even_number_of_runs_is_between_two(double median, params double[] sorted) => Assert.Equal(median, BenchPage.Median(sorted));

    [Fact]
    public void A_scenario_that_cannot_measure_another_server_has_a_reason() =>
        Assert.Equal(["drain", "slow", "restart"], BenchPlan.All.Where(p => p.OwnRelay is not null).Select(p => p.Name));

    [Fact]
    public void A_figure_that_was_not_measured_is_not_shown()
    {
        var run = new BenchRunReport { AcceptedPerSecond = 100, LoadSamples = [] };
        var report = new BenchReport
        {
            Scenario = "accept",
            About = "x",
            Subject = "192.0.2.1:25",
            Sync = "unknown",
            Machine = new MachineFacts("cpu", 2, 1000, "6.1", 0, "unknown", null, "v"),
            Runs = [run],
        };
        string page = BenchPage.Write(report);
        Assert.Contains(">accepted<", page, StringComparison.Ordinal);
        Assert.All(["CPU for 1,000", "syncs for", "missing", "duplicates", "own memory", "start to banner", "at the sink</span>"],
            name => Assert.DoesNotContain($"<span>{name}", page, StringComparison.Ordinal));
        Assert.Contains("<span>CPU for 1,000 messages", BenchPage.Write(report with { Runs = [run with { CpuMsPerThousand = 12 }] }), StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_in_which_anything_was_lost_doubled_or_damaged_says_so()
    {
        Assert.Null(BenchRun.ProblemOf(new BenchRunReport { Missing = 0, Duplicates = 0, Damaged = 0 }));
        Assert.Null(BenchRun.ProblemOf(new BenchRunReport()));
        Assert.Equal("1 recipients never arrived; 2 copies arrived again; 3 bodies arrived damaged",
            BenchRun.ProblemOf(new BenchRunReport { Missing = 1, Duplicates = 2, Damaged = 3 }));
    }

    [Fact]
    public void The_page_escapes_what_it_shows_and_carries_the_report()
    {
        LoadSample[] samples = [.. Enumerable.Range(1, 5).Select(i => new LoadSample(i, 1000 * i, 0, 0, 64, 900, 5000, 9000, 0.5, 0))];
        var run = new BenchRunReport
        {
            AcceptedPerSecond = 12_345,
            LoadSamples = samples,
            SinkSamples = samples,
            Subject = [new ProcessSample(0, 0, 50_000, 20_000), new ProcessSample(1, 0.4, 60_000, 30_000), new ProcessSample(2, 0.9, 60_000, 31_000)],
            Problem = "</script><b>bad</b>",
        };
        var report = new BenchReport
        {
            Scenario = "relay",
            About = "a & b",
            Subject = "<fastrelay>",
            Sync = "group",
            Machine = new MachineFacts("cpu <x>", 2, 1000, "6.1", 3.5, "ext4", false, "v"),
            Runs = [run, run with { AcceptedPerSecond = 20_000 }, run with { AcceptedPerSecond = 13_000 }],
            Messages = 5,
            Sessions = 64,
        };

        string page = BenchPage.Write(report);

        Assert.DoesNotContain("<b>bad", page, StringComparison.Ordinal);
        Assert.Contains("&lt;fastrelay&gt;", page, StringComparison.Ordinal);
        Assert.Contains("13 k/s", page, StringComparison.Ordinal);
        Assert.Contains("median of 3 runs, 12.3 k to 20 k", page, StringComparison.Ordinal);
        Assert.Contains("The charts show run 3.", page, StringComparison.Ordinal);
        Assert.Contains("without a journal, which flatters appends", page, StringComparison.Ordinal);
        Assert.Contains("load average 3.5", page, StringComparison.Ordinal);
        Assert.Equal(1, page.Split("</script>").Length - 1);
        Assert.DoesNotContain("http://", page.Replace("http://www.w3.org", "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Equal(4, page.Split("<svg").Length - 1 + page.Split("class=\"none\"").Length - 1);
    }
}
