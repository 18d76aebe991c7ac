using System.Runtime.CompilerServices;
using System.Text;
using FastRelay.Observe;
using FastRelay.Outside;

namespace FastRelay.Host.Admin;

/// <summary>
/// Brings what a watcher gathers on the loop to whoever asked for it: fetched ten times a second, so that no session ever
/// writes to a connection of the admin. Any thread.
/// </summary>
/// <param name="loop">Where the dialogues are.</param>
/// <param name="tracer">Shows them; touched on the loop only.</param>
internal sealed class TraceDesk(Loop loop, Tracer tracer)
{
    private static readonly TimeSpan s_soon = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_between = TimeSpan.FromMilliseconds(100);

    // A connection that is half open is noticed by writing to it.
    private const int QuietRounds = 150;
    private static readonly byte[] s_alive = [(byte)'\n'];

    /// <summary>Pieces of whole lines; the first is empty, and says that the watch has begun.</summary>
    public async IAsyncEnumerable<ReadOnlyMemory<byte>> WatchAsync(TraceFilter filter, [EnumeratorCancellation] CancellationToken until)
    {
        TraceWatcher watcher = await AdminRequest<TraceWatcher?>.AskAsync(loop, () => new ValueTask<TraceWatcher?>(tracer.Watch(filter)), s_soon, finishes: true)
            ?? throw new AdminException($"{Tracer.WatchersMax} traces run already");
        try
        {
            yield return ReadOnlyMemory<byte>.Empty;
            for (int quiet = 0; !until.IsCancellationRequested; quiet++)
            {
                await Task.Delay(s_between, until).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                if (until.IsCancellationRequested
                    || await AdminRequest<(byte[] Lines, long Lost)?>.AskAsync(loop, () => new ValueTask<(byte[] Lines, long Lost)?>(tracer.Take(watcher)), s_soon) is not { } taken)
                {
                    yield break;
                }
                if (taken.Lines.Length > 0)
                {
                    quiet = 0;
                    yield return taken.Lines;
                }
                else if (quiet >= QuietRounds)
                {
                    quiet = 0;
                    yield return s_alive;
                }
                if (taken.Lost > 0)
                {
                    yield return Encoding.ASCII.GetBytes(FormattableString.Invariant($"{{\"lost\":{taken.Lost}}}\n"));
                }
            }
        }
        finally
        {
            // Nobody waits for it: one that the loop never hears of is given up for gone there.
            loop.Post(new Ending(tracer, watcher));
        }
    }

    private sealed class Ending(Tracer tracer, TraceWatcher watcher) : LoopItem
    {
        protected override void Run() => tracer.End(watcher);
    }
}
