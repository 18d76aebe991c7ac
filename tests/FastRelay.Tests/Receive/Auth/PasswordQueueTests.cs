using System.IO.Pipelines;
using System.Net;
using System.Net.Security;
using FastRelay.Outside;
using FastRelay.Receive;
using FastRelay.Tests.Support;

namespace FastRelay.Tests.Receive.Auth;

[System.Diagnostics.CodeAnalysis.SuppressMessage("Reliability", "CA2012", Justification = "Each is looked at once, after the loop has settled.")]
public class PasswordQueueTests
{
    [Fact]
    public void One_password_is_checked_at_a_time_a_few_wait_and_one_more_is_turned_away()
    {
        var loop = new ManualLoop();
        var offload = new HeldOffload(loop.Loop);
        var queue = new PasswordQueue(offload, waitingMax: 2);
        ScramVerifier verifier = ScramVerifier.Make("secret"u8, "0123456789abcdef"u8, 4096);
        PasswordCheck[] checks = [.. Enumerable.Range(0, 4).Select(_ => new PasswordCheck(loop.Loop, queue))];
        ValueTask<bool?>[] begun = [.. checks.Select((check, i) => check.MatchesAsync(verifier, i == 1 ? "wrong"u8 : "secret"u8, IPAddress.Loopback, new StillLink()))];
        Assert.Null(begun[3].Result);
        var results = new List<bool?>();
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(1, offload.Jobs);
            offload.RunOne();
            loop.Settle();
            results.Add(begun[i].Result);
        }
        Assert.Equal([true, false, true], results);
        Assert.Equal(0, offload.Jobs);
        // There is room again, and a check object serves again.
        ValueTask<bool?> again = checks[3].MatchesAsync(verifier, "secret"u8, IPAddress.Loopback, new StillLink());
        offload.RunOne();
        loop.Settle();
        Assert.True(again.Result);
    }

    [Fact]
    public void One_network_fills_a_quarter_of_the_places_and_this_host_all()
    {
        var loop = new ManualLoop();
        var offload = new HeldOffload(loop.Loop);
        var queue = new PasswordQueue(offload, waitingMax: 8);
        ScramVerifier verifier = ScramVerifier.Make("secret"u8, "0123456789abcdef"u8, 4096);
        bool Begins(string client) => new PasswordCheck(loop.Loop, queue).MatchesAsync(verifier, "secret"u8, IPAddress.Parse(client), new StillLink()) is not { IsCompleted: true, Result: null };
        Assert.True(Begins("192.0.2.1"));
        Assert.Equal([true, true, false], new[] { "192.0.2.1", "192.0.2.2", "192.0.2.3" }.Select(Begins));
        Assert.Equal([true, true, false], new[] { "2001:db8::1", "2001:db8::2", "2001:db8::3" }.Select(Begins));
        Assert.Equal([true, true, true, true, false], Enumerable.Repeat("127.0.0.1", 5).Select(Begins));
        // Whose turn has come gives its place back: to its network, and at all.
        offload.RunOne();
        loop.Settle();
        Assert.True(Begins("192.0.2.3"));
        Assert.False(Begins("198.51.100.1"));
        // A queue of one place still has one for everybody.
        queue = new PasswordQueue(offload, waitingMax: 1);
        Assert.Equal([true, true, false], Enumerable.Repeat("192.0.2.1", 3).Select(Begins));
    }

    [Fact]
    public void The_password_of_a_client_that_is_gone_is_not_checked()
    {
        var loop = new ManualLoop();
        var offload = new HeldOffload(loop.Loop);
        var queue = new PasswordQueue(offload, waitingMax: 8);
        ScramVerifier verifier = ScramVerifier.Make("secret"u8, "0123456789abcdef"u8, 4096);
        StillLink[] links = [new(), new(), new()];
        PasswordCheck[] checks = [.. links.Select(_ => new PasswordCheck(loop.Loop, queue))];
        ValueTask<bool?>[] begun = [.. checks.Select((check, i) => check.MatchesAsync(verifier, "secret"u8, IPAddress.Loopback, links[i]))];
        links[1].Abort();
        offload.RunOne();
        loop.Settle();
        Assert.True(begun[0].Result);
        Assert.Null(begun[1].Result);
        offload.RunOne();
        loop.Settle();
        Assert.True(begun[2].Result);
        Assert.Equal(0, offload.Jobs);
    }

    /// <summary>A link that is only there, or not any more.</summary>
    private sealed class StillLink : Link
    {
        private LinkError _error;

        public override Loop Loop => throw new NotSupportedException();

        public override PipeReader Input => throw new NotSupportedException();

        public override PipeWriter Output => throw new NotSupportedException();

        public override IPEndPoint Local => throw new NotSupportedException();

        public override IPEndPoint Remote => throw new NotSupportedException();

        public override LinkError Error => _error;

        public override string? TlsName => null;

        public override ValueTask<TlsResult> StartTlsAsync(ServerTls tls, bool keepInput = false) => throw new NotSupportedException();

        public override ValueTask<TlsResult> StartTlsAsync(SslClientAuthenticationOptions options) => throw new NotSupportedException();

        public override bool WakeOnInput(LoopItem item) => throw new NotSupportedException();

        public override void CancelRead() => throw new NotSupportedException();

        public override void Abort() => _error = LinkError.Aborted;

        public override void Close() => throw new NotSupportedException();
    }

    private sealed class HeldOffload(Loop loop) : Offload
    {
        private readonly Queue<OffloadJob> _jobs = new();

        public int Jobs => _jobs.Count;

        public override void Submit(OffloadJob job) => _jobs.Enqueue(job);

        public void RunOne()
        {
            OffloadJob job = _jobs.Dequeue();
            Execute(job);
            loop.Enqueue(job);
        }
    }
}
