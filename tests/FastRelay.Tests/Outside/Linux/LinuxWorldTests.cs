using System.Net;
using FastRelay.Outside;
using FastRelay.Outside.Linux;

namespace FastRelay.Tests.Outside;

/// <summary>The whole real world, built and taken down.</summary>
public sealed class LinuxWorldTests
{
    [Fact]
    public void A_world_is_built_runs_and_is_taken_down()
    {
        World world = LinuxWorld.Create(new LinuxOptions { DnsServers = [new IPEndPoint(IPAddress.Loopback, 1)], OutputFd = 2 });
        Assert.Equal(0, world.Network.Listen(new IPEndPoint(IPAddress.Loopback, 0), out Listener? listener));
        var job = new Job(world.Loop);
        world.Disk.Submit(job, DiskLane.Read);
        // Another thread takes the loop over, as the host's main thread does after start-up.
        var thread = new Thread(world.Loop.Run);
        thread.Start();
        thread.Join();
        Assert.True(job.Done);
        world.Loop.Adopt();
        listener!.Close();
        LinuxWorld.Dispose(world);
    }

    private sealed class Job(Loop loop) : DiskJob
    {
        public bool Done { get; private set; }

        protected internal override void Execute()
        {
        }

        protected internal override void Run()
        {
            Done = true;
            loop.Stop();
        }
    }
}
