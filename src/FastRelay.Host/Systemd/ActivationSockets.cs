using System.Globalization;
using System.Net;
using FastRelay.Config;
using FastRelay.Outside.Linux;

namespace FastRelay.Host.Systemd;

/// <summary>
/// Listening sockets that the service manager holds for us (sd_listen_fds(3)): while we restart clients wait in them instead
/// of being refused. Which listener of the configuration one belongs to is asked of the socket itself.
/// </summary>
public static class ActivationSockets
{
    /// <summary>SD_LISTEN_FDS_START.</summary>
    private const int First = 3;

    /// <summary>The descriptors that were handed to this process; none when the variables are for another one.</summary>
    /// <param name="process">LISTEN_PID.</param>
    /// <param name="count">LISTEN_FDS.</param>
    /// <param name="own">Our process id.</param>
    public static IReadOnlyList<int> Descriptors(string? process, string? count, int own) =>
        process == own.ToString(CultureInfo.InvariantCulture)
            && int.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number is > 0 and <= 1024
            ? [.. Enumerable.Range(First, number)]
            : [];

    /// <summary>Those of the environment.</summary>
    public static IReadOnlyList<int> FromEnvironment() => Descriptors(
        Environment.GetEnvironmentVariable("LISTEN_PID"), Environment.GetEnvironmentVariable("LISTEN_FDS"), Environment.ProcessId);

    /// <summary>Null when every socket has its listener; else what is wrong: clients of one that nobody serves would wait for ever.</summary>
    public static string? Problem(IReadOnlyList<int> descriptors, RelayConfig config)
    {
        foreach (int fd in descriptors)
        {
            IPEndPoint? address = LinuxSockets.ListeningOn(fd);
            if (address is null)
            {
                return $"descriptor {fd} of the socket unit is no TCP socket that listens: it may have ListenStream= with an address and a port, and Accept=no";
            }
            if (!config.Listen.Any(listen => listen.Address.Equals(address)))
            {
                return $"the socket unit listens on {address}, and no [[listen]] has that address: there is {string.Join(", ", config.Listen.Select(static listen => listen.Address))}";
            }
        }
        return null;
    }
}
