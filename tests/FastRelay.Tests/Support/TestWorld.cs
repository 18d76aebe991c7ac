using System.Net;
using FastRelay.Outside;

namespace FastRelay.Tests.Support;

/// <summary>Worlds for tests of one stage: what the stage may not touch is missing.</summary>
public static class TestWorld
{
    public static World Make(ManualLoop loop, Resolver resolver, Output output, Disk? disk = null, int seed = 1) =>
        new(loop.Time, loop.Loop, disk!, new OwnAddresses(), resolver, null!, new Random(seed), output);

    private sealed class OwnAddresses : Network
    {
        public override int OpenLinks => 0;

        public override int Listen(IPEndPoint endPoint, out Listener? listener) => throw new InvalidOperationException("no network here");

        public override ValueTask<DialResult> ConnectAsync(IPEndPoint remote, IPAddress? source, int timeoutMs) =>
            throw new InvalidOperationException("no network here");

        public override bool IsOwnAddress(IPAddress address) =>
            IPAddress.IsLoopback(address) || address.Equals(IPAddress.Parse("198.51.100.9"));
    }
}
