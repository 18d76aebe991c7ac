using System.Buffers;
using System.Buffers.Text;
using System.Net;
using System.Text;

namespace FastRelay.Observe;

/// <summary>
/// One log line under construction. Values that hold anything but plain characters are quoted, and control octets are
/// escaped as <c>\xNN</c>: nothing that a peer sends can begin a line or a field of its own.
/// Use it in one expression, on one thread, and end with <see cref="Write"/>.
/// </summary>
public ref struct LogLine
{
    private readonly Log _log;
    private readonly Span<byte> _buffer;
    private int _length;
    private bool _cut;

    internal LogLine(Log log, byte[] buffer)
    {
        _log = log;
        // Room for " cut=true\n" is kept back.
        _buffer = buffer.AsSpan(0, buffer.Length);
        _length = 0;
        _cut = false;
    }

    private const int Tail = 10;

    internal void Start(scoped ReadOnlySpan<byte> priority, scoped ReadOnlySpan<byte> stamp, scoped ReadOnlySpan<byte> level, scoped ReadOnlySpan<byte> name)
    {
        Raw(priority);
        Raw("ts="u8);
        Raw(stamp);
        Raw(" level="u8);
        Raw(level);
        Raw(" event="u8);
        Raw(name);
    }

    /// <summary>Adds a field of octets as a peer gave them.</summary>
    public LogLine Add(scoped ReadOnlySpan<byte> key, scoped ReadOnlySpan<byte> value)
    {
        Key(key);
        if (IsPlain(value))
        {
            Raw(value);
            return this;
        }
        Quoted(value);
        return this;
    }

    /// <summary>Adds a text field; null is left out.</summary>
    public LogLine Add(scoped ReadOnlySpan<byte> key, string? value)
    {
        if (value is null)
        {
            return this;
        }
        Span<byte> utf8 = stackalloc byte[1024];
        Encoding.UTF8.TryGetBytes(value.AsSpan(0, Math.Min(value.Length, 340)), utf8, out int written);
        return Add(key, utf8[..written]);
    }

    /// <summary>Adds how urgent it is; nothing for an empty word.</summary>
    public LogLine AddPriority(scoped ReadOnlySpan<byte> word) => word.IsEmpty ? this : Add("priority"u8, word);

    /// <summary>Adds whose mail it is; nothing for the default tenant.</summary>
    public LogLine AddTenant(scoped ReadOnlySpan<byte> tenant) => tenant.IsEmpty ? this : Add("tenant"u8, tenant);

    /// <summary>Adds a whole number.</summary>
    public LogLine Add(scoped ReadOnlySpan<byte> key, long value)
    {
        Key(key);
        Number(value);
        return this;
    }

    /// <summary>Adds a span of time in seconds with three decimals.</summary>
    public LogLine AddSeconds(scoped ReadOnlySpan<byte> key, long milliseconds)
    {
        Key(key);
        Number(milliseconds / 1000);
        int rest = (int)Math.Abs(milliseconds % 1000);
        Raw([(byte)'.', (byte)('0' + (rest / 100)), (byte)('0' + (rest / 10 % 10)), (byte)('0' + (rest % 10))]);
        return this;
    }

    /// <summary>Adds an address with its port.</summary>
    public LogLine Add(scoped ReadOnlySpan<byte> key, IPEndPoint value)
    {
        Key(key);
        Span<byte> text = stackalloc byte[64];
        int length = Format(value, text);
        Raw(text[..length]);
        return this;
    }

    /// <summary>Adds anything that formats itself as UTF-8.</summary>
    public LogLine Add<T>(scoped ReadOnlySpan<byte> key, T value)
        where T : struct, IUtf8SpanFormattable
    {
        Span<byte> text = stackalloc byte[128];
        value.TryFormat(text, out int written, default, System.Globalization.CultureInfo.InvariantCulture);
        return Add(key, text[..written]);
    }

    /// <summary>Ends the line and hands it on.</summary>
    public void Write()
    {
        if (_cut)
        {
            " cut=true"u8.CopyTo(_buffer[_length..]);
            _length += 9;
        }
        _buffer[_length++] = (byte)'\n';
        _log.Write(_buffer[.._length]);
    }

    /// <summary>
    /// False for what would change how text is shown and is no text: controls, which 8-bit terminals obey, and what turns the writing
    /// direction (UAX #9), behind which a line reads as another one.
    /// </summary>
    public static bool IsShown(Rune rune) =>
        rune.Value is >= 0x20 and < 0x7F or > 0x9F and not (0x061C or 0x200E or 0x200F or (>= 0x202A and <= 0x202E) or (>= 0x2066 and <= 0x2069));

    /// <summary>Writes <c>1.2.3.4:25</c> or <c>[::1]:25</c>; at most 64 octets.</summary>
    public static int Format(IPEndPoint value, Span<byte> into)
    {
        int length = 0;
        bool six = value.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6;
        if (six)
        {
            into[length++] = (byte)'[';
        }
        value.Address.TryFormat(into[length..], out int written);
        length += written;
        if (six)
        {
            into[length++] = (byte)']';
        }
        into[length++] = (byte)':';
        Utf8Formatter.TryFormat(value.Port, into[length..], out written);
        return length + written;
    }

    private void Key(scoped ReadOnlySpan<byte> key)
    {
        if (_cut || _length + key.Length + 2 > _buffer.Length - Tail)
        {
            _cut = true;
            return;
        }
        _buffer[_length++] = (byte)' ';
        key.CopyTo(_buffer[_length..]);
        _length += key.Length;
        _buffer[_length++] = (byte)'=';
    }

    private void Number(long value)
    {
        if (_cut || !Utf8Formatter.TryFormat(value, _buffer[_length..^Tail], out int written))
        {
            _cut = true;
            return;
        }
        _length += written;
    }

    // What needs no quotes: all that is printed in one piece but the quote, the backslash and the equals sign. Values are short, so that a loop
    // is less than a set of the library's, which has to look octets up in a vector.
    private static bool IsPlain(ReadOnlySpan<byte> value)
    {
        foreach (byte b in value)
        {
            if (b is <= (byte)' ' or >= 0x7F or (byte)'"' or (byte)'\\' or (byte)'=')
            {
                return false;
            }
        }
        return value.Length > 0;
    }

    private void Raw(scoped ReadOnlySpan<byte> bytes)
    {
        if (_cut || _length + bytes.Length > _buffer.Length - Tail)
        {
            _cut = true;
            return;
        }
        bytes.CopyTo(_buffer[_length..]);
        _length += bytes.Length;
    }

    private void Quoted(scoped ReadOnlySpan<byte> value)
    {
        // The closing quote must find room, or the field is cut as a whole.
        if (_cut || _length + (value.Length * 4) + 2 > _buffer.Length - Tail)
        {
            int room = Math.Max(0, (_buffer.Length - Tail - _length - 2) / 4);
            if (_cut || room == 0)
            {
                _cut = true;
                return;
            }
            value = value[..Math.Min(value.Length, room)];
        }
        _buffer[_length++] = (byte)'"';
        for (int i = 0; i < value.Length; i++)
        {
            byte b = value[i];
            if (b >= 0x80)
            {
                // Text of strangers: only what is UTF-8 and no control passes as it is.
                bool shown = Rune.DecodeFromUtf8(value[i..], out Rune rune, out int octets) == OperationStatus.Done && IsShown(rune);
                for (int last = i + octets; i < last; i++)
                {
                    Octet(value[i], shown);
                }
                i--;
            }
            else if (b is (byte)'"' or (byte)'\\')
            {
                _buffer[_length++] = (byte)'\\';
                _buffer[_length++] = b;
            }
            else if (b is < 0x20 or 0x7F)
            {
                Octet(b, shown: false);
            }
            else
            {
                Octet(b, shown: true);
            }
        }
        _buffer[_length++] = (byte)'"';
    }

    private void Octet(byte b, bool shown)
    {
        if (shown)
        {
            _buffer[_length++] = b;
            return;
        }
        _buffer[_length++] = (byte)'\\';
        _buffer[_length++] = (byte)'x';
        _buffer[_length++] = Hex(b >> 4);
        _buffer[_length++] = Hex(b & 15);
    }

    private static byte Hex(int value) => (byte)(value < 10 ? '0' + value : 'a' + value - 10);
}
