namespace FastRelay.Outside.Linux;

/// <summary>Builds the real world, and takes it down.</summary>
public static class LinuxWorld
{
    /// <summary>
    /// Builds everything on one new loop. The calling thread owns the loop until another one calls
    /// <see cref="Loop.Run"/> or <see cref="Loop.Adopt"/>.
    /// </summary>
    /// <exception cref="IOException">The system has no descriptors or memory left.</exception>
    public static World Create(LinuxOptions options)
    {
        var poller = new EpollPoller();
        var loop = new Loop(TimeProvider.System, poller);
        var offload = new LinuxOffload(loop, options.OffloadThreads > 0 ? options.OffloadThreads : Environment.ProcessorCount);
        return new World(
            TimeProvider.System,
            loop,
            new LinuxDisk(loop),
            new EpollNetwork(loop, offload, options.Listening),
            new LinuxResolver(loop, options.DnsServers, options.DnsTimeoutMs),
            offload,
            new Random(),
            new LinuxOutput(options.OutputFd, options.JournalStream));
    }

    /// <summary>
    /// Ends the threads of a world that <see cref="Create"/> built: waits for disk jobs, and for log lines at most a
    /// second. After the loop has stopped.
    /// </summary>
    public static void Dispose(World world)
    {
        (world.Disk as IDisposable)?.Dispose();
        (world.Offload as IDisposable)?.Dispose();
        (world.Output as IDisposable)?.Dispose();
        world.Loop.Poller.Dispose();
    }
}
