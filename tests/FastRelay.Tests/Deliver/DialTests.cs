using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using FastRelay.Config;
using FastRelay.Deliver;
using FastRelay.Queue;
using FastRelay.Routing;
using FastRelay.Tests.Deliver.Rig;
using FastRelay.Tests.Support;
using Xunit;

namespace FastRelay.Tests.Deliver;

/// <summary>Finding a host that speaks: the next address, TLS by policy, hostile greetings.</summary>
public sealed class DialTests : IDisposable
{
    private const string Body = "Subject: hello\r\n\r\nline\r\n";
    private readonly ScriptedPeer _first = new();
    private readonly ScriptedPeer _second;
    private DeliverRig? _rig;

    public DialTests() => _second = new ScriptedPeer("127.0.0.2", _first.Port);

    public void Dispose()
    {
        _rig?.Dispose();
        _first.Dispose();
        _second.Dispose();
    }

    [Theory]
    [InlineData("554 5.7.1 no service")]
    [InlineData("421 4.3.2 busy")]
    [InlineData("CLOSE")]
    [InlineData("RESET")]
    [InlineData("HTTP/1.1 400 Bad Request")]
    [InlineData("SILENT")]
    public void The_next_host_is_tried_when_one_does_not_greet(string greeting)
    {
        _first.Answer = (line, _) => line == "CONNECT" ? greeting : null;
        DeliverRig rig = Start(new Limits { CommandTimeoutMs = greeting == "SILENT" ? 300 : 300_000 });
        rig.Submit("a@client.test", Body, "b@two.test");
        rig.UntilEmpty();
        Assert.Single(_second.Messages);
        // A reset may overtake the end of the three-way handshake: then it is the dial that failed.
        Assert.True(rig.Logged("event=connect", "status=failed", "stage=banner", "host=mx0.two.test")
            || (greeting == "RESET" && rig.Logged("event=connect", "status=failed", "stage=connect", "host=mx0.two.test")));
        Assert.Equal(0, rig.Counters.Deferred);
    }

    [Fact]
    public void Every_dial_counts_for_a_rate_of_connections_the_next_addresses_too()
    {
        _first.Answer = static (line, _) => line == "CONNECT" ? "421 4.3.2 busy" : null;
        DeliverRig rig = Start(new Limits());
        var site = new SiteConfig("two.test", 0, 0, 0) { Rates = [new SiteRate(SiteRateUnit.Connections, 1_000, 10_000)] };
        rig.Queue.Change(new QueueOptions { Jitter = 0, Sites = [site] }, rig.Limits);
        rig.Submit("a@client.test", Body, "b@two.test");
        rig.UntilEmpty();
        Assert.Single(_second.Messages);
        LimitUse use = rig.Run(rig.Queue.Explainer.OfDomainAsync("two.test")).Limits.Single(static use => use.Name.StartsWith("connections in", StringComparison.Ordinal));
        Assert.Equal((2L, 1_000L, false), (use.Used, use.Most, use.Binds));
    }

    [Fact]
    public void The_next_address_waits_for_a_rate_of_connections_too()
    {
        var dials = new ConcurrentQueue<long>();
        _first.Answer = (line, _) =>
        {
            dials.Enqueue(Environment.TickCount64);
            return line == "CONNECT" ? "421 4.3.2 busy" : null;
        };
        _second.Answer = (line, _) =>
        {
            dials.Enqueue(Environment.TickCount64);
            return null;
        };
        DeliverRig rig = Start(new Limits());
        var site = new SiteConfig("two.test", 0, 0, 0) { Rates = [new SiteRate(SiteRateUnit.Connections, 2, 2_000)] };
        rig.Queue.Change(new QueueOptions { Jitter = 0, Sites = [site] }, rig.Limits);
        rig.Submit("a@client.test", Body, "b@two.test");
        rig.UntilEmpty();
        Assert.Single(_second.Messages);
        long[] at = [.. dials];
        Assert.InRange(at[1] - at[0], 900, 5_000);
        // It went on behind the first one, and did not begin anew.
        Assert.Equal((1, 1), (_first.Connections, _second.Connections));
    }

    [Fact]
    public void Who_waits_for_the_rate_of_connections_holds_no_session_of_its_provider()
    {
        _first.Answer = static (line, _) => line == "CONNECT" ? "421 4.3.2 busy" : null;
        _rig = new DeliverRig(_first.Port, new Limits { ReuseIdleMs = 600_000 }, providers: [("two.test", "big.test"), ("one.test", "big.test")]);
        _rig.Domain("two.test", "127.0.0.1", "127.0.0.2");
        _rig.Domain("one.test", "127.0.0.2");
        Allow(_rig, sessions: 2);
        _rig.Submit("a@client.test", Body, "b@one.test");
        _rig.UntilEmpty();
        _rig.Submit("a@client.test", Body, "b@two.test");
        _rig.Until(() => _rig.Logged("event=connect", "status=failed", "host=mx0.two.test") && _rig.Deliverer.Sessions == 1);
        // The third connection is a quarter of an hour away: the one that is there may be used by the only session that is left.
        Allow(_rig, sessions: 1);
        _rig.Submit("a@client.test", Body, "c@one.test");
        _rig.Until(() => _second.Messages.Count == 2 && _rig.Deliverer.IdleSessions == 1);
        Assert.Equal((1L, 1, 1), (_rig.Queue.Ready, _first.Connections, _second.Connections));
        Assert.False(_rig.Logged("event=site_backoff"));
        WaitReason wait = _rig.Run(_rig.Queue.Explainer.OfDomainAsync("two.test")).Waits;
        Assert.Equal(WaitKind.Rate, wait.For);

        static void Allow(DeliverRig rig, int sessions)
        {
            var site = new SiteConfig("big.test", sessions, 0, 0) { Rates = [new SiteRate(SiteRateUnit.Connections, 40, 36_000_000)] };
            rig.Queue.Change(new QueueOptions { Jitter = 0, Sites = [site] }, rig.Limits);
        }
    }

    [Fact]
    public void A_try_that_the_rate_of_connections_interrupts_dials_each_address_once_and_then_the_site_has_failed()
    {
        DeliverRig rig = Start(new Limits());
        rig.Domain("dead.test", "127.0.0.3", "127.0.0.4", "127.0.0.5");
        var site = new SiteConfig("dead.test", 0, 0, 0) { Rates = [new SiteRate(SiteRateUnit.Connections, 20, 1_000)] };
        rig.Queue.Change(new QueueOptions { Jitter = 0, Sites = [site] }, rig.Limits);
        rig.Submit("a@client.test", Body, "b@dead.test");
        rig.Until(() => rig.Logged("event=site_backoff"));
        string[] dialled = [.. rig.Output.Lines.Where(static line => line.Contains("event=connect", StringComparison.Ordinal))];
        Assert.Equal(3, dialled.Length);
        Assert.All(["mx0", "mx1", "mx2"], host => Assert.Single(dialled, line => line.Contains($"host={host}.dead.test", StringComparison.Ordinal)));
        Assert.Equal(0, rig.Counters.Deferred);
    }

    [Fact]
    public void The_next_host_is_tried_when_one_refuses_EHLO_and_HELO()
    {
        _first.Answer = static (line, _) => line.StartsWith("EHLO", StringComparison.Ordinal) || line.StartsWith("HELO", StringComparison.Ordinal) ? "550 no" : null;
        DeliverRig rig = Start(new Limits());
        rig.Submit("a@client.test", Body, "b@two.test");
        rig.UntilEmpty();
        Assert.Single(_second.Messages);
    }

    [Fact]
    public void The_next_host_is_tried_when_one_refuses_the_connection()
    {
        _first.Dispose();
        DeliverRig rig = Start(new Limits());
        rig.Submit("a@client.test", Body, "b@two.test");
        rig.UntilEmpty();
        Assert.Single(_second.Messages);
        Assert.True(rig.Logged("event=connect", "status=failed", "stage=connect"));
    }

    [Fact]
    public void When_no_host_speaks_the_site_waits_and_the_message_is_not_touched()
    {
        _first.Answer = static (line, _) => line == "CONNECT" ? "554 no" : null;
        _second.Answer = static (line, _) => line == "CONNECT" ? "554 no" : null;
        DeliverRig rig = Start(new Limits());
        rig.Submit("a@client.test", Body, "b@two.test");
        rig.Until(() => rig.Logged("event=site_backoff"));
        rig.Until(() => rig.Deliverer.Sessions == 0);
        Assert.Equal(1, rig.Queue.Ready);
        Assert.Equal(0, rig.Counters.Deferred);
        Assert.Equal(0, rig.Counters.Failed);
    }

    [Fact]
    public void A_reply_without_end_ends_the_connection()
    {
        _first.Answer = static (line, _) => line == "CONNECT" ? "220-" + new string('x', 10_000_000) : null;
        DeliverRig rig = Start(new Limits());
        rig.Submit("a@client.test", Body, "b@two.test");
        rig.UntilEmpty();
        Assert.Single(_second.Messages);
        Assert.True(rig.Logged("event=connect", "stage=banner", "makes no sense"));
    }

    [Fact]
    public void A_host_that_answers_before_it_is_asked_is_left()
    {
        _first.Answer = static (line, _) => line == "CONNECT" ? "220 mx\r\n250-mx\r\n250 PIPELINING" : null;
        DeliverRig rig = Start(new Limits());
        rig.Submit("a@client.test", Body, "b@two.test");
        rig.UntilEmpty();
        Assert.Single(_second.Messages);
        Assert.Empty(_first.Lines);
    }

    [Fact]
    public void TLS_is_used_when_offered_whatever_the_certificate()
    {
        using X509Certificate2 certificate = SelfSigned("somebody.else");
        OfferTls(_first, certificate);
        DeliverRig rig = Start(new Limits());
        rig.Submit("a@client.test", Body, "b@two.test");
        rig.UntilEmpty();
        PeerMessage message = Assert.Single(_first.Messages);
        Assert.True(message.Secure);
        Assert.Equal(Body, message.Data);
        Assert.True(rig.Logged("event=delivery", "tls=\"TLSv1."));
        Assert.Equal((1L, 0L), (rig.Counters.TlsOut, rig.Counters.TlsOutFailed));
    }

    [Fact]
    public void A_failed_opportunistic_handshake_is_redialled_in_clear_and_remembered()
    {
        OfferTls(_first, null);
        _first.Answer = static (line, _) => line == "STARTTLS" ? "220 go\r\nthis is no handshake" : line == "." ? "250 ok\r\n421 bye" : null;
        DeliverRig rig = Start(new Limits());
        for (int i = 0; i < 2; i++)
        {
            rig.Submit("a@client.test", Body, "b@two.test");
            rig.UntilEmpty();
        }
        Assert.Equal(2, _first.Messages.Count);
        Assert.All(_first.Messages, m => Assert.False(m.Secure));
        Assert.Equal((1L, 0L, 1L), (rig.Counters.TlsFallbacks, rig.Counters.TlsOut, rig.Counters.TlsOutFailed));
        Assert.Equal(3, _first.Connections);
        Assert.True(rig.Logged("event=connect", "stage=starttls"));
    }

    [Fact]
    public void Explain_shows_that_a_host_is_dialled_in_clear_and_retry_ends_it()
    {
        using X509Certificate2 certificate = SelfSigned("mx0.two.test");
        OfferTls(_first, null);
        _first.Answer = static (line, _) => line == "STARTTLS" ? "220 go\r\nthis is no handshake" : null;
        DeliverRig rig = Start(new Limits { MessagesPerConnection = 1 });
        rig.Submit("a@client.test", Body, "b@two.test");
        rig.UntilEmpty();
        HostMemory[] hosts = Remembered(rig);
        Assert.InRange(hosts[0].ClearMs, 3_500_000, 3_600_000);
        Assert.Equal(default, hosts[0] with { ClearMs = 0 });
        Assert.Equal(default, hosts[1]);
        // Whoever wants TLS is not told of what is done where it is opportunistic.
        Assert.Equal(0, rig.Deliverer.MemoryOf("mx0.two.test", TlsPolicy.Required).ClearMs);
        _first.Certificate = certificate;
        _first.Answer = static (_, _) => null;
        Retry(rig);
        Assert.Equal(default, Remembered(rig)[0]);
        rig.UntilEmpty();
        Assert.True(_first.Messages.Last().Secure);
    }

    [Fact]
    public void Explain_shows_that_a_host_is_avoided_or_closes_early_and_retry_ends_both()
    {
        _first.Answer = static (line, _) => line.StartsWith("MAIL", StringComparison.Ordinal) ? "421 4.3.2 shutting down" : null;
        DeliverRig rig = Start(new Limits());
        rig.Submit("a@client.test", Body, "b@two.test");
        rig.UntilEmpty();
        Assert.InRange(Remembered(rig)[0].AvoidedMs, 290_000, 300_000);
        HostTrust second = rig.Deliverer.Trusts.Of("mx1.two.test", rig.Loop.NowMs);
        for (int i = 0; i < HostTrust.SameEnds; i++)
        {
            second.EndedAfter(7, rig.Loop.NowMs);
        }
        second.Doubted(rig.Loop.NowMs);
        HostMemory shown = Remembered(rig)[1];
        Assert.Equal((7, 0L, 0L), (shown.MessagesMost, shown.AvoidedMs, shown.ClearMs));
        Assert.InRange(shown.MessagesMs, 3_500_000, 3_600_000);
        Assert.InRange(shown.AloneMs, 86_300_000, 86_400_000);
        _first.Answer = static (_, _) => null;
        rig.Queue.Stopping = true;
        Retry(rig);
        HostMemory[] after = Remembered(rig);
        Assert.Equal(default, after[0]);
        // That it gets one message at a time guards against duplicates, and holds up nobody.
        Assert.Equal(default, after[1] with { AloneMs = 0 });
        Assert.InRange(after[1].AloneMs, 86_300_000, 86_400_000);
    }

    private static HostMemory[] Remembered(DeliverRig rig) => [.. rig.Run(rig.Queue.Explainer.OfDomainAsync("two.test")).Remembered];

    /// <summary>As <c>queue retry</c> does, with a message that the site has.</summary>
    private static void Retry(DeliverRig rig)
    {
        rig.Submit("a@client.test", Body, "retried@two.test");
        Assert.Equal(1, rig.Run(rig.Queue.Admin.RetryAsync(new QueueFilter())));
    }

    [Fact]
    public void A_host_in_clear_that_asks_for_TLS_gets_a_handshake_again_and_bounces_nothing()
    {
        using X509Certificate2 certificate = SelfSigned("mx0.one.test");
        OfferTls(_first, null);
        bool broken = true;
        bool secured = false;
        _first.Answer = (line, _) =>
        {
            secured |= line == "STARTTLS" && !broken;
            return line == "STARTTLS" && broken ? "220 go\r\nthis is no handshake"
                : line.StartsWith("MAIL", StringComparison.Ordinal) && !secured ? "530 5.7.0 Must issue a STARTTLS command first" : null;
        };
        DeliverRig rig = Start(new Limits());
        rig.Domain("one.test", "127.0.0.1");
        rig.Submit("a@client.test", Body, "b@one.test");
        rig.Until(() => rig.Logged("event=site_backoff", "530"));
        broken = false;
        _first.Certificate = certificate;
        rig.Run(rig.Queue.Admin.RetryAsync(new QueueFilter()));
        rig.UntilEmpty();
        Assert.True(_first.Messages.Single(static m => m.Data.Length > 0).Secure);
        Assert.Equal((0L, 1L), (rig.Counters.Failed, rig.Counters.Deferred));
    }

    [Theory]
    [InlineData("421 4.3.2 shutting down", 0)]
    [InlineData("452 4.3.1 disk full", 0)]
    [InlineData("CLOSE", 0)]
    [InlineData("421 4.7.28 too many messages from you", 1)]
    [InlineData("421 later", 1)]
    public void A_host_that_greets_and_does_not_serve_is_tried_after_the_others(string reply, int deferred)
    {
        _first.Answer = (line, _) => line.StartsWith("MAIL", StringComparison.Ordinal) ? reply : null;
        DeliverRig rig = Start(new Limits());
        rig.Submit("a@client.test", Body, "b@two.test");
        rig.Until(() => rig.Queue.Entries == 0 || rig.Counters.Deferred > 0);
        Assert.Equal(deferred, rig.Counters.Deferred);
        Assert.Equal(1 - deferred, _second.Messages.Count);
        if (reply.Contains("4.7.28", StringComparison.Ordinal))
        {
            // It may be about us, and then the other hosts are not asked in turn.
            Assert.False(rig.Logged("event=host_avoided"));
            return;
        }
        Assert.True(rig.Logged("event=host_avoided", "host=mx0.two.test"));
        int asked = _first.Connections;
        rig.Submit("a@client.test", Body, "c@two.test");
        rig.Until(() => _second.Messages.Count == 2 - deferred);
        Assert.Equal(asked, _first.Connections);
    }

    [Fact]
    public void A_first_host_that_does_not_answer_costs_its_time_once_and_not_for_each_connection()
    {
        _first.Dispose();
        DeliverRig rig = Start(new Limits { MessagesPerConnection = 1 });
        for (int i = 0; i < 5; i++)
        {
            rig.Submit("a@client.test", Body, $"b{i}@two.test");
            rig.UntilEmpty();
        }
        Assert.Equal(5, _second.Connections);
        Assert.Single(rig.Output.Lines, static line => line.Contains("event=connect", StringComparison.Ordinal) && line.Contains("status=failed", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(TlsPolicy.Required)]
    [InlineData(TlsPolicy.Verified)]
    public void A_host_without_STARTTLS_is_not_used_when_TLS_is_required(TlsPolicy policy)
    {
        DeliverRig rig = Start(new Limits(), policy);
        rig.Submit("a@client.test", Body, "b@two.test");
        rig.Until(() => rig.Logged("event=site_backoff"));
        Assert.Empty(_first.Messages);
        Assert.Equal(0, rig.Counters.Failed);
        Assert.Equal(1, rig.Queue.Ready);
    }

    [Fact]
    public void A_certificate_that_does_not_verify_defers()
    {
        using X509Certificate2 certificate = SelfSigned("mx0.two.test");
        OfferTls(_first, certificate);
        OfferTls(_second, certificate);
        DeliverRig rig = Start(new Limits(), TlsPolicy.Verified);
        rig.Submit("a@client.test", Body, "b@two.test");
        rig.Until(() => rig.Logged("event=site_backoff"));
        Assert.Empty(_first.Messages);
        Assert.Equal(1, rig.Queue.Ready);
    }

    [Theory]
    [InlineData("mx0.two.test", true)]
    [InlineData("other.two.test", false)]
    public void A_trusted_certificate_verifies_only_for_the_name_of_the_host(string name, bool delivered)
    {
        using X509Certificate2 certificate = SelfSigned(name);
        OfferTls(_first, certificate);
        _second.Answer = static (line, _) => line == "CONNECT" ? "421 no" : null;
        DeliverRig rig = Start(new Limits(), TlsPolicy.Verified, [certificate]);
        rig.Submit("a@client.test", Body, "b@two.test");
        rig.Until(() => delivered ? rig.Queue.Entries == 0 : rig.Logged("event=site_backoff"));
        Assert.Equal(delivered ? 1 : 0, _first.Messages.Count(m => m.Secure));
        Assert.Equal(delivered ? 1 : 0, _first.Messages.Count);
    }

    private static void OfferTls(ScriptedPeer peer, X509Certificate2? certificate)
    {
        peer.Offers = ["PIPELINING", "STARTTLS", "8BITMIME"];
        peer.Certificate = certificate;
    }

    internal static X509Certificate2 SelfSigned(string name)
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=" + name, key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        if (IPAddress.TryParse(name, out IPAddress? address))
        {
            names.AddIpAddress(address);
        }
        else
        {
            names.AddDnsName(name);
        }
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        using X509Certificate2 made = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(10));
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pfx), null);
    }

    private DeliverRig Start(Limits limits, TlsPolicy tls = TlsPolicy.Opportunistic, X509Certificate2Collection? authorities = null)
    {
        _rig = new DeliverRig(_first.Port, limits, tls, authorities);
        _rig.Domain("two.test", "127.0.0.1", "127.0.0.2");
        return _rig;
    }
}
