using System.Text;
using FastRelay.Outside;

namespace FastRelay.Tests.Support;

/// <summary>Keeps log lines when asked to; else only counts them.</summary>
public sealed class MemoryOutput : Output
{
    private readonly List<string> _lines = [];

    public bool Keep { get; set; } = true;

    public long Count { get; private set; }

    public IReadOnlyList<string> Lines => _lines;

    public override long Dropped => 0;

    public override bool TryWrite(ReadOnlySpan<byte> line)
    {
        Count++;
        if (Keep)
        {
            _lines.Add(Encoding.UTF8.GetString(line).TrimEnd('\n'));
        }
        return true;
    }
}
