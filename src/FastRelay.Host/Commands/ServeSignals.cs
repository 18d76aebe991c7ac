using System.Runtime.InteropServices;
using FastRelay.Host.Admin;
using FastRelay.Host.Reload;
using FastRelay.Host.Secrets;
using FastRelay.Host.Systemd;

namespace FastRelay.Host.Commands;

/// <summary>
/// The signals of <c>serve</c>, from before its first file is read to the end of the process. SIGTERM and SIGINT end the relay politely, a second
/// SIGINT at once; SIGHUP reads configuration, certificates and users again. Before the relay runs there is nothing to be polite
/// to: SIGTERM and SIGINT end the process, and a SIGHUP is kept, as the file may have been read before it was changed.
/// </summary>
internal sealed class ServeSignals : IDisposable
{
    // For as long as the process: a signal that comes while it ends would else kill it, and a clean stop look like none.
    private static readonly List<PosixSignalRegistration> s_registrations = [];
    private readonly Lock _lock = new();
    private Served? _served;
    private bool _reloadWanted;
    private int _stops;
    private volatile bool _over;

    /// <summary>From now on no signal kills.</summary>
    public ServeSignals()
    {
        foreach (PosixSignal signal in (ReadOnlySpan<PosixSignal>)[PosixSignal.SIGTERM, PosixSignal.SIGINT, PosixSignal.SIGHUP])
        {
            s_registrations.Add(PosixSignalRegistration.Create(signal, Handle));
        }
    }

    /// <summary>The relay runs: signals are about it, and a SIGHUP that was kept is obeyed.</summary>
    /// <returns>This: to be disposed of before what it was given.</returns>
    public ServeSignals Attach(Relay relay, RelayDesk desk, ConfigReloader reloader, SecretsWatch secrets, ServiceNotifier notifier)
    {
        bool reload;
        lock (_lock)
        {
            _served = new Served(relay, desk, reloader, secrets, notifier);
            reload = _reloadWanted;
        }
        if (reload)
        {
            _ = Task.Run(_served.ReloadAsync);
        }
        return this;
    }

    /// <summary>Signals do nothing any more.</summary>
    public void Dispose() => _over = true;

    private void Handle(PosixSignalContext context)
    {
        context.Cancel = true;
        if (_over)
        {
            return;
        }
        bool reload = context.Signal == PosixSignal.SIGHUP;
        Served? served;
        lock (_lock)
        {
            served = _served;
            _reloadWanted |= reload;
        }
        if (served is null)
        {
            if (!reload)
            {
                // Nobody was answered anything, and every start is a recovery. Nothing is written: what hangs may be standard error.
                Environment.Exit(ExitCode.Ok);
            }
            return;
        }
        if (reload)
        {
            _ = served.ReloadAsync();
            return;
        }
        served.Desk.Stopping = true;
        served.Notifier.Stopping();
        if (Interlocked.Increment(ref _stops) > 1 && context.Signal == PosixSignal.SIGINT)
        {
            // Safe at any moment: what was answered 250 is durable, and every start is a recovery.
            served.Relay.World.Loop.Stop();
            return;
        }
        served.Relay.Stop();
    }

    private sealed record Served(Relay Relay, RelayDesk Desk, ConfigReloader Reloader, SecretsWatch Secrets, ServiceNotifier Notifier)
    {
        public async Task ReloadAsync()
        {
            try
            {
                await Reloader.ReloadAsync();
            }
            catch (Exception)
            {
                // The log has it, whatever it was. Certificates and users may have changed for all that.
                Secrets.Look();
            }
        }
    }
}
