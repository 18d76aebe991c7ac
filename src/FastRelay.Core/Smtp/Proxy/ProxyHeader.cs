using System.Buffers.Binary;
using System.Net;

namespace FastRelay.Smtp;

/// <summary>What the octets at the front of a connection are as a PROXY header.</summary>
public enum ProxyStatus : byte
{
    /// <summary>A header so far: more octets are needed.</summary>
    NeedMore,

    /// <summary>A whole header.</summary>
    Ok,

    /// <summary>No header, or one that is not what it says.</summary>
    Broken,
}

/// <summary>For whom a proxy speaks.</summary>
public enum ProxiedKind : byte
{
    /// <summary>For itself, as in a health check (LOCAL): its own address counts.</summary>
    Local,

    /// <summary>For a client whose address it cannot tell (UNKNOWN, AF_UNSPEC, AF_UNIX).</summary>
    Unknown,

    /// <summary>For the client that it names.</summary>
    Client,
}

/// <summary>
/// One header of the PROXY protocol, versions 1 and 2 (haproxy's <c>proxy-protocol.txt</c> of 2020, sections 2.1 and
/// 2.2): what stands in front of the first octet of a connection that a proxy passes on. Pure: it is asked again with
/// all octets from the first one when more have come.
/// </summary>
/// <param name="Kind">For whom the proxy speaks.</param>
/// <param name="Client">The client's address and port; null unless it is named.</param>
public readonly record struct ProxyHeader(ProxiedKind Kind, IPEndPoint? Client)
{
    /// <summary>Octets of the longest line of version 1 with its CRLF.</summary>
    public const int LineMax = 107;

    /// <summary>Octets of version 2 behind the first 16, addresses and extensions, that are taken: several times what fits a segment, as the specification wants it.</summary>
    public const int BlockMax = 2_048;

    private const int FixedBytes = 16;

    private static ReadOnlySpan<byte> Signature => "\r\n\r\n\0\r\nQUIT\n"u8;

    private static ReadOnlySpan<byte> Word => "PROXY "u8;

    /// <summary>Reads a header.</summary>
    /// <param name="input">Everything from the first octet of the connection on.</param>
    /// <param name="header">When it is whole.</param>
    /// <param name="length">Octets of it.</param>
    public static ProxyStatus Read(ReadOnlySpan<byte> input, out ProxyHeader header, out int length)
    {
        header = default;
        length = 0;
        // The first octet tells the versions apart, and no other protocol's first words are waited for.
        ReadOnlySpan<byte> mark = input.IsEmpty || input[0] == Word[0] ? Word : Signature;
        int known = Math.Min(mark.Length, input.Length);
        if (!input[..known].SequenceEqual(mark[..known]))
        {
            return ProxyStatus.Broken;
        }
        return known < mark.Length ? ProxyStatus.NeedMore
            : mark.Length == Word.Length ? ReadLine(input, out header, out length)
            : ReadBlock(input, out header, out length);
    }

    // PROXY TCP4 192.0.2.1 192.0.2.2 1025 25
    private static ProxyStatus ReadLine(ReadOnlySpan<byte> input, out ProxyHeader header, out int length)
    {
        header = default;
        ReadOnlySpan<byte> window = input[..Math.Min(input.Length, LineMax)];
        int end = window.IndexOf("\r\n"u8);
        length = end + 2;
        if (end < 0)
        {
            length = 0;
            return window.Length == LineMax ? ProxyStatus.Broken : ProxyStatus.NeedMore;
        }
        ReadOnlySpan<byte> rest = window[Word.Length..end];
        ReadOnlySpan<byte> family = Next(ref rest);
        if (family.SequenceEqual("UNKNOWN"u8))
        {
            header = new ProxyHeader(ProxiedKind.Unknown, null);
            return ProxyStatus.Ok;
        }
        int octets = family.SequenceEqual("TCP4"u8) ? 4 : family.SequenceEqual("TCP6"u8) ? 16 : 0;
        Span<byte> source = stackalloc byte[16];
        Span<byte> target = stackalloc byte[16];
        if (octets == 0 || !TryAddress(Next(ref rest), source[..octets]) || !TryAddress(Next(ref rest), target[..octets])
            || !TryNumber(Next(ref rest), ushort.MaxValue, out int port) || !TryNumber(rest, ushort.MaxValue, out _))
        {
            return ProxyStatus.Broken;
        }
        header = new ProxyHeader(ProxiedKind.Client, new IPEndPoint(new IPAddress(source[..octets]), port));
        return ProxyStatus.Ok;
    }

    // 12 octets of signature, version and command, family and protocol, length; then addresses and extensions.
    private static ProxyStatus ReadBlock(ReadOnlySpan<byte> input, out ProxyHeader header, out int length)
    {
        header = default;
        length = 0;
        if (input.Length < FixedBytes)
        {
            return ProxyStatus.NeedMore;
        }
        int command = input[12] - 0x20;
        int family = input[13] >> 4;
        int protocol = input[13] & 0xF;
        int block = BinaryPrimitives.ReadUInt16BigEndian(input[14..]);
        if (command is not (0 or 1) || family > 3 || protocol > 2 || block > BlockMax)
        {
            return ProxyStatus.Broken;
        }
        // TCP over IPv4 and IPv6; anything else that is allowed to stand here names no client of ours.
        int octets = command == 0 || protocol != 1 ? 0 : family switch { 1 => 4, 2 => 16, _ => 0 };
        if (octets > 0 && block < (2 * octets) + 4)
        {
            return ProxyStatus.Broken;
        }
        if (input.Length < FixedBytes + block)
        {
            return ProxyStatus.NeedMore;
        }
        length = FixedBytes + block;
        ReadOnlySpan<byte> addresses = input.Slice(FixedBytes, block);
        header = command == 0 ? new ProxyHeader(ProxiedKind.Local, null)
            : octets == 0 ? new ProxyHeader(ProxiedKind.Unknown, null)
            : new ProxyHeader(ProxiedKind.Client, new IPEndPoint(new IPAddress(addresses[..octets]), BinaryPrimitives.ReadUInt16BigEndian(addresses[(2 * octets)..])));
        return ProxyStatus.Ok;
    }

    // Up to the next space, which is left out.
    private static ReadOnlySpan<byte> Next(ref ReadOnlySpan<byte> rest)
    {
        int space = rest.IndexOf((byte)' ');
        ReadOnlySpan<byte> word = space < 0 ? rest : rest[..space];
        rest = space < 0 ? default : rest[(space + 1)..];
        return word;
    }

    private static bool TryAddress(ReadOnlySpan<byte> text, Span<byte> octets)
    {
        if (octets.Length == 16)
        {
            return AddressLiteral.TryParseIPv6(text, octets);
        }
        for (int i = 0; i < 4; i++)
        {
            int dot = i < 3 ? text.IndexOf((byte)'.') : text.Length;
            if (dot < 0 || !TryNumber(text[..dot], byte.MaxValue, out int value))
            {
                return false;
            }
            octets[i] = (byte)value;
            text = i < 3 ? text[(dot + 1)..] : default;
        }
        return true;
    }

    // Decimal, without a zero in front that some would read as octal.
    private static bool TryNumber(ReadOnlySpan<byte> text, int max, out int value)
    {
        value = 0;
        if (text.Length is 0 or > 5 || (text[0] == '0' && text.Length > 1) || text.ContainsAnyExceptInRange((byte)'0', (byte)'9'))
        {
            return false;
        }
        foreach (byte digit in text)
        {
            value = (value * 10) + digit - '0';
        }
        return value <= max;
    }
}
