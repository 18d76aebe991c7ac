using System.Net;
using FastRelay.Config;
using Xunit;

namespace FastRelay.Tests.Config;

public class ConfigReloadTests
{
    private static readonly RelayConfig s_running = RelayConfig.Default("relay.test", "/srv");

    private static string[] Between(RelayConfig before, RelayConfig after) =>
        [.. ConfigReload.Compare(EffectiveConfig.Write(before), EffectiveConfig.Write(after)).Select(c => $"{c.Key}: {c.Before ?? "-"} > {c.After ?? "-"}")];

    [Fact]
    public void The_same_configuration_has_no_difference() => Assert.Empty(Between(s_running, s_running with { }));

    [Fact]
    public void Every_difference_is_named_with_its_table_and_its_place_in_it()
    {
        RelayConfig routes = s_running with { Routes = [new RouteConfig("a.test", "mx:", DeliverTls.None), new RouteConfig("*", "smtp:[192.0.2.1]:25", DeliverTls.None)] };
        Assert.Equal(
            ["limits.hops: 100 > 7", "queue.expire: \"5d\" > \"1d\""],
            Between(s_running, s_running with { Limits = s_running.Limits with { Hops = 7 }, ExpireMs = 86_400_000 }));
        Assert.Equal(
            ["route[2].to: \"smtp:[192.0.2.1]:25\" > \"smtp:[192.0.2.2]:25\""],
            Between(routes, routes with { Routes = [routes.Routes[0], routes.Routes[1] with { To = "smtp:[192.0.2.2]:25" }] }));
        Assert.Contains("route[1].domain: - > \"a.test\"", Between(s_running, routes));
        Assert.Contains("route[1].domain: \"a.test\" > -", Between(routes, s_running));
    }

    [Fact]
    public void A_limit_back_at_its_default_is_compared_without_the_remark()
    {
        RelayConfig changed = s_running with { Limits = s_running.Limits with { MessageBytes = 1 << 20 } };
        Assert.Equal(["limits.message_bytes: \"50MiB\" > \"1MiB\""], Between(s_running, changed));
        Assert.Equal(["limits.message_bytes: \"1MiB\" > \"50MiB\""], Between(changed, s_running));
    }

    [Fact]
    public void What_is_fixed_stays_as_it_runs_and_everything_else_is_taken()
    {
        RelayConfig wanted = s_running with
        {
            HostName = "other.test",
            Spool = "/other",
            Sync = SyncKind.None,
            Listen = [new ListenConfig(new IPEndPoint(IPAddress.Any, 25), ListenTls.None)],
            DnsServers = [new IPEndPoint(IPAddress.Loopback, 53)],
            AdminHttp = null,
            EventsAgeMs = 1_000,
            RetryMs = [1_000],
            RelayRows = [new RelayForConfig(new InjectorConfig([IPNetwork.Parse("192.0.2.0/24")], false, [], "", false), false, [])],
            Limits = s_running.Limits with { SegmentBytes = 8 << 20, DnsTimeoutMs = 1_000, MxAddressesTried = 1, RecipientsPerTransaction = 1, FreeBytesFloor = 0, DamagedSegments = 0, Hops = 3 },
        };
        RelayConfig merged = ConfigReload.Merge(s_running, wanted);
        Assert.Equal(
            ["relay_for[1].networks", "limits.hops", "queue.retry"],
            ConfigReload.Compare(EffectiveConfig.Write(s_running), EffectiveConfig.Write(merged)).Select(c => c.Key));
        string[] restart = [.. ConfigReload.Compare(EffectiveConfig.Write(merged), EffectiveConfig.Write(wanted)).Select(c => c.Key)];
        Assert.Equal(
            ["hostname", "spool", "sync", "listen[1].address", "limits.free_bytes_floor", "limits.segment_bytes", "limits.damaged_segments", "limits.dns_timeout", "limits.mx_addresses_tried", "limits.recipients_per_transaction", "dns.servers", "admin.http", "events.max_age"],
            restart);
    }

    [Fact]
    public void A_listener_that_offers_tls_keeps_its_certificate_until_the_restart()
    {
        RelayConfig running = s_running with
        {
            Tls = new TlsConfig { Certificate = "/c", Key = "/k" },
            Listen = [new ListenConfig(new IPEndPoint(IPAddress.Any, 25), ListenTls.StartTls)],
        };
        Assert.Equal("/c", ConfigReload.Merge(running, s_running).Tls.Certificate);
        Assert.Equal("/d", ConfigReload.Merge(running, running with { Tls = new TlsConfig { Certificate = "/d", Key = "/k" } }).Tls.Certificate);
        Assert.Null(ConfigReload.Merge(running with { Listen = s_running.Listen }, s_running).Tls.Certificate);
    }

    [Fact]
    public void A_submission_listener_without_tls_gets_no_users_until_the_restart()
    {
        ListenConfig clear = new(new IPEndPoint(IPAddress.Any, 587), ListenTls.None) { Submission = true };
        RelayConfig running = s_running with { Listen = [clear] };
        RelayConfig wanted = s_running with
        {
            Tls = new TlsConfig { Certificate = "/c", Key = "/k" },
            Listen = [clear with { Tls = ListenTls.StartTls }],
            UsersFile = "/u",
            RelayUsers = true,
        };
        RelayConfig merged = ConfigReload.Merge(running, wanted);
        Assert.Equal((null, false), (merged.UsersFile, merged.RelayUsers));
        Assert.Contains("auth.users", ConfigReload.Compare(EffectiveConfig.Write(merged), EffectiveConfig.Write(wanted)).Select(c => c.Key));
        merged = ConfigReload.Merge(running with { Listen = [clear with { Submission = false }] }, wanted);
        Assert.Equal(("/u", true), (merged.UsersFile, merged.RelayUsers));
        merged = ConfigReload.Merge(wanted, wanted with { UsersFile = "/v" });
        Assert.Equal("/v", merged.UsersFile);
    }

    [Fact]
    public void Own_authorities_are_given_up_at_the_restart_only()
    {
        RelayConfig running = s_running with { Tls = new TlsConfig { Authorities = "/ca" } };
        RelayConfig merged = ConfigReload.Merge(running, s_running);
        Assert.Equal("/ca", merged.Tls.Authorities);
        Assert.Equal(["tls.ca"], ConfigReload.Compare(EffectiveConfig.Write(merged), EffectiveConfig.Write(s_running)).Select(c => c.Key));
        Assert.Equal("/other", ConfigReload.Merge(running, s_running with { Tls = new TlsConfig { Authorities = "/other" } }).Tls.Authorities);
        Assert.Equal("/ca", ConfigReload.Merge(s_running, running).Tls.Authorities);
    }
}
