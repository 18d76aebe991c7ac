using System.Net;
using System.Net.Sockets;

namespace FastRelay.Routing;

/// <summary>Addresses that a stranger's DNS may not send our connections to.</summary>
public static class AddressRules
{
    /// <summary>
    /// True for an address that is not on the public internet: unspecified, loopback, private (RFC 1918, RFC 4193),
    /// shared (RFC 6598), link-local, site-local, multicast, reserved, and IPv6 forms that carry such an IPv4 address.
    /// </summary>
    public static bool IsPrivate(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        Check.That(address.TryWriteBytes(bytes, out int length));
        return length == 4 ? IsPrivateV4(bytes) : IsPrivateV6(bytes);
    }

    /// <summary>An IPv4-mapped IPv6 address as the IPv4 one that it is; others unchanged.</summary>
    public static IPAddress Normal(IPAddress address) => address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;

    /// <summary>True for <c>0.0.0.0</c> and <c>::</c>.</summary>
    public static bool IsAny(IPAddress address) => address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any);

    /// <summary>0 for IPv4, 1 for IPv6.</summary>
    internal static int Family(IPAddress address) => address.AddressFamily == AddressFamily.InterNetwork ? 0 : 1;

    private static bool IsPrivateV4(ReadOnlySpan<byte> a) => a[0] switch
    {
        0 or 10 or 127 => true,
        100 => (a[1] & 0xC0) == 64,
        169 => a[1] == 254,
        172 => (a[1] & 0xF0) == 16,
        192 => a[1] == 168 || (a[1] == 0 && a[2] == 0),
        198 => (a[1] & 0xFE) == 18,
        >= 224 => true,
        _ => false,
    };

    private static bool IsPrivateV6(ReadOnlySpan<byte> a)
    {
        if (a[..10].IndexOfAnyExcept((byte)0) < 0)
        {
            // ::, ::1, ::ffff:a.b.c.d, and the old compatible form ::a.b.c.d, which nobody routes.
            return a[10] != 0xFF || a[11] != 0xFF || IsPrivateV4(a[12..]);
        }
        // 64:ff9b::/96 leads to an IPv4 address through NAT64, 2002::/16 through 6to4.
        ReadOnlySpan<byte> nat64 = [0, 0x64, 0xFF, 0x9B, 0, 0, 0, 0, 0, 0, 0, 0];
        if (a[..12].SequenceEqual(nat64))
        {
            return IsPrivateV4(a[12..]);
        }
        if (a[0] == 0x20 && a[1] == 0x02)
        {
            return IsPrivateV4(a[2..6]);
        }
        return a[0] == 0xFF || (a[0] & 0xFE) == 0xFC || (a[0] == 0xFE && (a[1] & 0x80) == 0x80);
    }
}
