using System.Text;
using FastRelay.Outside;

namespace FastRelay.Storm;

/// <summary>Keeps the last log lines of a relay, for tests and for the report of a failure.</summary>
public sealed class SimOutput(SimUniverse universe, int capacity = 4_000) : Output
{
    private readonly Queue<string> _lines = new();

    public IReadOnlyCollection<string> Lines => _lines;

    /// <summary>Told every line.</summary>
    public Action<string>? Written { get; set; }

    public override long Dropped => 0;

    public override bool TryWrite(ReadOnlySpan<byte> line)
    {
        universe.Trace.Add("log", line);
        if (_lines.Count == capacity)
        {
            _lines.Dequeue();
        }
        string text = Encoding.UTF8.GetString(line).TrimEnd('\n');
        universe.Trace.Keep?.Add(text);
        _lines.Enqueue(text);
        Written?.Invoke(text);
        return true;
    }
}
