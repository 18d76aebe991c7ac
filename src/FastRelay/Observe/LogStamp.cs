using System.Buffers;
using System.Buffers.Text;
using System.Globalization;

namespace FastRelay.Observe;

/// <summary>
/// The time at the head of a log line, <c>2026-01-31T23:59:59.123Z</c>. A relay writes thousands of lines in a second
/// and all of them share all but the milliseconds, so only these are written anew.
/// </summary>
internal sealed class LogStamp
{
    private const int FractionAt = 20;
    private readonly byte[] _text = new byte[24];
    private long _second = long.MinValue;

    /// <summary>The text of a time; valid until the next call.</summary>
    public ReadOnlySpan<byte> Of(DateTimeOffset now)
    {
        long second = now.UtcTicks / TimeSpan.TicksPerSecond;
        if (second != _second)
        {
            _second = second;
            now.UtcDateTime.TryFormat(_text, out _, "yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture);
            return _text;
        }
        long ms = now.UtcTicks % TimeSpan.TicksPerSecond / TimeSpan.TicksPerMillisecond;
        Utf8Formatter.TryFormat(ms, _text.AsSpan(FractionAt, 3), out _, new StandardFormat('D', 3));
        return _text;
    }
}
