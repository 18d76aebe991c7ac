using FastRelay.Outside;

namespace FastRelay.Queue;

/// <summary>What the operator can do to whole sites. Loop thread only.</summary>
public sealed class SiteAdmin
{
    private readonly QueueState _queue;
    private readonly Loop _loop;

    internal SiteAdmin(QueueState queue)
    {
        _queue = queue;
        _loop = queue.World.Loop;
    }

    /// <summary>Suspensions of sites that are in force.</summary>
    public IReadOnlyList<Suspension> Suspensions => _queue.Gears.Suspensions.All;

    /// <summary>Gives sites no more deliveries, those under way excepted; survives a restart.</summary>
    /// <param name="name">A site, a provider, or a domain that hosts are or are below; lower case.</param>
    /// <param name="forMs">For how long; 0 until <see cref="ResumeAsync"/>.</param>
    /// <returns>What went wrong; empty when nothing did.</returns>
    public async ValueTask<string> SuspendAsync(string name, long forMs)
    {
        _loop.CheckThread();
        if (!Queue.Suspensions.IsName(name))
        {
            return "a site is 1 to 255 characters of printable ASCII";
        }
        string wrong = await _queue.Gears.Suspensions.SetAsync(new Suspension(name, forMs == 0 ? 0 : _queue.UnixMs + forMs));
        _queue.Gears.Recall();
        return wrong;
    }

    /// <summary>Ends a suspension, by the name that it was made with.</summary>
    /// <returns>What went wrong; empty when nothing did.</returns>
    public async ValueTask<string> ResumeAsync(string name)
    {
        _loop.CheckThread();
        if (_queue.Gears.Suspensions.All.All(one => one.Name != name))
        {
            return $"\"{name}\" is not suspended";
        }
        string wrong = await _queue.Gears.Suspensions.ClearAsync(name);
        _queue.Gears.Recall();
        return wrong;
    }
}
