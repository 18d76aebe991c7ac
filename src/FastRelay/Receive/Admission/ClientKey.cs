using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace FastRelay.Receive;

/// <summary>A client's network as a key: an IPv6 network of 64 bits, or the front of an IPv4 address.</summary>
/// <param name="Value">Left-aligned bits.</param>
/// <param name="IsIPv4">Which.</param>
internal readonly record struct ClientKey(ulong Value, bool IsIPv4)
{
    /// <summary>Bits of an IPv4 network whose clients are taken together.</summary>
    public const int NetworkBits = 24;

    /// <summary>One client: an IPv4 address, or an IPv6 network of 64 bits, in which one host may take any address that it likes (RFC 4291 2.5.1).</summary>
    public static ClientKey OfClient(IPAddress address) => Of(address, 32);

    /// <summary>Its network: 24 bits of IPv4, 64 of IPv6.</summary>
    public static ClientKey OfNetwork(IPAddress address) => Of(address, NetworkBits);

    private static ClientKey Of(IPAddress address, int bits)
    {
        Span<byte> octets = stackalloc byte[16];
        bool written = address.TryWriteBytes(octets, out _);
        Check.That(written);
        bool isIPv4 = address.AddressFamily == AddressFamily.InterNetwork;
        if (!isIPv4 && !address.IsIPv4MappedToIPv6)
        {
            return new ClientKey(BinaryPrimitives.ReadUInt64BigEndian(octets), false);
        }
        uint front = BinaryPrimitives.ReadUInt32BigEndian(isIPv4 ? octets : octets[12..]);
        return new ClientKey(front >> (32 - bits) << (32 - bits), true);
    }
}
