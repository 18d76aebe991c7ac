namespace FastRelay.Outside.Linux;

/// <summary>What an <see cref="EpollPoller"/> reports to: a link, a listener, a dial.</summary>
internal interface IEpollTarget
{
    /// <summary>Something changed since the last call (edge-triggered). Marks and enqueues only: it must not close anything.</summary>
    void OnEvents(uint events);
}
