using System.Text;
using FastRelay.Host;
using FastRelay.Host.Admin;
using FastRelay.Observe;
using FastRelay.Smtp;

namespace FastRelay.Tests.Host;

public sealed class RelayMetricsTests
{
    private readonly RelayMetrics _metrics = new("1.2.3", "group");
    private readonly long[] _figures = new long[Figure.All.Count];
    private readonly DelayHistogram _delays = new();
    private readonly TroubleCounts _troubles = new();
    private IReadOnlyList<CertificateTerm> _certificates = [];
    private IReadOnlyList<ExplainSite> _sites = [];

    [Fact]
    public async Task Every_figure_has_help_a_type_by_its_name_and_its_value()
    {
        for (int i = 0; i < _figures.Length; i++)
        {
            _figures[i] = (i + 7) * (long)Figure.All[i].Parts;
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
    public async Task Seconds_are_read_in_parts_of_them()
    {
        _figures[Figure.All.ToList().FindIndex(static figure => figure.Name == "loop_longest_turn_seconds")] = 1_250;
        _figures[Figure.All.ToList().FindIndex(static figure => figure.Name == "queue_oldest_seconds")] = 90_500;
        string page = await PageAsync();
        Assert.Contains("\nfastrelay_loop_longest_turn_seconds 0.00125\n", page, StringComparison.Ordinal);
        Assert.Contains("\nfastrelay_queue_oldest_seconds 90.5\n", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Delays_are_a_histogram_whose_counts_and_sum_are_exact_page_after_page()
    {
        await PageAsync();
        var random = new Random(7);
        double sum = 0;
        int count = 0;
        int within = 0;
        for (int pages = 0; pages < 20; pages++)
        {
            for (int i = random.Next(50); i > 0; i--)
            {
                // On the bounds themselves as well, where a mean that is a little more would be of the next span.
                long ms = random.Next(3) == 0 ? DelayHistogram.BoundsMs[random.Next(DelayHistogram.BoundsMs.Length)] : random.NextInt64(200_000_000);
                _delays.Add(ms);
                sum += ms / 1000.0;
                count++;
                within += ms <= 60_000 ? 1 : 0;
            }
            string page = await PageAsync();
            Assert.Contains("# TYPE fastrelay_delivery_delay_seconds histogram\n", page, StringComparison.Ordinal);
            Assert.Contains($"\nfastrelay_delivery_delay_seconds_bucket{{le=\"60\"}} {within}\n", page, StringComparison.Ordinal);
            Assert.Contains($"\nfastrelay_delivery_delay_seconds_bucket{{le=\"+Inf\"}} {count}\n", page, StringComparison.Ordinal);
            Assert.Contains($"\nfastrelay_delivery_delay_seconds_count {count}\n", page, StringComparison.Ordinal);
            string shown = page.Split('\n').Single(static line => line.StartsWith("fastrelay_delivery_delay_seconds_sum ", StringComparison.Ordinal)).Split(' ')[1];
            Assert.Equal(sum, double.Parse(shown, System.Globalization.CultureInfo.InvariantCulture), 1e-9 * Math.Max(1, sum));
        }
    }

    [Fact]
    public async Task A_reading_that_comes_late_takes_nothing_back_and_is_not_counted_twice()
    {
        _delays.Add(700);
        var early = new RelayReading(_figures, _delays.Read(), null);
        _delays.Add(800);
        await PageAsync();
        using var nowhere = new MemoryStream();
        await _metrics.WriteAsync(new RelayScrape(early, [], [], []), nowhere);
        Assert.Contains("\nfastrelay_delivery_delay_seconds_count 2\n", await PageAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_source_has_a_sample_for_each_outcome_until_a_reload_takes_it_away()
    {
        string page = await PageAsync(new SourceView("out-1", 3, 2, 1), new SourceView("b", 0, 0, 0));
        Assert.Contains("# TYPE fastrelay_source_outcomes_total counter\n", page, StringComparison.Ordinal);
        Assert.Contains("fastrelay_source_outcomes_total{source=\"out-1\",status=\"delivered\"} 3\n", page, StringComparison.Ordinal);
        Assert.Contains("fastrelay_source_outcomes_total{source=\"out-1\",status=\"deferred\"} 2\n", page, StringComparison.Ordinal);
        Assert.Contains("fastrelay_source_outcomes_total{source=\"out-1\",status=\"failed\"} 1\n", page, StringComparison.Ordinal);
        page = await PageAsync(new SourceView("b", 5, 0, 0));
        Assert.DoesNotContain("out-1", page, StringComparison.Ordinal);
        Assert.Contains("fastrelay_source_outcomes_total{source=\"b\",status=\"delivered\"} 5\n", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Certificates_have_their_end_by_file_those_that_end_first_and_none_that_is_gone()
    {
        Assert.DoesNotContain("certificate_expires", await PageAsync(), StringComparison.Ordinal);
        _certificates = [Ends("/a.crt", 1_000), Ends("/b.crt", 2_000), Ends("/a.crt", 3_000)];
        string page = await PageAsync();
        Assert.Contains("# TYPE fastrelay_certificate_expires_seconds gauge\n", page, StringComparison.Ordinal);
        Assert.Contains("fastrelay_certificate_expires_seconds{file=\"/a.crt\"} 1000\n", page, StringComparison.Ordinal);
        Assert.Contains("fastrelay_certificate_expires_seconds{file=\"/b.crt\"} 2000\n", page, StringComparison.Ordinal);
        _certificates = [.. Enumerable.Range(0, CertificateTerm.ShownMax + 1).Select(static i => Ends($"/{i}.crt", i))];
        page = await PageAsync();
        Assert.Equal(CertificateTerm.ShownMax, page.Split("\nfastrelay_certificate_expires_seconds{").Length - 1);
        Assert.DoesNotContain("/a.crt", page, StringComparison.Ordinal);
        Assert.DoesNotContain($"/{CertificateTerm.ShownMax}.crt", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Troubles_are_counted_by_status_and_class_and_every_class_is_there_from_the_first_page()
    {
        _troubles.Add(OutcomeClass.Deferred, "greylisted"u8);
        _troubles.Add(OutcomeClass.Deferred, "greylisted"u8);
        _troubles.Add(OutcomeClass.Failed, "bad-mailbox"u8);
        _troubles.Add(OutcomeClass.Delivered, default);
        string page = await PageAsync();
        Assert.Contains("fastrelay_troubles_total{status=\"deferred\",class=\"greylisted\"} 2\n", page, StringComparison.Ordinal);
        Assert.Contains("fastrelay_troubles_total{status=\"failed\",class=\"greylisted\"} 0\n", page, StringComparison.Ordinal);
        Assert.Contains("fastrelay_troubles_total{status=\"failed\",class=\"bad-mailbox\"} 1\n", page, StringComparison.Ordinal);
        Assert.Equal(2 * BounceClass.Names.Count, page.Split("\nfastrelay_troubles_total{").Length - 1);
        Assert.Throws<CheckFailedException>(() => _troubles.Add(OutcomeClass.Failed, "no such class"u8));
    }

    [Fact]
    public async Task Sites_with_mail_have_series_up_to_a_number_and_those_without_lose_theirs()
    {
        Assert.DoesNotContain("fastrelay_site_", await PageAsync(), StringComparison.Ordinal);
        _sites = [Waits("a.test", 3, 4, "normal"), Waits("b.test", 0, 1, "backoff"), Waits("c.test", 1, 0, "suspended"), Waits("idle.test", 0, 0, "backoff")];
        string page = await PageAsync();
        Assert.Contains("fastrelay_site_waiting{site=\"a.test\"} 7\n", page, StringComparison.Ordinal);
        Assert.Contains("fastrelay_site_stopped{site=\"a.test\"} 0\n", page, StringComparison.Ordinal);
        Assert.Contains("fastrelay_site_stopped{site=\"b.test\"} 1\n", page, StringComparison.Ordinal);
        Assert.Contains("fastrelay_site_stopped{site=\"c.test\"} 1\n", page, StringComparison.Ordinal);
        Assert.DoesNotContain("idle.test", page, StringComparison.Ordinal);
        _sites = [.. Enumerable.Range(0, RelayScrape.SitesMax + 1).Select(static i => Waits($"{i}.test", i + 1, 0, "normal"))];
        page = await PageAsync();
        Assert.Equal(RelayScrape.SitesMax, page.Split("\nfastrelay_site_waiting{").Length - 1);
        Assert.Equal(RelayScrape.SitesMax, page.Split("\nfastrelay_site_stopped{").Length - 1);
        Assert.DoesNotContain("a.test", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_process_has_the_names_that_every_dashboard_knows()
    {
        string page = await PageAsync();
        double files = Value(page, "process_open_fds");
        double cpu = Value(page, "process_cpu_seconds_total");
        Assert.InRange(files, 3, Value(page, "process_max_fds"));
        Assert.True(cpu > 0);
        Assert.True(Value(page, "process_resident_memory_bytes") > 1 << 20);
        FileStream[] open = [.. Enumerable.Range(0, 64).Select(static _ => File.OpenRead("/dev/null"))];
        page = await PageAsync();
        Array.ForEach(open, static file => file.Dispose());
        // Other tests open and close files of their own meanwhile; nobody closes most of what there was.
        Assert.True(Value(page, "process_open_fds") > 64);
        Assert.True(Value(page, "process_cpu_seconds_total") >= cpu);
    }

    private static double Value(string page, string name) =>
        double.Parse(page.Split('\n').Single(line => line.StartsWith(name + " ", StringComparison.Ordinal)).Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture);

    private static ExplainSite Waits(string name, int ready, long deferred, string gear) => new(name, null, gear, null, null, 0, ready, 0, 0) { Deferred = deferred };

    private static CertificateTerm Ends(string file, int seconds) => new("tls.certificate", file, DateTime.UnixEpoch, DateTime.UnixEpoch.AddSeconds(seconds));

    private async Task<string> PageAsync(params SourceView[] sources)
    {
        using var page = new MemoryStream();
        await _metrics.WriteAsync(new RelayScrape(new RelayReading(_figures, _delays.Read(), null) { Troubles = _troubles.Read() }, sources, _certificates, _sites), page);
        return Encoding.UTF8.GetString(page.ToArray());
    }
}
