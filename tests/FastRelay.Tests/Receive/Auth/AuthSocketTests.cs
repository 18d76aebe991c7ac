using System.Security.Authentication;
using System.Text;
using System.Text.RegularExpressions;
using FastRelay.EndToEnd.Rig;
using FastRelay.Outside;
using FastRelay.Receive;
using FastRelay.Tests.Outside;
using FastRelay.Tests.Receive.Rig;

namespace FastRelay.Tests.Receive.Auth;

/// <summary>AUTH, implicit TLS and submission over real sockets, from an address that may not relay by itself.</summary>
public sealed class AuthSocketTests : IDisposable
{
    private const string Stranger = "127.66.0.9";
    private const int Port25 = 0;
    private const int Port465 = 1;
    private const int Port587 = 2;

    private readonly RelayRig _rig = new(
        """
        [[listen]]
        address = "127.0.0.1:0"
        tls = "starttls"
        [[listen]]
        address = "127.0.0.1:0"
        tls = "implicit"
        [[listen]]
        address = "127.0.0.1:0"
        tls = "starttls"
        submission = true
        bare_newlines = "refuse"
        [[relay_for]]
        users = true
        networks = ["127.0.0.1"]
        [limits]
        auth_delay = "10ms"
        error_delay = "1ms"
        """,
        new ServerTls(TestCertificate.Server(SslProtocols.Tls12 | SslProtocols.Tls13)),
        ScramTests.Users(("alice", "wonder land"), ("bob", "builder")));

    public void Dispose() => _rig.Dispose();

    [Fact]
    public void AUTH_is_neither_offered_nor_taken_in_clear()
    {
        using SmtpTalk talk = _rig.Talk(Port25, Stranger);
        talk.Read();
        Assert.DoesNotContain("AUTH", talk.Say("EHLO client.test"), StringComparison.Ordinal);
        Assert.StartsWith("538 5.7.11", talk.Say("AUTH PLAIN " + Plain("alice", "wonder land")));
        Assert.StartsWith("250 2.1.0", talk.Say("MAIL FROM:<a@b.test>"));
        Assert.StartsWith("550 5.7.1", talk.Say("RCPT TO:<c@d.test>"));
    }

    [Theory]
    [InlineData(Port25)]
    [InlineData(Port465)]
    public void A_user_may_relay_from_anywhere_by_each_mechanism(int listener)
    {
        foreach (string mechanism in new[] { "PLAIN", "LOGIN", "SCRAM-SHA-256" })
        {
            using SmtpTalk talk = Secure(listener);
            Assert.Contains("250-AUTH PLAIN LOGIN SCRAM-SHA-256\n", talk.Say("EHLO client.test"), StringComparison.Ordinal);
            Assert.StartsWith("550 5.7.1", Recipient(talk));
            talk.Say("RSET");
            Assert.StartsWith("235 2.7.0", Authenticate(talk, mechanism, "alice", "wonder land"));
            Assert.DoesNotContain("AUTH", talk.Say("EHLO client.test"), StringComparison.Ordinal);
            Assert.Equal("Subject: auth\r\n\r\nx\r\n", _rig.PassThrough(talk, "Subject: auth\r\n\r\nx"));
            Assert.StartsWith("503 5.5.1", talk.Say("AUTH PLAIN"));
        }
        Assert.Contains(_rig.Sink.Arrivals, a => a.Text.Contains(" with ESMTPSA id ", StringComparison.Ordinal));
        Assert.True(_rig.Logged("event=auth", "mechanism=SCRAM-SHA-256", "user=alice"));
    }

    [Theory]
    [InlineData("PLAIN", "alice", "wrong")]
    [InlineData("LOGIN", "alice", "wrong")]
    [InlineData("SCRAM-SHA-256", "alice", "wrong")]
    [InlineData("PLAIN", "hunter2hunter2", "wonder land")]
    [InlineData("LOGIN", "hunter2hunter2", "wonder land")]
    [InlineData("SCRAM-SHA-256", "hunter2hunter2", "wonder land")]
    public void A_wrong_password_or_user_is_refused_alike_counted_and_cut(string mechanism, string user, string password)
    {
        using SmtpTalk talk = Secure(Port465);
        talk.Say("EHLO client.test");
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal("535 5.7.8 Authentication credentials invalid", Authenticate(talk, mechanism, user, password));
        }
        Assert.StartsWith("421 4.7.0", talk.Read());
        Assert.True(talk.IsClosed());
        Tool.Until(() => _rig.Logged("event=auth_failed"), 5, () => "the log");
        string log = string.Join('\n', _rig.Output.Lines);
        foreach (string secret in new[] { "wonder", "wrong", "hunter2", Plain(user, password), Convert.ToBase64String(Encoding.ASCII.GetBytes(password)) })
        {
            Assert.DoesNotContain(secret, log, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Odd_exchanges_are_told_and_the_session_goes_on()
    {
        using SmtpTalk talk = Secure(Port465);
        Assert.StartsWith("503 5.5.1", talk.Say("AUTH PLAIN"));
        talk.Say("EHLO client.test");
        Assert.StartsWith("501 5.5.4", talk.Say("AUTH"));
        Assert.StartsWith("504 5.5.4", talk.Say("AUTH CRAM-MD5"));
        Assert.StartsWith("501 5.5.2", talk.Say("AUTH PLAIN !"));
        Assert.Equal("334 ", talk.Say("AUTH PLAIN"));
        Assert.StartsWith("501 5.7.0", talk.Say("*"));
        Assert.Equal("334 ", talk.Say("AUTH PLAIN"));
        Assert.StartsWith("500 5.5.6", talk.Say(new string('A', 13_000)));
        Assert.StartsWith("535 5.7.8", talk.Say("AUTH PLAIN " + Plain("alice", new string('x', 8000))));
        Assert.StartsWith("500 5.5.2", talk.Say("NOOP " + new string('x', 8000)));
        talk.Say("MAIL FROM:<a@b.test>");
        Assert.StartsWith("503 5.5.1", talk.Say("AUTH PLAIN"));
        talk.Say("RSET");
        Assert.StartsWith("235 2.7.0", Authenticate(talk, "PLAIN", "bob", "builder"));
        Assert.StartsWith("503 5.5.1", talk.Say("STARTTLS"));
        Assert.StartsWith("250 2.1.0", talk.Say("MAIL FROM:<a@b.test> AUTH=<>"));
    }

    [Fact]
    public void A_submission_service_is_for_users_and_adds_what_is_missing()
    {
        using SmtpTalk talk = _rig.Talk(Port587).Hello();
        Assert.StartsWith("530 5.7.0 Must issue a STARTTLS", talk.Say("MAIL FROM:<a@b.test>"));
        talk.StartTls();
        talk.Say("EHLO client.test");
        Assert.StartsWith("530 5.7.0 Authentication required", talk.Say("MAIL FROM:<a@b.test>"));
        Assert.StartsWith("235", Authenticate(talk, "PLAIN", "bob", "builder"));
        const string fields = @"Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}\r\nMessage-ID: <[0-9A-Z]{13}@relay\.test>\r\n";
        Assert.Matches($"^From: a\r\n{fields}\r\nbody\r\n\r\nDate: x\r\n$", _rig.PassThrough(talk, "From: a\r\n\r\nbody\r\n\r\nDate: x"));
        Assert.Matches($"^{fields}\r\nbody\r\n$", _rig.PassThrough(talk, "\r\nbody"));
        Assert.Matches($"^From: a\r\nX-Date: b\r\n{fields}$", _rig.PassThrough(talk, "From: a\r\nX-Date: b"));
        Assert.Equal("dATE: mine\r\nMessage-Id : <1@2>\r\n\r\nx\r\n", _rig.PassThrough(talk, "dATE: mine\r\nMessage-Id : <1@2>\r\n\r\nx"));
        string large = $"Subject: {string.Concat(Enumerable.Repeat(new string('s', 70) + "\r\n ", 2000))}";
        Assert.Matches($"^Subject: (s+\r\n )+\r\n{fields}\r\nx\r\n$", _rig.PassThrough(talk, large + "\r\n\r\nx"));
        talk.Say("MAIL FROM:<a@b.test>");
        talk.Say("RCPT TO:<bare@d.test>");
        talk.Say("DATA");
        Assert.StartsWith("550 5.6.11", talk.Say("Subject: bare\r\n\r\none\ntwo\r\n."));
        talk.Say("MAIL FROM:<a@b.test>");
        talk.Say("RCPT TO:<bare@d.test>");
        Assert.StartsWith("550 5.6.11", talk.Say("BDAT 8 LAST\r\none\ntwo\r"));
    }

    [Fact]
    public void The_other_listeners_add_nothing()
    {
        using SmtpTalk talk = _rig.Talk(Port25).Hello();
        Assert.Equal("From: a\r\n\r\nbody\r\n", _rig.PassThrough(talk, "From: a\r\n\r\nbody"));
    }

    [Fact]
    public void Users_and_certificates_are_renewed_without_ending_sessions()
    {
        using SmtpTalk old = Secure(Port465);
        old.Say("EHLO client.test");
        _rig.Relay.Renew(_rig.Relay.Config, new ServerTls(TestCertificate.Server(SslProtocols.Tls13)), ScramTests.Users(("carol", "new")));
        Tool.Until(() => _rig.Logged("event=renewed", "users=1"), 10, () => "renewed");
        Assert.StartsWith("535", Authenticate(old, "PLAIN", "alice", "wonder land"));
        using SmtpTalk fresh = Secure(Port465);
        fresh.Say("EHLO client.test");
        Assert.StartsWith("535", Authenticate(fresh, "PLAIN", "alice", "wonder land"));
        Assert.StartsWith("235", Authenticate(fresh, "PLAIN", "carol", "new"));
    }

    [Fact]
    public void A_user_who_is_removed_sends_no_more()
    {
        using SmtpTalk talk = Secure(Port465);
        talk.Say("EHLO client.test");
        Assert.StartsWith("235", Authenticate(talk, "SCRAM-SHA-256", "alice", "wonder land"));
        Assert.StartsWith("250 2.1.0", talk.Say("MAIL FROM:<a@b.test>"));
        _rig.Relay.Renew(_rig.Relay.Config, new ServerTls(TestCertificate.Server(SslProtocols.Tls13)), ScramTests.Users(("bob", "builder")));
        _rig.WaitForLog("event=renewed", "users=1");
        // What has begun goes on.
        Assert.StartsWith("250 2.1.5", talk.Say("RCPT TO:<c@d.test>"));
        Assert.StartsWith("250 2.0.0", talk.Say("RSET"));
        Assert.StartsWith("421 4.7.0", talk.Say("MAIL FROM:<a@b.test>"));
        Assert.Equal("", talk.Read());
    }

    private SmtpTalk Secure(int listener)
    {
        SmtpTalk talk = _rig.Talk(listener, Stranger);
        if (listener == Port465)
        {
            talk.Secure();
            Assert.StartsWith("220 relay.test", talk.Read());
            return talk;
        }
        return talk.Hello().StartTls();
    }

    private static string Recipient(SmtpTalk talk)
    {
        Assert.StartsWith("250 2.1.0", talk.Say("MAIL FROM:<a@b.test>"));
        return talk.Say("RCPT TO:<c@d.test>");
    }

    private static string Authenticate(SmtpTalk talk, string mechanism, string user, string password)
    {
        switch (mechanism)
        {
            case "PLAIN":
                return talk.Say("AUTH PLAIN " + Plain(user, password));
            case "LOGIN":
                Assert.Equal("334 VXNlcm5hbWU6", talk.Say("AUTH LOGIN"));
                Assert.Equal("334 UGFzc3dvcmQ6", talk.Say(Convert.ToBase64String(Encoding.ASCII.GetBytes(user))));
                return talk.Say(Convert.ToBase64String(Encoding.ASCII.GetBytes(password)));
            default:
                var client = new ScramClient(user, password);
                string first = talk.Say("AUTH SCRAM-SHA-256 " + client.First);
                Assert.StartsWith("334 ", first);
                string final = talk.Say(client.Final(first[4..]));
                return final.StartsWith("334 ", StringComparison.Ordinal) && client.Trusts(final[4..]) ? talk.Say("") : final;
        }
    }

    private static string Plain(string user, string password) => Convert.ToBase64String(Encoding.ASCII.GetBytes($"\0{user}\0{password}"));
}
