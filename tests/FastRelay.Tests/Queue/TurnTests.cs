using FastRelay.Config;
using FastRelay.Journal;
using FastRelay.Outside;
using FastRelay.Queue;
using FastRelay.Routing;
using FastRelay.Smtp;
using Xunit;

namespace FastRelay.Tests.Queue;

/// <summary>
/// No turn of the loop does more of what grows with the queue than its slice has room for. Counted, and not timed: the clock of these tests
/// stands still within a turn.
/// </summary>
public sealed class TurnTests
{
    private const int Mail = 600;
    private readonly QueueRig _rig = new(new QueueOptions { Jitter = 0 });

    /// <summary>The most by which a number changed in one turn until everything rested.</summary>
    private long MostPerTurn(Func<long> reading)
    {
        long most = 0;
        long before = reading();
        for (int turns = 0; turns < 100_000; turns++)
        {
            bool ran = _rig.Loop.Loop.Turn(canSleep: false);
            long now = reading();
            (most, before) = (Math.Max(most, Math.Abs(now - before)), now);
            if (!ran && _rig.Loop.Loop.QueueLength == 0)
            {
                return most;
            }
        }
        throw new InvalidOperationException("the loop does not come to rest");
    }

    private void Fill(int count = Mail, string domain = "a.test")
    {
        _rig.Domain(domain);
        for (int i = 0; i < count; i++)
        {
            _rig.Commit($"s{i}@x.test", $"u{i}@{domain}");
        }
        _rig.Loop.Settle();
    }

    /// <summary>A message for so many domains, each a site of its own.</summary>
    private MessageHandle CommitWide(int domains, string prefix = "d")
    {
        for (int i = 0; i < domains; i++)
        {
            _rig.Domain($"{prefix}{i}.test");
        }
        return _rig.Commit("wide@x.test", [.. Enumerable.Range(0, domains).Select(i => $"u@{prefix}{i}.test")]);
    }

    private T Turns<T>(ValueTask<T> work, int least, int most = 10_000)
    {
        Task<T> task = work.AsTask();
        int turns = 0;
        for (; !task.IsCompleted; turns++)
        {
            Assert.True(turns < most, "it takes too many turns");
            _rig.Loop.Loop.Turn(canSleep: false);
        }
        Assert.True(turns >= least, $"{turns} turns");
        return task.GetAwaiter().GetResult();
    }

    private Task<long> Do(QueueDeed deed) => WholeAsync(deed);

    private async Task<long> WholeAsync(QueueDeed deed) => (await _rig.Queue.Admin.PartAsync(deed, new QueueFilter(), 0, int.MaxValue)).Count;

    [Fact]
    public void Holds_releases_and_retries_are_128_a_turn_at_most()
    {
        Fill();
        QueueState state = _rig.Queue.State;
        Task<long> done = Do(QueueDeed.Hold);
        Assert.InRange(state.CountOf(EntryState.Held), 1, 128);
        Assert.InRange(MostPerTurn(() => state.CountOf(EntryState.Held)), 64, 128);
        Assert.Equal((Mail, (long)Mail), (done.Result, state.CountOf(EntryState.Held)));
        done = Do(QueueDeed.Release);
        Assert.InRange(MostPerTurn(() => state.CountOf(EntryState.Held)), 64, 128);
        Assert.Equal((Mail, 0L), (done.Result, state.CountOf(EntryState.Held)));
        while (_rig.HasWork("mx.a.test"))
        {
            _rig.Report(_rig.Take("mx.a.test"), _ => QueueRig.Later);
        }
        Assert.Equal(Mail, state.CountOf(EntryState.Deferred));
        done = Do(QueueDeed.Retry);
        Assert.InRange(MostPerTurn(() => state.CountOf(EntryState.Deferred)), 64, 128);
        Assert.Equal((Mail, 0L), (done.Result, state.CountOf(EntryState.Deferred)));
        QueueRules.Hold(_rig);
    }

    [Fact]
    public void What_is_removed_or_bounced_is_settled_some_a_turn()
    {
        Fill();
        Task<long> done = Do(QueueDeed.Remove);
        Assert.InRange(MostPerTurn(() => _rig.Messages), 32, 65);
        Assert.Equal((Mail, 0L), (done.Result, _rig.Messages));
        Fill();
        done = Do(QueueDeed.Bounce("5.2.1 closed"));
        Assert.InRange(MostPerTurn(() => _rig.Bounces.All.Count), 32, 65);
        Assert.Equal((Mail, Mail), (done.Result, _rig.Bounces.All.Count));
    }

    [Fact]
    public void What_becomes_due_at_once_is_ready_over_some_turns()
    {
        Fill();
        while (_rig.HasWork("mx.a.test"))
        {
            _rig.Report(_rig.Take("mx.a.test"), _ => QueueRig.Later);
        }
        _rig.Loop.Time.Advance(1_000_000);
        Assert.InRange(MostPerTurn(() => _rig.Queue.Ready), 64, 256);
        Assert.Equal(Mail, _rig.Queue.Ready);
    }

    [Fact]
    public void The_entries_of_a_message_count_and_not_only_messages()
    {
        for (int i = 0; i < 30; i++)
        {
            CommitWide(100);
        }
        _rig.Loop.Settle();
        // 3,000 entries of 30 messages.
        int slots = _rig.Queue.State.Messages.End / Slice.Steps;
        Assert.Equal(0, Turns(_rig.Queue.Admin.CountAsync(new QueueFilter { State = QueuedState.Held }), least: slots + 2));
        Assert.Equal(30, Turns(_rig.Queue.Admin.CountAsync(new QueueFilter { Domain = "d0.test" }), least: slots + 2));
        Assert.Equal(30, Turns(_rig.Queue.Admin.HoldAsync(new QueueFilter()), least: slots + (3_000 / 128)));
        Assert.Equal(3_000, _rig.Queue.Held);
    }

    [Fact]
    public void A_message_of_many_domains_is_shown_in_slices_with_each_recipient_where_it_belongs()
    {
        const int domains = 300;
        MessageHandle message = CommitWide(domains);
        _rig.Loop.Settle();
        QueuedMessage shown = Turns(_rig.Queue.Admin.ShowAsync(_rig.Journal.IdOf(message)), least: domains * domains / 2 / Slice.Steps)!;
        Assert.Equal(domains, shown.Destinations.Count);
        Assert.All(shown.Destinations, static one => Assert.Equal(["u@" + one.Key], one.Recipients));
    }

    /// <summary>As <see cref="QueueRig.Deliver"/>, and no turn passes.</summary>
    private void Deliver(string site)
    {
        Delivery delivery = _rig.Take(site);
        BodyReader body = _rig.Journal.OpenBody();
        body.Start(delivery.Message);
        Assert.Equal(BodyStatus.Ok, body.PrepareAsync().AsTask().Result);
        Span<int> index = stackalloc int[1];
        Assert.Equal(1, _rig.Queue.CollectRecipients(delivery, body.Envelope, index, out _));
        _rig.Queue.Report(delivery, body.Envelope, new AttemptInfo("mx.test", null, null, 3, false), [new RecipientReport(index[0], QueueRig.Ok, "ok"u8.ToArray())]);
        body.Close();
    }

    [Fact]
    public void What_goes_while_a_message_is_looked_at_does_no_harm()
    {
        const int domains = 2_000;
        MessageHandle message = CommitWide(domains);
        _rig.Loop.Settle();
        Task<QueuedMessage?> shown = _rig.Queue.Admin.ShowAsync(_rig.Journal.IdOf(message)).AsTask();
        Task<long> held = _rig.Queue.Admin.HoldAsync(new QueueFilter { Domain = $"d{domains - 1}.test" }).AsTask();
        Task<long> none = _rig.Queue.Admin.CountAsync(new QueueFilter { Site = "nowhere.test" }).AsTask();
        _rig.Loop.Loop.Turn(canSleep: false);
        Assert.False(shown.IsCompleted);
        // From both ends of the message's entries.
        foreach (int i in (ReadOnlySpan<int>)[0, 1, 2, domains - 3, domains - 2, 900, 901, 1_023, 1_024, 1_025, 975, 976, 977])
        {
            Deliver($"mx.d{i}.test");
        }
        Assert.False(shown.IsCompleted || held.IsCompleted || none.IsCompleted);
        _rig.Loop.Settle();
        Assert.InRange(shown.Result!.Destinations.Count, domains - 20, domains);
        Assert.Equal((1, 1L, 0L), (held.Result, _rig.Queue.Held, none.Result));
        shown = _rig.Queue.Admin.ShowAsync(_rig.Journal.IdOf(message)).AsTask();
        Task<long> removed = _rig.Queue.Admin.RemoveAsync(new QueueFilter()).AsTask();
        _rig.Loop.Settle();
        Assert.Null(shown.Result);
        Assert.Equal((1, 0), (removed.Result, _rig.Queue.Entries));
    }

    [Fact]
    public void Mail_of_a_sender_is_held_without_a_view_of_each_message()
    {
        _rig.Domain("a.test");
        for (int i = 0; i < 2_000; i++)
        {
            _rig.Commit("s@x.test", "u@a.test");
        }
        _rig.Loop.Settle();
        var filter = new QueueFilter { Sender = "s@x.test" };
        Assert.Equal(2_000, _rig.Loop.Wait(_rig.Queue.Admin.CountAsync(filter)));
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Equal(2_000, _rig.Loop.Wait(_rig.Queue.Admin.CountAsync(filter)));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 2_000 * 16);
    }

    /// <summary>The collector stops the loop for longer than any slice: with 40 octets for each of a million it did so five times.</summary>
    [Fact]
    public void What_is_done_to_each_message_makes_no_garbage()
    {
        Fill(2_000);
        Assert.Equal(2_000, _rig.Loop.Wait(_rig.Queue.Admin.RetryAsync(new QueueFilter())));
        for (int round = 0; round < 3; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            Assert.Equal(2_000, _rig.Loop.Wait(_rig.Queue.Admin.RetryAsync(new QueueFilter())));
            Assert.Equal(2_000, _rig.Loop.Wait(_rig.Queue.Admin.CountAsync(new QueueFilter { Domain = "a.test" })));
            long each = (GC.GetAllocatedBytesForCurrentThread() - before) / 2_000;
            Assert.True(round == 0 || each < 16, $"{each} octets for each message");
        }
    }

    [Fact]
    public void A_large_group_of_outcomes_tells_the_index_over_some_turns()
    {
        Fill(1_500);
        // One group: the disk is away while all of them are staged.
        Assert.True(MoveTarget.TryParse("smtp:[8.8.4.4]:2600", out MoveTarget? target, out _));
        _rig.Disk.Hold = true;
        Task<long> moved = _rig.Queue.Admin.MoveAsync(new QueueFilter(), target).AsTask();
        _rig.Loop.Settle();
        Assert.Equal(1_500, moved.Result);
        _rig.Disk.LetGo();
        long Known()
        {
            long known = 0;
            for (int slot = 0; slot < _rig.Journal.Index.Bound; slot++)
            {
                known += _rig.Journal.Index.IsLive(slot) && _rig.Journal.Index.Deferrals.NodeOf(slot, 0) >= 0 ? 1 : 0;
            }
            return known;
        }
        Assert.InRange(MostPerTurn(Known), 200, (Slice.Steps / 3) + 1);
        Assert.Equal(1_500, Known());
        QueueRules.Hold(_rig);
    }

    [Fact]
    public void Sites_that_are_woken_together_are_looked_at_over_some_turns_and_so_are_plans_made()
    {
        for (int i = 0; i < 500; i++)
        {
            _rig.Domain($"c{i}.test").Commit("s@x.test", $"u@c{i}.test");
        }
        _rig.Loop.Settle();
        Assert.Equal(500, _rig.Dispatcher.Calls.Count);
        foreach (Site site in _rig.Queue.State.Sites.All)
        {
            site.Sessions--;
        }
        Assert.InRange(MostPerTurn(() => _rig.Dispatcher.Calls.Count), 16, Slice.Steps / 8);
        Assert.Equal(1_000, _rig.Dispatcher.Calls.Count);
        foreach (Destination destination in _rig.Queue.State.Destinations.All)
        {
            _rig.Queue.State.Destinations.Renew(destination);
        }
        Assert.InRange(MostPerTurn(() => _rig.Queue.State.Destinations.All.Count(static one => one.Planning)), 16, Slice.Steps / 16);
        QueueRules.Hold(_rig);
    }

    [Fact]
    public void Sites_that_share_a_budget_are_served_over_some_turns()
    {
        for (int i = 0; i < 500; i++)
        {
            _rig.Domain($"c{i}.test", $"c{i}-test.mail.protection.outlook.com").Commit("s@x.test", $"u@c{i}.test");
        }
        _rig.Loop.Settle();
        // Each of them is asked whether it wants a session, and none does.
        Assert.Equal("", _rig.Loop.Wait(_rig.Queue.SiteAdmin.SuspendAsync("protection.outlook.com", 0)));
        SiteBudget budget = _rig.Queue.State.Sites.Budgets.Find("outlook.com")!;
        Assert.InRange(budget.Waiting, 400, 500);
        _rig.Queue.State.Sites.LookAgain(budget, 0);
        _rig.Loop.Time.Advance(20);
        Assert.InRange(MostPerTurn(() => budget.Waiting), 16, Slice.Steps / 8);
        Assert.Equal(0, budget.Waiting);
        Assert.Equal("", _rig.Loop.Wait(_rig.Queue.SiteAdmin.ResumeAsync("protection.outlook.com")));
        _rig.Loop.Settle();
        QueueRules.Hold(_rig);
    }

    [Fact]
    public void Another_configuration_reaches_what_is_there_in_slices_and_all_of_it()
    {
        const int many = 400;
        _rig.Dispatcher.Room = 0;
        for (int i = 0; i < many; i++)
        {
            _rig.Tenant = "";
            _rig.Domain($"c{i}.test").Commit("s@x.test", $"u@c{i}.test");
            _rig.Tenant = $"t{i}";
            _rig.Commit("s@x.test", "u@c0.test");
        }
        _rig.Loop.Settle();
        QueueState state = _rig.Queue.State;
        var limits = new Limits { SegmentBytes = 4 << 20 };
        Assert.True(NextHop.TryParse("smtp:[192.0.2.1]:25", out NextHop hop, out _));
        _rig.Tenant = "";
        MessageHandle both = _rig.Store("s@x.test", "u@c0.test", $"u@c{many - 1}.test");
        Assert.False(_rig.Router.Change(new RouterOptions { OwnNames = ["relay.test"], Rules = [new RouteRule("*", hop, TlsPolicy.Opportunistic)] }, limits));
        var options = new QueueOptions { Jitter = 0, Tenants = [.. Enumerable.Range(0, many).Select(static i => new TenantConfig($"t{i}", 7, 0))] };
        Task<long> first = _rig.Queue.ChangeAsync(options, limits).AsTask();
        int Left() => state.Destinations.All.Count(static one => one.IsLeft);
        while (Left() == 0)
        {
            _rig.Loop.Loop.Turn(canSleep: false);
        }
        Assert.False(first.IsCompleted);
        Assert.InRange(Left(), 1, Slice.Steps / 8);
        // One domain was reached and one was not: new mail goes by the new table for both, in one entry.
        _rig.Add(both);
        Assert.Equal(hop.ToString(), state.Destinations[state.Slab[state.Messages[both.Slot]].Destination].Key);
        Assert.Equal((2, 0), (state.Slab[state.Messages[both.Slot]].Pending, state.Slab[state.Messages[both.Slot]].NextOfMessage));
        Assert.InRange(MostPerTurn(() => Left()), 32, Slice.Steps / 8 * 2);
        Assert.Equal((0, 2 * many, many), (first.Result, Left(), state.Tenants.All.Count(static one => one.Weight == 7)));
        Assert.Equal((1, (2 * many) + 1), (_rig.Queue.SiteCount, _rig.SiteOf(hop.ToString()).Ready));
        Assert.Equal($"u@c0.test u@c{many - 1}.test", _rig.Recipients(Newest()));
        QueueRules.Hold(_rig);

        Delivery Newest()
        {
            Delivery delivery = _rig.Take(hop.ToString());
            while (delivery.Message != both)
            {
                delivery = _rig.Take(hop.ToString());
            }
            return delivery;
        }
    }

    [Fact]
    public void Plans_stay_where_nothing_has_changed_that_they_are_made_by()
    {
        Fill(3);
        QueueState state = _rig.Queue.State;
        Plan plan = state.Destinations.All.Single().Plan!;
        var limits = new Limits { SegmentBytes = 4 << 20 };
        var routing = new RouterOptions { OwnNames = ["relay.test"], Sites = [new SiteConfig("b.test", 0, 0, 0)], Rules = [] };
        Assert.False(_rig.Router.Change(routing, limits));
        Assert.True(_rig.Router.Change(routing with { Sites = [new SiteConfig("b.test", 3, 0, 0)], Rules = [] }, limits));
        Assert.Equal(0, _rig.Loop.Wait(_rig.Queue.ChangeAsync(new QueueOptions { Sites = [new SiteConfig("a.test", 1, 0, 0)] }, limits, plansHold: true)));
        Assert.Same(plan, state.Destinations.All.Single().Plan);
        // What is asked of the site is another thing all the same.
        Assert.Equal(1, _rig.SiteOf("mx.a.test").Limit);
        Assert.False(_rig.Router.Change(routing with { RemotePort = 26 }, limits));
        Assert.Equal(0, _rig.Loop.Wait(_rig.Queue.ChangeAsync(new QueueOptions(), limits)));
        Assert.NotSame(plan, state.Destinations.All.Single().Plan);
        QueueRules.Hold(_rig);
    }

    [Fact]
    public void A_plan_that_is_begun_before_the_walk_comes_to_its_destination_is_made_again()
    {
        const string last = "c399.test";
        for (int i = 0; i < 400; i++)
        {
            _rig.Domain($"c{i}.test").Dns.Mx(last, "10 mx." + last, 5);
            _rig.Commit("s@x.test", $"u@c{i}.test");
        }
        _rig.Loop.Settle();
        Assert.True(NextHop.TryParse("smtp:[192.0.2.1]:25", out NextHop hop, out _));
        var limits = new Limits { SegmentBytes = 4 << 20 };
        _rig.Router.Change(new RouterOptions { OwnNames = ["relay.test"], Rules = [new RouteRule(last, hop, TlsPolicy.Opportunistic)] }, limits);
        Task<long> change = _rig.Queue.ChangeAsync(new QueueOptions { Jitter = 0 }, limits).AsTask();
        _rig.Dns.Hold = true;
        _rig.Router.Cache.Clear();
        // Its plan has expired, and something deferred became due.
        Destination destination = _rig.Queue.State.Destinations.All.Single(static one => one.Origin.Domain == last);
        _rig.Queue.State.Destinations.Renew(destination);
        _rig.Loop.Loop.Turn(canSleep: false);
        Assert.True(destination is { PlanSinceMs: >= 0, Key: last } && !change.IsCompleted);
        _rig.Loop.Settle();
        _rig.Dns.Hold = false;
        _rig.Dns.LetGo();
        _rig.Loop.Settle();
        Assert.True(change.IsCompletedSuccessfully);
        Assert.Equal(hop.ToString(), destination.Site!.Key);
        Assert.Equal("u@" + last, _rig.Deliver(hop.ToString()));
        QueueRules.Hold(_rig);
    }
}
