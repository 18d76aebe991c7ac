using System.Text;
using FastRelay.Outside;

namespace FastRelay.Tests.Outside;

/// <summary>
/// A loop with links whose peers are puppets: what <see cref="LinkRules"/> needs of an implementation of links. The
/// real one and the simulator's each have a rig.
/// </summary>
public abstract class LinkRig : IDisposable
{
    /// <summary>Turns without the awaited event after which a test has failed; a turn with nothing to do costs a millisecond.</summary>
    private const int TurnsMax = 30_000;

    private readonly SynchronizationContext? _context = SynchronizationContext.Current;

    protected LinkRig() => SynchronizationContext.SetSynchronizationContext(null);

    public abstract Loop Loop { get; }

    public abstract Network Network { get; }

    /// <summary>Buffers that links hold now.</summary>
    public abstract int RentedBuffers { get; }

    /// <summary>A link of ours, accepted, and the peer at its other end.</summary>
    public abstract (Link Link, RigPeer Peer) Accept();

    /// <summary>A link of ours that dialled, and the peer at its other end.</summary>
    public abstract (Link Link, RigPeer Peer) Dial();

    /// <summary>Two links of ours: a dialler and an acceptor.</summary>
    public abstract (Link Client, Link Server) Pair();

    /// <summary>One turn of the loop, and of the peers.</summary>
    public abstract void Turn();

    public void Until(Func<bool> condition)
    {
        for (int i = 0; i < TurnsMax; i++)
        {
            if (condition())
            {
                return;
            }
            Turn();
        }
        Assert.Fail("nothing more happens");
    }

    public void Run(Func<ValueTask> work)
    {
        Task task = work().AsTask();
        Until(() => task.IsCompleted);
        task.GetAwaiter().GetResult();
    }

    public T Run<T>(ValueTask<T> work)
    {
        Task<T> task = work.AsTask();
        Until(() => task.IsCompleted);
        return task.GetAwaiter().GetResult();
    }

    /// <summary>Reads <paramref name="bytes"/> bytes, and consumes them.</summary>
    public async ValueTask<string> ReadAsync(Link link, int bytes)
    {
        while (true)
        {
            System.IO.Pipelines.ReadResult result = await link.Input.ReadAsync();
            if (result.Buffer.Length >= bytes || result.IsCompleted)
            {
                int length = (int)Math.Min(bytes, result.Buffer.Length);
                string text = Encoding.Latin1.GetString(result.Buffer.FirstSpan[..length]);
                link.Input.AdvanceTo(result.Buffer.GetPosition(length));
                return text;
            }
            link.Input.AdvanceTo(result.Buffer.Start, result.Buffer.End);
        }
    }

    public async ValueTask<bool> WriteAsync(Link link, string text)
    {
        Span<byte> span = link.Output.GetSpan(text.Length);
        link.Output.Advance(Encoding.Latin1.GetBytes(text, span));
        return !(await link.Output.FlushAsync()).IsCompleted;
    }

    public virtual void Dispose()
    {
        SynchronizationContext.SetSynchronizationContext(_context);
        GC.SuppressFinalize(this);
    }
}

/// <summary>The far end of a link, moved by the test.</summary>
public abstract class RigPeer
{
    /// <summary>All that came so far.</summary>
    public abstract string Received { get; }

    /// <summary>The link's end of sending came.</summary>
    public abstract bool SawEnd { get; }

    /// <summary>The link reset the connection.</summary>
    public abstract bool SawReset { get; }

    /// <summary>True: what comes is taken; false: the peer stops reading.</summary>
    public abstract bool Reads { get; set; }

    /// <summary>Sends all of it, turning the loop while there is no room.</summary>
    public abstract void Send(string text);

    /// <summary>Sends no more, goes on receiving.</summary>
    public abstract void EndSending();

    /// <summary>Resets the connection.</summary>
    public abstract void Reset();
}
