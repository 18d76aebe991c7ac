using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using FastRelay.Outside;
using FastRelay.Tests.Support;
using Xunit;

namespace FastRelay.Tests.Outside;

/// <summary>What async methods below a session's root do, and that any number of them may wait without allocating.</summary>
[Collection("Allocation")]
[SuppressMessage("Reliability", "CA2012", Justification = "What a ValueTask does in wrong hands is a part of what is tested.")]
public sealed class LoopMethodBuilderTests
{
    private readonly ManualLoop _manual = new();

    [Fact]
    public void Hundreds_that_wait_in_the_same_method_allocate_nothing_when_they_wait_again()
    {
        Signal<int>[] signals = [.. Enumerable.Range(0, 300).Select(_ => new Signal<int>(_manual.Loop))];
        var calls = new ValueTask<int>[signals.Length];
        Assert.Equal(Sum(signals.Length), Round(signals, calls));
        Assert.Equal(Sum(signals.Length), Round(signals, calls));
        long before = GC.GetAllocatedBytesForCurrentThread();
        int sum = Round(signals, calls);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(Sum(signals.Length), sum);
    }

    [Fact]
    public void A_call_that_does_not_wait_returns_its_result_at_once()
    {
        var signal = new Signal<int>(_manual.Loop);
        signal.Set(20);
        ValueTask<int> call = OuterAsync(signal);
        Assert.True(call.IsCompletedSuccessfully);
        Assert.Equal(21, call.Result);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_a_call_throws_reaches_its_caller(bool waits)
    {
        var signal = new Signal<int>(_manual.Loop);
        if (!waits)
        {
            signal.Set(-1);
        }
        Task<int> call = OuterAsync(signal).AsTask();
        Task plain = PlainAsync(OuterAsync(new Signal<int>(_manual.Loop)), throws: true).AsTask();
        if (waits)
        {
            signal.Set(-1);
            _manual.Settle();
        }
        Assert.True(call.IsFaulted);
        Assert.Equal("below zero", (await Assert.ThrowsAsync<InvalidOperationException>(() => call)).Message);
        Assert.True(plain.IsFaulted);
    }

    [Fact]
    public void A_result_cannot_be_taken_before_the_call_has_returned_nor_twice()
    {
        var signal = new Signal<int>(_manual.Loop);
        ValueTask<int> call = OuterAsync(signal);
        Assert.Throws<CheckFailedException>(() => call.GetAwaiter().GetResult());
        signal.Set(4);
        _manual.Settle();
        Assert.Equal(5, call.GetAwaiter().GetResult());
        Assert.Throws<InvalidOperationException>(() => call.GetAwaiter().GetResult());
    }

    private int Round(Signal<int>[] signals, ValueTask<int>[] calls)
    {
        for (int i = 0; i < signals.Length; i++)
        {
            calls[i] = OuterAsync(signals[i]);
        }
        for (int i = 0; i < signals.Length; i++)
        {
            signals[i].Set(i);
        }
        _manual.Settle();
        int sum = 0;
        foreach (ValueTask<int> call in calls)
        {
            sum += call.Result;
        }
        return sum;
    }

    private static int Sum(int count) => Enumerable.Range(1, count).Sum();

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private static async ValueTask<int> OuterAsync(Signal<int> signal) => await InnerAsync(signal) + 1;

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private static async ValueTask<int> InnerAsync(Signal<int> signal)
    {
        int value = await signal.WaitAsync();
        return value >= 0 ? value : throw new InvalidOperationException("below zero");
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private static async ValueTask PlainAsync(ValueTask<int> other, bool throws)
    {
        if (throws)
        {
            throw new InvalidOperationException("at once");
        }
        await other;
    }
}
