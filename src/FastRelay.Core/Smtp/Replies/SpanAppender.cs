using System.Globalization;

namespace FastRelay.Smtp;

/// <summary>Appends to a span and remembers when it did not fit: one test at the end instead of one at each step.</summary>
internal ref struct SpanAppender(Span<byte> destination)
{
    private readonly Span<byte> _destination = destination;

    /// <summary>Octets appended.</summary>
    internal int Written { get; private set; }

    /// <summary>Something did not fit; nothing was appended since.</summary>
    internal bool Overflowed { get; private set; }

    internal void Append(scoped ReadOnlySpan<byte> text)
    {
        Overflowed = Overflowed || !text.TryCopyTo(_destination[Written..]);
        Written += Overflowed ? 0 : text.Length;
    }

    internal void Append(long number)
    {
        var length = 0;
        Overflowed = Overflowed || !number.TryFormat(_destination[Written..], out length, default, CultureInfo.InvariantCulture);
        Written += Overflowed ? 0 : length;
    }

    /// <summary>Gives up what was appended after <paramref name="written"/>, and the overflow with it.</summary>
    internal void RewindTo(int written)
    {
        Written = written;
        Overflowed = false;
    }

    /// <summary>What was appended from <paramref name="start"/> on, to be changed in place.</summary>
    internal readonly Span<byte> WrittenFrom(int start) => _destination[start..Written];
}
