using FastRelay.Outside;
using FastRelay.Routing;

namespace FastRelay.Deliver;

/// <summary>Derives SCRAM's key from a password off the loop: at a host's whim it costs a second of a core.</summary>
/// <param name="loop">Where it completes.</param>
internal sealed class KeyJob(Loop loop) : OffloadJob
{
    private readonly Signal<bool> _done = new(loop);
    private Credentials _credentials = null!;
    private byte[] _salt = [];
    private byte[] _salted = [];
    private int _iterations;

    /// <summary>Derives, and leaves the key with the credentials.</summary>
    public async ValueTask<ReadOnlyMemory<byte>> RunAsync(Offload offload, Credentials credentials, byte[] salt, int iterations)
    {
        (_credentials, _salt, _iterations) = (credentials, salt, iterations);
        _done.Reset();
        offload.Submit(this);
        await _done.WaitAsync();
        credentials.Keep(salt, iterations, _salted);
        return _salted;
    }

    /// <inheritdoc/>
    protected override void Execute() => _salted = _credentials.Derive(_salt, _iterations);

    /// <inheritdoc/>
    protected override void Run() => _done.Set(true);
}
