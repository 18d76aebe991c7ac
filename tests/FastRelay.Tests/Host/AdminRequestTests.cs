using FastRelay.Host.Admin;
using FastRelay.Outside;
using FastRelay.Outside.Linux;

namespace FastRelay.Tests.Host;

public sealed class AdminRequestTests : IDisposable
{
    private readonly World _world = LinuxWorld.Create(new LinuxOptions());
    private readonly Thread _thread;
    private int _loopThread;

    public AdminRequestTests()
    {
        _thread = new Thread(() =>
        {
            _loopThread = Environment.CurrentManagedThreadId;
            _world.Loop.Run();
        });
        _thread.Start();
    }

    public void Dispose()
    {
        _world.Loop.Stop();
        _thread.Join();
        LinuxWorld.Dispose(_world);
    }

    [Fact]
    public async Task A_question_is_answered_on_the_loop_and_its_asker_goes_on_elsewhere()
    {
        int answeredOn = await AdminRequest<int>.AskAsync(
            _world.Loop, () => new ValueTask<int>(Environment.CurrentManagedThreadId), TimeSpan.FromMinutes(1));
        Assert.Equal(_loopThread, answeredOn);
        Assert.NotEqual(_loopThread, Environment.CurrentManagedThreadId);
    }

    [Fact]
    public async Task A_long_answer_goes_on_on_the_loop_after_every_pause()
    {
        int[] threads = await AdminRequest<int[]>.AskAsync(
            _world.Loop,
            async () =>
            {
                var pause = new Signal<bool>(_world.Loop);
                var seen = new List<int>();
                for (int i = 0; i < 3; i++)
                {
                    seen.Add(Environment.CurrentManagedThreadId);
                    ValueTask<bool> turn = pause.WaitAsync();
                    pause.Set(true);
                    await turn;
                }
                return [.. seen];
            },
            TimeSpan.FromMinutes(1));
        Assert.Equal([_loopThread, _loopThread, _loopThread], threads);
    }

    [Fact]
    public async Task A_wrong_question_comes_back_to_its_asker_and_the_loop_goes_on()
    {
        await Assert.ThrowsAsync<AdminException>(() =>
            AdminRequest<int>.AskAsync(_world.Loop, () => throw new AdminException("no"), TimeSpan.FromMinutes(1)));
        Assert.Equal(5, await AdminRequest<int>.AskAsync(_world.Loop, () => new ValueTask<int>(5), TimeSpan.FromMinutes(1)));
    }

    [Fact]
    public async Task An_answer_that_does_not_come_is_a_timeout()
    {
        var never = new Signal<int>(_world.Loop);
        await Assert.ThrowsAsync<TimeoutException>(() =>
            AdminRequest<int>.AskAsync(_world.Loop, never.WaitAsync, TimeSpan.FromMilliseconds(50)));
    }

    [Fact]
    public async Task What_has_not_begun_when_its_asker_gives_up_is_never_done()
    {
        using var goOn = new ManualResetEventSlim();
        bool done = false;
        Task<bool> busy = AdminRequest<bool>.AskAsync(_world.Loop, () => new ValueTask<bool>(goOn.Wait(60_000)), TimeSpan.FromMinutes(1));
        await Assert.ThrowsAsync<TimeoutException>(() =>
            AdminRequest<bool>.AskAsync(_world.Loop, () => new ValueTask<bool>(done = true), TimeSpan.FromMilliseconds(50), finishes: true));
        goOn.Set();
        Assert.True(await busy);
        Assert.Equal(5, await AdminRequest<int>.AskAsync(_world.Loop, () => new ValueTask<int>(5), TimeSpan.FromMinutes(1)));
        Assert.False(done);
    }

    [Fact]
    public async Task What_has_begun_and_is_to_finish_is_waited_for_past_its_time()
    {
        using var began = new ManualResetEventSlim();
        using var goOn = new ManualResetEventSlim();
        Task<int> asked = AdminRequest<int>.AskAsync(
            _world.Loop,
            () =>
            {
                began.Set();
                return new ValueTask<int>(goOn.Wait(60_000) ? 7 : 0);
            },
            TimeSpan.FromMilliseconds(200),
            finishes: true);
        Assert.True(began.Wait(60_000));
        await Assert.ThrowsAsync<TimeoutException>(() => asked.WaitAsync(TimeSpan.FromMilliseconds(400)));
        goOn.Set();
        Assert.Equal(7, await asked);
    }
}
