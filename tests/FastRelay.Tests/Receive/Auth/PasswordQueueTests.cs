using FastRelay.Outside;
using FastRelay.Receive;
using FastRelay.Tests.Support;

namespace FastRelay.Tests.Receive.Auth;

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
        Assert.Equal([true, true, true, false], checks.Select((check, i) => check.TryBegin(verifier, i == 1 ? "wrong"u8 : "secret"u8)));
        Task<bool>[] begun = [.. checks.Take(3).Select(check => check.ResultAsync().AsTask())];
        var results = new List<bool>();
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
        Assert.True(checks[3].TryBegin(verifier, "secret"u8));
        Task<bool> again = checks[3].ResultAsync().AsTask();
        offload.RunOne();
        loop.Settle();
        Assert.True(again.Result);
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
