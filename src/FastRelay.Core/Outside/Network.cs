using System.Net;

namespace FastRelay.Outside;

/// <summary>The result of a dial.</summary>
/// <param name="Link">The connection; null when it failed.</param>
/// <param name="Errno">The system's error number when it failed; 110 (ETIMEDOUT) for our own timeout.</param>
public readonly record struct DialResult(Link? Link, int Errno);

/// <summary>Listeners and outgoing connections.</summary>
public abstract class Network
{
    /// <summary>Listens on an address.</summary>
    /// <param name="endPoint">Address and port; port 0 lets the system choose.</param>
    /// <param name="listener">The listener when the result is 0.</param>
    /// <returns>0, or the system's error number (98 EADDRINUSE, 13 EACCES, 99 EADDRNOTAVAIL).</returns>
    public abstract int Listen(IPEndPoint endPoint, out Listener? listener);

    /// <summary>Connects; never by name.</summary>
    /// <param name="remote">Where to.</param>
    /// <param name="source">Source address, or null for the system's choice.</param>
    /// <param name="timeoutMs">Gives up after this long.</param>
    public abstract ValueTask<DialResult> ConnectAsync(IPEndPoint remote, IPAddress? source, int timeoutMs);

    /// <summary>True when the address is one of this host's own interfaces (own-host guard).</summary>
    public abstract bool IsOwnAddress(IPAddress address);

    /// <summary>Open links of this network, for limits and metrics.</summary>
    public abstract int OpenLinks { get; }
}

/// <summary>A listening socket. Out of descriptors it pauses for 100 ms and goes on by itself.</summary>
public abstract class Listener
{
    /// <summary>The bound address, with the real port.</summary>
    public abstract IPEndPoint EndPoint { get; }

    /// <summary>The next connection; null once the listener was closed. One waiter.</summary>
    public abstract ValueTask<Link?> AcceptAsync();

    /// <summary>How often accepting paused because descriptors ran out.</summary>
    public abstract long Pauses { get; }

    /// <summary>Stops listening; a pending accept gets null.</summary>
    public abstract void Close();
}
