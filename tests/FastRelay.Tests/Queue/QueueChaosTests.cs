using System.Net;
using FastRelay.Config;
using FastRelay.Journal;
using FastRelay.Queue;
using FastRelay.Routing;
using FastRelay.Smtp;
using FastRelay.Tests.Support;
using Xunit;

namespace FastRelay.Tests.Queue;

/// <summary>
/// Thousands of random events from a seed: mail, replies of all kinds, sites that fail, DNS that lies, an operator who
/// meddles, crashes. Nobody is lost, nobody is served twice, and when the trouble ends everything drains.
/// </summary>
public class QueueChaosTests
{
    private static readonly string[] s_domains = ["a.test", "b.test", "c.test", "d.test", "e.test"];

    private static readonly string[] s_tenants = ["", "few", "many"];

    private static readonly QueueOptions s_plain = new() { RetryMs = [60_000, 300_000], ExpireMs = 36_000_000 };

    private static readonly QueueOptions s_shared = s_plain with
    {
        Tenants = [new TenantConfig("few", 1, 2), new TenantConfig("many", 3, 0)],
        Sources = [new SourceConfig("a", IPAddress.Loopback, null, null, 2), new SourceConfig("b", IPAddress.Loopback, null, null, 1)],
        Pools = [new PoolConfig("both", ["a", "b"])],
        Source = "both",
    };

    // What a reload makes of it, and back.
    private static readonly QueueOptions s_other = s_shared with
    {
        Tenants = [new TenantConfig("few", 5, 0) { Source = "c" }, new TenantConfig("many", 1, 1)],
        Sources = [new SourceConfig("b", IPAddress.Loopback, null, null, 1), new SourceConfig("c", IPAddress.Loopback, null, null, 1)],
        Pools = [new PoolConfig("both", ["c", "b"])],
    };

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(8)]
    public void Nothing_is_lost_or_served_twice(int seed) => new Chaos(seed).Run(1_500);

    private sealed class Chaos(int seed)
    {
        private readonly Random _random = new(seed);
        private readonly Limits _limits = new() { SegmentBytes = 4 << 20, RecipientsPerTransaction = 3, SendSessionsPerSite = 6 };
        private readonly QueueOptions _options = seed % 2 == 0 ? s_plain : s_shared;
        // Of every third seed two domains share a route, so that a filter by domain divides entries.
        private readonly RouteRule[] _rules = seed % 3 == 0 ? [Shared("a.test"), Shared("b.test")] : [];
        private readonly HashSet<string> _open = [];
        private readonly HashSet<string> _delivered = [];
        private readonly HashSet<string> _failed = [];
        private readonly HashSet<string> _removed = [];
        private readonly List<Delivery> _flying = [];
        private QueueRig _rig = null!;
        private int _bounced;
        private int _number;
        private bool _calm;

        public void Run(int steps)
        {
            _rig = new QueueRig(_options, _limits, _rules);
            foreach (string domain in s_domains)
            {
                Heal(domain);
            }
            for (int step = 0; step < steps; step++)
            {
                Step();
                if (step % 20 == 0)
                {
                    QueueRules.Hold(_rig);
                }
            }
            _calm = true;
            foreach (string tenant in s_tenants)
            {
                _rig.Loop.Wait(_rig.Queue.SiteAdmin.ResumeAsync(Suspensions.TenantPrefix + tenant));
            }
            _rig.Loop.Settle();
            foreach (string domain in s_domains)
            {
                Heal(domain);
            }
            for (int round = 0; round < 3_000 && (_rig.Queue.Entries > 0 || _rig.Messages > 0); round++)
            {
                TakeSome();
                ReportSome();
                SettleBounces(int.MaxValue);
                _rig.Loop.Pass(10_000, 10_000);
            }
            QueueRules.Hold(_rig);
            Assert.Equal((0, 0L), (_rig.Queue.Entries, _rig.Messages));
            Assert.Equal(_open.Count, _delivered.Count + _failed.Count + _removed.Count);
            Assert.True(_delivered.Count > 100 && _failed.Count > 10);
        }

        private void Step()
        {
            switch (_random.Next(24))
            {
                case < 6:
                    Accept();
                    break;
                case < 12:
                    TakeSome();
                    break;
                case < 18:
                    ReportSome();
                    break;
                case 18:
                    FailSite();
                    break;
                case 19:
                    Hurt(s_domains[_random.Next(s_domains.Length)]);
                    break;
                case 20:
                    Heal(s_domains[_random.Next(s_domains.Length)]);
                    break;
                case 21:
                    SettleBounces(_random.Next(5));
                    break;
                case 22:
                    Meddle();
                    break;
                default:
                    _rig.Loop.Pass(_random.Next(40_000), 5_000);
                    break;
            }
        }

        private void Accept()
        {
            bool noNotice = _random.Next(5) == 0;
            string[] to = [.. Enumerable.Range(0, _random.Next(10) == 0 ? 12 : 1 + _random.Next(3))
                .Select(_ => $"{(noNotice ? "n" : "r")}{_number++}@{s_domains[_random.Next(s_domains.Length)]}")];
            _rig.Tenant = s_tenants[_random.Next(s_tenants.Length)];
            _rig.Accept(noNotice ? "" : "s@x.test", to);
            _open.UnionWith(to);
        }

        private void TakeSome()
        {
            foreach (Site site in _rig.Queue.State.Sites.All.ToArray())
            {
                while (site.Sessions > site.InFlight && _rig.Queue.TryTake(site, out Delivery delivery))
                {
                    _flying.Add(delivery);
                }
                site.Sessions = Math.Min(site.Sessions, site.InFlight + 1);
                if (site.Sessions > site.InFlight)
                {
                    site.Sessions--;
                }
            }
            _rig.Loop.Settle();
        }

        private void ReportSome()
        {
            for (int i = _flying.Count - 1; i >= 0; i--)
            {
                if (!_calm && _random.Next(3) == 0)
                {
                    continue;
                }
                Delivery delivery = _flying[i];
                _flying.RemoveAt(i);
                if (!_calm && _random.Next(8) == 0)
                {
                    _rig.Queue.Release(delivery);
                    _rig.Loop.Settle();
                }
                else
                {
                    _rig.Report(delivery, Judge);
                }
                delivery.Site.Sessions = Math.Max(delivery.Site.InFlight, delivery.Site.Sessions - 1);
                _rig.Loop.Settle();
            }
        }

        private Outcome Judge(string mailbox)
        {
            Assert.DoesNotContain(mailbox, _delivered);
            Assert.DoesNotContain(mailbox, _failed);
            int choice = _calm ? 0 : _random.Next(10);
            if (choice < 5)
            {
                _delivered.Add(mailbox);
                _removed.Remove(mailbox);
                return QueueRig.Ok;
            }
            if (choice < 7)
            {
                return QueueRig.Later;
            }
            if (choice < 8)
            {
                return QueueRig.TooMany;
            }
            if (choice == 8 && _random.Next(2) == 0)
            {
                _failed.Add(mailbox);
                _removed.Remove(mailbox);
                return QueueRig.Never with { ReplyCode = (ushort)(500 + _random.Next(99)) };
            }
            return choice < 9 ? OutcomePolicy.From(SmtpStage.Dot, OutcomeCause.ConnectionLost) : QueueRig.Later with { Reach = Reach.Host };
        }

        private void FailSite()
        {
            Site[] sites = [.. _rig.Queue.State.Sites.All];
            if (sites.Length > 0)
            {
                _rig.Queue.SiteFailed(sites[_random.Next(sites.Length)], QueueRig.Unreachable, "down"u8);
            }
        }

        private void Hurt(string domain) =>
            _rig.Dns.Mx(domain, _random.Next(3) switch { 0 => "servfail", 1 => "timeout", _ => "10 mx.elsewhere.test" }, 5).A("mx.elsewhere.test", "8.8.4.4", 5);

        private void Heal(string domain) =>
            _rig.Dns.Mx(domain, _random.Next(2) == 0 ? "10 mx.shared.test" : "10 mx." + domain, 30)
                .A("mx.shared.test", "8.8.8.8", 30).A("mx." + domain, "8.8.8.9", 30);

        /// <summary>Plays the bouncer, whose record settles what it tells of.</summary>
        private void SettleBounces(int count)
        {
            for (; count > 0 && _bounced < _rig.Bounces.All.Count; count--)
            {
                (MessageHandle message, FailedRecipient failed) = _rig.Bounces.All[_bounced++];
                _rig.Journal.RecordOutcome(message, [new RecipientOutcome(failed.Index, RecipientResult.Dropped)], 0, 0, default);
            }
            _rig.Loop.Settle();
        }

        private void Meddle()
        {
            string domain = s_domains[_random.Next(s_domains.Length)];
            QueueAdmin admin = _rig.Queue.Admin;
            switch (_random.Next(7))
            {
                case 5:
                    _ = MoveTarget.TryParse(_random.Next(2) == 0 ? "smtp:[8.8.4.4]:2600" : "smtp:[8.8.4.5]:2600", out MoveTarget? target, out _);
                    _rig.Loop.Wait(admin.MoveAsync(new QueueFilter { Domain = domain }, _random.Next(3) == 0 ? null : target));
                    break;
                case 6:
                    string tenant = Suspensions.TenantPrefix + s_tenants[_random.Next(s_tenants.Length)];
                    _rig.Loop.Wait(_random.Next(3) == 0
                        ? _rig.Queue.SiteAdmin.SuspendAsync(tenant, _random.Next(2) == 0 ? 0 : _random.Next(1_000, 100_000))
                        : _rig.Queue.SiteAdmin.ResumeAsync(tenant));
                    break;
                case 0:
                    _rig.Loop.Wait(admin.RetryAsync(new QueueFilter { Domain = domain }));
                    break;
                case 1:
                    _rig.Loop.Wait(admin.HoldAsync(new QueueFilter { Domain = domain }));
                    _rig.Loop.Wait(admin.ReleaseAsync(new QueueFilter()));
                    break;
                case 2 when _random.Next(4) == 0:
                    Remove();
                    break;
                case 2 when _random.Next(8) == 0:
                    RemoveDomain(domain);
                    break;
                case 3 when _random.Next(4) == 0:
                    Crash();
                    break;
                case 4 when seed % 2 != 0:
                    _rig.Queue.Change(_random.Next(2) == 0 ? s_other : s_shared, _limits);
                    _rig.Loop.Settle();
                    break;
                default:
                    _rig.Loop.Wait(admin.ListAsync(new QueueFilter(), 50));
                    break;
            }
        }

        private static RouteRule Shared(string domain) =>
            new(domain, NextHop.TryParse("smtp:[8.8.8.8]:2500", out NextHop hop, out _) ? hop : default, TlsPolicy.Opportunistic);

        private void RemoveDomain(string domain)
        {
            var filter = new QueueFilter { Domain = domain };
            foreach (QueuedMessage message in _rig.Loop.Wait(_rig.Queue.Admin.ListAsync(filter, int.MaxValue)).Messages)
            {
                _removed.UnionWith(message.Destinations.SelectMany(destination => destination.Recipients));
            }
            _rig.Loop.Wait(_rig.Queue.Admin.RemoveAsync(filter));
            _rig.Loop.Settle();
        }

        private void Remove()
        {
            QueueListing listing = _rig.Loop.Wait(_rig.Queue.Admin.ListAsync(new QueueFilter(), 3));
            foreach (QueuedMessage message in listing.Messages)
            {
                _removed.UnionWith(message.Destinations.SelectMany(destination => destination.Recipients));
                _rig.Loop.Wait(_rig.Queue.Admin.RemoveAsync(new QueueFilter { Id = message.Id }));
            }
            _rig.Loop.Settle();
        }

        private void Crash()
        {
            // What was in flight is lost with the process; so is the bouncer's work, and what had been removed but not yet come back.
            foreach (Delivery delivery in _flying)
            {
                foreach (string mailbox in _rig.Recipients(delivery).Split(' '))
                {
                    _removed.Remove(mailbox);
                }
            }
            _flying.Clear();
            // Failures whose bounce was not durable are tried again.
            foreach ((MessageHandle message, FailedRecipient failed) in _rig.Bounces.All.Skip(_bounced))
            {
                _failed.Remove(_rig.Mailbox(message, failed.Index));
            }
            _bounced = 0;
            _rig = new QueueRig(_options, _limits, _rules, after: _rig);
            _rig.Loop.Settle();
            QueueRules.Hold(_rig);
        }
    }
}
