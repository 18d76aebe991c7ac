using System.Net.Sockets;

namespace FastRelay.Host.Admin;

/// <summary>
/// The admin's unix socket. Who may write to the file may do everything, so it is never open to all for a moment: it is
/// bound, then restricted, and only then listened on (a socket that nobody listens on refuses connections).
/// </summary>
public static class AdminSocket
{
    /// <summary>Owner and group; nobody else.</summary>
    public const UnixFileMode Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite;

    /// <summary>Binds it, in place of one that a dead process left behind.</summary>
    /// <param name="path">Absolute.</param>
    /// <returns>Bound, not listening.</returns>
    /// <exception cref="IOException">Another process listens on it, or something else stands there.</exception>
    /// <exception cref="SocketException">The system refuses.</exception>
    /// <exception cref="UnauthorizedAccessException">The same, by file permissions.</exception>
    public static Socket Bind(string path)
    {
        if (File.Exists(path))
        {
            RemoveStale(path);
        }
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Bind(new UnixDomainSocketEndPoint(path));
            File.SetUnixFileMode(path, Mode);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static void RemoveStale(string path)
    {
        // connect(2) refuses a plain file just as it refuses a socket that nobody listens on.
        if (!SocketFile.IsThere(path))
        {
            throw new IOException("the file there is no socket, and is left alone");
        }
        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(path));
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
        {
            File.Delete(path);
            return;
        }
        throw new IOException("another process answers there");
    }
}
