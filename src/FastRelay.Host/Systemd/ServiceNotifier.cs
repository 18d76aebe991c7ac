using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace FastRelay.Host.Systemd;

/// <summary>
/// Tells a service manager how we are (sd_notify(3)): datagrams to the socket that NOTIFY_SOCKET names, by path or in the
/// abstract name space. Any thread; never blocks, and what cannot be sent is dropped: mail goes on without it.
/// </summary>
public sealed class ServiceNotifier : IDisposable
{
    private readonly Socket? _socket;
    private readonly UnixDomainSocketEndPoint? _manager;

    /// <summary>A notifier to a socket.</summary>
    /// <param name="address">As in NOTIFY_SOCKET: a path, or a name behind <c>@</c>; null or anything else: nobody is told.</param>
    public ServiceNotifier(string? address)
    {
        if (address is null || address.Length < 2 || address[0] is not ('/' or '@'))
        {
            return;
        }
        _manager = new UnixDomainSocketEndPoint(address[0] == '@' ? "\0" + address[1..] : address);
        _socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { Blocking = false };
    }

    /// <summary>The one that started this process, from the environment.</summary>
    public static ServiceNotifier FromEnvironment() => new(Environment.GetEnvironmentVariable("NOTIFY_SOCKET"));

    /// <summary>Started, or reloaded: clients are served.</summary>
    public void Ready(string status) => Send($"READY=1\nSTATUS={status}");

    /// <summary>The configuration is read again; <see cref="Ready"/> follows, also when nothing was changed.</summary>
    public void Reloading() =>
        // CLOCK_MONOTONIC, which is what Stopwatch reads here: the manager tells a late message from a new one by it.
        Send(string.Create(CultureInfo.InvariantCulture, $"RELOADING=1\nMONOTONIC_USEC={Stopwatch.GetTimestamp() / (Stopwatch.Frequency / 1_000_000)}"));

    /// <summary>Begins to stop.</summary>
    public void Stopping() => Send("STOPPING=1\nSTATUS=waiting for the replies that are owed");

    /// <summary>Alive; to be said by what must not stand still.</summary>
    public void Alive() => Send("WATCHDOG=1");

    /// <inheritdoc/>
    public void Dispose() => _socket?.Dispose();

    private void Send(string text)
    {
        try
        {
            _socket?.SendTo(Encoding.UTF8.GetBytes(text), _manager!);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // A manager that does not listen, or a full socket: the next message says it again, or its time runs out, which is right.
        }
    }
}
