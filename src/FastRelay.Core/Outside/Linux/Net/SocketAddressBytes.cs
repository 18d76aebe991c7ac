using System.Buffers.Binary;
using System.Net;
using System.Runtime.InteropServices;

namespace FastRelay.Outside.Linux;

/// <summary>struct sockaddr_in and sockaddr_in6 as bytes.</summary>
internal static class SocketAddressBytes
{
    /// <summary>Room for either, bytes.</summary>
    public const int Max = 28;

    /// <summary>The address family of an address.</summary>
    public static int Family(IPAddress address) =>
        address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? Libc.AF_INET6 : Libc.AF_INET;

    /// <summary>Writes an address; returns its length in bytes.</summary>
    public static int Write(Span<byte> target, IPAddress address, int port)
    {
        target[..Max].Clear();
        int family = Family(address);
        ushort familyValue = (ushort)family;
        MemoryMarshal.Write(target, in familyValue);
        BinaryPrimitives.WriteUInt16BigEndian(target[2..], (ushort)port);
        if (family == Libc.AF_INET)
        {
            _ = address.TryWriteBytes(target[4..], out _);
            return 16;
        }
        _ = address.TryWriteBytes(target[8..], out _);
        uint scope = (uint)address.ScopeId;
        MemoryMarshal.Write(target[24..], in scope);
        return Max;
    }

    /// <summary>Reads an address that the kernel wrote.</summary>
    public static IPEndPoint Read(ReadOnlySpan<byte> source)
    {
        int port = BinaryPrimitives.ReadUInt16BigEndian(source[2..]);
        return MemoryMarshal.Read<ushort>(source) == Libc.AF_INET6
            ? new IPEndPoint(new IPAddress(source.Slice(8, 16), MemoryMarshal.Read<uint>(source[24..])), port)
            : new IPEndPoint(new IPAddress(source.Slice(4, 4)), port);
    }
}
