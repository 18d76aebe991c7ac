using Prometheus;

namespace FastRelay.Host.Admin;

/// <summary>A gauge with one label, whose values come and go: what is not given any more has no series.</summary>
/// <param name="factory">Registers it.</param>
/// <param name="name">Whole.</param>
/// <param name="help">What it shows.</param>
/// <param name="label">The label's name.</param>
internal sealed class LabelledGauge(MetricFactory factory, string name, string help, string label)
{
    // Made with its first value: a page has no header without samples.
    private Gauge? _gauge;

    /// <summary>Shows these and no others.</summary>
    public void Put(IEnumerable<KeyValuePair<string, double>> values)
    {
        KeyValuePair<string, double>[] shown = [.. values];
        if (shown.Length == 0 && _gauge is null)
        {
            return;
        }
        _gauge ??= factory.CreateGauge(name, help, label);
        foreach ((string of, double value) in shown)
        {
            _gauge.WithLabels(of).Set(value);
        }
        Forget(_gauge, [.. shown.Select(static one => one.Key)]);
    }

    /// <summary>Takes the series away whose first label is none of these.</summary>
    public static void Forget<T>(Collector<T> metric, HashSet<string> kept)
        where T : ChildBase
    {
        foreach (string[] labels in metric.GetAllLabelValues().Where(labels => !kept.Contains(labels[0])).ToList())
        {
            metric.RemoveLabelled(labels);
        }
    }
}
