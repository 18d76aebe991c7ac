using System.Diagnostics;
using System.Globalization;
using System.Net;
using FastRelay.Config;
using FastRelay.Journal;
using FastRelay.Outside;
using FastRelay.Queue;
using FastRelay.Routing;
using FastRelay.Smtp;
using FastRelay.Tests.Support;
using Xunit;

namespace FastRelay.Tests.Queue;

/// <summary>The operator moves mail to another next hop, and back.</summary>
public class MoveTests(Xunit.Abstractions.ITestOutputHelper output)
{
    private const string Other = "smtp:[8.8.4.4]:2600";
    private static readonly QueueOptions s_options = new() { Jitter = 0 };

    private static QueueRig Rig(QueueRig? after = null, IReadOnlyList<RouteRule>? rules = null, Limits? limits = null, QueueOptions? options = null) =>
        new QueueRig(options ?? s_options, limits, rules, after).Domain("a.test").Domain("b.test");

    private static RouteRule Row(string pattern, string to, Credentials? credentials = null) =>
        new(pattern, NextHop.TryParse(to, out NextHop hop, out string error) ? hop : throw new FormatException(error), TlsPolicy.Verified, credentials);

    private static MoveTarget? Target(string to) => to == MoveTarget.Back ? null : MoveTarget.TryParse(to, out MoveTarget? target, out string error) ? target : throw new FormatException(error);

    private static long Move(QueueRig rig, string to, QueueFilter? filter = null)
    {
        long count = rig.Loop.Wait(rig.Queue.Admin.MoveAsync(filter ?? new QueueFilter(), Target(to)));
        rig.Loop.Settle();
        QueueRules.Hold(rig);
        return count;
    }

    [Fact]
    public void Moved_mail_goes_to_the_other_host_at_once_and_only_what_was_chosen()
    {
        QueueRig rig = Rig();
        MessageHandle both = rig.Accept("s@x.test", "u@a.test", "v@b.test", "w@a.test");
        MessageHandle other = rig.Accept("s@x.test", "u@b.test");
        rig.Report(rig.Take("mx.a.test"), _ => QueueRig.Later, "451 busy");
        Assert.Equal(1, Move(rig, Other, new QueueFilter { Domain = "a.test" }));
        QueuedDestination moved = rig.Show(both).Destinations.Single(static d => d.MovedTo.Length > 0);
        Assert.Equal((Other, Other, QueuedState.Ready, 1, "451 busy"), (moved.MovedTo, moved.Key, moved.State, moved.Attempts, moved.Reason));
        Assert.Equal(["u@a.test", "w@a.test"], moved.Recipients);
        Assert.Equal(rig.Queue.State.UnixMs, moved.MovedUnixMs);
        Assert.Equal(("", 0L), (rig.ShowOne(other).MovedTo, rig.ShowOne(other).MovedUnixMs));
        Assert.Equal("u@a.test w@a.test", rig.Deliver(Other));
        Assert.Equal("v@b.test", rig.Deliver("mx.b.test"));
        // Mail that comes later goes as before.
        rig.Accept("s@x.test", "late@a.test");
        Assert.Equal("late@a.test", rig.Deliver("mx.a.test"));
        Assert.Equal("u@b.test", rig.Deliver("mx.b.test"));
        Assert.Equal((0, 0L), (rig.Queue.Entries, rig.Messages));
    }

    [Fact]
    public void It_survives_restarts_through_attempts_at_the_other_host_and_so_does_its_end()
    {
        QueueRig rig = Rig();
        MessageHandle message = rig.Accept("s@x.test", "u@a.test", "v@b.test");
        Move(rig, Other, new QueueFilter { Domain = "a.test" });
        long movedMs = rig.Queue.State.UnixMs / 1000 * 1000;
        rig.Report(rig.Take("mx.b.test"), _ => QueueRig.Ok);
        rig = Rig(rig);
        rig.Loop.Settle();
        rig.Loop.Pass(60_000);
        Assert.Equal((Other, movedMs), (rig.ShowOne(message).MovedTo, rig.ShowOne(message).MovedUnixMs));
        Assert.False(rig.HasWork("mx.a.test"));
        rig.Report(rig.Take(Other), _ => QueueRig.Later);
        rig = Rig(rig);
        QueueRules.Hold(rig);
        Assert.Equal((Other, movedMs, QueuedState.Deferred, 1), (rig.ShowOne(message).MovedTo, rig.ShowOne(message).MovedUnixMs, rig.ShowOne(message).State, rig.ShowOne(message).Attempts));
        Assert.Equal(1, Move(rig, MoveTarget.Back));
        Assert.Equal(("", QueuedState.Ready), (rig.ShowOne(message).MovedTo, rig.ShowOne(message).State));
        rig = Rig(rig);
        rig.Loop.Settle();
        Assert.Equal(("", 1), (rig.ShowOne(message).MovedTo, rig.ShowOne(message).Attempts));
        Assert.Equal("u@a.test", rig.Deliver("mx.a.test"));
        Assert.Equal((0, 0L), (rig.Queue.Entries, rig.Messages));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void What_is_being_delivered_ends_as_it_is_and_what_is_left_of_it_goes_to_the_other_host(bool crashes)
    {
        QueueRig rig = Rig();
        MessageHandle message = rig.Accept("s@x.test", "good@a.test", "later@a.test", "later@b.test");
        Delivery delivery = rig.Take("mx.a.test");
        Move(rig, Other, new QueueFilter { Domain = "a.test" });
        Assert.Equal((QueuedState.InFlight, Other), (rig.Show(message).Destinations.Single(static d => d.Key == "a.test").State, rig.Show(message).Destinations.Single(static d => d.Key == "a.test").MovedTo));
        Assert.False(rig.HasWork(Other));
        if (crashes)
        {
            // What was under way is sent again, and not where the operator did not want it any more.
            rig = Rig(rig);
            rig.Loop.Settle();
            Assert.Equal("good@a.test later@a.test", rig.Deliver(Other));
            return;
        }
        rig.Report(delivery, mailbox => mailbox[0] == 'g' ? QueueRig.Ok : QueueRig.Later);
        QueueRules.Hold(rig);
        // At once: the wait was for the host that it does not go to any more.
        Assert.Equal("later@a.test", rig.Deliver(Other));
        Assert.Equal("later@b.test", rig.Deliver("mx.b.test"));
        Assert.Equal((0, 0L), (rig.Queue.Entries, rig.Messages));
    }

    [Fact]
    public void In_the_middle_of_a_round_all_who_are_left_are_tried_there_and_attempts_are_kept()
    {
        QueueRig rig = Rig(limits: new Limits { SegmentBytes = 4 << 20, RecipientsPerTransaction = 2 });
        MessageHandle message = rig.Accept("s@x.test", "u1@a.test", "u2@a.test", "u3@a.test");
        Assert.Equal("u1@a.test u2@a.test", rig.Report(rig.Take("mx.a.test"), mailbox => mailbox[1] == '1' ? QueueRig.Later : QueueRig.Ok));
        Move(rig, Other);
        Assert.Equal((1, 2), (rig.ShowOne(message).Attempts, rig.ShowOne(message).RecipientCount));
        rig = Rig(rig, limits: new Limits { SegmentBytes = 4 << 20, RecipientsPerTransaction = 2 });
        rig.Loop.Settle();
        Assert.Equal(1, rig.ShowOne(message).Attempts);
        Assert.Equal("u1@a.test u3@a.test", rig.Deliver(Other));
        Assert.Equal(0, rig.Queue.Entries);
    }

    [Fact]
    public void Held_mail_stays_held_and_a_release_sends_it_there()
    {
        QueueRig rig = Rig();
        MessageHandle message = rig.Accept("s@x.test", "u@a.test");
        rig.Loop.Wait(rig.Queue.Admin.HoldAsync(new QueueFilter()));
        Move(rig, Other);
        Assert.Equal((QueuedState.Held, Other), (rig.ShowOne(message).State, rig.ShowOne(message).MovedTo));
        rig = Rig(rig);
        Assert.Equal((QueuedState.Held, Other), (rig.ShowOne(message).State, rig.ShowOne(message).MovedTo));
        rig.Loop.Wait(rig.Queue.Admin.ReleaseAsync(new QueueFilter()));
        rig.Loop.Settle();
        Assert.Equal("u@a.test", rig.Deliver(Other));
    }

    [Fact]
    public void Mail_that_DNS_would_fail_is_saved_by_a_move_and_expires_there_like_any_other()
    {
        QueueRig rig = Rig();
        rig.Dns.Mx("slow.test", "servfail", 5);
        rig.Accept("s@x.test", "u@slow.test");
        Move(rig, Other, new QueueFilter { Domain = "slow.test" });
        rig.Report(rig.Take(Other), _ => QueueRig.Later, "451 not now");
        rig.Loop.Pass(s_options.ExpireMs + 60_000, step: 600_000);
        rig.Report(rig.Take(Other), _ => QueueRig.Later, "451 not now");
        Assert.Contains("Expired", Assert.Single(rig.Bounces.Seen));
    }

    [Fact]
    public void What_is_removed_or_bounced_is_not_moved_and_what_is_moved_can_be_bounced()
    {
        QueueRig rig = Rig();
        rig.Accept("s@x.test", "u@a.test");
        Delivery delivery = rig.Take("mx.a.test");
        Move(rig, Other);
        rig.Loop.Wait(rig.Queue.Admin.RemoveAsync(new QueueFilter()));
        Move(rig, "smtp:[9.9.9.9]");
        rig.Report(delivery, _ => QueueRig.Later);
        Assert.Equal((0, 0L), (rig.Queue.Entries, rig.Messages));
        rig.Accept("s@x.test", "u@a.test");
        Move(rig, Other);
        Assert.Equal(1, rig.Loop.Wait(rig.Queue.Admin.BounceAsync(new QueueFilter { Site = Other }, "5.7.1 no")));
        rig.Loop.Settle();
        Assert.Equal(["0 ByOperator 5.7.1  no"], rig.Bounces.Seen);
    }

    [Fact]
    public void A_password_goes_with_the_row_that_has_it_and_never_with_its_host_alone()
    {
        var who = new Credentials("me", "secret", new byte[32]);
        QueueRig rig = Rig(rules: [Row("c.test", "smtp:[8.8.4.4]:2600", who)]);
        rig.Accept("1@x.test", "u@a.test");
        rig.Accept("2@x.test", "u@b.test");
        Move(rig, Other, new QueueFilter { Domain = "a.test" });
        Move(rig, "route:C.test", new QueueFilter { Domain = "b.test" });
        Destination bare = rig.Take(Other).Destination;
        Destination row = rig.Take(Other + " user=me tls=verified").Destination;
        Assert.Equal((null, TlsPolicy.Opportunistic), (bare.Plan!.Credentials, bare.Plan.Tls));
        Assert.Equal(("me", TlsPolicy.Verified), (row.Plan!.Credentials!.User, row.Plan.Tls));
        Assert.Equal("route:c.test", row.MovedTo);
    }

    [Fact]
    public void A_moved_to_row_is_followed_through_a_reload_kept_when_it_goes_and_left_by_the_next_start()
    {
        QueueRig rig = Rig(rules: [Row("c.test", "smtp:[8.8.4.4]:2600")]);
        MessageHandle message = rig.Accept("s@x.test", "u@a.test");
        Move(rig, "route:c.test");
        Assert.Equal(0, Reload(rig, Row("c.test", "smtp:[9.9.9.9]:2601")));
        Assert.Equal("smtp:[9.9.9.9]:2601 tls=verified", rig.ShowOne(message).Site);
        Assert.Equal(1, Reload(rig));
        Assert.Equal("smtp:[9.9.9.9]:2601 tls=verified", rig.ShowOne(message).Site);
        rig = Rig(rig);
        rig.Loop.Settle();
        Assert.Equal("", rig.ShowOne(message).MovedTo);
        Assert.Contains(rig.Output.Lines, static line => line.Contains("event=move_ended destination=a.test to=route:c.test", StringComparison.Ordinal));
        Assert.Equal("u@a.test", rig.Deliver("mx.a.test"));
    }

    private static long Reload(QueueRig rig, params RouteRule[] rules)
    {
        rig.Router.Change(new RouterOptions { OwnNames = ["relay.test"], Rules = rules }, new Limits());
        long kept = rig.Queue.Change(s_options, new Limits { SegmentBytes = 4 << 20 });
        rig.Loop.Settle();
        QueueRules.Hold(rig);
        return kept;
    }

    [Fact]
    public void Where_a_new_table_joins_moved_recipients_with_others_the_table_decides_at_the_next_start()
    {
        QueueRig rig = Rig();
        MessageHandle message = rig.Accept("s@x.test", "u@a.test", "v@b.test");
        Move(rig, Other, new QueueFilter { Domain = "a.test" });
        Assert.Equal(0, Reload(rig, Row("*", "smtp:[9.9.9.9]")));
        Assert.Equal([Other, "smtp:[9.9.9.9] tls=verified"], rig.Show(message).Destinations.Select(static d => d.Key).Order());
        rig = Rig(rig, [Row("*", "smtp:[9.9.9.9]")]);
        rig.Loop.Settle();
        Assert.Equal("u@a.test v@b.test", rig.Deliver("smtp:[9.9.9.9] tls=verified"));
        Assert.Equal(0, rig.Queue.Entries);
    }

    [Fact]
    public void Moved_mail_leaves_from_the_sources_of_its_tenant()
    {
        QueueOptions pooled = s_options with
        {
            Sources = [new SourceConfig("one", IPAddress.Loopback, null, null, 1), new SourceConfig("two", IPAddress.Loopback, null, null, 1)],
            Pools = [new PoolConfig("both", ["one", "two"])],
            Source = "both",
        };
        QueueRig rig = Rig(options: pooled);
        for (int i = 0; i < 40; i++)
        {
            rig.Commit("s@x.test", "u@a.test");
        }
        rig.Loop.Settle();
        Assert.Equal(40, Move(rig, Other));
        rig = Rig(rig, options: pooled);
        rig.Loop.Settle();
        QueueRules.Hold(rig);
        Assert.Equal(40, rig.SiteOf(Other + "/one").Ready + rig.SiteOf(Other + "/two").Ready);
        Assert.True(rig.SiteOf(Other + "/one").Ready > 5 && rig.SiteOf(Other + "/two").Ready > 5);
        Assert.Equal(40, Move(rig, MoveTarget.Back));
        Assert.Equal(40, rig.SiteOf("mx.a.test/one").Ready + rig.SiteOf("mx.a.test/two").Ready);
    }

    [Fact]
    public void Explain_says_who_moved_it_where_and_when()
    {
        QueueRig rig = Rig(rules: [Row("a.test", "smtp:[9.9.9.9]")]);
        MessageHandle message = rig.Accept("s@x.test", "u@a.test");
        Move(rig, Other);
        Explanation way = Assert.Single(rig.Loop.Wait(rig.Queue.Explainer.OfMessageAsync(rig.Journal.IdOf(message), rig.Queue.Admin))!.Ways);
        Assert.Equal((Other, Other, "", rig.Queue.State.UnixMs, WaitKind.Session), (way.NextHop, way.MovedTo, way.Pattern, way.MovedUnixMs, way.Waits.For == WaitKind.Turn ? WaitKind.Session : way.Waits.For));
        Assert.Equal(Other, Assert.Single(rig.Loop.Wait(rig.Queue.Explainer.OthersOfAsync("a.test"))).MovedTo);
        Explanation usual = rig.Loop.Wait(rig.Queue.Explainer.OfDomainAsync("a.test"));
        Assert.Equal(("a.test", ""), (usual.Pattern, usual.MovedTo));
    }

    [Fact]
    public void Mail_that_is_moved_to_where_its_row_leads_is_told_from_what_goes_there_by_the_row()
    {
        QueueRig rig = Rig(rules: [new RouteRule("*", NextHop.TryParse(Other, out NextHop hop, out _) ? hop : default, TlsPolicy.Opportunistic)]);
        MessageHandle moved = rig.Accept("s@x.test", "u@a.test");
        MessageHandle usual = rig.Accept("s@x.test", "u@a.test");
        Move(rig, Other, new QueueFilter { Id = rig.Journal.IdOf(moved) });
        string MovedTo(MessageHandle message) => Assert.Single(rig.Loop.Wait(rig.Queue.Explainer.OfMessageAsync(rig.Journal.IdOf(message), rig.Queue.Admin))!.Ways).MovedTo;
        Assert.Equal((Other, ""), (MovedTo(moved), MovedTo(usual)));
    }

    [Theory]
    [InlineData("smtp:[192.0.2.1]:25", "smtp:[192.0.2.1]:25")]
    [InlineData("smtp:Relay.Example.NET", "smtp:relay.example.net")]
    [InlineData("route:*", "route:*")]
    [InlineData("route:.Example.com", "route:.example.com")]
    [InlineData("route:", null)]
    [InlineData("mx:", null)]
    [InlineData("discard:", null)]
    [InlineData("error:5.1.1 no", null)]
    [InlineData("smtp:", null)]
    [InlineData("smtp:[x", null)]
    [InlineData("", null)]
    public void A_target_is_a_host_or_a_row(string text, string? kept)
    {
        Assert.Equal(kept is not null, MoveTarget.TryParse(text, out MoveTarget? target, out string error));
        Assert.Equal(kept, target?.Text);
        Assert.Equal(kept is null, error.Length > 0);
    }

    [Fact]
    public void A_target_is_as_long_as_it_may_be()
    {
        Assert.True(MoveTarget.TryParse("route:" + new string('x', RecordedMove.TargetBytesMax - 6), out _, out _));
        Assert.False(MoveTarget.TryParse("route:" + new string('x', RecordedMove.TargetBytesMax - 5), out _, out string error));
        Assert.Equal("where mail is moved to is at most 300 octets", error);
    }

    [Fact]
    public void Nothing_is_moved_to_where_it_cannot_go()
    {
        QueueRig rig = Rig(rules: [Row("gone.test", "discard:"), Row("c.test", "smtp:[8.8.4.4]")]);
        rig.Dns.A("none.test", "nxdomain", 5).Aaaa("none.test", "nxdomain", 5).Mx("none.test", "nxdomain", 5);
        string Refusal(string to) => rig.Loop.Wait(rig.Queue.Admin.RefusalOfAsync(Target(to)!));
        Assert.Equal("", Refusal(Other));
        Assert.Equal("", Refusal("route:c.test"));
        Assert.StartsWith("no row of [[route]] has the pattern of \"route:d.test\"", Refusal("route:d.test"));
        Assert.StartsWith("no row of [[route]] has the pattern of \"route:gone.test\"", Refusal("route:gone.test"));
        Assert.StartsWith("nothing is moved: mail cannot go to smtp:[none.test] just now (no-hosts)", Refusal("smtp:[none.test]"));
    }

    [Fact]
    public void A_large_queue_is_moved_in_slices()
    {
        const int Messages = 20_000;
        QueueRig rig = Rig();
        for (int i = 0; i < Messages; i++)
        {
            rig.Commit("s@x.test", i % 2 == 0 ? ["u@a.test"] : ["u@a.test", "v@b.test"]);
        }
        rig.Loop.Settle();
        foreach ((string to, string site) in (ReadOnlySpan<(string, string)>)[(Other, Other), (MoveTarget.Back, "mx.a.test"), (Other, Other)])
        {
            Task<long> moving = rig.Queue.Admin.MoveAsync(new QueueFilter { Domain = "a.test" }, Target(to)).AsTask();
            double longestMs = 0;
            int most = 0;
            for (int moved = rig.Queue.State.Sites.Find(site)?.Ready ?? 0; !moving.IsCompleted;)
            {
                long began = Stopwatch.GetTimestamp();
                rig.Loop.Loop.Turn(canSleep: false);
                longestMs = Math.Max(longestMs, Stopwatch.GetElapsedTime(began).TotalMilliseconds);
                int now = rig.Queue.State.Sites.Find(site)?.Ready ?? moved;
                most = Math.Max(most, now - moved);
                moved = now;
            }
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Messages} messages to {to}: at most {most} a turn, the longest took {longestMs:0.00} ms with the disk in memory"));
            rig.Loop.Settle();
            Assert.Equal((Messages, Messages), ((int)moving.Result, rig.SiteOf(site).Ready));
            Assert.InRange(most, 1, 256);
        }
    }

    [Fact]
    public void A_message_to_many_domains_is_moved_in_slices_too_and_each_recipient_once()
    {
        const int Destinations = 600;
        QueueRig rig = Rig();
        string[] to = [.. Enumerable.Range(0, Destinations).Select(static i => $"u@d{i}.test")];
        foreach (string mailbox in to)
        {
            rig.Domain(mailbox[2..]);
        }
        rig.Accept("s@x.test", to);
        Task<long> moving = rig.Queue.Admin.MoveAsync(new QueueFilter(), Target(Other)).AsTask();
        int turns = 0;
        for (; !moving.IsCompleted; turns++)
        {
            Assert.True(turns < 5_000);
            rig.Loop.Loop.Turn(canSleep: false);
        }
        // A look at 600 recipients costs more than a change does.
        Assert.InRange(turns, Destinations / 32, 5_000);
        rig.Loop.Settle();
        QueueRules.Hold(rig);
        rig = Rig(rig);
        rig.Loop.Settle();
        var seen = new List<string>();
        while (rig.HasWork(Other))
        {
            seen.AddRange(rig.Deliver(Other).Split(' '));
        }
        Assert.Equal(to.Order(), seen.Order());
        Assert.Equal((0, 0L), (rig.Queue.Entries, rig.Messages));
    }
}
