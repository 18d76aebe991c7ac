using System.Net;
using System.Net.Sockets;

namespace FastRelay.EndToEnd.Rig;

/// <summary>Where things are: the published binary, the repository, a folder of a test's own, free ports.</summary>
public static class Place
{
    private static readonly Lock s_lock = new();
    private static int s_nextAddress = 10;
    private static int s_lastPort = Random.Shared.Next();

    public static string Root { get; } = FindRoot();

    /// <summary>The published AOT binary; <c>make aot</c> puts it there.</summary>
    public static string Binary { get; } = Environment.GetEnvironmentVariable("FASTRELAY_BINARY") ?? Path.Combine(Root, "out", "fastrelay");

    public static string NewFolder(string name)
    {
        string path = Path.Combine(Path.GetTempPath(), "fastrelay-e2e", $"{name}-{Environment.ProcessId}-{Guid.NewGuid():N}"[..40]);
        Directory.CreateDirectory(path);
        return path;
    }

    /// <summary>A port that nobody listens on and that was given to no other test: below those that the system gives to connections, which would take it again.</summary>
    public static int FreePort()
    {
        const int First = 10_000;
        const int Count = 22_000;
        while (true)
        {
            int port = First + (int)((uint)Interlocked.Increment(ref s_lastPort) % Count);
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                socket.Bind(new IPEndPoint(IPAddress.Any, port));
                return port;
            }
            catch (SocketException)
            {
                // Another program's.
            }
        }
    }

    /// <summary>An address in 127.0.0.0/8 that no other test of this run uses.</summary>
    public static IPAddress NewAddress()
    {
        lock (s_lock)
        {
            s_nextAddress++;
            return new IPAddress([127, 77, (byte)(s_nextAddress >> 8), (byte)s_nextAddress]);
        }
    }

    private static string FindRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "FastRelay.sln")))
            {
                return folder.FullName;
            }
        }
        throw new InvalidOperationException("FastRelay.sln not found above the test's folder");
    }
}
