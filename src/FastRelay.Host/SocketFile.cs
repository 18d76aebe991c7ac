using FastRelay.Outside.Linux;

namespace FastRelay.Host;

/// <summary>What stands where a unix socket is to be.</summary>
public static class SocketFile
{
    /// <summary>A socket stands there, whoever listens on it or not. Nothing is opened: that would wait at a pipe.</summary>
    public static bool IsThere(string path) => LinuxSockets.IsSocket(path);
}
