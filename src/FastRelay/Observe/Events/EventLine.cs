using System.Buffers;
using System.Buffers.Text;
using System.Net;
using System.Text;

namespace FastRelay.Observe;

/// <summary>
/// One line of the event stream under construction: a JSON object (RFC 8259) without nesting. What peers send and is no
/// UTF-8 is shown as U+FFFD. A field that finds no room is left out, and the line says so with <c>"cut":true</c>.
/// Use it in one expression and end with <see cref="Write"/>.
/// </summary>
public ref struct EventLine
{
    private static readonly SearchValues<byte> s_plain = SearchValues.Create(
        " !#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_`abcdefghijklmnopqrstuvwxyz{|}~"u8);

    // Room for ,"cut":true}\n is kept back.
    private const int Tail = 14;

    private readonly EventStream _stream;
    private readonly Span<byte> _buffer;
    private int _length;
    private bool _cut;

    internal EventLine(EventStream stream, byte[] buffer, scoped ReadOnlySpan<byte> stamp, scoped ReadOnlySpan<byte> name)
    {
        _stream = stream;
        _buffer = buffer;
        _length = 0;
        _cut = false;
        Raw("{\"ts\":\""u8);
        Raw(stamp);
        Raw("\",\"event\":\""u8);
        Raw(name);
        Raw("\""u8);
    }

    /// <summary>A whole line that says how many events are missing, and since when.</summary>
    internal static ReadOnlySpan<byte> Gap(byte[] buffer, scoped ReadOnlySpan<byte> stamp, long lost, scoped ReadOnlySpan<byte> since) =>
        new EventLine(null!, buffer, stamp, "gap"u8).Add("lost"u8, lost).Add("since"u8, since).End();

    /// <summary>Adds a text as a peer gave it.</summary>
    public EventLine Add(scoped ReadOnlySpan<byte> key, scoped ReadOnlySpan<byte> value)
    {
        int before = _length;
        bool fits = Key(key) && Text(value);
        _length = fits ? _length : before;
        _cut |= !fits;
        return this;
    }

    /// <summary>Adds a text; null is left out.</summary>
    public EventLine Add(scoped ReadOnlySpan<byte> key, string? value)
    {
        if (value is null)
        {
            return this;
        }
        Span<byte> utf8 = stackalloc byte[1024];
        Encoding.UTF8.TryGetBytes(value.AsSpan(0, Math.Min(value.Length, 340)), utf8, out int written);
        return Add(key, utf8[..written]);
    }

    /// <summary>Says that a start tells it again, from the journal: it may have been told before.</summary>
    public EventLine AddRecovered()
    {
        _cut |= !Raw(",\"recovered\":true"u8);
        return this;
    }

    /// <summary>Adds how urgent it is; nothing for an empty word.</summary>
    public EventLine AddPriority(scoped ReadOnlySpan<byte> word) => word.IsEmpty ? this : Add("priority"u8, word);

    /// <summary>Adds whose mail it is; the default tenant's has no such field.</summary>
    public EventLine AddTenant(scoped ReadOnlySpan<byte> tenant) => tenant.IsEmpty ? this : Add("tenant"u8, tenant);

    /// <summary>Adds a whole number.</summary>
    public EventLine Add(scoped ReadOnlySpan<byte> key, long value)
    {
        Span<byte> digits = stackalloc byte[20];
        Utf8Formatter.TryFormat(value, digits, out int written);
        int before = _length;
        bool fits = Key(key) && Raw(digits[..written]);
        _length = fits ? _length : before;
        _cut |= !fits;
        return this;
    }

    /// <summary>Adds an address with its port; null is left out.</summary>
    public EventLine Add(scoped ReadOnlySpan<byte> key, IPEndPoint? value)
    {
        if (value is null)
        {
            return this;
        }
        Span<byte> text = stackalloc byte[64];
        return Add(key, text[..LogLine.Format(value, text)]);
    }

    /// <summary>Ends the line and hands it on.</summary>
    /// <returns>False when it found no room, which is told by a gap.</returns>
    public readonly bool Write() => _stream.Take(End());

    /// <summary>Ends the line, with its newline.</summary>
    internal readonly ReadOnlySpan<byte> End()
    {
        ReadOnlySpan<byte> end = _cut ? ",\"cut\":true}\n"u8 : "}\n"u8;
        end.CopyTo(_buffer[_length..]);
        return _buffer[..(_length + end.Length)];
    }

    private bool Key(scoped ReadOnlySpan<byte> key) => Raw(",\""u8) && Raw(key) && Raw("\":"u8);

    private bool Raw(scoped ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > _buffer.Length - Tail - _length)
        {
            return false;
        }
        bytes.CopyTo(_buffer[_length..]);
        _length += bytes.Length;
        return true;
    }

    private bool Text(scoped ReadOnlySpan<byte> value)
    {
        bool fits = Raw("\""u8);
        while (fits && !value.IsEmpty)
        {
            int plain = value.IndexOfAnyExcept(s_plain);
            plain = plain < 0 ? value.Length : plain;
            fits = Raw(value[..plain]);
            value = value[plain..];
            if (fits && !value.IsEmpty)
            {
                fits = Odd(value, out int used);
                value = value[used..];
            }
        }
        return fits && Raw("\""u8);
    }

    private bool Odd(scoped ReadOnlySpan<byte> value, out int used)
    {
        used = 1;
        byte first = value[0];
        if (first is (byte)'"' or (byte)'\\')
        {
            return Raw([(byte)'\\', first]);
        }
        if (first < 0x80)
        {
            return Raw([(byte)'\\', (byte)'u', (byte)'0', (byte)'0', Hex(first >> 4), Hex(first & 15)]);
        }
        if (Rune.DecodeFromUtf8(value, out Rune rune, out used) != OperationStatus.Done)
        {
            return Raw("\\ufffd"u8);
        }
        // Those that are not shown are all of the first plane.
        int code = rune.Value;
        return LogLine.IsShown(rune) ? Raw(value[..used]) : Raw([(byte)'\\', (byte)'u', Hex(code >> 12), Hex((code >> 8) & 15), Hex((code >> 4) & 15), Hex(code & 15)]);
    }

    private static byte Hex(int value) => (byte)(value < 10 ? '0' + value : 'a' + value - 10);
}
