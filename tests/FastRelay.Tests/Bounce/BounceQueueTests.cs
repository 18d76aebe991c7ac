using FastRelay.Bounce;
using FastRelay.Journal;
using FastRelay.Queue;
using FastRelay.Smtp;
using Xunit;

namespace FastRelay.Tests.Bounce;

/// <summary>Whose report is begun next, and when.</summary>
public sealed class BounceQueueTests
{
    private static readonly Outcome s_no = OutcomePolicy.From(SmtpStage.Rcpt, 550, new EnhancedCode(5, 1, 1));
    private int _made;

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(60)]
    [InlineData(6_000)]
    public void In_any_minute_no_more_are_begun_than_the_rate_and_all_of_it_is_used(int perMinute)
    {
        var queue = new BounceQueue(new BounceOptions { Hostname = "relay.example", PerMinute = perMinute });
        int count = perMinute * 5;
        for (int i = 0; i < count; i++)
        {
            Add(queue, "");
        }
        List<long> begun = TakeAll(queue, 1_000);
        Assert.Equal(count, begun.Count);
        for (int i = perMinute; i < count; i++)
        {
            Assert.True(begun[i] - begun[i - perMinute] >= 60_000, $"{perMinute + 1} within {begun[i] - begun[i - perMinute]} ms");
        }
        Assert.InRange(begun[^1] - begun[0], 4 * 60_000 - 60_000, 6 * 60_000);
        Assert.False(queue.IsPaced);
    }

    [Fact]
    public void Tenants_take_turns_and_a_single_report_does_not_wait_for_a_thousand_of_somebody_else()
    {
        var queue = new BounceQueue(new BounceOptions { Hostname = "relay.example", PerMinute = 1 });
        for (int i = 0; i < 1_000; i++)
        {
            Add(queue, "bulk");
        }
        Assert.Equal("bulk", queue.Take(0, out _)!.Tenant);
        Assert.Null(queue.Take(1, out long waitMs));
        Assert.True(queue.IsPaced);
        Add(queue, "one");
        Assert.Equal("bulk", queue.Take(1 + waitMs, out _)!.Tenant);
        Assert.Null(queue.Take(1 + waitMs, out long again));
        Assert.Equal("one", queue.Take(1 + waitMs + again, out _)!.Tenant);
    }

    [Fact]
    public void What_is_only_a_courtesy_is_begun_where_no_rate_of_its_own_would_hold_it()
    {
        var queue = new BounceQueue(new BounceOptions { Hostname = "relay.example", TenantsPerMinute = new Dictionary<string, int> { ["slow"] = 1 } });
        Assert.True(queue.MayBegin("slow", 5_000));
        Add(queue, "slow");
        Assert.False(queue.MayBegin("slow", 5_000));
        Assert.NotNull(queue.Take(5_000, out _));
        Assert.Equal((false, true, true), (queue.MayBegin("slow", 5_000), queue.MayBegin("quick", 5_000), queue.MayBegin("slow", 65_000)));
    }

    [Fact]
    public void A_tenant_at_its_own_rate_holds_nobody_else_up()
    {
        var queue = new BounceQueue(new BounceOptions { Hostname = "relay.example", TenantsPerMinute = new Dictionary<string, int> { ["slow"] = 1 } });
        for (int i = 0; i < 10; i++)
        {
            Add(queue, "slow");
            Add(queue, "quick");
        }
        List<string> at = [];
        while (queue.Take(5_000, out _) is { } pending)
        {
            at.Add(pending.Tenant);
        }
        Assert.Equal((1, 10), (at.Count(static one => one == "slow"), at.Count(static one => one == "quick")));
        Assert.Equal(9, queue.Count);
        Assert.True(queue.IsPaced);
        Assert.Null(queue.Take(64_999, out long waitMs));
        Assert.Equal("slow", queue.Take(64_999 + waitMs, out _)!.Tenant);
        Assert.Equal(1, waitMs);
    }

    [Fact]
    public void While_paced_a_tenant_takes_half_of_the_room_and_leaves_some_for_the_next()
    {
        const int Room = 100;
        var queue = new BounceQueue(new BounceOptions { Hostname = "relay.example", PerMinute = 1 });
        Assert.Equal(50, Fill("a"));
        Assert.Equal(25, Fill("b"));
        Assert.Equal(13, Fill("c"));
        Assert.True(queue.HasShare("d", Room));

        int Fill(string tenant)
        {
            int added = 0;
            while (queue.HasShare(tenant, Room))
            {
                Add(queue, tenant);
                added++;
            }
            return added;
        }
    }

    [Fact]
    public void What_was_delivered_is_reported_at_once_whatever_waits()
    {
        var queue = new BounceQueue(new BounceOptions { Hostname = "relay.example", PerMinute = 1 });
        Add(queue, "");
        Add(queue, "");
        Assert.NotNull(queue.Take(0, out _));
        Assert.Null(queue.Take(0, out _));
        PendingBounce relayed = Add(queue, "", NoticeKind.Relayed);
        Assert.Same(relayed, queue.Any);
        Assert.Same(relayed, queue.Take(0, out _));
        Assert.Null(queue.Take(59_999, out long waitMs));
        Assert.Equal(1, waitMs);
    }

    [Fact]
    public void Another_rate_begins_full_and_what_waits_goes_by_it()
    {
        var options = new BounceOptions { Hostname = "relay.example", PerMinute = 1 };
        var queue = new BounceQueue(options);
        Add(queue, "a");
        Add(queue, "a");
        Assert.NotNull(queue.Take(0, out _));
        queue.Change(options with { PerMinute = 60 }, 10);
        Assert.Null(queue.Take(10, out long waitMs));
        Assert.InRange(waitMs, 1, 4_000);
        Assert.NotNull(queue.Take(10 + waitMs, out _));
        // A tenant that gets a rate of its own begins anew in the same way.
        Add(queue, "a");
        queue.Change(options with { PerMinute = 60, TenantsPerMinute = new Dictionary<string, int> { ["a"] = 1 } }, 10_000);
        Assert.Null(queue.Take(10_000, out waitMs));
        Assert.Equal(60_000, waitMs);
        queue.Change(options with { PerMinute = 60 }, 20_000);
        Assert.NotNull(queue.Take(20_000, out _));
    }

    private PendingBounce Add(BounceQueue queue, string tenant, NoticeKind kind = NoticeKind.Failed)
    {
        var pending = new PendingBounce(new MessageHandle(++_made), default, tenant, 1);
        pending.Failed.Add(new FailedRecipient(0, s_no, "", []) { Kind = kind });
        queue.Counts(pending, 1);
        queue.Add(pending);
        return pending;
    }

    private static List<long> TakeAll(BounceQueue queue, long nowMs)
    {
        List<long> begun = [];
        while (queue.Count > 0)
        {
            if (queue.Take(nowMs, out long waitMs) is null)
            {
                Assert.True(waitMs > 0);
                nowMs += waitMs;
                continue;
            }
            begun.Add(nowMs);
        }
        return begun;
    }
}
