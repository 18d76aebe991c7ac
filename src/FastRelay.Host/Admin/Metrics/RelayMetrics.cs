using System.Diagnostics;
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
    private Counter? _sources;

    /// <summary>Registers all figures.</summary>
    /// <param name="version">Release.</param>
    /// <param name="sync">group or none.</param>
    public RelayMetrics(string version, string sync)
    {
        _factory = Prometheus.Metrics.WithCustomRegistry(_registry);
        _factory.CreateGauge(Prefix + "info", "Release and sync mode.", "version", "sync").WithLabels(version, sync).Set(1);
        _factory.CreateGauge("process_start_time_seconds", "When the process began, seconds since 1970.")
            .Set(new DateTimeOffset(Process.GetCurrentProcess().StartTime).ToUnixTimeMilliseconds() / 1000.0);
        _figures = [.. Figure.All.Select(figure => figure.IsCounter
            ? ((Counter?)_factory.CreateCounter(Prefix + figure.Name, figure.Help), (Gauge?)null)
            : (null, _factory.CreateGauge(Prefix + figure.Name, figure.Help)))];
    }

    /// <summary>The format's media type.</summary>
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    /// <summary>Writes one page.</summary>
    /// <param name="figures">Values of <see cref="Figure.All"/>, in its order.</param>
    /// <param name="sources">Each with a series for each outcome: they are few and the operator's own. Tenants have none, since whoever names them could make as many as he likes.</param>
    /// <param name="into">Takes the page.</param>
    /// <param name="cancellation">The asker has gone.</param>
    public async Task WriteAsync(IReadOnlyList<long> figures, IReadOnlyList<SourceFigures> sources, Stream into, CancellationToken cancellation = default)
    {
        lock (_one)
        {
            for (int i = 0; i < _figures.Length; i++)
            {
                _figures[i].Counter?.IncTo(figures[i]);
                _figures[i].Gauge?.Set(figures[i]);
            }
            Put(sources);
        }
        await _registry.CollectAndExportAsTextAsync(into, cancellation);
    }

    private void Put(IReadOnlyList<SourceFigures> sources)
    {
        if (sources.Count == 0 && _sources is null)
        {
            return;
        }
        _sources ??= _factory.CreateCounter(Prefix + "source_outcomes_total", "Recipients by the source that an attempt was made from, and what it came to.", "source", "status");
        foreach (SourceFigures source in sources)
        {
            _sources.WithLabels(source.Name, s_outcomes[0]).IncTo(source.Delivered);
            _sources.WithLabels(source.Name, s_outcomes[1]).IncTo(source.Deferred);
            _sources.WithLabels(source.Name, s_outcomes[2]).IncTo(source.Failed);
        }
        foreach (string[] labels in _sources.GetAllLabelValues().Where(labels => sources.All(source => source.Name != labels[0])).ToList())
        {
            // A reload has taken it away.
            _sources.RemoveLabelled(labels);
        }
    }
}

/// <summary>What deliveries from one source came to since the start, by recipient.</summary>
/// <param name="Name">The source.</param>
/// <param name="Delivered">Delivered.</param>
/// <param name="Deferred">Attempts that were put off.</param>
/// <param name="Failed">Failed for good.</param>
public sealed record SourceFigures(string Name, long Delivered, long Deferred, long Failed);
