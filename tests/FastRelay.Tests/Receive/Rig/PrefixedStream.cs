using System.Net.Sockets;

namespace FastRelay.Tests.Receive.Rig;

/// <summary>A socket whose first write carries octets in front, in one packet.</summary>
internal sealed class PrefixedStream(Socket socket, byte[] prefix) : NetworkStream(socket)
{
    private readonly Socket _socket = socket;
    private byte[] _prefix = prefix;

    public override void Write(byte[] buffer, int offset, int count)
    {
        _socket.Send([.. _prefix, .. buffer.AsSpan(offset, count)]);
        _prefix = [];
    }
}
