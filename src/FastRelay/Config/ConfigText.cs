using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace FastRelay.Config;

/// <summary>Sizes, durations, addresses and networks as the configuration writes them, in both directions.</summary>
public static class ConfigText
{
    private static readonly (string Name, long Bytes)[] s_sizes =
    [
        ("TiB", 1L << 40), ("GiB", 1L << 30), ("MiB", 1L << 20), ("KiB", 1L << 10),
        ("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000), ("KB", 1_000), ("B", 1),
    ];

    private static readonly (string Name, long Ms)[] s_durations =
    [
        ("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1),
    ];

    /// <summary>Reads <c>50MiB</c>, <c>64KiB</c>, <c>2GB</c>, <c>1000B</c>; false for anything else and for what overflows.</summary>
    public static bool TryParseSize(string text, out long bytes)
    {
        bytes = 0;
        if (!TryNumber(text, 0, out long number, out int end))
        {
            return false;
        }
        ReadOnlySpan<char> unit = text.AsSpan(end).TrimStart(' ');
        foreach ((string name, long factor) in s_sizes)
        {
            if (unit.SequenceEqual(name))
            {
                return TryMultiply(number, factor, out bytes);
            }
        }
        return false;
    }

    /// <summary>Reads <c>5m</c>, <c>250ms</c>, <c>1h30m</c>, <c>5d</c>; false for anything else and for what overflows.</summary>
    public static bool TryParseDuration(string text, out long milliseconds)
    {
        milliseconds = 0;
        int at = 0;
        long last = long.MaxValue;
        while (at < text.Length)
        {
            if (!TryNumber(text, at, out long number, out int end))
            {
                return false;
            }
            int unitEnd = end;
            while (unitEnd < text.Length && char.IsAsciiLetterLower(text[unitEnd]))
            {
                unitEnd++;
            }
            long factor = Factor(text.AsSpan(end, unitEnd - end));
            // Units fall, so that "5m3h" is the slip that it looks like.
            if (factor == 0 || factor >= last || !TryMultiply(number, factor, out long part) || milliseconds > long.MaxValue - part)
            {
                return false;
            }
            milliseconds += part;
            last = factor;
            at = unitEnd;
        }
        return at > 0;
    }

    /// <summary>The shortest exact form, as in <c>50MiB</c>.</summary>
    public static string FormatSize(long bytes)
    {
        foreach ((string name, long factor) in s_sizes)
        {
            // Powers of two come first in the list, and thousands are for what was given in them.
            if (bytes >= factor && bytes % factor == 0)
            {
                return Invariant($"{bytes / factor}{name}");
            }
        }
        return Invariant($"{bytes}B");
    }

    /// <summary>A rounded form for people, as in <c>1.5 GiB</c>.</summary>
    public static string ShowSize(long bytes)
    {
        foreach ((string name, long factor) in s_sizes)
        {
            if (name.Length == 3 && bytes >= factor)
            {
                double value = (double)bytes / factor;
                return value >= 100 ? Invariant($"{value:F0} {name}") : Invariant($"{value:0.#} {name}");
            }
        }
        return Invariant($"{bytes} B");
    }

    /// <summary>The shortest exact form in one unit, as in <c>90s</c>; <c>0s</c> for nothing.</summary>
    public static string FormatDuration(long milliseconds)
    {
        foreach ((string name, long factor) in s_durations)
        {
            if (milliseconds >= factor && milliseconds % factor == 0)
            {
                return Invariant($"{milliseconds / factor}{name}");
            }
        }
        return "0s";
    }

    /// <summary>Reads <c>1.2.3.4:25</c> or <c>[::1]:25</c>; without a port the default one, when there is one.</summary>
    /// <param name="text">As written.</param>
    /// <param name="defaultPort">-1 when a port must be written.</param>
    /// <param name="endPoint">Address and port.</param>
    public static bool TryParseEndPoint(string text, int defaultPort, out IPEndPoint? endPoint)
    {
        endPoint = null;
        string host = text;
        int port = defaultPort;
        int colon = text.LastIndexOf(':');
        int bracket = text.LastIndexOf(']');
        bool six = text.StartsWith('[');
        bool hasPort = colon > bracket && (six || text.IndexOf(':', StringComparison.Ordinal) == colon);
        if (hasPort)
        {
            host = text[..colon];
            if (!int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out port) || port > 65535)
            {
                return false;
            }
        }
        if (six)
        {
            if (!host.EndsWith(']'))
            {
                return false;
            }
            host = host[1..^1];
        }
        if (port < 0 || !TryParseAddress(host, out IPAddress? address) || (address!.AddressFamily == AddressFamily.InterNetworkV6 && hasPort && !six))
        {
            return false;
        }
        endPoint = new IPEndPoint(address, port);
        return true;
    }

    /// <summary>Reads an address: a full dotted quad without leading zeros, or IPv6 without a zone.</summary>
    public static bool TryParseAddress(string text, out IPAddress? address)
    {
        if (!IPAddress.TryParse(text, out address) || text.Contains('%', StringComparison.Ordinal) || text.Contains('[', StringComparison.Ordinal))
        {
            return false;
        }
        // The parser also takes 127.1, 0x7f000001 and octal: one value has one spelling here.
        return address.AddressFamily == AddressFamily.InterNetworkV6 || address.ToString() == text;
    }

    /// <summary>Reads <c>10.0.0.0/8</c>, <c>fd00::/8</c> or a single address.</summary>
    /// <param name="text">As written.</param>
    /// <param name="network">The network.</param>
    /// <param name="error">What is wrong and what would be right.</param>
    public static bool TryParseNetwork(string text, out IPNetwork network, out string error)
    {
        network = default;
        error = "";
        int slash = text.IndexOf('/', StringComparison.Ordinal);
        if (!TryParseAddress(slash < 0 ? text : text[..slash], out IPAddress? address))
        {
            error = $"\"{text}\" is no network: write \"10.0.0.0/8\", \"fd00::/8\" or a single address";
            return false;
        }
        int bits = address!.AddressFamily == AddressFamily.InterNetwork ? 32 : 128;
        int prefix = bits;
        if (slash >= 0 && (!int.TryParse(text.AsSpan(slash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out prefix) || prefix > bits))
        {
            error = $"\"{text}\": the prefix length must be 0 to {bits}";
            return false;
        }
        IPAddress first = Mask(address, prefix);
        if (!first.Equals(address))
        {
            error = $"\"{text}\" has bits set behind the prefix: write \"{first}/{prefix}\" for the network or \"{address}\" for the one host";
            return false;
        }
        network = new IPNetwork(first, prefix);
        return true;
    }

    private static IPAddress Mask(IPAddress address, int prefix)
    {
        byte[] bytes = address.GetAddressBytes();
        for (int i = 0; i < bytes.Length; i++)
        {
            int keep = Math.Clamp(prefix - (i * 8), 0, 8);
            bytes[i] &= (byte)(0xFF << (8 - keep));
        }
        return new IPAddress(bytes);
    }

    private static long Factor(ReadOnlySpan<char> unit)
    {
        foreach ((string name, long factor) in s_durations)
        {
            if (unit.SequenceEqual(name))
            {
                return factor;
            }
        }
        return 0;
    }

    private static bool TryNumber(string text, int start, out long number, out int end)
    {
        end = start;
        while (end < text.Length && char.IsAsciiDigit(text[end]))
        {
            end++;
        }
        return long.TryParse(text.AsSpan(start, end - start), NumberStyles.None, CultureInfo.InvariantCulture, out number);
    }

    private static bool TryMultiply(long number, long factor, out long product)
    {
        bool fits = number <= long.MaxValue / factor;
        product = fits ? number * factor : 0;
        return fits;
    }

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}
