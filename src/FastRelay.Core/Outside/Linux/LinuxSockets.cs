using System.Net;

namespace FastRelay.Outside.Linux;

/// <summary>What can be asked about a socket that another process made.</summary>
public static class LinuxSockets
{
    /// <summary>A unix socket stands there, whoever listens on it or not.</summary>
    public static bool IsSocket(string path)
    {
        const int TypeMask = 0xF000;
        const int Socket = 0xC000;
        return Libc.OwnerAndMode(path, out _, out _, out int mode) >= 0 && (mode & TypeMask) == Socket;
    }

    /// <summary>The address that a TCP socket listens on; null when it is anything else.</summary>
    public static IPEndPoint? ListeningOn(int fd)
    {
        Span<byte> address = stackalloc byte[128];
        if (Libc.GetOption(fd, Libc.SOL_SOCKET, Libc.SO_ACCEPTCONN) != 1
            || Libc.LocalAddress(fd, address, out int length) < 0
            || length < 16)
        {
            return null;
        }
        int family = address[0] | (address[1] << 8);
        return family is Libc.AF_INET or Libc.AF_INET6 ? SocketAddressBytes.Read(address[..length]) : null;
    }
}
