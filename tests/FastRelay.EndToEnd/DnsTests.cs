using System.Net;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary>Mail finds its way by a real name server, and every kind of answer has its consequence.</summary>
public sealed class DnsTests : IDisposable
{
    private readonly IPAddress _first = Place.NewAddress();
    private readonly IPAddress _second = Place.NewAddress();
    private readonly IPAddress _third = Place.NewAddress();
    private readonly int _port = Place.FreePort();
    private readonly NsdServer _dns;
    private readonly RelayProcess _relay;

    public DnsTests()
    {
        _dns = new NsdServer(
            ("mail.test", $"""
                @ MX 10 first
                @ MX 20 second
                first A {_first}
                second A {_second}
                third A {_third}
                alias CNAME mail.test.
                noMx A {_third}
                nullmx MX 0 .
                nullmx A {_third}
                viaalias MX 10 thirdalias
                thirdalias CNAME third
                equal MX 10 second
                equal MX 10 third
                loop MX 10 relay.test.
                loop MX 20 third
                better MX 5 second
                better MX 10 relay.test.
                empty TXT "no address here"
                deadmx MX 10 gone
                """),
            ("broken.test", null),
            ("relay.test", $"@ A {_third}"));
        _relay = new RelayProcess(RelayProcess.MxConfig(_dns, _port)).Start();
    }

    public void Dispose()
    {
        _relay.Dispose();
        _dns.Dispose();
    }

    [Fact]
    public void The_most_preferred_MX_gets_the_mail()
    {
        using var first = new Sink(_first, _port);
        using var second = new Sink(_second, _port);
        Send("user@mail.test");
        first.WaitFor(a => a.To is ["user@mail.test"]);
        _relay.WaitForEmptyQueue();
        Assert.Empty(second.Arrivals);
    }

    [Fact]
    public void The_second_MX_gets_the_mail_when_the_first_refuses()
    {
        using var second = new Sink(_second, _port);
        Send("user@mail.test");
        second.WaitFor(a => a.To is ["user@mail.test"]);
        using var first = new Sink(_first, _port) { Answer = (verb, _) => verb == "CONNECT" ? "421 4.3.2 not now" : null };
        Send("other@mail.test");
        second.WaitFor(a => a.To is ["other@mail.test"]);
        _relay.WaitForEmptyQueue();
    }

    [Fact]
    public void A_host_without_MX_gets_its_mail_at_its_address()
    {
        using var sink = new Sink(_third, _port);
        Send("user@nomx.mail.test");
        sink.WaitFor(a => a.To is ["user@nomx.mail.test"]);
    }

    [Fact]
    public void A_domain_that_is_an_alias_is_followed()
    {
        using var first = new Sink(_first, _port);
        Send("user@alias.mail.test");
        first.WaitFor(a => a.To is ["user@alias.mail.test"]);
    }

    [Fact]
    public void An_MX_that_is_an_alias_is_followed()
    {
        using var sink = new Sink(_third, _port);
        Send("user@viaalias.mail.test");
        sink.WaitFor(a => a.To is ["user@viaalias.mail.test"]);
    }

    [Fact]
    public void Equal_preferences_share_the_load()
    {
        using var second = new Sink(_second, _port);
        using var third = new Sink(_third, _port);
        for (int i = 0; i < 40 && (second.Arrivals.IsEmpty || third.Arrivals.IsEmpty); i++)
        {
            Send($"user{i}@equal.mail.test");
            _relay.WaitForEmptyQueue();
            // A kept connection takes the next message, so each attempt waits until it has gone.
            Thread.Sleep(2500);
        }
        Assert.NotEmpty(second.Arrivals);
        Assert.NotEmpty(third.Arrivals);
    }

    [Theory]
    [InlineData("user@nullmx.mail.test", "5.1.10")]
    [InlineData("user@nosuch.mail.test", "5.1.2")]
    [InlineData("user@loop.mail.test", "5.4.6")]
    [InlineData("user@empty.mail.test", "5.4.4")]
    [InlineData("user@deadmx.mail.test", "5.4.4")]
    public void A_domain_that_takes_no_mail_bounces_at_once(string recipient, string code)
    {
        using var sink = new Sink(_first, _port);
        using var third = new Sink(_third, _port);
        Send(recipient, from: "sender@mail.test");
        Arrival bounce = sink.WaitFor(a => a.From.Length == 0 && a.To is ["sender@mail.test"]);
        Assert.Contains(code, bounce.Text);
        Assert.Contains(recipient, bounce.Text);
        Assert.Contains("report-type=delivery-status", bounce.Text);
        _relay.WaitForEmptyQueue();
        Assert.Single(sink.Arrivals);
        Assert.Empty(third.Arrivals);
    }

    [Fact]
    public void When_its_TTL_is_over_a_domain_is_asked_for_again_and_mail_follows_it()
    {
        string Zone(string host) => $"@ 1 MX 10 {host}\nold A {_first}\nnew A {_second}";
        using var dns = new NsdServer(("moving.test", Zone("old")));
        using RelayProcess relay = new RelayProcess(RelayProcess.MxConfig(dns, _port, "[limits]\ndns_ttl_floor = \"0s\"\nreuse_idle = \"0s\"")).Start();
        using var old = new Sink(_first, _port);
        using var moved = new Sink(_second, _port);
        Send("before@moving.test", relay: relay);
        old.WaitFor(a => a.To is ["before@moving.test"]);
        dns.Change("moving.test", Zone("new"));
        int sent = 0;
        Tool.Until(() =>
        {
            Send($"after{sent++}@moving.test", relay: relay);
            relay.WaitForEmptyQueue();
            return !moved.Arrivals.IsEmpty;
        }, 30, () => "mail still goes to the old host\n" + relay.Log);
        Assert.Equal(1 + sent, old.Arrivals.Count + moved.Arrivals.Count);
    }

    [Fact]
    public void A_more_preferred_host_than_ourselves_still_gets_the_mail()
    {
        using var second = new Sink(_second, _port);
        Send("user@better.mail.test");
        second.WaitFor(a => a.To is ["user@better.mail.test"]);
    }

    [Fact]
    public void The_family_that_is_wanted_is_tried_first_and_a_reload_changes_it()
    {
        using var dns = new NsdServer(("both.test", $"@ MX 10 host\nhost A {_first}\nhost AAAA ::1"));
        using var four = new Sink(_first, _port);
        using var six = new Sink(IPAddress.IPv6Loopback, _port);
        using RelayProcess relay = new RelayProcess(RelayProcess.MxConfig(dns, _port, "[limits]\nreuse_idle = \"0s\"")
            .Replace("allow_private = true", "allow_private = true\nfamilies = \"ipv6-first\"", StringComparison.Ordinal)).Start();
        Send("one@both.test", relay: relay);
        six.WaitFor(a => a.To is ["one@both.test"]);
        relay.WaitForEmptyQueue();
        File.WriteAllText(relay.ConfigFile, File.ReadAllText(relay.ConfigFile).Replace("ipv6-first", "ipv4", StringComparison.Ordinal));
        Assert.Contains("deliver.families", relay.Command("reload").Ok().Output);
        Send("two@both.test", relay: relay);
        four.WaitFor(a => a.To is ["two@both.test"]);
        Assert.Single(six.Arrivals);
        Assert.Contains($"{_first}:{_port}", relay.Command("explain", "both.test").Ok().Output);
        Assert.DoesNotContain("::1", relay.Command("explain", "both.test").Output);
    }

    [Fact]
    public void A_host_that_is_called_as_a_source_of_ours_is_ourselves()
    {
        using var sink = new Sink(_first, _port);
        using var dns = new NsdServer(
            ("mail.test", $"@ MX 10 first\nfirst A {_first}"),
            ("own.test", $"@ MX 10 out1\n@ MX 20 other\nout1 A {_third}\nother A {_second}"));
        using RelayProcess relay = new RelayProcess(RelayProcess.MxConfig(dns, _port, "[[source]]\nname = \"out1\"\naddress = \"127.0.0.1\"\nehlo = \"out1.own.test\"")).Start();
        Send("user@own.test", relay: relay);
        Assert.Contains("5.4.6", sink.WaitFor(a => a.From.Length == 0).Text);
    }

    [Fact]
    public void An_answer_that_fits_no_datagram_comes_by_TCP()
    {
        string hosts = string.Join('\n', Enumerable.Range(0, 90).Select(i => $"@ MX {100 + i} a-host-of-a-rather-long-name-{i}"));
        using var dns = new NsdServer(("large.test", $"@ MX 10 last\nlast A {_second}\n{hosts}"));
        using RelayProcess relay = new RelayProcess(RelayProcess.MxConfig(dns, _port)).Start();
        using var second = new Sink(_second, _port);
        Send("user@large.test", relay: relay);
        second.WaitFor(a => a.To is ["user@large.test"]);
    }

    [Fact]
    public void A_failing_name_server_defers_and_says_so()
    {
        string id = Send("user@broken.test");
        Tool.Until(() => _relay.Command("queue", "show", id).Output.Contains("the server failed", StringComparison.Ordinal), 20,
            () => _relay.Command("queue", "show", id).Output + _relay.Log);
        Assert.Matches(@"event=dns_deferred destination=broken\.test .* dsn=4\.4\.3", _relay.Log);
        Assert.Equal(1, _relay.QueueCount());
    }

    [Fact]
    public void A_bounce_that_cannot_be_delivered_makes_no_other_bounce()
    {
        using var sink = new Sink(_first, _port);
        Send("user@nosuch.mail.test", from: "nobody@nosuch.mail.test");
        Tool.Until(() => _relay.Log.Contains("event=drop", StringComparison.Ordinal), 20, () => _relay.Log);
        _relay.WaitForEmptyQueue();
        Assert.Empty(sink.Arrivals);
    }

    private string Send(string to, string from = "sender@mail.test", RelayProcess? relay = null)
    {
        using SmtpTalk talk = (relay ?? _relay).Talk().Hello();
        Assert.StartsWith("250 2.1.0", talk.Say($"MAIL FROM:<{from}>"));
        Assert.StartsWith("250 2.1.5", talk.Say($"RCPT TO:<{to}>"));
        Assert.StartsWith("354 ", talk.Say("DATA"));
        string reply = talk.Say("Subject: to " + to + "\r\n\r\nhello\r\n.");
        Assert.StartsWith("250 2.0.0 ", reply);
        return reply.Split(' ')[^1];
    }
}
