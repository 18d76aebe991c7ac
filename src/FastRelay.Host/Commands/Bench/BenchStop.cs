using System.Runtime.InteropServices;

namespace FastRelay.Host.Commands;

/// <summary>
/// SIGINT and SIGTERM while a bench runs: the first ends it in order, with its processes and folders; the second at
/// once, like SIGKILL, which leaves the folder.
/// </summary>
internal sealed class BenchStop : IDisposable
{
    private readonly PosixSignalRegistration _interrupt;
    private readonly PosixSignalRegistration _terminate;
    private volatile bool _requested;

    /// <summary>From here on they are handled so.</summary>
    public BenchStop()
    {
        _interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Handle);
        _terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Handle);
    }

    /// <summary>One has come. Any thread.</summary>
    public bool IsRequested => _requested;

    /// <summary>Ends a wait when one has come.</summary>
    /// <exception cref="BenchException">One has.</exception>
    public void ThrowIfRequested()
    {
        if (_requested)
        {
            throw new BenchException("stopped by a signal");
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _interrupt.Dispose();
        _terminate.Dispose();
    }

    private void Handle(PosixSignalContext context)
    {
        context.Cancel = !_requested;
        _requested = true;
    }
}
