using System.Text;
using System.Text.Json;
using FastRelay.Outside;

namespace FastRelay.Tests.Support;

/// <summary>The file of an event stream: says when lines are with the system, and when they are durable.</summary>
public sealed class EventLines : Output
{
    private long _taken;
    private long _passed;
    private long _kept;
    private bool _asked;

    public List<string> Lines { get; } = [];

    /// <summary>Lines are written.</summary>
    public bool Writes { get; set; } = true;

    /// <summary>Lines that are written can be made durable.</summary>
    public bool Keeps { get; set; } = true;

    /// <summary>There is room for lines.</summary>
    public bool HasSpace { get; set; } = true;

    public override long Dropped => 0;

    public override long Taken => _taken;

    public override long Passed => _passed = Writes ? _taken : _passed;

    public override long Kept => _kept = _asked && Keeps ? Passed : _kept;

    public override void MakeDurable() => _asked = true;

    public override bool TryWrite(ReadOnlySpan<byte> line)
    {
        if (!HasSpace)
        {
            return false;
        }
        Lines.Add(Encoding.UTF8.GetString(line));
        _taken += line.Length;
        _asked = false;
        return true;
    }

    /// <summary>The lines as <c>event id to</c>, those that a start tells with a star.</summary>
    public IEnumerable<string> Short => Lines.Select(static line =>
    {
        using JsonDocument read = JsonDocument.Parse(line);
        string Of(string key) => read.RootElement.TryGetProperty(key, out JsonElement value) ? " " + value : "";
        return $"{(Of("recovered").Length > 0 ? "*" : "")}{Of("event")[1..]}{Of("reason")}{Of("id")}{Of("to")}{Of("recipient")}";
    });
}
