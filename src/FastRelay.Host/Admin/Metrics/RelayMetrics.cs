using FastRelay.Observe;
using Prometheus;

namespace FastRelay.Host.Admin;

/// <summary>
/// The page of /metrics. The figures are the loop's and of one moment; they are put into prometheus-net's registry when somebody
/// asks, and it writes them: names, types, quoting and format are its affair.
/// </summary>
public sealed class RelayMetrics
{
    private const string Prefix = "fastrelay_";
    private static readonly string[] s_outcomes = ["delivered", "deferred", "failed"];

    private readonly CollectorRegistry _registry = Prometheus.Metrics.NewCustomRegistry();
    private readonly (Counter? Counter, Gauge? Gauge)[] _figures;
    private readonly MetricFactory _factory;
    private readonly Lock _one = new();
    private readonly Histogram _delays;
    private DelayCounts _delaysBefore = new DelayHistogram().Read();
    private readonly ProcessMetrics _process;
    private readonly Counter _troubles;
    private readonly LabelledGauge _certificates;
    private readonly LabelledGauge _waiting;
    private readonly LabelledGauge _stopped;
    private Counter? _sources;

    /// <summary>Registers all figures.</summary>
    /// <param name="version">Release.</param>
    /// <param name="sync">group or none.</param>
    public RelayMetrics(string version, string sync)
    {
        _factory = Prometheus.Metrics.WithCustomRegistry(_registry);
        _factory.CreateGauge(Prefix + "info", "Release and sync mode.", "version", "sync").WithLabels(version, sync).Set(1);
        _process = new ProcessMetrics(_factory);
        _figures = [.. Figure.All.Select(figure => figure.IsCounter
            ? ((Counter?)_factory.CreateCounter(Prefix + figure.Name, figure.Help), (Gauge?)null)
            : (null, _factory.CreateGauge(Prefix + figure.Name, figure.Help)))];
        _delays = _factory.CreateHistogram(Prefix + "delivery_delay_seconds", "Time from the arrival of a message to its delivery, by recipient.",
            new HistogramConfiguration { Buckets = [.. DelayHistogram.BoundsMs.ToArray().Select(static ms => ms / 1000.0)] });
        _troubles = _factory.CreateCounter(Prefix + "troubles_total", "Attempts for a recipient that were put off, and recipients that failed, by what kept them.", "status", "class");
        _waiting = new LabelledGauge(_factory, Prefix + "site_waiting", "Deliveries that wait for a site, ready or deferred; of the 20 sites with the most.", "site");
        _stopped = new LabelledGauge(_factory, Prefix + "site_stopped", "1 while such a site is in backoff or suspended.", "site");
        _certificates = new LabelledGauge(_factory, Prefix + "certificate_expires_seconds", "When a certificate of ours ends, seconds since 1970, by its file.", "file");
    }

    /// <summary>The format's media type.</summary>
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    /// <summary>Writes one page.</summary>
    /// <param name="scrape">What is on it.</param>
    /// <param name="into">Takes the page.</param>
    /// <param name="cancellation">The asker has gone.</param>
    public async Task WriteAsync(RelayScrape scrape, Stream into, CancellationToken cancellation = default)
    {
        RelayReading reading = scrape.Reading;
        lock (_one)
        {
            for (int i = 0; i < _figures.Length; i++)
            {
                double value = Figure.All[i].Of(reading.Values[i]);
                _figures[i].Counter?.IncTo(value);
                _figures[i].Gauge?.Set(value);
            }
            Put(reading.Delays);
            _process.Read();
            Put(scrape.Sources);
            foreach (TroubleCount trouble in reading.Troubles)
            {
                _troubles.WithLabels(s_outcomes[1], trouble.Class).IncTo(trouble.Deferred);
                _troubles.WithLabels(s_outcomes[2], trouble.Class).IncTo(trouble.Failed);
            }
            Put(scrape.Sites);
            _certificates.Put(scrape.Certificates.DistinctBy(static term => term.File).Take(CertificateTerm.ShownMax)
                .Select(static term => KeyValuePair.Create(term.File, (double)new DateTimeOffset(term.EndsUtc).ToUnixTimeSeconds())));
        }
        await _registry.CollectAndExportAsTextAsync(into, cancellation);
    }

    /// <summary>What has come since the last page, span by span: so many of their mean, which lies in the span, keep counts and sum exact.</summary>
    private void Put(DelayCounts delays)
    {
        if (delays.Counts.Sum() < _delaysBefore.Counts.Sum())
        {
            // Somebody else asked later and was served first.
            return;
        }
        for (int i = 0; i < delays.Counts.Count; i++)
        {
            long came = delays.Counts[i] - _delaysBefore.Counts[i];
            if (came > 0)
            {
                _delays.Observe((delays.SumsMs[i] - _delaysBefore.SumsMs[i]) / (double)came / 1000, came);
            }
        }
        _delaysBefore = delays;
    }

    private void Put(IReadOnlyList<ExplainSite> sites)
    {
        ExplainSite[] busy = [.. sites.Where(static site => site.Ready + site.Deferred > 0).DistinctBy(static site => site.Name).Take(RelayScrape.SitesMax)];
        _waiting.Put(busy.Select(static site => KeyValuePair.Create(site.Name, (double)(site.Ready + site.Deferred))));
        _stopped.Put(busy.Select(static site => KeyValuePair.Create(site.Name, site.Gear is "backoff" or "suspended" ? 1.0 : 0)));
    }

    private void Put(IReadOnlyList<SourceView> sources)
    {
        if (sources.Count == 0 && _sources is null)
        {
            return;
        }
        _sources ??= _factory.CreateCounter(Prefix + "source_outcomes_total", "Recipients by the source that an attempt was made from, and what it came to.", "source", "status");
        foreach (SourceView source in sources)
        {
            _sources.WithLabels(source.Name, s_outcomes[0]).IncTo(source.Delivered);
            _sources.WithLabels(source.Name, s_outcomes[1]).IncTo(source.Deferred);
            _sources.WithLabels(source.Name, s_outcomes[2]).IncTo(source.Failed);
        }
        // A reload may have taken one away.
        LabelledGauge.Forget(_sources, [.. sources.Select(static source => source.Name)]);
    }
}
