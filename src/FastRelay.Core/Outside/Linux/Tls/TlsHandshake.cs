using System.Runtime.CompilerServices;

namespace FastRelay.Outside.Linux;

/// <summary>
/// One TLS handshake. Its bytes move on the loop and its arithmetic runs off it: a private-key operation takes as long
/// as hundreds of commands (RSA-2048 signs in 0.3 ms or more), a chain of certificates longer. While it lasts, the
/// stream below completes every operation by way of <see cref="Resume"/>; the two sides take turns and never meet.
/// </summary>
/// <param name="loop">Of the link.</param>
/// <param name="offload">Where the arithmetic runs.</param>
/// <param name="stream">The bytes.</param>
/// <param name="start">Begins the handshake; called off the loop.</param>
internal sealed class TlsHandshake(Loop loop, Offload offload, LinkStream stream, Func<Task> start) : OffloadJob
{
    private readonly Signal<bool> _done = new(loop);
    private Task? _handshake;
    private LinkStream.Operation? _completed;

    /// <summary>True while it computes off the loop. Loop thread.</summary>
    public bool IsAway { get; private set; }

    /// <summary>Runs it to its end; what the handshake throws is thrown here, on the loop.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    public async ValueTask RunAsync()
    {
        stream.Handshake = this;
        Leave();
        await _done.WaitAsync();
        stream.Handshake = null;
        await _handshake!;
    }

    /// <summary>Bytes were moved; the handshake goes on off the loop. Loop thread.</summary>
    public void Resume(LinkStream.Operation completed)
    {
        _completed = completed;
        Leave();
    }

    /// <inheritdoc/>
    protected internal override void Execute()
    {
        if (_handshake is null)
        {
            _handshake = start();
        }
        else
        {
            // What waits for it runs inside this call, up to its next wait.
            _completed!.Complete();
        }
    }

    /// <inheritdoc/>
    protected internal override void Run()
    {
        IsAway = false;
        if (_handshake!.IsCompleted)
        {
            _done.Set(true);
        }
        else
        {
            stream.Move();
        }
    }

    private void Leave()
    {
        IsAway = true;
        offload.Submit(this);
    }
}
